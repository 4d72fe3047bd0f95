# syntax=docker/dockerfile:1

# The program is one static file: no C library, nothing to keep patched but the base.
FROM golang:1.26-alpine AS build
WORKDIR /src
# The module graph first: it changes seldom, so the downloads stay cached. third_party and sdk/go are replaced modules.
COPY go.mod go.sum ./
COPY third_party third_party
COPY sdk/go/go.mod sdk/go/go.sum sdk/go/
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.version=$VERSION" -o /sojourn ./cmd/sojourn

# Alpine rather than scratch: its wget lets docker-compose.yml ask /healthz, its CA bundle lets us fetch over https.
FROM alpine:3.22
COPY --from=build /sojourn /usr/local/bin/sojourn
COPY LICENSE NOTICE /usr/share/doc/sojourn/
# A number, so that Kubernetes' runAsNonRoot can tell. The folder is where SQLite would live.
RUN install -d -o 65532 -g 65532 /var/lib/sojourn
USER 65532:65532
WORKDIR /var/lib/sojourn
# Inside a container only the container's own network reaches this. The admin listener stays on loopback.
ENV SOJOURN_LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["sojourn"]
CMD ["serve"]
