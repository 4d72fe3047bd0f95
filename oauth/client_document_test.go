package oauth_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

// draft-ietf-oauth-client-id-metadata-document §5: nobody registers, and nothing is written until somebody agrees.
func TestClientDocument_signsSomebodyInAndIsReadOnce(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		if page, _ := s.location(s.authorize(asking(h.client()))); page != "/signin" {
			t.Errorf("led to %s", page)
		}
		cookie := s.signIn(s.user)
		if page, _ := s.location(s.authorize(asking(h.client()), cookie)); page != "/consent" {
			t.Errorf("led to %s", page)
		}
		if _, there := s.row(h); there {
			t.Error("authorize wrote a client")
		}
		got := s.post(redeeming(h.client(), s.allowNow(found, h, cookie)))
		s.good(got)
		for range 3 {
			got = s.post(refreshing(h.client(), got.RefreshToken))
			s.good(got)
		}
		c, there := s.row(h)
		if !there || c.Name != "Agent" || !c.SelfRegistered || !c.Public() || s.session(got).ClientID != h.id {
			t.Errorf("registered as %+v", c)
		}
		if n := h.asked.Load(); n != 1 {
			t.Errorf("the document was read %d times", n)
		}
		events, err := s.db.Events(s.Context(), identity.EventQuery{ClientID: h.id, Limit: 100})
		if err != nil || len(events) == 0 || events[len(events)-1].Kind != identity.ClientRegistered {
			t.Errorf("Events: %+v, %v", events, err)
		}
	})
}

// An app that sends every request ahead does so the first time, too, when nothing is known of it but its address.
func TestClientDocument_maySendItsRequestAhead(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		h := newSite(s.TB, says{"require_pushed_authorization_requests": true})
		s.documents()
		cookie := s.signIn(s.user)
		if _, answer := s.location(s.authorize(asking(h.client()), cookie)); answer.Get("error") != "invalid_request" {
			t.Errorf("without: %v", answer)
		}
		uri := s.pushing(asking(h.client()))
		if page, q := s.location(s.authorize(pointing(h.client(), uri), cookie)); page != "/consent" {
			t.Errorf("led to %s with %v", page, q)
		}
	})
}

// §9 of the design: who cannot be told from another app is asked each time; a page that would say something else asks anew.
func TestClientDocument_aConsentHoldsForWhatItsPageShowed(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		claimed := says{"redirect_uris": []string{"https://agent.example/cb"}}
		h, found := newSite(t, claimed), s.documents()
		s.signsIn(found, h)
		cookie := s.signIn(s.user)
		s.code(asking(h.client()), cookie) // is remembered
		s.documents()
		s.code(asking(h.client()), cookie) // by a process that knows the row alone, too
		for name, value := range (says{
			"client_name": "Bank", "logo_uri": "https://agent.example/logo.png", "policy_uri": "https://agent.example/policy",
			"redirect_uris": []string{"http://localhost/cb", "https://agent.example/cb"},
		}) {
			h.publish(says{"redirect_uris": []string{"https://agent.example/cb"}, name: value})
			s.pass(2 * time.Hour)
			if page, _ := s.location(s.authorize(asking(h.client()), cookie)); page != "/consent" {
				t.Errorf("another %s: led to %s", name, page)
			}
		}
	})
}

func TestClientDocument_thatLiesIsRefused(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, _ *oauth.ClientDocuments) {
		for name, lie := range lies(h) {
			lie.tell()
			s.pass(2 * time.Hour)
			t.Log(name)
			s.refusedFor(h, lie.reason)
		}
	})
}

// lie is an answer that is no document of the app's, and what its developer is told.
type lie struct {
	tell   func()
	reason string
}

