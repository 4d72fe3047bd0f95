package anomaly_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestNewCountry_isToldOnceAndNotOfThePersonsFirst(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		ada := s.someone()
		s.signIn(ada, tokyo, false)
		s.look()
		s.decided("new-country", 0) // of whom nothing is known nothing is new
		s.pass(24 * time.Hour)
		s.signIn(ada, berlin, false) // a browser that knows her: she travels
		s.look()
		s.decided("new-country", 0)
		bob := s.someone()
		s.signIn(bob, berlin, false)
		s.pass(24 * time.Hour)
		s.look()
		s.signIn(bob, tokyo, true)
		s.signIn(bob, tokyo, true) // once more, with the factor
		s.look()
		s.look()
		e := s.decided("new-country", 1)[0]
		d := identity.ReadDecision(e.Detail)
		if e.UserID != bob.ID || d.About != "JP" || d.Value != 1 || d.Threshold != 1 || !d.Answer.Has(identity.AnswerTell) || !e.Mailed() {
			s.Errorf("the Event says %+v", e)
		}
	})
}

func TestTravel_fasterThanAnyoneTravels(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		ada, bob, eve := s.someone(), s.someone(), s.someone()
		for _, u := range []identity.User{ada, bob, eve} {
			s.signIn(u, berlin, false)
		}
		s.look()
		s.pass(30 * time.Minute)
		s.signIn(ada, tokyo, true)
		s.signIn(bob, munich, true) // 500 km: what a network is near is a guess
		s.look()
		s.pass(14 * time.Hour)
		s.signIn(eve, tokyo, true) // by plane
		s.look()
		if got := s.decided("impossible-travel", 1); len(got) == 1 && got[0].UserID != ada.ID {
			s.Errorf("it is %v", got)
		}
	})
}

func TestDormant_countsWhatAppsDo(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		gone, present := s.someone(), s.someone()
		for _, u := range []identity.User{gone, present} {
			s.signIn(u, berlin, false)
		}
		s.look()
		s.pass(170 * 24 * time.Hour)
		s.signIn(present, berlin, false)
		s.look()
		s.pass(9 * 24 * time.Hour)
		s.signIn(present, tokyo, true)
		s.look()
		s.decided("dormant-account", 0)
		s.pass(26 * time.Hour)
		s.signIn(gone, tokyo, true)
		s.look()
		if got := s.decided("dormant-account", 1); len(got) == 1 && (got[0].UserID != gone.ID || identity.ReadDecision(got[0].Detail).Value != 180) {
			s.Errorf("it is %v", got)
		}
	})
}

func TestFactorMisses_areToldOnceADay(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		ada := s.someone()
		for i := range 20 {
			s.ok(s.db.AddRepeat(s.Context(), identity.Event{
				ID: identity.NewID(), At: s.now(), Kind: identity.FactorRefused, UserID: ada.ID, Detail: "totp", Address: tokyo,
			}))
			s.look()
			if got, want := len(s.found("many-wrong-codes")), i/7; got != min(want, 1) {
				s.Fatalf("after %d wrong codes %d decisions", i+1, got)
			}
			s.pass(time.Minute)
		}
		s.decided("many-wrong-codes", 1)
	})
}

func TestRecovery_fromSomewhereNewIsAsked(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		ada, bob := s.someone(), s.someone()
		for _, u := range []identity.User{ada, bob} {
			s.signIn(u, berlin, false)
		}
		s.look()
		s.pass(48 * time.Hour)
		for address, u := range map[string]identity.User{berlin: ada, tokyo: bob} {
			for _, kind := range []identity.EventKind{identity.RecoveryCodeUsed, identity.SignedIn, identity.FactorReplaced} {
				s.tell(identity.Event{Kind: kind, UserID: u.ID, Address: address})
				s.look()
			}
		}
		if got := s.decided("recovery-out-of-pattern", 1); len(got) == 1 && got[0].UserID != bob.ID {
			s.Errorf("it is %v", got)
		}
	})
}

func TestAsk_theFactorIsAskedOnceMoreAndPassedOnce(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		ada, bare := s.someone(), s.someone()
		enrol(s, ada)
		hers, bares := s.browser(ada, identity.PWD|identity.OTP|identity.MFA), s.browser(bare, identity.PWD)
		for _, u := range []identity.User{ada, bare} {
			s.signIn(u, berlin, false)
		}
		s.look()
		s.pass(time.Hour)
		for _, u := range []identity.User{ada, bare} {
			s.signIn(u, tokyo, true)
		}
		own := identity.Demand{Client: identity.Client{Trusted: true}}
		if got := own.Missing(s.standing(hers.ID), identity.MFAOptional, identity.Grant{}); got != identity.StepNone {
			s.Fatalf("before, %d is missing", got)
		}
		s.look()
		if got := own.Missing(s.standing(hers.ID), identity.MFAOptional, identity.Grant{}); got != identity.StepFactor {
			s.Errorf("asked, %d is missing, want the factor", got)
		}
		if got := own.Missing(s.standing(bares.ID), identity.MFAOptional, identity.Grant{}); got != identity.StepNone {
			s.Errorf("of whom has no factor %d is missing", got)
		}
		for _, e := range s.decided("new-country", 2) {
			if d := identity.ReadDecision(e.Detail); d.Answer.Has(identity.AnswerAsk) != (e.UserID == ada.ID) || !e.Mailed() {
				s.Errorf("the Event says %+v", e)
			}
		}
		again := s.standing(hers.ID).SignIn
		again.AMR |= identity.OTP | identity.MFA // as Strengthen writes it
		s.ok(s.db.ProveSignIn(s.Context(), again, again.SecretHash))
		s.look()
		s.pass(30 * time.Minute)
		s.look()
		if got := own.Missing(s.standing(hers.ID), identity.MFAOptional, identity.Grant{}); got != identity.StepNone {
			s.Errorf("once it was shown, %d is missing", got)
		}
	})
}

func enrol(s *stage, u identity.User) {
	s.Helper()
	s.ok(storagetest.TOTP(s.T, s.db).Import(s.Context(), u.ID, []byte("12345678901234567890")))
}

func TestHabits_areCoarseFewAndGoWithTheAccount(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		ada := s.someone()
		for i := range 12 {
			s.signIn(ada, fmt.Sprintf("172.%d.3.4", i%10), false)
			s.look()
			s.pass(time.Hour)
		}
		h, err := s.db.Habits(s.Context(), []identity.ID{ada.ID})
		s.ok(err)
		if n := len(h[ada.ID].Places); n != identity.MaxSpots {
			s.Errorf("%d places are kept", n)
		}
		for _, p := range h[ada.ID].Places {
			if !strings.HasSuffix(p.Network, ".0.0/16") {
				s.Errorf("%s is kept of an address", p.Network)
			}
		}
		s.ok(s.db.DeleteUser(s.Context(), ada.ID))
		if h, err = s.db.Habits(s.Context(), []identity.ID{ada.ID}); err != nil || len(h) != 0 {
			s.Errorf("of whom is gone %v is kept, %v", h, err)
		}
		s.ok(s.db.WriteHabit(s.Context(), identity.Habit{UserID: ada.ID})) // a look that was under way
	})
}
