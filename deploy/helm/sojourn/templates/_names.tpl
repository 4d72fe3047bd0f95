{{- define "sojourn.name" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "sojourn.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sojourn.labels" -}}
{{ include "sojourn.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "sojourn.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* What the pods of servers and of the migration share: nobody's rights, a file system that nothing writes to. */}}
{{- define "sojourn.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "sojourn.container" -}}
image: {{ include "sojourn.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* An environment variable out of the Secret. */}}
{{- define "sojourn.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key | quote }}}
{{- end }}

{{- define "sojourn.environment" -}}
{{- $secret := required "secret.name: the name of a Secret with the database's address and the root secret" .Values.secret.name -}}
- {name: SOJOURN_ISSUER, value: {{ required "issuer: as apps know it, like https://id.example.com" .Values.issuer | quote }}}
{{ include "sojourn.fromSecret" (dict "name" "SOJOURN_SECRET" "secret" $secret "key" .Values.secret.secretKey) }}
{{- with .Values.secret.databaseReadKey }}
{{ include "sojourn.fromSecret" (dict "name" "SOJOURN_DATABASE_READ" "secret" $secret "key" .) }}
{{- end }}
{{- with .Values.secret.redisKey }}
{{ include "sojourn.fromSecret" (dict "name" "SOJOURN_REDIS" "secret" $secret "key" .) }}
{{- end }}
{{- with .Values.secret.smtpKey }}
{{ include "sojourn.fromSecret" (dict "name" "SOJOURN_SMTP" "secret" $secret "key" .) }}
{{- end }}
{{- with .Values.trustedProxies }}
- {name: SOJOURN_TRUSTED_PROXIES, value: {{ join "," . | quote }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- if has $name (list "SECRET" "DATABASE" "DATABASE_READ" "REDIS" "SMTP") }}{{ fail (printf "settings.%s is secret: put it into the Secret" $name) }}{{ end }}
- {name: SOJOURN_{{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
