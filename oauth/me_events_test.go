package oauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// onStreams runs f on both databases with an app's client and two of its Sessions.
func onStreams(t *testing.T, f func(s *stage, c identity.Client, own, other told)) {
	t.Helper()
	onStage(t, func(s *stage) {
		c := s.app(named("Notes"))
		own, other := s.begin(c), s.begin(c)
		s.pass(time.Minute)
		f(s, c, own, other)
	})
}

func (s *stage) no(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) end(got told, cause identity.EndCause) {
	s.Helper()
	_, err := s.db.End(s.Context(), identity.Ending{Session: s.session(got).ID, Cause: cause})
	s.no(err)
}

func TestEvents_tellWhatHappensElsewhere(t *testing.T) {
	t.Parallel()
	onStreams(t, func(s *stage, c identity.Client, own, other told) {
		e := s.listen(own.AccessToken)
		if e.next("ready").id == "" {
			t.Error("ready has no id to go on from")
		}
		third := s.post(redeeming(c, s.code(asking(c), s.signIn(s.user)), "device_name", "Tablet", "install_id", "secret"))
		s.good(third)
		began := e.next("session.started").json(t)
		if began["sid"] != s.session(third).ID.String() || began["client_id"] != c.ID || began["client_name"] != "Notes" ||
			began["device_name"] != "Tablet" || began["install_id"] != nil {
			t.Errorf("told of a new session: %v", began)
		}
		s.end(other, identity.EndDevice)
		over := e.next("session.ended").json(t)
		if over["sid"] != s.sid(other) || over["reason"] != "ended_by_user" || over["at"] != float64(s.now().Unix()) {
			t.Errorf("told of an ended session: %v", over)
		}
		tag := s.write(third.AccessToken, http.MethodPut, "k", `1`).want(http.StatusCreated).header.Get("ETag")
		if got := e.next("state.changed").json(t); got["key"] != "k" || got["etag"] != tag {
			t.Errorf("told of a document: %v", got)
		}
		s.write(third.AccessToken, http.MethodDelete, "k", "").want(http.StatusNoContent)
		if got := e.next("state.changed").json(t); got["key"] != "k" || got["deleted"] != true || got["etag"] != nil {
			t.Errorf("told of a deleted document: %v", got)
		}
		s.no(s.ring())
		if got := e.next("profile.changed"); got.data != "{}" {
			t.Errorf("told of the profile: %s", got.data)
		}
		s.silent(e)
	})
}

func TestEvents_tellNobodyElses(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		self, other := s.app(selfRegistered), s.app()
		own, stranger := s.beginAgreed(self), s.addUser("eve@example.com")
		s.pass(time.Minute)
		e := s.listen(own.AccessToken)
		e.next("ready")
		foreign := s.begin(other)
		s.write(foreign.AccessToken, http.MethodPut, "k", `1`).want(http.StatusCreated)
		s.end(foreign, identity.EndDevice)
		s.beginOf(stranger)
		s.end(s.beginAgreed(self), identity.EndDevice) // another device of the same person with the same app
		s.silent(e)
		s.end(own, identity.EndDevice)
		e.next("session.ended")
	})
}

// written are the causes that stand in a Session's row; those that are judged when read have a test of their own.
var written = []identity.EndCause{
	identity.EndReuse, identity.EndForks, identity.EndReplay, identity.EndRevoked, identity.EndSignedOut, identity.EndReplaced,
	identity.EndDevice, identity.EndNotMe, identity.EndPassword, identity.EndReset, identity.EndFactor, identity.EndEmail,
	identity.EndConsent, identity.EndClientGone, identity.EndClientOff, identity.EndLocked, identity.EndDeleted,
	identity.EndOperator, identity.EndUnusual,
}

