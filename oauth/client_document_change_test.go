package oauth_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

// forever is longer than any document is used.
const forever = 8 * day

// What changed between authorize and token is decided by what the document says at the token endpoint, once that was read
// again: an address that is there no more gets nothing.
func TestClientDocument_thatTakesARedirectBackRedeemsNoCode(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		h.serve(http.StatusOK, h.document(nil), "Cache-Control", "no-store") // is used for as long as a sign-in takes
		code := s.allowNow(found, h, s.signIn(s.user))
		h.publish(says{"redirect_uris": []string{"https://agent.example/other"}})
		s.documents() // another process, which reads it anew
		s.aged(h)
		s.invalidGrant(s.post(redeeming(h.client(), code)))
	})
}

// A code that needed a key to redeem is redeemed by nobody without one, whatever the document says since.
func TestClientDocument_thatAsksForNoKeyAnyMoreRedeemsNoCode(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		key := newPen(t, jose.ES256, "k")
		h.publish(says{"token_endpoint_auth_method": "private_key_jwt", "jwks": published(t, key)})
		code := s.allowNow(found, h, s.signIn(s.user))
		s.bad(s.post(redeeming(h.client(), code)), http.StatusUnauthorized, "invalid_client", "stop")
		h.publish(nil)
		s.documents()
		s.aged(h)
		s.invalidGrant(s.post(redeeming(h.client(), code)))
	})
}

// aged makes the row of an app as old as if its document had to be read again.
func (s *stage) aged(h *site) {
	s.Helper()
	c, there := s.row(h)
	if !there {
		return
	}
	s.pass(time.Second)
	c.Published.ReadAt, c.Published.FreshUntil = s.now(), s.now()
	if _, err := s.db.KeepDocument(s.Context(), c); err != nil {
		s.Fatal(err)
	}
	s.pass(time.Second)
}

func published(t testing.TB, pens ...pen) map[string]any {
	t.Helper()
	keys := []any{}
	for _, p := range pens {
		keys = append(keys, jose.JSONWebKey{Key: p.public, KeyID: p.kid})
	}
	return map[string]any{"keys": keys}
}

// signed is a token request with an assertion of the app's.
func (s *stage) signed(t *testing.T, h *site, p pen, form url.Values) url.Values {
	t.Helper()
	form.Set("client_assertion_type", jwtBearer)
	form.Set("client_assertion", p.write(t, s.claims(h.client())))
	return form
}

// The draft §8 (client authentication): keys are those of the document. A key that it did not have is looked for there, at most once
// a minute, and what was found is written.
func TestClientDocument_provesItselfByItsNewestKeys(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		old, next := newPen(t, jose.ES256, "old"), newPen(t, jose.ES256, "new")
		h.publish(says{
			"token_endpoint_auth_method": nil, "token_endpoint_auth_methods_supported": []string{"private_key_jwt", "none"}, "jwks": published(t, old),
		})
		code := s.allowNow(found, h, s.signIn(s.user))
		s.bad(s.post(redeeming(h.client(), code)), http.StatusUnauthorized, "invalid_client", "stop")
		got := s.post(s.signed(t, h, old, redeeming(h.client(), code)))
		s.good(got)
		for range 5 {
			s.bad(s.post(s.signed(t, h, next, refreshing(h.client(), got.RefreshToken))), http.StatusUnauthorized, "invalid_client", "stop")
		}
		if n := h.asked.Load(); n != 1 {
			t.Errorf("the document was read %d times", n)
		}
		h.publish(says{"token_endpoint_auth_method": "private_key_jwt", "jwks": published(t, next)})
		s.pass(time.Minute)
		got = s.post(s.signed(t, h, next, refreshing(h.client(), got.RefreshToken)))
		s.good(got)
		s.good(s.post(s.signed(t, h, next, refreshing(h.client(), got.RefreshToken))))
		if n := h.asked.Load(); n != 2 {
			t.Errorf("the document was read %d times", n)
		}
		s.bad(s.post(s.signed(t, h, old, refreshing(h.client(), got.RefreshToken))), http.StatusUnauthorized, "invalid_client", "stop")
	})
}

func TestClientDocument_keysMayBeAtTheirOwnAddress(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		key := newPen(t, jose.EdDSA, "k")
		keys := newHost(t, setOf(t, key))
		h.publish(says{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": keys.URL})
		got := s.post(s.signed(t, h, key, redeeming(h.client(), s.allowNow(found, h, s.signIn(s.user)))))
		s.good(got)
		s.good(s.post(s.signed(t, h, key, refreshing(h.client(), got.RefreshToken))))
		if n, m := h.asked.Load(), keys.asked.Load(); n != 1 || m != 1 {
			t.Errorf("the document was read %d times, the keys %d times", n, m)
		}
	})
}

