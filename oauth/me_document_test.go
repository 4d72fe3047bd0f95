package oauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// write sends a document, or a patch of one.
func (s *stage) write(token, method, key, body string, edit ...func(*http.Request)) reply {
	s.Helper()
	r := httptest.NewRequest(method, "/me/state/"+key, strings.NewReader(body))
	kinds := map[string]string{http.MethodPut: "application/json", http.MethodPatch: "application/merge-patch+json"}
	r.Header.Set("Content-Type", kinds[method])
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, changedRequest(r, append([]func(*http.Request){bearer(token)}, edit...)))
	return reply{stage: s, status: w.Code, header: w.Header(), body: w.Body.String()}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// holds checks what a document is, and returns its ETag.
func (s *stage) holds(token, key, want string) (etag string) {
	s.Helper()
	got := s.write(token, http.MethodGet, key, "").want(http.StatusOK)
	if got.body != want {
		s.Errorf("%s is %s, want %s", key, got.body, want)
	}
	return got.header.Get("ETag")
}

func TestDocument_isWrittenReadAndDeleted(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		phone, tablet := s.begin(c).AccessToken, s.begin(c).AccessToken
		s.write(phone, http.MethodGet, "k", "").want(http.StatusNotFound)
		made := s.write(phone, http.MethodPut, "k", ` { "a" : 1 } `).want(http.StatusCreated)
		first := s.holds(tablet, "k", `{"a":1}`)
		if first == "" || first != made.header.Get("ETag") || strings.HasPrefix(first, "W/") {
			t.Errorf("ETag %q, then %q", made.header.Get("ETag"), first)
		}
		put := s.write(tablet, http.MethodPut, "k", `[1.0]`).want(http.StatusNoContent)
		if second := s.holds(phone, "k", `[1.0]`); second == first || second != put.header.Get("ETag") {
			t.Errorf("ETags %q and %q", first, second)
		}
		patched := s.write(phone, http.MethodPatch, "k", `{"b":{"c":2}}`).want(http.StatusOK)
		if patched.body != `{"b":{"c":2}}` || patched.header.Get("ETag") != s.holds(tablet, "k", patched.body) {
			t.Errorf("patched to %s", patched.body)
		}
		s.write(phone, http.MethodPatch, "new", `{"a":1,"b":null}`).want(http.StatusCreated)
		s.holds(tablet, "new", `{"a":1}`)

		list := s.as(tablet, http.MethodGet, "/me/state").want(http.StatusOK).json["documents"].([]any)
		entry := list[0].(map[string]any)
		if len(list) != 2 || entry["key"] != "k" || entry["size"] != 13.0 || entry["etag"] != patched.header.Get("ETag") {
			t.Errorf("listed %v", list)
		}
		s.write(tablet, http.MethodDelete, "k", "").want(http.StatusNoContent)
		s.write(tablet, http.MethodDelete, "k", "").want(http.StatusNotFound)
		s.write(phone, http.MethodGet, "k", "").want(http.StatusNotFound)
	})
}

func TestDocument_isOneAppsAndOnePersons(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		own, other := s.begin(s.app()).AccessToken, s.begin(s.app()).AccessToken
		stranger := s.beginOf(s.addUser("eve@example.com")).AccessToken
		s.write(own, http.MethodPut, "k", `1`).want(http.StatusCreated)
		for _, token := range []string{other, stranger} {
			s.write(token, http.MethodGet, "k", "").want(http.StatusNotFound)
			s.write(token, http.MethodDelete, "k", "").want(http.StatusNotFound)
			s.write(token, http.MethodPut, "k", `2`).want(http.StatusCreated)
		}
		s.holds(own, "k", `1`)
	})
}

func TestDocument_aStaleETagIsRefusedWithWhatIsThere(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		token := s.begin(s.app()).AccessToken
		stale := s.write(token, http.MethodPut, "k", `{"v":1}`).want(http.StatusCreated).header.Get("ETag")
		s.write(token, http.MethodPut, "k", `{"v":2}`, header("If-Match", stale)).want(http.StatusNoContent)
		now := s.holds(token, "k", `{"v":2}`)
		for _, match := range []string{stale, "W/" + now, `"x"`, strings.Trim(now, `"`)} {
			for method, body := range map[string]string{http.MethodPut: `{"v":3}`, http.MethodPatch: `{"v":3}`, http.MethodDelete: ""} {
				got := s.write(token, method, "k", body, header("If-Match", match)).want(http.StatusPreconditionFailed)
				if got.body != `{"v":2}` || got.header.Get("ETag") != now || got.header.Get("Content-Type") != "application/json" {
					t.Errorf("%s with %s: %s %s", method, match, got.header.Get("ETag"), got.body)
				}
			}
		}
		s.write(token, http.MethodPut, "k", `3`, header("If-None-Match", "*")).want(http.StatusPreconditionFailed)
		s.holds(token, "k", `{"v":2}`)
		missing := s.write(token, http.MethodPut, "none", `3`, header("If-Match", "*")).want(http.StatusPreconditionFailed)
		if missing.header.Get("ETag") != "" || !strings.Contains(missing.body, "precondition_failed") {
			t.Errorf("of a document that is not there: %s", missing.body)
		}
		s.write(token, http.MethodPut, "k", `4`, header("If-None-Match", now)).want(http.StatusBadRequest)
		s.write(token, http.MethodPut, "k", `5`, header("If-Match", `"x", `+now)).want(http.StatusNoContent)
		s.write(token, http.MethodPut, "k", `6`, header("If-Match", "*")).want(http.StatusNoContent)
		s.write(token, http.MethodPut, "fresh", `7`, header("If-None-Match", "*")).want(http.StatusCreated)
	})
}