func lies(h *site) map[string]lie {
	publish := func(more says) func() { return func() { h.publish(more) } }
	serve := func(status int, body string, headers ...string) func() {
		return func() { h.serve(status, []byte(body), headers...) }
	}
	basic := says{"token_endpoint_auth_method": nil, "token_endpoint_auth_methods_supported": []string{"client_secret_basic"}}
	another, whole := "another one than its address", string(h.document(nil))
	return map[string]lie{
		"another client_id":       {publish(says{"client_id": h.id + "/"}), another},
		"a trusted one's":         {publish(says{"client_id": "demo"}), another},
		"no client_id":            {publish(says{"client_id": nil}), another},
		"a client_id in capitals": {serve(200, strings.Replace(whole, "client_id", "CLIENT_ID", 1)), another},
		"a secret":                {publish(says{"client_secret": "s"}), "has no secrets"},
		"when a secret expires":   {publish(says{"client_secret_expires_at": 0}), "has no secrets"},
		"a method by a secret":    {publish(says{"token_endpoint_auth_method": "client_secret_post"}), "has no secrets"},
		"methods by secrets":      {publish(basic), "has no secrets"},
		"keys that it has not":    {publish(says{"token_endpoint_auth_method": "private_key_jwt"}), "jwks"},
		"a private key":           {publish(says{"jwks": says{"keys": []says{{"kty": "oct", "k": "AAAA"}}}}), "private or symmetric"},
		"no redirect URI":         {publish(says{"redirect_uris": nil}), "redirect_uris"},
		"none to take":            {publish(says{"redirect_uris": []string{"javascript:alert(1)", "http://evil.example/"}}), "redirect_uris"},
		"redirects of no kind":    {publish(says{"redirect_uris": "https://agent.example/cb"}), "redirect_uris"},
		"another host's redirect": {publish(says{"redirect_uris": []string{"https://other.example/cb"}}), "redirect_uri"},
		"10 MB":                   {serve(200, strings.Repeat(" ", 10<<20)), "longer than 1 MiB"},
		"10 MB in 10 KB":          {serve(200, zipped(strings.Repeat(" ", 10<<20)), "Content-Encoding", "gzip"), "longer than 1 MiB"},
		"another app's, packed":   {serve(200, zipped(strings.Replace(whole, h.id, "https://other.example/app", 1)), "Content-Encoding", "gzip"), another},
		"no JSON":                 {serve(200, "<html>"), "not one JSON object"},
		"JSON of another kind":    {serve(200, `["client_id"]`), "not one JSON object"},
		"null":                    {serve(200, "null"), "not one JSON object"},
		"two objects":             {serve(200, whole+whole), "not one JSON object"},
		"a member twice":          {serve(200, `{"redirect_uris": ["https://a.example/cb"], `+whole[1:]), "redirect_uris comes twice"},
		"broken UTF-8":            {serve(200, "{\"client_id\":\"\xff\"}"), "UTF-8"},
		"a page":                  {serve(200, whole, "Content-Type", "text/html"), "Content-Type"},
		"a text that is JSON":     {serve(200, whole, "Content-Type", "text/json"), "Content-Type"},
		"nothing":                 {serve(404, ""), "no document"},
		"what is gone":            {serve(410, ""), "no document"},
	}
}

func zipped(text string) string {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return packed.String()
}

// The draft §5: "MUST treat all other HTTP status codes as an error", "MUST NOT automatically follow HTTP redirects".
func TestClientDocument_thatCannotBeReadIsAskedForAgainSoon(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		elsewhere := newSite(t, nil)
		h.by(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.id, http.StatusFound) })
		for range 5 {
			if problem := s.page(s.authorize(asking(h.client()))); problem.Status != http.StatusTooManyRequests || problem.BackURL == "" {
				t.Errorf("answered %+v", problem)
			}
		}
		if n, m := h.asked.Load(), elsewhere.asked.Load(); n != 1 || m != 0 {
			t.Errorf("the document was asked for %d times, where it redirects to %d times", n, m)
		}
		for i, status := range []int{201, 204, 301, 304, 400, 403, 429, 500, 503} {
			h.serve(status, nil)
			s.pass(10 * time.Second)
			s.page(s.authorize(asking(h.client())))
			if n := int(h.asked.Load()); n != i+2 {
				t.Errorf("%d: asked %d times", status, n)
			}
		}
		h.publish(nil)
		s.pass(10 * time.Second) // an error is not kept
		s.signsIn(found, h)
	})
}

// A host that answers by the byte is left when the time is over, and what was known goes on.
func TestClientDocument_thatIsSlowKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		h := newSite(t, nil)
		s.signsIn(s.documents(), h)
		h.by(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("{"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		s.patience = 50 * time.Millisecond
		s.documents()
		s.pass(2 * time.Hour)
		s.location(s.authorize(asking(h.client())))
		if problem := s.page(s.authorize(asking(h.client(), "client_id", h.id+"/new"))); problem.Status != http.StatusTooManyRequests {
			t.Errorf("answered %d", problem.Status)
		}
	})
}

// A document is asked for once at a time, however many tabs wait for it: a crowd that arrives at once is no crowd at its host.
func TestClientDocument_manyAtOnceHaveItReadOnceAtATime(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, _ *oauth.ClientDocuments) {
		var under atomic.Int32
		var crowd atomic.Bool
		document := h.document(nil)
		h.by(func(w http.ResponseWriter, _ *http.Request) {
			if under.Add(1) > 1 {
				crowd.Store(true)
			}
			for range 20 { // for a second one to come, if one would
				if !crowd.Load() {
					time.Sleep(10 * time.Millisecond)
				}
			}
			under.Add(-1)
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(document)
		})
		var tabs sync.WaitGroup
		for range 16 {
			tabs.Go(func() {
				if to := s.authorize(asking(h.client())).Header.Get("Location"); !strings.HasPrefix(to, "/signin?") {
					t.Errorf("led to %q", to)
				}
			})
		}
		if tabs.Wait(); crowd.Load() {
			t.Error("two were under way at once")
		}
	})
}