// RFC 5861 §4: what was read before is used for a day where the document cannot be read; a refresh never reads it.
func TestClientDocument_thatCannotBeReadIsUsedForAWhile(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		got := s.signsIn(found, h)
		h.serve(http.StatusInternalServerError, nil)
		s.pass(2 * time.Hour)
		s.signsIn(found, h)
		s.pass(day)
		if problem := s.page(s.authorize(asking(h.client()))); problem.Status != http.StatusTooManyRequests {
			t.Errorf("answered %d", problem.Status)
		}
		s.good(s.post(refreshing(h.client(), got.RefreshToken)))
	})
}

// RFC 9111: an answer is used for as long as it says, between five minutes and a day.
func TestClientDocument_isReadAgainWhenItsAnswerSays(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, _ *oauth.ClientDocuments) {
		reads := func(after time.Duration) bool {
			before := h.asked.Load()
			s.pass(after)
			s.location(s.authorize(asking(h.client())))
			return h.asked.Load() > before
		}
		for header, life := range map[string]time.Duration{
			"no-store": 5 * time.Minute, "max-age=1": 5 * time.Minute, "max-age=7200": 2 * time.Hour, "max-age=31536000": day, "": time.Hour,
			"public": time.Hour,
		} {
			h.serve(http.StatusOK, h.document(nil), "Cache-Control", header)
			if !reads(forever) {
				t.Errorf("%q: an old one was used", header)
			}
			if reads(life - 10*time.Second) {
				t.Errorf("%q: it was read again before %v", header, life)
			}
			if !reads(20 * time.Second) {
				t.Errorf("%q: it was not read again after %v", header, life)
			}
		}
	})
}

// RFC 9110 §13.1: a host that names its answer is asked whether it is still the same, and need not send it again. It says with a
// 304 how long that is so, or it is as long as before; a 304 that nobody asked for is none.
func TestClientDocument_isSentAgainOnlyIfItChanged(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, _ *oauth.ClientDocuments) {
		body, sent, named, life := h.document(nil), 0, "ETag", "max-age=7200"
		h.by(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if life != "" {
				w.Header().Set("Cache-Control", life)
			}
			version := map[string]string{"ETag": `"v1"`, "Last-Modified": "Mon, 23 Nov 2026 08:00:00 GMT"}[named]
			asked := map[string]string{"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}[named]
			w.Header().Set(named, version)
			if r.Header.Get(asked) == version {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			sent++
			_, _ = w.Write(body)
		})
		goesOn := func(reads, bodies int) {
			t.Helper()
			read, before := h.asked.Load(), sent
			if page, q := s.location(s.authorize(asking(h.client()))); page != "/signin" {
				t.Errorf("led to %s %v", page, q)
			}
			if n, m := h.asked.Load()-read, sent-before; n != int32(reads) || m != bodies {
				t.Errorf("it was asked %d times and sent %d times, want %d and %d", n, m, reads, bodies)
			}
		}
		goesOn(1, 1)
		life = ""
		for range 3 { // as long as before, two hours each time
			s.pass(2*time.Hour + time.Second)
			goesOn(1, 0)
			s.pass(time.Hour)
			goesOn(0, 0)
		}
		life = "max-age=600"
		s.pass(2 * time.Hour)
		goesOn(1, 0)
		s.pass(601 * time.Second)
		goesOn(1, 0)
		named = "Last-Modified"
		s.pass(601 * time.Second)
		goesOn(1, 1)
		s.pass(601 * time.Second)
		goesOn(1, 0)
		h.serve(http.StatusOK, h.document(says{"redirect_uris": []string{"https://elsewhere.example/"}}))
		s.pass(601 * time.Second)
		s.page(s.authorize(asking(h.client())))
		h.serve(http.StatusNotModified, nil)
		s.pass(forever)
		if problem := s.page(s.authorize(asking(h.client()))); problem.Status != http.StatusTooManyRequests {
			t.Errorf("a 304 that nobody asked for is answered %d", problem.Status)
		}
	})
}

