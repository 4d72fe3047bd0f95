package config_test

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sojourn-auth/sojourn/config"
)

// Two secrets: padded standard base64 and bare base64url.
const (
	oneSecret   = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	otherSecret = "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"
)

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, opts config.Options) config.Config {
	t.Helper()
	c, err := config.Load(opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad_defaults(t *testing.T) {
	t.Parallel()
	want := config.Config{
		Issuer: "http://localhost:8080", Listen: "127.0.0.1:8080", AdminListen: "127.0.0.1:8081",
		Database: "sqlite:sojourn-data/sojourn.db", DatabaseConns: 24, DatabaseConnLife: 30 * time.Minute,
		DatabaseStatementTimeout: 8 * time.Second, DatabaseLockTimeout: 3 * time.Second, MFA: "optional", Signup: "open", Registration: "token", ClientDocuments: "auto",
		SigningAlgs:      []string{"ES256", "RS256", "EdDSA"},
		ClaimsHook:       config.ClaimsHook{Timeout: 2 * time.Second, Cache: 15 * time.Minute, Failure: "closed"},
		ClientIdleExpiry: 90 * 24 * time.Hour, PasswordCost: config.HashCost{Memory: 19456, Passes: 2}, OperatorName: "Sojourn", TimeZone: "UTC", Anomalies: "on", LogFormat: "json", MetricsClients: 50, TraceSample: 0.05, RefreshDurability: "async",
		EventsKept: config.EventsKept{All: 9600 * time.Hour, Kinds: map[string]time.Duration{"session.forked": 168 * time.Hour}},
		AccessTTL:  10 * time.Minute, SessionIdle: 30 * 24 * time.Hour, SessionAbsolute: 180 * 24 * time.Hour,
		SignInIdle: 12 * time.Hour, SignInAbsolute: 14 * 24 * time.Hour,
	}
	for name, opts := range map[string]config.Options{"nothing given": {}, "empty variables": {Getenv: env(nil)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, load(t, opts), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoad_everyLayerBeatsTheOneBefore(t *testing.T) {
	t.Parallel()
	opts := config.Options{Defaults: map[string]string{"mfa": "off", "signup": "closed", "operator_name": "d", "registration": "open"}}
	check := func(want ...string) {
		t.Helper()
		c := load(t, opts)
		if diff := cmp.Diff(want, []string{c.MFA, c.Signup, c.OperatorName, c.Registration}); diff != "" {
			t.Error(diff)
		}
	}
	check("off", "closed", "d", "open")
	opts.File = file(t, "sojourn.yaml", "mfa: required\noperator_name: file\nregistration: token\n")
	check("required", "closed", "file", "token")
	opts.Getenv = env(map[string]string{"SOJOURN_OPERATOR_NAME": "env", "SOJOURN_REGISTRATION": "closed"})
	check("required", "closed", "env", "closed")
	opts.Flags = map[string]string{"registration": "open", "mfa": ""}
	check("required", "closed", "env", "open")
}

// everySetting is a file with each of them, none at its default.
const everySetting = `
issuer: https://id.example.com
listen: 0.0.0.0:80
admin_listen: "[::1]:81"
database: postgres://u:p@db/sojourn
database_conns: 12
database_conn_life: 1h
database_statement_timeout: 5s
database_lock_timeout: 500ms
secret: [` + oneSecret + `, ` + otherSecret + `]
mfa: off
signup: open
registration: open
client_documents: on
client_hosts: ["*.Example.com", app.example]
client_hosts_deny: bad.example.com
signing_algs: [RS256, ES256, RS256]
claims: [tenant=hook.tenant;openid;access_token]
claims_hook: https://claims.internal:8443/ask
claims_hook_secret: whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX
claims_hook_timeout: 1s
claims_hook_cache: 1m
claims_hook_failure: open
client_idle_expiry: 24h
events_kept: 4800h,signin.proved=720h
refresh_durability: strict
ending_journal: /var/log/sojourn/endings.jsonl
recovery_until: 2026-11-23T10:00:00+02:00
trusted_proxies: [10.0.0.0/8, "fd00::/8", 192.0.2.1]
fetch_allow: API.internal, 10.1.0.0/16
smtp: smtp://u:p@mail.example.com:587
mail_from: Harbour <no-reply@example.com>
operator_name: 1984
operator_logo: https://example.com/logo.png
timezone: Europe/Berlin
log_level: debug
log_format: text
anomalies: /etc/sojourn/rules.yaml
access_ttl: 5m
session_idle: 1h
metrics_clients: 7
otlp: http://collector:4318/
trace_sample: 0.5
session_absolute: 2h
signin_idle: 3h
signin_absolute: 4h
`

func TestLoad_yamlSpellsEverySetting(t *testing.T) {
	t.Parallel()
	c := load(t, config.Options{File: file(t, "sojourn.yaml", everySetting)})
	want := config.Config{
		Issuer: "https://id.example.com", Listen: "0.0.0.0:80", AdminListen: "[::1]:81", Database: "postgres://u:p@db/sojourn",
		DatabaseConns: 12, DatabaseConnLife: time.Hour, DatabaseStatementTimeout: 5 * time.Second, DatabaseLockTimeout: 500 * time.Millisecond,
		MFA: "off", Signup: "open", Registration: "open", ClientIdleExpiry: 24 * time.Hour,
		EventsKept:      config.EventsKept{All: 4800 * time.Hour, Kinds: map[string]time.Duration{"signin.proved": 720 * time.Hour}},
		ClientDocuments: "on", ClientHosts: config.Hosts{"*.example.com", "app.example"}, ClientHostsDeny: config.Hosts{"bad.example.com"}, SigningAlgs: []string{"ES256", "RS256"},
		Claims: []config.ClaimRule{{Claim: "tenant", From: "hook.tenant", Scope: "openid", Places: []string{"access_token"}}},
		ClaimsHook: config.ClaimsHook{
			URL: "https://claims.internal:8443/ask", Secret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", Timeout: time.Second, Cache: time.Minute, Failure: "open",
		},
		RefreshDurability: "strict", EndingJournal: "/var/log/sojourn/endings.jsonl", RecoveryUntil: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("192.0.2.1/32")},
		FetchAllow:     config.Places{Hosts: []string{"api.internal"}, Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
		SMTP:           "smtp://u:p@mail.example.com:587", MailFrom: "Harbour <no-reply@example.com>",
		PasswordCost: config.HashCost{Memory: 19456, Passes: 2}, OperatorName: "1984", OperatorLogo: "https://example.com/logo.png", TimeZone: "Europe/Berlin", Anomalies: "/etc/sojourn/rules.yaml", LogLevel: slog.LevelDebug, LogFormat: "text", MetricsClients: 7, TraceSample: 0.5,
		OTLP: "http://collector:4318/", Collector: config.Collector{Traces: "http://collector:4318/v1/traces", Metrics: "http://collector:4318/v1/metrics"},
		AccessTTL: 5 * time.Minute, SessionIdle: time.Hour, SessionAbsolute: 2 * time.Hour, SignInIdle: 3 * time.Hour, SignInAbsolute: 4 * time.Hour,
	}
	if len(c.Secret) != 2 || c.Secret[0][1] != 1 || c.Secret[1][0] != 0xff {
		t.Errorf("got %d secrets, or other ones", len(c.Secret))
	}
	c.Secret = nil
	if diff := cmp.Diff(want, c, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_readsSecretsFromFiles(t *testing.T) {
	t.Parallel()
	secret, database := file(t, "secret", oneSecret+"\n"), file(t, "database", "postgres://u:p@db/sojourn\n")
	c := load(t, config.Options{
		File:   file(t, "sojourn.yaml", "secret: "+otherSecret+"\ndatabase_file: "+database+"\n"),
		Getenv: env(map[string]string{"SOJOURN_SECRET_FILE": secret}),
	})
	if len(c.Secret) != 1 || c.Secret[0][31] != 31 {
		t.Error("the environment's file did not beat the YAML's value")
	}
	if string(c.Database) != "postgres://u:p@db/sojourn" {
		t.Errorf("database is %q", string(c.Database))
	}
}

func TestLoad_unknownKeyNamesTheNearest(t *testing.T) {
	t.Parallel()
	for key, nearest := range map[string]string{
		"isuer": "issuer", "SOJOURN_MFA": "mfa", "admin-listen": "admin_listen", "trusted_proxy": "trusted_proxies", "secret_files": "secret_file",
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			path := file(t, "sojourn.yaml", key+": x\n")
			_, err := config.Load(config.Options{File: path})
			want := path + `: "` + key + `" is not a setting; the nearest is "` + nearest + `"`
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestLoad_unreadableFiles(t *testing.T) {
	t.Parallel()
	gone := filepath.Join(t.TempDir(), "gone")
	for name, c := range map[string]struct {
		yaml string
		env  map[string]string
		want string
	}{
		"not YAML":         {"mfa: off\n  secret: hunter2: x\n", nil, "line 2"},
		"a list at large":  {"- hunter2\n", nil, "is not YAML"},
		"a mapping inside": {"mfa: {hunter2: yes}\n", nil, `"mfa" must be text`},
		"twice":            {"mfa: off\nmfa: off\n", nil, "line 2"},
		"too large":        {"#" + strings.Repeat("x", 1<<20), nil, "larger than"},
		"no secret file":   {"", map[string]string{"SOJOURN_SECRET_FILE": gone}, "SOJOURN_SECRET_FILE: open"},
		"empty secret":     {"", map[string]string{"SOJOURN_SECRET_FILE": os.DevNull}, "SOJOURN_SECRET_FILE: /dev/null is empty"},
		"both ways":        {"", map[string]string{"SOJOURN_SECRET_FILE": gone, "SOJOURN_SECRET": oneSecret}, "SOJOURN_SECRET and SOJOURN_SECRET_FILE are both set"},
		"no plain _FILE":   {"mfa_file: x\n", nil, `"mfa_file" is not a setting`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Options{File: file(t, "sojourn.yaml", c.yaml), Getenv: env(c.env)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats the file: %v", err)
			}
		})
	}
	if _, err := config.Load(config.Options{File: gone}); err == nil || !strings.Contains(err.Error(), gone) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A collector is named by OpenTelemetry's own environment, too; ours goes first.
func TestLoad_collectorOfTheEnvironment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		want config.Collector
		told string
	}{
		"none": {},
		"one for both": {
			env:  map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:4318/in/", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
			want: config.Collector{Traces: "https://c:4318/in/v1/traces", Metrics: "https://c:4318/in/v1/metrics", Protocol: "http/protobuf"},
		},
		"one for traces": {
			env:  map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/t", "OTEL_METRICS_EXPORTER": "none"},
			want: config.Collector{Traces: "http://c/t"},
		},
		"ours goes first": {
			env:  map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "SOJOURN_OTLP": "http://ours"},
			want: config.Collector{Traces: "http://ours/v1/traces", Metrics: "http://ours/v1/metrics"},
		},
		"switched off": {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}},
		"grpc":         {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, told: "http/protobuf"},
		"a password":   {env: map[string]string{"SOJOURN_OTLP": "http://u:p@c"}, told: "OTEL_EXPORTER_OTLP_HEADERS"},
		"no share":     {env: map[string]string{"SOJOURN_TRACE_SAMPLE": "NaN"}, told: "0 to 1"},
		"half a share": {env: map[string]string{"SOJOURN_TRACE_SAMPLE": "1/2"}, told: "not a number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Load(config.Options{Getenv: env(c.env)})
			if c.told != "" {
				if err == nil || !strings.Contains(err.Error(), c.told) {
					t.Errorf("%v does not say %q", err, c.told)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Collector); diff != "" {
				t.Error(diff)
			}
		})
	}
}
