package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/config"
)

// problem is a setting with a value that is no good, and what its error must say.
type problem struct{ variable, value, want string }

func TestLoad_everyProblemSaysWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	const (
		short = "AAECAwQFBgcICQoLDA0ODw=="
		flat  = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
		low   = "AAECAwQFBgABAgMEBQYAAQIDBAUGAAECAwQFBgABAgM="
		url   = "is not a URL like https://id.example.com"
		alone = "must be scheme and host alone"
	)
	checkProblems(t, map[string]problem{
		"issuer: no scheme":      {"ISSUER", "id.example.com", url},
		"issuer: other scheme":   {"ISSUER", "ftp://id.example.com", url},
		"issuer: no host":        {"ISSUER", "https://", url},
		"issuer: port alone":     {"ISSUER", "https://:443", url},
		"issuer: blank":          {"ISSUER", "https://id example.com", url},
		"issuer: other letters":  {"ISSUER", "https://idé.example.com", url},
		"issuer: trailing slash": {"ISSUER", "https://id.example.com/", "write https://id.example.com"},
		"issuer: path":           {"ISSUER", "https://id.example.com/auth", alone},
		"issuer: query":          {"ISSUER", "https://id.example.com?x=1", alone},
		"issuer: bare query":     {"ISSUER", "https://id.example.com?", alone},
		"issuer: fragment":       {"ISSUER", "https://id.example.com#", alone},
		"issuer: user":           {"ISSUER", "https://u@id.example.com", alone},
		"issuer: capitals":       {"ISSUER", "https://ID.example.com", "write https://id.example.com"},
		"issuer: default port":   {"ISSUER", "https://id.example.com:443", "write https://id.example.com"},
		"issuer: http":           {"ISSUER", "http://id.example.com", "use https"},
		"issuer: http, private":  {"ISSUER", "http://10.0.0.1:8080", "use https"},
		"listen: port alone":     {"LISTEN", "8080", "127.0.0.1:8080"},
		"listen: port too large": {"LISTEN", "127.0.0.1:65536", "127.0.0.1:8080"},
		"timezone: none":         {"TIMEZONE", "Europe/Atlantis", "is not a time zone like UTC or Europe/Berlin"},
		"timezone: local":        {"TIMEZONE", "Local", "is not a time zone"},
		"listen: named port":     {"LISTEN", ":http", "127.0.0.1:8080"},
		"admin: no port":         {"ADMIN_LISTEN", "localhost", "host:port"},
		"admin: taken":           {"ADMIN_LISTEN", "127.0.0.1:8080", "an address of their own"},
		"database: other":        {"DATABASE", "mysql://u:hunter2@db/x", "sqlite:PATH nor postgres://"},
		"database: no path":      {"DATABASE", "sqlite:", "sqlite:sojourn-data/sojourn.db"},
		"database: memory":       {"DATABASE", "sqlite::memory:", "names no file"},
		"database: folder":       {"DATABASE", "sqlite:data/", "names no file"},
		"database: bad escape":   {"DATABASE", "postgres://u:hunter2%zz@db/x", "percent-encoded"},
		"secret: not base64":     {"SECRET", "hunter2!", "secret 1 is not base64; make one with: openssl rand -base64 32"},
		"secret: short":          {"SECRET", oneSecret + "," + short, "secret 2 is 16 bytes long, must be exactly 32"},
		"secret: long":           {"SECRET", "AAAA" + oneSecret, "must be exactly 32"},
		"secret: one byte":       {"SECRET", flat, "is not random"},
		"secret: seven bytes":    {"SECRET", low, "is not random"},
		"secret: very many":      {"SECRET", strings.Repeat(oneSecret+",", 17), "at most 16"},
	})
}