// Numbers of issue: a refresh of such a client costs what any other's does, and so does a request of one that is known.
func TestClientDocument_costsNoFetchAndNoStatementMoreOnceItIsKnown(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		got, other := s.signsIn(found, h), s.app()
		theirs := s.begin(other)
		cost := func(f func()) int {
			s.pass(2 * time.Second) // what is remembered of clients is forgotten
			before := s.statements.Load()
			f()
			return int(s.statements.Load() - before)
		}
		a := cost(func() { got = s.post(refreshing(h.client(), got.RefreshToken)) })
		b := cost(func() { theirs = s.post(refreshing(other, theirs.RefreshToken)) })
		s.good(got)
		s.good(theirs)
		if a != b || a == 0 {
			t.Errorf("a refresh of it takes %d statements, of another client %d", a, b)
		}
		a = cost(func() { s.authorize(asking(h.client())) })
		b = cost(func() { s.authorize(asking(other)) })
		if a != b || h.asked.Load() != 1 {
			t.Errorf("a request of it takes %d statements, of another client %d; the document was read %d times", a, b, h.asked.Load())
		}
	})
}

// Law 13: whoever makes up addresses has us call others no more often than that, and fills nothing.
func TestClientDocument_aFloodOfAddressesIsNoCannon(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, _ *oauth.ClientDocuments) {
		flood := func(n int, address string) (calls int) {
			before := h.asked.Load()
			for range n {
				r := requesting(asking(h.client(), "client_id", h.id+"/"+identity.RandomText(6)))
				r.RemoteAddr = address
				s.page(s.send(r))
			}
			return int(h.asked.Load() - before)
		}
		if n := flood(60, "198.51.100.7:1"); n != 20 {
			t.Errorf("one network had %d documents read at once", n)
		}
		s.pass(time.Minute)
		total := 0
		for _, network := range []string{"198.51.100.8:1", "198.51.100.9:1", "198.51.101.1:1", "[2001:db8::1]:1"} {
			total += flood(20, network)
		}
		if total != 20 {
			t.Errorf("of one host %d documents were read at once", total)
		}
		clients, err := s.db.Clients(s.Context(), identity.ClientQuery{Limit: 10})
		if err != nil || len(clients) != 0 {
			t.Errorf("%d clients were written, %v", len(clients), err)
		}
	})
}

// calls counts what is asked, and answers nothing.
type calls struct{ n atomic.Int32 }

func (c *calls) RoundTrip(*http.Request) (*http.Response, error) {
	c.n.Add(1)
	return nil, errors.New("nobody is there")
}

// A fetch that was one too many here says nothing of the host that was not asked: it is, the next moment.
func TestClientDocument_thatWasOneFetchTooManyIsReadTheNextMoment(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, _ *oauth.ClientDocuments) {
		var full turnstile
		found := oauth.NewClientDocuments(oauth.DocumentOptions{
			Store: s.db, Rules: identity.DocumentRules{On: true, Loopback: true}, Fetch: &http.Client{Transport: &full}, Now: s.now,
			Log: slog.New(slog.DiscardHandler),
		})
		full.Store(true)
		if _, err := found.Current(s.Context(), h.id, ""); identity.KindOf(err) != identity.Throttled {
			t.Errorf("one too many: %v", err)
		}
		full.Store(false)
		if _, err := found.Current(s.Context(), h.id, ""); err != nil || h.asked.Load() != 1 {
			t.Errorf("the next moment: %v", err)
		}
	})
}

// turnstile lets nobody through while it is full.
type turnstile struct{ atomic.Bool }

func (f *turnstile) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.Load() {
		return nil, identity.Refuse(identity.Busy, "Too much at once.")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A host has 65,535 ports, and each is another address.
func TestClientDocument_aFloodOfPortsIsOneOfTheirHost(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		var made calls
		found := oauth.NewClientDocuments(oauth.DocumentOptions{
			Store: s.db, Rules: identity.DocumentRules{On: true}, Fetch: &http.Client{Transport: &made}, Now: s.now,
			Log: slog.New(slog.DiscardHandler),
		})
		for port := range 300 {
			_, err := found.Current(s.Context(), fmt.Sprintf("https://victim.example:%d/app", 1+port), "")
			if identity.KindOf(err) != identity.Throttled {
				t.Fatal(err)
			}
		}
		if n := made.n.Load(); n != 20 {
			t.Errorf("one host was called %d times at once", n)
		}
		// What was not read of that host is left for the others.
		if _, err := found.Current(s.Context(), "https://other.example/app", ""); err == nil || made.n.Load() != 21 {
			t.Errorf("another host was called %d times: %v", made.n.Load()-20, err)
		}
	})
}

