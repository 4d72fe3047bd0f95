package oauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

// looks has the documents read that are due, at each of so many hours, and counts who was asked.
func (s *stage) looks(found *oauth.ClientDocuments, h *site, every time.Duration, times int) (asked int) {
	s.Helper()
	before := h.asked.Load()
	for range times {
		s.pass(every)
		if _, err := found.Check(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
	return int(h.asked.Load() - before)
}

// A Session ends with its client when the document was not there for seven days, and not for a network that fails.
func TestClientDocument_longGoneEndsItsSessions(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		got := s.signsIn(found, h)
		h.serve(http.StatusBadGateway, nil)
		s.looks(found, h, 12*time.Hour, 16)
		got = s.post(refreshing(h.client(), got.RefreshToken))
		s.good(got)
		h.serve(http.StatusNotFound, nil)
		if n := s.looks(found, h, time.Hour, 6*24); n < 6 || n > 30 {
			t.Errorf("its host was asked %d times in six days", n)
		}
		h.publish(nil) // it was only away
		s.looks(found, h, 7*time.Hour, 1)
		h.serve(http.StatusGone, nil)
		s.looks(found, h, 7*time.Hour, 6*24/7)
		got = s.post(refreshing(h.client(), got.RefreshToken))
		s.good(got)
		session := s.session(got)
		s.looks(found, h, 7*time.Hour, 10)
		s.bad(s.post(refreshing(h.client(), got.RefreshToken)), http.StatusUnauthorized, "invalid_client", "login")
		if _, there := s.row(h); there {
			t.Error("the client is still there")
		}
		ended, err := s.db.SessionByID(s.Context(), session.ID)
		if err != nil || ended.EndCause != identity.EndClientGone {
			t.Errorf("ended by %q, %v", ended.EndCause, err)
		}
		h.publish(nil) // and comes back like any other that nobody signed in with
		s.pass(time.Minute)
		s.signsIn(found, h)
		s.bad(s.post(refreshing(h.client(), got.RefreshToken)), http.StatusBadRequest, "invalid_grant", "login")
	})
}

func TestClientDocument_isReadOnceADayWhileSomebodyUsesItsClient(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		got := s.signsIn(found, h)
		h.publish(says{"client_name": "Agent 2"})
		if n := s.looks(found, h, time.Hour, 72); n != 3 && n != 2 {
			t.Errorf("it was read %d times in three days", n)
		}
		if c, _ := s.row(h); c.Name != "Agent 2" {
			t.Errorf("its row says %q", c.Name)
		}
		s.good(s.post(refreshing(h.client(), got.RefreshToken)))
	})
}

// Whom the operator keeps out is not asked what they say, and nothing ends for it: they may be let in again.
func TestClientDocument_thatTheOperatorKeepsOutIsNotReadInBetween(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		got := s.signsIn(found, h)
		host, _, _ := strings.Cut(strings.TrimPrefix(h.URL, "http://"), ":")
		h.serve(http.StatusGone, nil)
		denied := s.documents(func(r *identity.DocumentRules) { r.Deny = []string{host} })
		if n := s.looks(denied, h, 25*time.Hour, 9); n != 0 {
			t.Errorf("its host was asked %d times", n)
		}
		s.documents()
		s.good(s.post(refreshing(h.client(), got.RefreshToken)))
	})
}

// A row goes when nothing rests on it, without a word to the host.
func TestClientDocument_thatNothingRestsOnIsForgotten(t *testing.T) {
	t.Parallel()
	onSite(t, func(s *stage, h *site, found *oauth.ClientDocuments) {
		got := s.signsIn(found, h)
		session := s.session(got)
		if _, err := s.db.End(s.Context(), identity.Ending{User: session.UserID, Of: h.id, Cause: identity.EndConsent}); err != nil {
			t.Fatal(err)
		}
		s.looks(found, h, 25*time.Hour, 1)
		if _, there := s.row(h); !there {
			t.Fatal("it is gone although a consent rests on it")
		}
		if err := s.db.DeleteGrant(s.Context(), session.UserID, h.id); err != nil {
			t.Fatal(err)
		}
		if n := s.looks(found, h, 25*time.Hour, 1); n != 0 {
			t.Errorf("its host was asked %d times", n)
		}
		if _, there := s.row(h); there {
			t.Error("it is still there")
		}
		s.signsIn(found, h)
	})
}