func TestLoad_everyProblemOfAPolicySaysWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	checkProblems(t, map[string]problem{
		"read: a file":         {"DATABASE_READ", "sqlite:copy.db", "like postgres://user:password@replica/name"},
		"read: of SQLite":      {"DATABASE_READ", "postgres://u:tiger@replica/db", "for PostgreSQL alone"},
		"conns: none":          {"DATABASE_CONNS", "0", "3 to 1000"},
		"conns: words":         {"DATABASE_CONNS", "many", `"many" is not a number like 24`},
		"conns: endless":       {"DATABASE_CONNS", "1001", "max_connections"},
		"conn life: short":     {"DATABASE_CONN_LIFE", "1s", "at least 1m0s"},
		"statement: none":      {"DATABASE_STATEMENT_TIMEOUT", "0s", "at least 1s"},
		"lock: long":           {"DATABASE_LOCK_TIMEOUT", "9s", "SOJOURN_DATABASE_STATEMENT_TIMEOUT (8s)"},
		"lock: none":           {"DATABASE_LOCK_TIMEOUT", "0s", "at least 100ms"},
		"mfa":                  {"MFA", "on", `"on" is not one of optional, required, off`},
		"signup":               {"SIGNUP", "token", "open, closed"},
		"registration":         {"REGISTRATION", "yes", "open, token, closed"},
		"claims: our own":      {"CLAIMS", "sub=email", `the claim sub is this server's own`},
		"claims: our own, too": {"CLAIMS", "SUB=email", `the claim SUB is this server's own`},
		"claims: no source":    {"CLAIMS", "roles=password", `"roles=password" is not a claim like`},
		"claims: no place":     {"CLAIMS", "roles=groups;profile;cookie", `is not a claim like`},
		"claims: twice":        {"CLAIMS", "roles=groups,roles=name", `the claim roles is there twice`},
		"algs: no RS256":       {"SIGNING_ALGS", "ES256,EdDSA", `RS256 is missing`},
		"algs: no ES256":       {"SIGNING_ALGS", "RS256", `ES256 is missing`},
		"algs: a secret's":     {"SIGNING_ALGS", "ES256,RS256,HS256", `"HS256" is not one of ES256, RS256, EdDSA, PS256, Ed25519`},
		"algs: none":           {"SIGNING_ALGS", "ES256,RS256,none", `"none" is not one of`},
		"schemes: a URI":       {"REDIRECT_SCHEMES", "cursor://", `"cursor://" is not a scheme like cursor`},
		"schemes: a dot":       {"REDIRECT_SCHEMES", "cursor,com.example", `"com.example" is not a scheme like cursor`},
		"client documents":     {"CLIENT_DOCUMENTS", "yes", "auto, on, off"},
		"client hosts":         {"CLIENT_HOSTS", "https://app.example/", "no host like app.example.com or *.example.com"},
		"client hosts: star":   {"CLIENT_HOSTS_DENY", "app.*", "no host like app.example.com or *.example.com"},
		"idle expiry: no unit": {"CLIENT_IDLE_EXPIRY", "90", `"90" is not a duration like 10m or 720h`},
		"idle expiry: short":   {"CLIENT_IDLE_EXPIRY", "1m", "at least 1h"},
		"events: no unit":      {"EVENTS_KEPT", "400", `"400" is not a duration for all events, and others for kinds, like 9600h,session.forked=168h`},
		"events: twice":        {"EVENTS_KEPT", "9600h,a.b=50h,a.b=60h", "is not a duration for all events"},
		"events: kinds alone":  {"EVENTS_KEPT", "a.b=50h", "says nothing of all events"},
		"TLS: half":            {"TLS_CERT", "cert.pem", "set both SOJOURN_TLS_CERT and SOJOURN_TLS_KEY"},
		"proxies: name":        {"TRUSTED_PROXIES", "10.0.0.0/8,proxy", `"proxy" is not a network like 10.0.0.0/8`},
		"proxies: host bits":   {"TRUSTED_PROXIES", "10.1.2.3/8", "write 10.0.0.0/8"},
		"proxies: everyone":    {"TRUSTED_PROXIES", "::/0", "trusts everyone"},
		"fetch: URL":           {"FETCH_ALLOW", "https://api.internal", "neither a host"},
		"fetch: port":          {"FETCH_ALLOW", "api.internal:8080", "neither a host"},
		"cost: not one":        {"PASSWORD_COST", "m=19456,t=2,p=1", "a cost of argon2id like m=19456,t=2"},
		"cost: cheap":          {"PASSWORD_COST", "m=19456,t=1", "too cheap to guess against"},
		"cost: little memory":  {"PASSWORD_COST", "m=64,t=100", "m=7168 to m=1048576"},
		"cost: endless":        {"PASSWORD_COST", "m=19456,t=101", "at most t=100"},
		"operator: blank":      {"OPERATOR_NAME", " ", "1 to 100 bytes"},
		"operator: two lines":  {"OPERATOR_NAME", "a\nb", "1 to 100 bytes"},
		"operator: long":       {"OPERATOR_NAME", strings.Repeat("x", 101), "1 to 100 bytes"},
		"logo: http":           {"OPERATOR_LOGO", "http://example.com/logo.png", "neither an https URL nor a file"},
		"logo: no file":        {"OPERATOR_LOGO", "logo.png", "neither an https URL nor a file"},
		"log level":            {"LOG_LEVEL", "trace", "debug, info, warn, error"},
		"refresh durability":   {"REFRESH_DURABILITY", "off", "async, strict"},
		"recovery: no time":    {"RECOVERY_UNTIL", "tomorrow", "a time like 2026-01-02T15:04:05Z"},
		"log format":           {"LOG_FORMAT", "xml", "json, text"},
		"access: short":        {"ACCESS_TTL", "59s", "at least 1m0s"},
		"access: long":         {"ACCESS_TTL", "61m", "at most 1h0m0s"},
		"session idle: long":   {"SESSION_IDLE", "4321h", "SOJOURN_SESSION_ABSOLUTE (4320h0m0s)"},
		"session idle: none":   {"SESSION_IDLE", "0s", "at least 1m0s"},
		"session absolute":     {"SESSION_ABSOLUTE", "1000000h", "at most"},
		"sign-in idle: long":   {"SIGNIN_IDLE", "337h", "SOJOURN_SIGNIN_ABSOLUTE (336h0m0s)"},
		"sign-in absolute":     {"SIGNIN_ABSOLUTE", "-1h", "at least 1m0s"},
	})
}