func TestClientDocument_onePersonBringsNoMoreThanTwentyInADay(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, _ *oauth.ClientDocuments) {
		cookie, c := s.signIn(s.user), h.client()
		c.SelfRegistered, c.Published.ReadAt, c.Published.FreshUntil = true, s.now(), s.now()
		added := 0
		for range 30 {
			c.ID = h.id + "/" + identity.RandomText(6)
			demand := identity.Demand{Client: c, Redirect: c.RedirectURIs[0], Scopes: []string{"openid"}}
			err := s.grants.Allow(s.Context(), s.standing(cookie), demand)
			if err == nil {
				added++
			} else if identity.KindOf(err) != identity.Throttled {
				t.Fatal(err)
			}
		}
		if added != 20 {
			t.Errorf("%d apps were taken", added)
		}
	})
}

// The operator's hosts are asked at each request, a refresh too.
func TestClientDocument_onlyOfHostsThatTheOperatorTakes(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		h := newSite(t, nil)
		got := s.signsIn(s.documents(), h)
		host, _, _ := strings.Cut(strings.TrimPrefix(h.URL, "http://"), ":")
		for name, rules := range map[string]func(*identity.DocumentRules){
			"off":     func(r *identity.DocumentRules) { r.On = false },
			"denied":  func(r *identity.DocumentRules) { r.Deny = []string{"a.example", host} },
			"another": func(r *identity.DocumentRules) { r.Allow = []string{"a.example", "*.example.com"} },
			"both":    func(r *identity.DocumentRules) { r.Allow, r.Deny = []string{host}, []string{host} },
			"below":   func(r *identity.DocumentRules) { r.Allow = []string{"*." + host} },
			"https":   func(r *identity.DocumentRules) { r.Loopback = false },
		} {
			s.documents(rules)
			t.Log(name)
			s.bad(s.post(refreshing(h.client(), got.RefreshToken)), http.StatusUnauthorized, "invalid_client", "login")
			s.page(s.authorize(asking(h.client())))
		}
		if n := h.asked.Load(); n != 1 {
			t.Errorf("the document was read %d times", n)
		}
		s.documents(func(r *identity.DocumentRules) { r.Allow = []string{host} })
		s.good(s.post(refreshing(h.client(), got.RefreshToken)))
		rules := identity.DocumentRules{On: true, Deny: []string{"*.evil.example"}}
		if rules.Takes("https://a.b.EVIL.example/app") == nil || rules.Takes("https://evil.example/app") != nil {
			t.Error("a star stands for all hosts below, in any spelling, and not for the host itself")
		}
	})
}

func TestClientDocument_thatAnOperatorKeepsOutDoesNotComeBackByItself(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		operators := identity.Operators{Store: s.db, Now: s.now}
		for name, keepOut := range map[string]func() error{
			"disabled": func() error { _, err := operators.DisableClient(s.Context(), h.id); return err },
			"deleted":  func() error { return operators.DeleteClient(s.Context(), h.id) },
		} {
			t.Log(name)
			got := s.signsIn(found, h)
			if err := keepOut(); err != nil {
				t.Fatal(err)
			}
			s.bad(s.post(refreshing(h.client(), got.RefreshToken)), http.StatusUnauthorized, "invalid_client", "login")
			for range 2 {
				s.page(s.authorize(asking(h.client())))
				s.pass(forever)
				s.documents()
				if _, err := s.db.SweepClients(s.Context(), s.now()); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := operators.EnableClient(s.Context(), h.id); err != nil {
				t.Fatal(err)
			}
			s.pass(2 * time.Second)
			s.bad(s.post(refreshing(h.client(), got.RefreshToken)), http.StatusBadRequest, "invalid_grant", "login")
		}
		s.signsIn(found, h)
	})
}

// What a client says of itself is not the operator's to change; what operators alone give is.
func TestClientDocument_operatorsGiveWhatIsTheirs(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		operators := identity.Operators{Store: s.db, Now: s.now}
		s.signsIn(found, h)
		change := func(f func(*identity.Client)) error {
			_, _, err := operators.UpdateClient(s.Context(), h.id, func(c identity.Client) (identity.Client, error) { f(&c); return c, nil })
			return err
		}
		if err := change(func(c *identity.Client) { c.Name = "Mine" }); identity.KindOf(err) != identity.Invalid {
			t.Errorf("its name was changed: %v", err)
		}
		if err := change(func(c *identity.Client) { c.Trusted, c.Lives.Idle = true, time.Hour }); err != nil {
			t.Fatal(err)
		}
		h.publish(says{"client_name": "Agent 2"})
		s.pass(2 * time.Hour)
		s.good(s.post(redeeming(h.client(), s.code(asking(h.client()), s.signIn(s.user)))))
		if c, _ := s.row(h); !c.Trusted || c.Lives.Idle != time.Hour || c.Name != "Agent 2" {
			t.Errorf("is %+v", c)
		}
	})
}
