package config

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
)

// Collector is where OpenTelemetry's signals go: URLs, empty where one is sent nowhere.
type Collector struct {
	Traces, Metrics string
	Protocol        string // that the environment asks for
}

// collector is SOJOURN_OTLP, or else what OpenTelemetry's own environment says (opentelemetry.io, OTLP Exporter Configuration).
// What else that says, headers, timeouts, certificates, compression, its library reads by itself.
func collector(base string, getenv func(string) string) Collector {
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return Collector{}
	}
	const exporter = "OTEL_EXPORTER_OTLP_"
	signal := func(name, path string) string {
		switch {
		case getenv("OTEL_"+name+"_EXPORTER") == "none":
			return ""
		case base != "":
			return strings.TrimSuffix(base, "/") + path
		case getenv(exporter+name+"_ENDPOINT") != "":
			return getenv(exporter + name + "_ENDPOINT")
		case getenv(exporter+"ENDPOINT") != "":
			return strings.TrimSuffix(getenv(exporter+"ENDPOINT"), "/") + path
		}
		return ""
	}
	return Collector{
		Traces: signal("TRACES", "/v1/traces"), Metrics: signal("METRICS", "/v1/metrics"), Protocol: getenv(exporter + "PROTOCOL"),
	}
}

func (c Collector) problem() string {
	if c.Traces+c.Metrics == "" {
		return ""
	}
	for _, to := range []string{c.Traces, c.Metrics} {
		u, err := url.Parse(to)
		if to == "" || err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil {
			continue
		}
		return "is not a URL like http://localhost:4318; what opens the collector belongs into OTEL_EXPORTER_OTLP_HEADERS"
	}
	if protocol := cmp.Or(c.Protocol, "http/protobuf"); protocol != "http/protobuf" {
		return fmt.Sprintf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: only http/protobuf is spoken (collectors take it on port 4318)", protocol)
	}
	return ""
}
