package loopback

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestCallback_believesOnlyTheAnswerToItsOwnRequest(t *testing.T) {
	t.Parallel()
	want := expected{state: "mine", issuer: "https://id.example"}
	for name, c := range map[string]struct {
		query  url.Values
		status int
		code   string
		says   string // of the error
	}{
		"right":           {url.Values{"state": {"mine"}, "iss": {"https://id.example"}, "code": {"c"}}, 200, "c", ""},
		"other state":     {url.Values{"state": {"other"}, "iss": {"https://id.example"}, "code": {"c"}}, 400, "", ""},
		"no state":        {url.Values{"iss": {"https://id.example"}, "code": {"c"}}, 400, "", ""},
		"another server":  {url.Values{"state": {"mine"}, "iss": {"https://evil.example"}, "code": {"c"}}, 200, "", "another server"},
		"no issuer":       {url.Values{"state": {"mine"}, "code": {"c"}}, 200, "", "another server"},
		"refused":         {url.Values{"state": {"mine"}, "iss": {"https://id.example"}, "error": {"access_denied"}}, 200, "", "access_denied"},
		"neither of both": {url.Values{"state": {"mine"}, "iss": {"https://id.example"}}, 200, "", "no code"},
	} {
		answers := make(chan answer, 1)
		w := httptest.NewRecorder()
		want.handler(answers).ServeHTTP(w, httptest.NewRequest(http.MethodGet, callback+"?"+c.query.Encode(), nil))
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", name, w.Code, c.status)
		}
		if c.status != http.StatusOK {
			if len(answers) != 0 {
				t.Errorf("%s: a stranger ended the wait", name)
			}
			continue
		}
		got := <-answers
		if got.code != c.code || (got.err == nil) != (c.says == "") || got.err != nil && !strings.Contains(got.err.Error(), c.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
