package oauth_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// pointing is a request by the address of a request object.
func pointing(c identity.Client, uri string) url.Values {
	return url.Values{"client_id": {c.ID}, "request_uri": {uri}, "redirect_uri": {c.RedirectURIs[0]}}
}

func (s *stage) keeping(p pen, h *host) identity.Client {
	return s.app(signs(s.TB.(*testing.T), p), func(c *identity.Client) { c.RequestURIs = []string{h.URL + "/r"} })
}

// In the steady state a request object costs no network, and a new fragment says that it is another one.
func TestRequestURI_isReadOnceForEachFragment(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, cookie := newPen(t, jose.ES256, "k"), s.signIn(s.user)
		h := newHost(t, nil)
		c := s.keeping(p, h)
		body := []byte(p.write(t, s.object(c, "exp", nil)) + "\n")
		h.body.Store(&body)
		var tabs sync.WaitGroup
		for range 16 {
			tabs.Go(func() { s.authorize(pointing(c, h.URL+"/r#one"), cookie) })
		}
		tabs.Wait()
		s.pass(50 * time.Minute)
		s.code(pointing(c, h.URL+"/r#one"), cookie)
		if n := h.asked.Load(); n > 8 { // some of sixteen at once may just miss the one that was under way
			t.Errorf("the object was read %d times", n)
		}
		before := h.asked.Load()
		s.code(pointing(c, h.URL+"/r#two"), cookie)
		s.code(pointing(c, h.URL+"/r"), cookie)
		if n := h.asked.Load() - before; n != 2 {
			t.Errorf("two other addresses were read %d times", n)
		}
	})
}

func TestRequestURI_oneThatExpiredIsReadAgain(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, cookie := newPen(t, jose.ES256, "k"), s.signIn(s.user)
		h := newHost(t, nil)
		c := s.keeping(p, h)
		for range 2 {
			body := []byte(p.write(t, s.object(c)))
			h.body.Store(&body)
			s.code(pointing(c, h.URL+"/r#x"), cookie)
			s.pass(5 * time.Minute)
		}
		h.Close() // what was kept is better than nothing, where it still holds
		body := []byte(p.write(t, s.object(c, "exp", nil)))
		h2 := newHost(t, body)
		other := s.keeping(p, h2)
		body = []byte(p.write(t, s.object(other, "exp", nil)))
		h2.body.Store(&body)
		s.code(pointing(other, h2.URL+"/r"), cookie)
		h2.Close()
		s.pass(2 * time.Hour)
		s.code(pointing(other, h2.URL+"/r"), cookie)
		if _, answer := s.location(s.authorize(pointing(c, h.URL+"/r#x"), cookie)); answer.Get("error") != "invalid_request_object" {
			t.Errorf("the expired one brings %v", answer)
		}
	})
}

// Law 13: many clients that register the address of one host are no cannon that points there.
func TestRequestURI_ofOneHostNoMoreAreReadThanThat(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, h := newPen(t, jose.ES256, "k"), newHost(t, []byte("nothing to read"))
		for range 5 {
			c := s.keeping(p, h)
			for range 40 {
				s.authorize(pointing(c, h.URL+"/r#"+identity.RandomText(6)))
			}
		}
		if n := h.asked.Load(); n != 60 {
			t.Errorf("of one host %d objects were read at once", n)
		}
	})
}

func TestRequestURI_refusals(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, cookie := newPen(t, jose.ES256, "k"), s.signIn(s.user)
		h := newHost(t, []byte(strings.Repeat("x", 17<<10)))
		c := s.keeping(p, h)
		refused := func(name, want string, q url.Values) {
			t.Helper()
			if _, answer := s.location(s.authorize(q, cookie)); answer.Get("error") != want {
				t.Errorf("%s: %v", name, answer)
			}
		}
		refused("too large", "invalid_request_uri", pointing(c, h.URL+"/r"))
		refused("not registered", "invalid_request_uri", pointing(c, h.URL+"/other"))
		refused("a query that was not registered", "invalid_request_uri", pointing(c, h.URL+"/r?x=1"))
		refused("nothing pushed", "invalid_request_uri", pointing(c, identity.PushedPrefix+"x"))
		refused("a file", "invalid_request_uri", pointing(c, "file:///etc/passwd"))
		refused("too long", "invalid_request_uri", pointing(c, h.URL+"/r#"+strings.Repeat("f", 1024)))
		refused("both", "invalid_request", changed(pointing(c, h.URL+"/r"), []string{"request", "eyJ"}))
		if n := h.asked.Load(); n != 1 {
			t.Errorf("we asked %d times", n)
		}
		garbage := []byte("<html>")
		h.body.Store(&garbage)
		refused("no object", "invalid_request_object", pointing(c, h.URL+"/r#2"))
		// Law 13: fragments are free, fetches are not.
		for i := range 40 {
			s.authorize(pointing(c, h.URL+"/r#"+strings.Repeat("f", i)), cookie)
		}
		if n := h.asked.Load(); n > 30 {
			t.Errorf("fragments made us ask %d times at once", n)
		}
	})
}
