# syntax=docker/dockerfile:1

# The program is one static file: no C library, no shell, nothing to keep patched.
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
# What is in it, read from the program itself (`make sbom`).
RUN go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 bin -json -output /sbom.cdx.json /sojourn
RUN mkdir /folder

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /sojourn /usr/local/bin/sojourn
COPY --from=build /sbom.cdx.json LICENSE NOTICE /usr/share/doc/sojourn/
# A number, so that Kubernetes' runAsNonRoot can tell. The folder is where SQLite would live.
COPY --from=build --chown=65532:65532 /folder /var/lib/sojourn
USER 65532:65532
WORKDIR /var/lib/sojourn
# Inside a container only the container's own network reaches this. The admin listener stays on loopback.
ENV SOJOURN_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/usr/local/bin/sojourn", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/sojourn"]
CMD ["serve"]