func checkProblems(t *testing.T, problems map[string]problem) {
	t.Helper()
	for name, c := range problems {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Options{Getenv: env(map[string]string{"SOJOURN_" + c.variable: c.value})})
			if err == nil || !strings.Contains(err.Error(), "SOJOURN_"+c.variable+": ") || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got  %v\nwant SOJOURN_%s: … %s", err, c.variable, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestLoad_tellsEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Options{
		File: file(t, "sojourn.yaml", "isuer: x\nmfa: maybe\n"),
		Getenv: env(map[string]string{
			"SOJOURN_ISSUER": "http://id.example.com", "SOJOURN_DATABASE": "postgres://u@db/x", "SOJOURN_ACCESS_TTL": "soon",
		}),
		Flags: map[string]string{"listen": "nowhere"},
	})
	if err == nil {
		t.Fatal("no problem at all")
	}
	lines := strings.Split(err.Error(), "\n")
	for _, want := range []string{`"isuer"`, "SOJOURN_MFA", "SOJOURN_ISSUER", "SOJOURN_SECRET", "SOJOURN_ACCESS_TTL", "SOJOURN_LISTEN"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing", want)
		}
	}
	if len(lines) != 6 {
		t.Errorf("got %d problems, want 6:\n%v", len(lines), err)
	}
}

func TestLoad_whatCannotBeReadIsToldOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Options{Getenv: env(map[string]string{"SOJOURN_DATABASE": "postgres://u@db/x", "SOJOURN_SECRET": "x"})})
	if err == nil || strings.Count(err.Error(), "SOJOURN_SECRET") != 1 {
		t.Errorf("got %v, want one problem with SOJOURN_SECRET", err)
	}
}

func TestLoad_goodIssuers(t *testing.T) {
	t.Parallel()
	for issuer, loopback := range map[string]bool{
		"https://id.example.com": false, "https://id.example.com:8443": false, "https://[2001:db8::1]": false, "https://localhost": true,
		"http://localhost:1": true, "http://127.0.0.2": true, "http://[::1]:8080": true,
	} {
		t.Run(issuer, func(t *testing.T) {
			t.Parallel()
			c := load(t, config.Options{Flags: map[string]string{"issuer": issuer}})
			if c.Loopback() != loopback {
				t.Errorf("Loopback = %v", c.Loopback())
			}
		})
	}
}

func TestValidate_judgesAConfigMadeByHand(t *testing.T) {
	t.Parallel()
	c := load(t, config.Options{})
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	c.Issuer, c.Database, c.LogFormat = "http://example.com", "postgres://db/x", "text"
	err := c.Validate()
	if err == nil || !strings.Contains(err.Error(), "SOJOURN_ISSUER") || !strings.Contains(err.Error(), "SOJOURN_SECRET") {
		t.Errorf("got %v", err)
	}
}