func TestEvents_theStreamOfAnEndedSessionSaysWhy(t *testing.T) {
	t.Parallel()
	onStreams(t, func(s *stage, c identity.Client, witness, _ told) {
		cookie, sibling := s.signIn(s.user), s.listen(witness.AccessToken)
		sibling.next("ready")
		for _, cause := range written {
			own := s.post(redeeming(c, s.code(asking(c), cookie)))
			s.good(own)
			sibling.next("session.started")
			e := s.listen(own.AccessToken)
			e.next("ready")
			s.end(own, cause)
			s.saysWhy(e, own, cause)
			if got := sibling.next("session.ended").json(t); got["reason"] != string(cause) || got["sid"] != s.sid(own) {
				t.Errorf("its sibling hears %v, want %s", got, cause)
			}
		}
		s.silent(sibling)
	})
}

// saysWhy checks that a stream tells that its own Session is over, and why, and ends.
func (s *stage) saysWhy(e *ear, own told, cause identity.EndCause) {
	s.Helper()
	if got := e.next("session.ended").json(s); got["reason"] != string(cause) || got["sid"] != s.sid(own) {
		s.Errorf("its own stream hears %v, want %s", got, cause)
	}
	e.over()
}

// sid is the Session's id as the access token has it: the row may be gone.
func (s *stage) sid(got told) string {
	s.Helper()
	_, claims := s.decode(got.AccessToken)
	return claims["sid"].(string)
}

// operators are those of the stage.
func (s *stage) operators() identity.Operators { return identity.Operators{Store: s.db, Now: s.now} }

func TestEvents_endWithTheAccountAndTheClient(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		cause identity.EndCause
		by    func(s *stage, c identity.Client) error
	}{
		"locked": {identity.EndLocked, func(s *stage, _ identity.Client) error {
			_, err := s.operators().Lock(s.Context(), s.user.ID)
			return err
		}},
		"deleted": {identity.EndDeleted, func(s *stage, _ identity.Client) error {
			return s.operators().DeleteUser(s.Context(), s.user.ID)
		}},
		"client disabled": {identity.EndClientOff, func(s *stage, c identity.Client) error {
			_, err := s.operators().DisableClient(s.Context(), c.ID)
			return err
		}},
		"client deleted": {identity.EndClientGone, func(s *stage, c identity.Client) error {
			return s.operators().DeleteClient(s.Context(), c.ID)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStreams(t, func(s *stage, c identity.Client, own, _ told) {
				e := s.listen(own.AccessToken)
				e.next("ready")
				s.no(end.by(s, c))
				for {
					got := e.next("session.ended").json(t)
					if got["sid"] != s.sid(own) {
						continue // its sibling ends, too
					}
					if got["reason"] != string(end.cause) {
						t.Errorf("ended by %v", got)
					}
					break
				}
				e.over()
			})
		})
	}
}

func TestEvents_endWithTheTimeOfTheSessionAndOfTheToken(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		lives  identity.Lifetimes
		event  string
		reason string
	}{
		"idle":     {identity.Lifetimes{Idle: 5 * time.Minute, Absolute: time.Hour}, "session.ended", "idle"},
		"absolute": {identity.Lifetimes{Idle: time.Hour, Absolute: 5 * time.Minute}, "session.ended", "expired"},
		"token":    {identity.Lifetimes{Idle: time.Hour, Absolute: time.Hour}, "token.expired", "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				own := s.begin(s.app(func(c *identity.Client) { c.Lives = end.lives }))
				e := s.listen(own.AccessToken)
				e.next("ready")
				s.pass(10 * time.Minute)
				s.no(s.ring())
				if got := e.first(end.event).json(t); got["reason"] != end.reason {
					t.Errorf("ended by %v", got)
				}
				e.over()
			})
		})
	}
}

// ring tells of a changed profile. It has the streams of the person look at once, instead of with their next sign of life: the clock has moved. One that
// was looking just then may hear what rang.
func (s *stage) ring() error {
	return s.db.AddEvent(s.Context(),
		identity.Event{ID: identity.NewID(), At: s.now(), Kind: identity.ProfileChanged, UserID: s.user.ID})
}

