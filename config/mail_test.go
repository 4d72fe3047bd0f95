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
