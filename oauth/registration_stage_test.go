package oauth_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
	"github.com/sojourn-auth/sojourn/storage"
)

// registrationBy sets how clients may register.
func registrationBy(mode string) with { return func(o *oauth.Options) { o.Registration = mode } }

// reply is an answer of the endpoints that clients and resource servers talk to.
type reply struct {
	*stage
	status int
	header http.Header
	body   string
	json   map[string]any
}

// ask serves one request. Nothing that a client sends may be a fault of ours, and nobody may keep an answer.
func (s *stage) ask(r *http.Request) reply {
	s.Helper()
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	a := reply{stage: s, status: w.Code, header: w.Header(), body: w.Body.String()}
	if w.Code == http.StatusInternalServerError {
		s.Errorf("%s %s: 500 %s", r.Method, r.URL, a.body)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		s.Errorf("%s %s: Cache-Control %q", r.Method, r.URL, w.Header().Get("Cache-Control"))
	}
	if a.body != "" && json.Unmarshal(w.Body.Bytes(), &a.json) != nil {
		s.Errorf("%s %s: %d %q is not JSON", r.Method, r.URL, w.Code, a.body)
	}
	return a
}

func (s *stage) askForm(path string, form url.Values, edit ...func(*http.Request)) reply {
	s.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.ask(changedRequest(r, edit))
}

func (s *stage) askJSON(method, path, body string, edit ...func(*http.Request)) reply {
	s.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return s.ask(changedRequest(r, edit))
}

func changedRequest(r *http.Request, edit []func(*http.Request)) *http.Request {
	for _, change := range edit {
		change(r)
	}
	return r
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// tooLate is a request whose time is up before the database answers.
func tooLate(r *http.Request) {
	ctx, cancel := context.WithDeadline(r.Context(), time.Unix(1, 0))
	cancel()
	*r = *r.WithContext(ctx)
}

func (a reply) want(status int) reply {
	a.Helper()
	if a.status != status {
		a.Fatalf("answered %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

func (a reply) refused(status int, code string) reply {
	a.Helper()
	if a.status != status || a.json["error"] != code || a.json["error_description"] == "" {
		a.Errorf("answered %d, want %d %s with a description: %s", a.status, status, code, a.body)
	}
	challenge := a.header.Get("WWW-Authenticate")
	if status == http.StatusUnauthorized && challenge == "" {
		a.Errorf("401 %s without WWW-Authenticate", code)
	}
	return a
}

// away checks the answer while the database is away: the app asks again, and nothing tells it to sign out.
func (a reply) away() {
	a.Helper()
	a.refused(http.StatusServiceUnavailable, "temporarily_unavailable")
	if a.header.Get("Retry-After") == "" || a.json["action"] != "retry" {
		a.Errorf("no way on: Retry-After %q, %s", a.header.Get("Retry-After"), a.body)
	}
}

func (a reply) text(member string) string {
	a.Helper()
	text, ok := a.json[member].(string)
	if !ok {
		a.Fatalf("no text %s in %s", member, a.body)
	}
	return text
}

func (a reply) members() []string { return slices.Sorted(maps.Keys(a.json)) }

// badForms are what an endpoint for forms is sent by broken and by curious clients.
func (s *stage) badForms(path string) {
	s.Helper()
	const form = "application/x-www-form-urlencoded"
	c := s.app()
	for name, b := range map[string]struct {
		method, kind, body string
		status             int
	}{
		"GET":                {http.MethodGet, "", "", 405},
		"PUT":                {http.MethodPut, form, "token=x", 405},
		"no content type":    {http.MethodPost, "", "token=x", 400},
		"JSON":               {http.MethodPost, "application/json", `{"token":"x"}`, 400},
		"multipart":          {http.MethodPost, "multipart/form-data; boundary=x", "--x--", 400},
		"too large":          {http.MethodPost, form, "token=" + strings.Repeat("x", 65<<10), 413},
		"repeated parameter": {http.MethodPost, form, "client_id=" + c.ID + "&client_id=" + c.ID + "&token=x", 400},
		"repeated token":     {http.MethodPost, form, "client_id=" + c.ID + "&token=x&token=y", 400},
		"malformed UTF-8":    {http.MethodPost, form, "client_id=" + c.ID + "&token=%ff%fe", 400},
		"NUL":                {http.MethodPost, form, "client_id=" + c.ID + "&token=a%00b", 400},
		"broken escape":      {http.MethodPost, form, "client_id=" + c.ID + "&token=%zz", 400},
		"unknown client":     {http.MethodPost, form, "client_id=nobody&token=x", 401},
		"no client":          {http.MethodPost, form, "token=x", 401},
		"NUL in the client":  {http.MethodPost, form, "client_id=a%00&token=x", 400},
		"two methods":        {http.MethodPost, form, "client_id=a&client_secret=b&client_assertion=c&client_assertion_type=d", 400},
	} {
		r := httptest.NewRequest(b.method, path, strings.NewReader(b.body))
		r.Header.Set("Content-Type", b.kind)
		got := s.ask(r)
		if got.status != b.status || got.json["error"] == nil {
			s.Errorf("%s: answered %d, want %d and an error code: %s", name, got.status, b.status, got.body)
		}
		if b.status == http.StatusMethodNotAllowed && !strings.Contains(got.header.Get("Allow"), "POST") {
			s.Errorf("%s: Allow is %q", name, got.header.Get("Allow"))
		}
		if b.status == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") == "" {
			s.Errorf("%s: 401 without WWW-Authenticate", name)
		}
	}
}

// witness is the database; it remembers the events that the endpoints write, or fails to write them, and can say that
// everyone is locked.
type witness struct {
	*storage.DB
	mu     sync.Mutex
	kinds  []identity.EventKind
	fail   error
	locked bool
}

// LiveSession reads a Session; its user may be locked.
func (w *witness) LiveSession(ctx context.Context, id identity.ID, jti string) (identity.Live, error) {
	live, err := w.DB.LiveSession(ctx, id, jti)
	if w.locked {
		live.User.DisabledAt = live.User.UpdatedAt
	}
	return live, err
}

// RecentSession reads it, too: nothing marks this lock, which has no row.
func (w *witness) RecentSession(ctx context.Context, id identity.ID, jti string) (identity.Live, error) {
	return w.LiveSession(ctx, id, jti)
}

// AddEvent notes what would be told.
func (w *witness) AddEvent(ctx context.Context, e identity.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return w.fail
	}
	w.kinds = append(w.kinds, e.Kind)
	return w.DB.AddEvent(ctx, e)
}

func (w *witness) AddRepeat(ctx context.Context, e identity.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return w.fail
	}
	w.kinds = append(w.kinds, e.Kind)
	return w.DB.AddRepeat(ctx, e)
}

// witnessed puts a witness between the endpoints and the database.
func (s *stage) witnessed(t *testing.T) *witness {
	t.Helper()
	var o oauth.Options
	s.rebuild(func(given *oauth.Options) { o = *given })
	w := &witness{DB: s.db}
	ends, err := oauth.New(w, o)
	if err != nil {
		t.Fatal(err)
	}
	router := mux.NewRouter()
	ends.Routes(router)
	s.server = router
	return w
}