func TestClientDocument_aPublicClientsKeysOfNoUseAreNone(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		h.publish(says{"token_endpoint_auth_method": "none", "jwks": says{"keys": []says{}}})
		s.signsIn(found, h)
		if c, _ := s.row(h); c.JWKS != nil || !c.Public() {
			t.Errorf("registered as %+v", c)
		}
	})
}

// The draft §5: "application/json, or a media type with the +json suffix".
func TestClientDocument_mayHaveAJSONTypeOfItsOwn(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		h.serve(http.StatusOK, h.document(nil), "Content-Type", "application/client-metadata+json; charset=utf-8")
		s.signsIn(found, h)
	})
}

func TestClientDocument_leavesOutWhatCannotBeTaken(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		h.publish(says{
			"redirect_uris": []string{"https://agent.example/cb", "cursor://mcp/cb", "http://evil.example/", "https://agent.example/cb", "http://localhost:3118/cb"},
			"grant_types":   []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "response_types": []string{"code", "token"},
			"scope": "openid calendar", "client_name": "two\nlines", "logo_uri": "data:image/png,x", "client_uri": "http://agent.example/",
			"subject_type": "sectoral", "id_token_signed_response_alg": "HS256", "application_type": "desktop", "software_version": strings.Repeat("9", 999),
			"token_endpoint_auth_method": nil, "token_endpoint_auth_methods_supported": []string{"none", "private_key_jwt"},
			"request_object_signing_alg": "HS256", "userinfo_signed_response_alg": "HS256", "initiate_login_uri": "http://agent.example/",
			"request_uris":           []string{"http://agent.example/r"},
			"backchannel_logout_uri": "ftp://agent.example/", "x_unknown": says{"deep": true}, "REDIRECT_URIS": []string{"https://evil.example/cb"},
			"device_name": "Ada's phone", "trusted": true,
		})
		s.signsIn(found, h)
		c, _ := s.row(h)
		if got := strings.Join(c.RedirectURIs, " "); !strings.HasPrefix(got, "https://agent.example/cb") || strings.Contains(got, "evil") {
			t.Errorf("redirect URIs: %s", got)
		}
		if strings.Join(c.GrantTypes, " ") != "authorization_code refresh_token" || !strings.Contains(c.Scope, "openid") || strings.Contains(c.Scope, "calendar") {
			t.Errorf("grants %v, scope %q", c.GrantTypes, c.Scope)
		}
		if c.Name != "" || c.LogoURI != "" || c.URI != "" || c.BackchannelLogoutURI != "" || c.SoftwareVersion != "" || c.Device.Name != "" || c.Trusted || !c.RequirePKCE {
			t.Errorf("kept: %+v", c)
		}
		if host := strings.TrimPrefix(h.URL, "http://"); c.Called() != host {
			t.Errorf("called %q, want %q", c.Called(), host)
		}
	})
}

func TestClientDocument_redirectsMatchExactlyAndOnAnyLoopbackPort(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		for _, wrong := range []string{"https://agent.example/cb/", "https://agent.example/cb?x", "https://agent.example:443/cb", "http://localhost:1/cb", "http://127.0.0.1:1/other"} {
			s.page(s.authorize(asking(h.client(), "redirect_uri", wrong)))
		}
		cookie := s.signIn(s.user)
		back := []string{"redirect_uri", "http://127.0.0.1:49152/cb"}
		s.good(s.post(redeeming(h.client(), s.allowNow(found, h, cookie, back...), back...)))
		// Anyone on the device can listen there: it is asked each time.
		if page, _ := s.location(s.authorize(asking(h.client(), back...), cookie)); page != "/consent" {
			t.Errorf("led to %s", page)
		}
	})
}

func TestClientDocument_theAddressHasAForm(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, _ *oauth.ClientDocuments) {
		for _, wrong := range []string{
			h.URL, h.URL + "/app#x", strings.Replace(h.id, "://", "://me@", 1), strings.Replace(h.id, "://", "://me:x@", 1), h.URL + "/a/../app", h.URL + "/./app",
			h.URL + "/%2e%2E/app", h.id + strings.Repeat("a", 512), "http://public.example/app", "https:///app", "https://host name/app", "https://a..b/app", "https://app.example./app",
			"https://app.example\\@evil.example/app",
		} {
			if c := (identity.Client{ID: wrong}); identity.CheckClientURL(wrong, true) == nil {
				t.Errorf("%s is taken", c.ID)
			}
			s.page(s.authorize(asking(h.client(), "client_id", wrong)))
		}
		if n := h.asked.Load(); n != 0 {
			t.Errorf("%d documents were read", n)
		}
		if identity.CheckClientURL("http://localhost/app", false) == nil {
			t.Error("http is taken although the issuer is not loopback")
		}
		if err := identity.CheckClientURL("https://app.example:8443/a?b=c", false); err != nil {
			t.Error(err)
		}
	})
}