func TestEvents_endWithARevokedAccessToken(t *testing.T) {
	t.Parallel()
	onStreams(t, func(s *stage, c identity.Client, own, _ told) {
		e := s.listen(own.AccessToken)
		e.next("ready")
		s.askForm("/oauth2/revoke", map[string][]string{"token": {own.AccessToken}, "client_id": {c.ID}}).want(http.StatusOK)
		s.no(s.ring())
		if got := e.first("token.expired").json(t); got["reason"] != "revoked" {
			t.Errorf("told %v", got)
		}
		e.over()
		s.good(s.post(refreshing(c, own.RefreshToken)))
	})
}

func TestEvents_endWithTheKeyThatSignedTheirToken(t *testing.T) {
	t.Parallel()
	onStreams(t, func(s *stage, _ identity.Client, own, other told) {
		sealed := s.begin(s.app(references))
		header, _ := s.decode(own.AccessToken)
		s.no(s.signing.Remove(t.Context(), header["kid"].(string), "a stolen backup"))
		mine, theirs, unsigned := s.listen(own.AccessToken), s.listen(other.AccessToken), s.listen(sealed.AccessToken)
		for _, e := range []*ear{mine, theirs, unsigned} {
			e.next("ready")
		}
		go s.ends.Run(t.Context())
		for _, e := range []*ear{mine, theirs} {
			if got := e.next("token.expired").json(t); got["reason"] != "revoked" {
				t.Errorf("told %v", got)
			}
			e.over()
		}
		s.silent(unsigned)
	})
}

func TestEvents_goOnFromTheLastOneHeard(t *testing.T) {
	t.Parallel()
	onStreams(t, func(s *stage, c identity.Client, own, other told) {
		first := s.listen(own.AccessToken)
		last := first.next("ready").id
		s.begin(c)
		heard := first.next("session.started").id
		s.pass(time.Minute)
		s.end(other, identity.EndDevice)
		s.pass(time.Minute) // of what lies closer together, some is told twice
		s.write(own.AccessToken, http.MethodPut, "k", `1`).want(http.StatusCreated)

		all := s.listen(own.AccessToken, header("Last-Event-ID", last))
		all.next("session.started")
		all.next("session.ended")
		all.next("state.changed")
		rest := s.listen(own.AccessToken, header("Last-Event-ID", heard))
		rest.next("session.ended")
		end := rest.next("state.changed")
		s.pass(time.Minute)
		s.silent(all, rest, s.listen(own.AccessToken, header("Last-Event-ID", end.id)))
	})
}

func TestEvents_startAnewFromAnIdThatIsNotTheirs(t *testing.T) {
	t.Parallel()
	onStreams(t, func(s *stage, c identity.Client, own, _ told) {
		stranger := s.beginOf(s.addUser("eve@example.com"))
		theirs := s.listen(stranger.AccessToken).next("ready").id
		otherApp := s.listen(s.begin(s.app()).AccessToken).next("ready").id
		future := identity.Position{At: s.now().Add(time.Hour)}.Text(s.user.ID, c.ID)
		old := identity.Position{At: s.now().Add(-8 * 24 * time.Hour)}.Text(s.user.ID, c.ID)
		for name, id := range map[string]string{
			"another person's": theirs, "another app's": otherApp, "of the future": future, "of long ago": old,
			"garbage": "42", "long garbage": strings.Repeat("x", 4000), "an id": identity.NewID().String(),
		} {
			e := s.listen(own.AccessToken, header("Last-Event-ID", id))
			if got := e.next("reset"); got.id == "" || got.id == id {
				t.Errorf("%s: the new id is %q", name, got.id)
			}
			s.silent(e)
		}
	})
}

