package anomaly_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

func (s *stage) guess(u identity.User, address string) {
	s.Helper()
	s.ok(s.db.AddRepeat(s.Context(), identity.Event{
		ID: identity.NewID(), At: s.now(), Kind: identity.PasswordRefused, UserID: u.ID, Detail: "sign-in", Address: address,
	}))
}

func TestGuesses_ofAListAreFoundAndAnAirportIsNot(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		for range 12 { // an airport: they type it wrong, and then right
			u := s.someone()
			s.guess(u, munich)
			s.pass(20 * time.Second)
			s.signIn(u, munich, false)
		}
		one := s.someone()
		for range 30 { // one person who has forgotten it
			s.guess(one, munich)
		}
		s.look()
		s.decided("passwords-across-people", 0)
		for i := range 12 { // whoever spins through the /64s of a /48
			s.guess(s.someone(), fmt.Sprintf("2001:db8:7:%x::1", i))
		}
		s.look()
		if got := s.decided("passwords-across-people", 1); len(got) == 1 {
			if d := identity.ReadDecision(got[0].Detail); d.About != "2001:db8:7::/48" || d.Value != 10 || !d.Answer.Has(identity.AnswerWebhook) {
				s.Errorf("it is %+v", d)
			}
		}
	})
}

func TestRegistrations_aFloodIsFound(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		for i := range 25 {
			s.tell(identity.Event{Kind: identity.ClientRegistered, ClientID: fmt.Sprint("app", i), Address: tokyo})
			s.tell(identity.Event{Kind: identity.ClientRegistered, ClientID: fmt.Sprint("own", i), Address: tokyo, Actor: "cli:ada"})
			s.tell(identity.Event{Kind: identity.UserCreated, UserID: identity.NewID(), Address: tokyo})
		}
		s.look()
		s.decided("registrations-of-a-network", 1)
		s.decided("registration-flood", 0)
		s.decided("accounts-of-a-network", 0)
	})
}

func TestReuse_inAClusterIsFound(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		ended := func(n int, client string, cause identity.EndCause) {
			for range n {
				s.tell(identity.Event{Kind: identity.SessionEnded, UserID: identity.NewID(), ClientID: client, Detail: string(cause)})
			}
		}
		ended(7, "notes", identity.EndReuse)
		ended(50, "lists", identity.EndSignedOut)
		s.look()
		s.decided("reuse-cluster", 0)
		s.pass(50 * time.Minute)
		ended(1, "notes", identity.EndReuse)
		s.look()
		if got := s.decided("reuse-cluster", 1); len(got) == 1 && got[0].ClientID != "notes" {
			s.Errorf("it is %v", got)
		}
	})
}

// A shop where Monday morning is busy: its normal is that hour's own.
func TestForcedSignIns_areJudgedByTheSameHourOfTheWeek(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		forced := func(n int) {
			for range n {
				s.tell(identity.Event{Kind: identity.SessionEnded, UserID: identity.NewID(), ClientID: "notes", Detail: string(identity.EndCrowded)})
			}
		}
		for week := range 6 {
			hour := s.now().Add(time.Duration(week-6) * 7 * 24 * time.Hour).Truncate(time.Hour)
			s.ok(s.db.WriteHour(s.Context(), "forced_signins", hour, 100+week))
			s.ok(s.db.WriteHour(s.Context(), "forced_signins", hour.Add(time.Hour), 2+week%2))
		}
		forced(120)
		s.look()
		s.decided("forced-signins-off-normal", 0)
		s.pass(time.Hour)
		forced(40)
		s.look()
		s.look()
		s.decided("forced-signins-off-normal", 1)
		s.pass(time.Hour + 2*time.Minute)
		s.look()
		hours, err := s.db.Hours(s.Context(), "forced_signins", s.now().Add(-3*time.Hour))
		s.ok(err)
		if got := hours[s.now().Add(-2*time.Hour).Truncate(time.Hour)]; got != 120 {
			s.Errorf("of the hour is kept %d in %v, want 120", got, hours)
		}
	})
}

func TestSeason_whatRepeatsCountsInEachHourAsOftenAsItDidThen(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		u := s.someone()
		for _, n := range []int{3, 4} {
			for range n {
				s.pass(8 * time.Minute)
				s.guess(u, munich)
				s.look()
			}
		} // at 8, 16, 24, 32, 40, 48, 56
		s.pass(8 * time.Minute)
		s.guess(u, munich) // 64
		s.look()
		s.pass(2 * time.Hour)
		s.look()
		hours, err := s.db.Hours(s.Context(), "refused_passwords", s.now().Add(-4*time.Hour))
		s.ok(err)
		first := s.now().Add(-3 * time.Hour).Truncate(time.Hour)
		if hours[first] != 7 || hours[first.Add(time.Hour)] != 1 {
			s.Errorf("the hours are %v, want 7 and 1", hours)
		}
	})
}