func TestDocument_isNotSentAgainToWhoHasIt(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		token := s.begin(s.app()).AccessToken
		tag := s.write(token, http.MethodPut, "k", `1`).want(http.StatusCreated).header.Get("ETag")
		for _, known := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			got := s.write(token, http.MethodGet, "k", "", header("If-None-Match", known)).want(http.StatusNotModified)
			if got.body != "" || got.header.Get("ETag") != tag {
				t.Errorf("%s: %q with ETag %s", known, got.body, got.header.Get("ETag"))
			}
		}
		s.write(token, http.MethodGet, "k", "", header("If-None-Match", `"x"`)).want(http.StatusOK)
	})
}

func TestDocument_refusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		token := s.begin(s.app()).AccessToken
		largest := `"` + strings.Repeat("x", identity.MaxDocument-2) + `"`
		s.write(token, http.MethodPut, "k", largest).want(http.StatusCreated)
		for name, try := range map[string]struct {
			method, key, body, kind string
			status                  int
		}{
			"one byte more":        {http.MethodPut, "k", largest + " ", "application/json", 413},
			"more by a patch":      {http.MethodPatch, "two", `{"b":` + largest[:9000] + `"}`, "application/merge-patch+json", 413},
			"a form":               {http.MethodPut, "k", `a=b`, "application/x-www-form-urlencoded", 415},
			"no type":              {http.MethodPut, "k", `{}`, "", 415},
			"a patch by put":       {http.MethodPut, "k", `{}`, "application/merge-patch+json", 415},
			"json as a patch":      {http.MethodPatch, "k", `{}`, "application/json", 415},
			"a json patch":         {http.MethodPatch, "k", `[]`, "application/json-patch+json", 415},
			"no json":              {http.MethodPut, "k", `{`, "application/json", 400},
			"nothing":              {http.MethodPut, "k", ``, "application/json", 400},
			"a member twice":       {http.MethodPut, "k", `{"a":1,"a":2}`, "application/json", 400},
			"broken UTF-8":         {http.MethodPut, "k", "\"\xff\"", "application/json", 400},
			"a key of 65 letters":  {http.MethodPut, strings.Repeat("k", 65), `{}`, "application/json", 400},
			"a key with a space":   {http.MethodPut, "a%20b", `{}`, "application/json", 400},
			"a key with a newline": {http.MethodPut, "a%0a", `{}`, "application/json", 400},
		} {
			if name == "more by a patch" {
				s.write(token, http.MethodPut, try.key, `{"a":`+largest[:9000]+`"}`).want(http.StatusCreated)
			}
			got := s.write(token, try.method, try.key, try.body, header("Content-Type", try.kind))
			if got.status != try.status || !strings.Contains(got.body, "error_description") {
				t.Errorf("%s: %d %s, want %d", name, got.status, got.body, try.status)
			}
			if patches := got.header.Get("Accept-Patch"); try.method == http.MethodPatch && patches != "application/merge-patch+json" {
				t.Errorf("%s: Accept-Patch is %q", name, patches)
			}
		}
		s.holds(token, "k", largest)
		for i := 2; i < identity.MaxDocuments; i++ {
			s.write(token, http.MethodPut, fmt.Sprint("k", i), `1`).want(http.StatusCreated)
		}
		s.write(token, http.MethodPut, "one-more", `1`).want(http.StatusConflict)
		s.write(token, http.MethodPatch, "one-more", `1`).want(http.StatusConflict)
	})
}

func TestDocument_of16WithOneETagExactlyOneWrites(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		token := s.begin(s.app()).AccessToken
		tag := s.write(token, http.MethodPut, "k", `"start"`).want(http.StatusCreated).header.Get("ETag")
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				got := s.write(token, http.MethodPut, "k", fmt.Sprint(i), header("If-Match", tag))
				switch got.status {
				case http.StatusNoContent:
					won.Add(1)
				case http.StatusPreconditionFailed:
					if got.body == `"start"` {
						t.Error("refused with what was there before")
					}
				default:
					t.Errorf("answered %d %s", got.status, got.body)
				}
			})
		}
		if all.Wait(); won.Load() != 1 {
			t.Errorf("%d of 16 wrote", won.Load())
		}
	})
}