func TestLoad_tlsPair(t *testing.T) {
	t.Parallel()
	cert, key := selfSigned(t)
	good := map[string]string{"issuer": "https://id.example.com", "tls_cert": cert, "tls_key": key}
	load(t, config.Options{Flags: good})
	for name, flags := range map[string]map[string]string{
		"no such file": {"issuer": "https://x.example", "tls_cert": cert, "tls_key": key + "x"},
		"swapped":      {"issuer": "https://x.example", "tls_cert": key, "tls_key": cert},
		"http issuer":  {"tls_cert": cert, "tls_key": key},
	} {
		if _, err := config.Load(config.Options{Flags: flags}); err == nil || !strings.Contains(err.Error(), "TLS") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoad_mailProblemsSayWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	const (
		from = "Harbour <no-reply@example.com>"
		like = "is not a URL like smtp://"
	)
	for name, c := range map[string]struct {
		smtp, from, issuer, variable, want string
	}{
		"no sender":          {"smtp://h", "", "", "MAIL_FROM", "is required with SOJOURN_SMTP"},
		"no address":         {"smtp://h", "Harbour", "", "MAIL_FROM", `"Harbour" is not an address like Harbour <`},
		"two senders":        {"smtp://h", "a@x.org, b@x.org", "", "MAIL_FROM", "is not an address"},
		"sender of 2 lines":  {"smtp://h", "A\r\nBcc: <b@x.org>", "", "MAIL_FROM", "is not an address"},
		"host alone":         {"mail.example.com", from, "", "SMTP", like},
		"other scheme":       {"http://hunter2:x@h", from, "", "SMTP", like},
		"no host":            {"smtp://", from, "", "SMTP", like},
		"port 0":             {"smtp://h:0", from, "", "SMTP", like},
		"port too large":     {"smtp://h:65536", from, "", "SMTP", like},
		"path":               {"smtp://u:hunter2@h/x", from, "", "SMTP", "after the host"},
		"query":              {"smtp://u:hunter2@h?x=1", from, "", "SMTP", "after the host"},
		"fragment":           {"smtp://u:hunter2@h#x", from, "", "SMTP", "after the host"},
		"bad escape":         {"smtp://u:hunter2%zz@h", from, "", "SMTP", "percent-encoded"},
		"user alone":         {"smtp://u@h", from, "", "SMTP", "write both"},
		"empty password":     {"smtp://u:@h", from, "", "SMTP", "write both"},
		"password alone":     {"smtp://:hunter2@h", from, "", "SMTP", "write both"},
		"shown to strangers": {"print:", from, "https://id.example.com", "SMTP", "on this machine alone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags := map[string]string{"smtp": c.smtp, "mail_from": c.from, "issuer": c.issuer}
			_, err := config.Load(config.Options{Flags: flags})
			if err == nil || !strings.HasPrefix(err.Error(), "SOJOURN_"+c.variable+": ") || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got  %v\nwant SOJOURN_%s: … %s", err, c.variable, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error tells a secret, or more than one problem: %v", err)
			}
		})
	}
}

func TestLoad_goodMailServers(t *testing.T) {
	t.Parallel()
	for server, shown := range map[string]string{
		"": "", "print:": "print:", "smtp://h": "smtp://h", "smtps://mail.example.com/": "smtps://mail.example.com/",
		"smtp://u:p%40ss@[2001:db8::1]:25": "smtp://u:xxxxx@[2001:db8::1]:25",
	} {
		c := load(t, config.Options{Flags: map[string]string{"smtp": server, "mail_from": "no-reply@example.com"}})
		if c.SMTP.String() != shown || string(c.SMTP) != server {
			t.Errorf("%s shows itself as %s", server, c.SMTP)
		}
	}
}

func TestLoad_readsTheMailServerFromAFile(t *testing.T) {
	t.Parallel()
	path := file(t, "smtp", "smtps://u:p@mail.example.com\n")
	c := load(t, config.Options{Getenv: env(map[string]string{
		"SOJOURN_SMTP_FILE": path, "SOJOURN_MAIL_FROM": "no-reply@example.com",
	})})
	if string(c.SMTP) != "smtps://u:p@mail.example.com" {
		t.Errorf("SMTP is %s", string(c.SMTP))
	}
}

func TestSMTP_neverShowsThePassword(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"smtp://u:hunter2@h", "smtp://u:hunter2%zz@h", "hunter2"} {
		c := load(t, config.Options{})
		c.SMTP = config.SMTP(server)
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", c, "smtp", c.SMTP)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+verb, c, c.SMTP)
		}
		encoded, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		shown := out.String() + string(encoded) + c.String()
		if strings.Contains(shown, "hunter2") || strings.Contains(shown, "68756e74657232") {
			t.Errorf("the password of %s shows in\n%s", server, shown)
		}
	}
}
