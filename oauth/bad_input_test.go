package oauth_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

const formType = "application/x-www-form-urlencoded"

// Whatever comes in: the right RFC error as JSON, never a 5xx, and nothing is touched.
func TestToken_badInput(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		form := redeeming(c, s.code(asking(c), s.signIn(s.user)))
		good := form.Encode()
		tests := []struct {
			name, method, path, contentType, body string
			status                                int
			code                                  string
		}{
			{"get", "GET", "/oauth2/token?" + good, "", "", 405, "invalid_request"},
			{"put", "PUT", "/oauth2/token", formType, good, 405, "invalid_request"},
			{"delete", "DELETE", "/oauth2/token", formType, good, 405, "invalid_request"},
			{"no content type", "POST", "/oauth2/token", "", good, 400, "invalid_request"},
			{"json", "POST", "/oauth2/token", "application/json", `{"grant_type":"x"}`, 400, "invalid_request"},
			{"multipart", "POST", "/oauth2/token", "multipart/form-data; boundary=x", good, 400, "invalid_request"},
			{"odd content type", "POST", "/oauth2/token", ";;;", good, 400, "invalid_request"},
			{"empty body", "POST", "/oauth2/token", formType, "", 400, "invalid_request"},
			{"parameters in the query", "POST", "/oauth2/token?" + good, formType, "", 400, "invalid_request"},
			{"too large", "POST", "/oauth2/token", formType, good + "&x=" + strings.Repeat("x", 66_000), 413, "invalid_request"},
			{"broken escape", "POST", "/oauth2/token", formType, good + "&x=%zz", 400, "invalid_request"},
			{"semicolon", "POST", "/oauth2/token", formType, good + ";x=1", 400, "invalid_request"},
			{"not UTF-8", "POST", "/oauth2/token", formType, good + "&x=%ff", 400, "invalid_request"},
			{"not UTF-8 in a name", "POST", "/oauth2/token", formType, good + "&%ff=x", 400, "invalid_request"},
			{"NUL", "POST", "/oauth2/token", formType, good + "&x=%00", 400, "invalid_request"},
			{"repeated", "POST", "/oauth2/token", formType, good + "&code=x", 400, "invalid_request"},
			{"repeated alike", "POST", "/oauth2/token", formType, good + "&client_id=" + c.ID, 400, "invalid_request"},
			{"repeated unknown", "POST", "/oauth2/token", formType, good + "&x=1&x=2", 400, "invalid_request"},
			{"no grant_type", "POST", "/oauth2/token", formType, "code=x", 400, "invalid_request"},
			{"empty grant_type", "POST", "/oauth2/token", formType, "grant_type=", 400, "invalid_request"},
			// fosite calls these two invalid_request.
			{"unknown grant_type", "POST", "/oauth2/token", formType, "grant_type=password", 400, "unsupported_grant_type"},
			{"two grant_types", "POST", "/oauth2/token", formType, "grant_type=refresh_token+x", 400, "unsupported_grant_type"},
			{"no client", "POST", "/oauth2/token", formType, "grant_type=refresh_token&refresh_token=x", 401, "invalid_client"},
		}
		for _, test := range tests {
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			r.Header.Set("Content-Type", test.contentType)
			got := s.read(s.send(r))
			if got.Status != test.status || got.Error != test.code || got.Description == "" || got.Action != "stop" || got.Header.Get("Retry-After") != "" {
				t.Errorf("%s: answered %d %s %q (%s), want %d %s",
					test.name, got.Status, got.Error, got.Action, got.Description, test.status, test.code)
			}
			if got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: may be cached", test.name)
			}
			if (test.status == 405) != (got.Header.Get("Allow") != "") {
				t.Errorf("%s: Allow is %q", test.name, got.Header.Get("Allow"))
			}
		}
		r := httptest.NewRequest(http.MethodPost, "/oauth2/token?grant_type=password&code=x&client_id=nobody",
			strings.NewReader(good+"&unknown=1&code_verifier="))
		r.Header.Set("Content-Type", formType+"; charset=utf-8")
		s.good(s.read(s.send(r)))
	})
}

func TestToken_aBodyThatBreaksOffIsRefused(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		r := httptest.NewRequest(http.MethodPost, "/oauth2/token", brokenOff{})
		r.Header.Set("Content-Type", formType)
		s.bad(s.read(s.send(r)), 400, "invalid_request", "retry")
	})
}

type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, http.ErrHandlerTimeout }

func TestToken_oddHeadersDoNoHarm(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		form := redeeming(c, s.code(asking(c), s.signIn(s.user)))
		got := s.post(form, func(r *http.Request) {
			r.RemoteAddr = "not an address"
			r.Header.Set("User-Agent", "app\x00\xff"+strings.Repeat("x", 5000))
		})
		s.good(got)
		if row := s.session(got); len(row.UserAgent) > 256 || strings.ContainsRune(row.UserAgent, 0) {
			t.Errorf("the user agent is kept as %q", row.UserAgent)
		}
	})
}

// A description is for developers, a log for operators: neither tells a secret.
func TestToken_noErrorAndNoLogCarriesASecret(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		var log strings.Builder
		s.rebuild(func(o *oauth.Options) {
			o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		c := s.app(s.confidential)
		phone := s.app()
		live := s.begin(phone).RefreshToken
		s.pass(2 * time.Second)
		for _, got := range []told{
			s.post(own("client_id", c.ID, "client_secret", "topsecret")),
			s.post(own(), asClient(identity.Client{ID: "x"}, "topsecret")),
			s.post(refreshing(c, "topsecret", "client_id", ""), asClient(c, clientSecret)),
			s.post(redeeming(c, "topsecret", "client_id", "", "code_verifier", "topsecret"), asClient(c, clientSecret)),
			s.post(refreshing(phone, live), tooLate),
		} {
			for _, told := range []string{got.Description, log.String()} {
				if strings.Contains(told, "topsecret") || strings.Contains(told, clientSecret) ||
					strings.Contains(told, live) {
					t.Errorf("%q", told)
				}
			}
		}
		if log.Len() == 0 {
			t.Error("the database that did not answer is not in the log")
		}
	})
}