func TestEvents_whatIsCommittedLateIsHeardOnce(t *testing.T) {
	t.Parallel()
	onStreams(t, func(s *stage, c identity.Client, own, _ told) {
		e := s.listen(own.AccessToken)
		e.next("ready")
		s.begin(c)
		e.next("session.started")
		s.no(s.db.AddEvent(t.Context(), identity.Event{
			ID: identity.NewID(), At: s.now().Add(-9 * time.Second), Kind: identity.ProfileChanged, UserID: s.user.ID,
		}))
		e.next("profile.changed")
		s.no(s.ring())
		e.next("profile.changed")
		s.silent(e)
	})
}

func TestEvents_aFloodHasTheAppReadEverythingAnew(t *testing.T) {
	t.Parallel()
	onStreams(t, func(s *stage, _ identity.Client, own, _ told) {
		e := s.listen(own.AccessToken)
		last := e.next("ready").id
		s.no(s.db.InTx(t.Context(), func(ctx context.Context) error {
			for range 501 {
				if err := s.db.AddEvent(ctx, identity.Event{
					ID: identity.NewID(), At: s.now(), Kind: identity.ProfileChanged, UserID: s.user.ID,
				}); err != nil {
					return err
				}
			}
			return nil
		}))
		e.next("reset")
		s.silent(e)
		s.pass(time.Second)
		s.write(own.AccessToken, http.MethodPut, "k", `1`).want(http.StatusCreated)
		e.next("state.changed")
		s.listen(own.AccessToken, header("Last-Event-ID", last)).next("reset")
		s.end(own, identity.EndRevoked)
		s.saysWhy(e, own, identity.EndRevoked)
	})
}

func TestEvents_theFifthTakesTheFirstOnesPlace(t *testing.T) {
	t.Parallel()
	onStreams(t, func(s *stage, _ identity.Client, own, other told) {
		sibling := s.listen(other.AccessToken)
		sibling.next("ready")
		var ears []*ear
		for range 5 {
			ears = append(ears, s.listen(own.AccessToken))
			ears[len(ears)-1].next("ready")
		}
		ears[0].next("replaced")
		ears[0].over()
		s.silent(append(ears[1:], sibling)...)
	})
}

func TestEvents_thirtyTwoListenForAPersonAndTheNextWaits(t *testing.T) {
	t.Parallel()
	onStreams(t, func(s *stage, c identity.Client, own, _ told) {
		ninth, sessions := s.begin(c), []told{own}
		for len(sessions) < 8 {
			sessions = append(sessions, s.begin(c))
		}
		var ears []*ear
		for _, one := range sessions {
			for range 4 {
				ears = append(ears, s.listen(one.AccessToken))
				ears[len(ears)-1].next("ready")
			}
		}
		r := httptest.NewRequest(http.MethodGet, "/me/events", nil)
		refused := s.ask(changedRequest(r, []func(*http.Request){bearer(ninth.AccessToken)}))
		if refused.status != http.StatusTooManyRequests || refused.header.Get("Retry-After") != "60" {
			t.Errorf("the 33rd stream: %d %v %s", refused.status, refused.header, refused.body)
		}
		s.listen(s.beginOf(s.addUser("eve@example.com")).AccessToken).next("ready")
		s.end(own, identity.EndDevice)
		for _, of := range ears[:4] {
			s.saysWhy(of, own, identity.EndDevice)
		}
		s.listen(ninth.AccessToken).next("ready")
	})
}

func TestEvents_aBoundTokenListensWithItsProof(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k := newProofKey(t, jose.ES256)
		c := s.app()
		own := s.beginBy(c, k)
		e := s.listen("", func(r *http.Request) { r.Header.Set("Authorization", "DPoP "+own.AccessToken) },
			s.by(k, "ath", ath(own.AccessToken)))
		if e.header.Get("DPoP-Nonce") == "" {
			t.Error("no nonce for the next request")
		}
		e.next("ready")
		s.end(own, identity.EndOperator)
		s.saysWhy(e, own, identity.EndOperator)
	})
}
