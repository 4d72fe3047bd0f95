package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

// site is the host of an app that publishes what it says of itself at /app.
type site struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int32
	id     string
}

// says are the members of a document; nil takes one away.
type says map[string]any

// newSite serves the document of a public native app, changed by more.
func newSite(t testing.TB, more says) *site {
	t.Helper()
	h := &site{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		(*h.answer.Load())(w, r)
	}))
	t.Cleanup(h.Close)
	h.id = h.URL + "/app"
	h.publish(more)
	return h
}

// document is what the app says of itself.
func (h *site) document(more says) []byte {
	all := says{
		"client_id": h.id, "client_name": "Agent", "token_endpoint_auth_method": "none",
		"redirect_uris": []string{"https://agent.example/cb", "http://127.0.0.1/cb"},
	}
	for name, value := range more {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	body, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return body
}

// publish changes the document.
func (h *site) publish(more says) { h.serve(http.StatusOK, h.document(more)) }

// serve answers with a body from now on, and with headers in pairs.
func (h *site) serve(status int, body []byte, headers ...string) {
	h.by(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

func (h *site) by(answer http.HandlerFunc) { h.answer.Store(&answer) }

// client is the app as a test names it.
func (h *site) client() identity.Client {
	return identity.Client{ID: h.id, Metadata: identity.Metadata{RedirectURIs: []string{"https://agent.example/cb"}}}
}

// documents are taken of any host here, with rules that change may tighten.
func (s *stage) documents(change ...func(*identity.DocumentRules)) *oauth.ClientDocuments {
	s.Helper()
	rules := identity.DocumentRules{On: true, Loopback: true}
	for _, tighten := range change {
		tighten(&rules)
	}
	found := oauth.NewClientDocuments(oauth.DocumentOptions{Store: s.db, Rules: rules, Fetch: &http.Client{Timeout: s.patience}, Now: s.now, Log: s.log()})
	s.rebuild(func(o *oauth.Options) { o.Clients = found })
	return found
}

// onSite runs f on both databases, with an app that publishes what it says of itself.
func onSite(t *testing.T, f func(s *stage, h *site, found *oauth.ClientDocuments)) {
	t.Helper()
	onStage(t, func(s *stage) { f(s, newSite(s.TB, nil), s.documents()) })
}

// allowNow presses Allow on the page that a request leads to, and returns the code that it gets.
func (s *stage) allowNow(found *oauth.ClientDocuments, h *site, cookie *http.Cookie, pairs ...string) string {
	s.Helper()
	ask := asking(h.client(), pairs...)
	page, q := s.location(s.authorize(ask, cookie))
	if page != "/consent" {
		s.Fatalf("led to %s %v, want the consent page", page, q)
	}
	c, err := found.Current(s.Context(), h.id, "192.0.2.9")
	if err != nil {
		s.Fatal(err)
	}
	demand := identity.Demand{Client: c, Redirect: ask.Get("redirect_uri"), Scopes: []string{"openid", "offline_access"}}
	if err := s.grants.Allow(s.Context(), s.standing(cookie), demand); err != nil {
		s.Fatal(err)
	}
	return s.code(s.pressing(identity.ForAllowal, q, cookie), cookie)
}

// signsIn signs the person in to the app.
func (s *stage) signsIn(found *oauth.ClientDocuments, h *site) told {
	s.Helper()
	got := s.post(redeeming(h.client(), s.allowNow(found, h, s.signIn(s.user))))
	s.good(got)
	return got
}

// row is what is registered of the app, and whether anything is.
func (s *stage) row(h *site) (identity.Client, bool) {
	s.Helper()
	c, err := s.db.RegisteredClient(s.Context(), h.id)
	if err != nil && identity.KindOf(err) != identity.NotFound {
		s.Fatal(err)
	}
	return c, err == nil
}

// page is what a person is told whose app may not go on.
func (s *stage) page(resp *http.Response) oauth.Problem {
	s.Helper()
	if to := resp.Header.Get("Location"); to != "" {
		s.Fatalf("led to %s, want a page", to)
	}
	return <-s.problems
}

// refusedFor checks that an app gets nowhere, for a reason that its developer is told.
func (s *stage) refusedFor(h *site, reason string) {
	s.Helper()
	problem := s.page(s.authorize(asking(h.client())))
	if problem.Status != http.StatusBadRequest || !strings.Contains(problem.Detail, reason) {
		s.Errorf("answered %d %q, want 400 and %q", problem.Status, problem.Detail, reason)
	}
	if _, there := s.row(h); there {
		s.Error("it was written")
	}
}

const day = 24 * time.Hour
