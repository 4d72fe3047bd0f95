package anomaly_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/anomaly"
	"github.com/sojourn-auth/sojourn/identity"
)

func TestWatch_twoProcessesAtOnceDecideOnce(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		for range 12 {
			s.guess(s.someone(), munich)
		}
		var all sync.WaitGroup
		for range 16 {
			w := s.another("")
			all.Go(func() {
				if _, err := w.Look(s.Context()); err != nil {
					s.Error(err)
				}
			})
		}
		all.Wait()
		s.decided("passwords-across-people", 1)
		own := identity.Decision{Rule: "x", Subject: "y", At: s.now()}
		first := make(chan bool, 16)
		for range 16 {
			all.Go(func() {
				mine, err := s.db.Decide(s.Context(), own, time.Hour)
				if err != nil {
					s.Error(err)
				}
				first <- mine
			})
		}
		all.Wait()
		close(first)
		n := 0
		for mine := range first {
			if mine {
				n++
			}
		}
		if n != 1 {
			s.Errorf("%d of 16 were first", n)
		}
	})
}

func TestWatch_oneReadsAndAnotherTakesOverWhereItStopped(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		other := s.another("")
		for range 6 {
			s.guess(s.someone(), munich)
		}
		s.look()
		s.lookBy(other) // it reads nothing
		for range 3 {
			s.guess(s.someone(), munich)
		}
		s.pass(25 * time.Second)
		s.look()
		s.pass(31 * time.Second) // the first has stopped
		s.guess(s.someone(), munich)
		s.lookBy(other) // it knows the nine of before
		s.decided("passwords-across-people", 1)
		s.look() // and here it is again: the lease is another's now
		s.decided("passwords-across-people", 1)
		s.pass(time.Minute)
		s.look() // from its beginning
		s.decided("passwords-across-people", 1)
	})
}

func TestWatch_lateDuplicateAndSkewedEventsCountOnce(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		people := make([]identity.User, 11)
		for i := range people {
			people[i] = s.someone()
		}
		told := func(u identity.User, at time.Time) {
			s.tell(identity.Event{At: at, Kind: identity.PasswordRefused, UserID: u.ID, Detail: "sign-in", Address: munich})
		}
		s.look()
		for range 3 {
			for _, u := range people[:4] {
				told(u, s.now())
			}
		}
		s.look()
		s.decided("passwords-across-people", 0) // four people, three times each
		for _, u := range people[4:8] {
			told(u, s.now().Add(-20*time.Second)) // their transactions took long
			told(u, s.now().Add(-26*time.Hour))   // and these are of yesterday
		}
		s.look()
		s.decided("passwords-across-people", 0)
		for _, u := range people[8:] {
			told(u, s.now().Add(10*time.Minute)) // by a clock that is ahead
		}
		s.look()
		s.decided("passwords-across-people", 0)
		s.pass(11 * time.Minute)
		s.look()
		s.decided("passwords-across-people", 1)
	})
}

func TestWatch_aPageMoreThanOnceIsTheSame(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		events := make([]identity.User, 9)
		for i := range events {
			events[i] = s.someone()
			s.guess(events[i], munich)
		}
		for range 1100 { // more than a page
			s.tell(identity.Event{Kind: identity.SessionEnded, ClientID: "notes", Detail: string(identity.EndSignedOut)})
		}
		for range 5 {
			s.look()
		}
		s.decided("passwords-across-people", 0)
		s.guess(s.someone(), munich)
		s.look()
		s.decided("passwords-across-people", 1)
	})
}

const often = `
rules:
  - {name: new-country, signal: new_country, threshold: 1, window: 24h, answer: [tell], limit: 3, reason: a test}
`

func TestLimit_beyondItIsOnlyNoted(t *testing.T) {
	t.Parallel()
	onStage(t, often, func(s *stage) {
		people := make([]identity.User, 5)
		for i := range people {
			people[i] = s.someone()
			s.signIn(people[i], berlin, false)
		}
		s.look()
		s.pass(time.Hour)
		for _, u := range people {
			s.signIn(u, tokyo, false)
			s.pass(time.Second)
			s.look()
		}
		mailed, held := 0, 0
		for _, e := range s.decided("new-country", 5) {
			if e.Mailed() {
				mailed++
			}
			if identity.ReadDecision(e.Detail).Held {
				held++
			}
		}
		if mailed != 3 || held != 2 {
			s.Errorf("%d are told and %d held, want 3 and 2", mailed, held)
		}
	})
}

func TestVersions_oneThatLosesAnswersIsFoundAndAMillionFillNothing(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		refresh := func(version string, n, lost int) {
			for i := range n {
				r := identity.Refreshed{At: s.now(), Outcome: identity.Rotated, Client: "notes", Version: version}
				if i < lost {
					r.Outcome = identity.Forked
				}
				s.watch.Refreshed(r)
			}
		}
		refresh("3.1", 500, 15)
		refresh("3.2", 200, 8)
		s.look()
		s.decided("version-loses-answers", 0)
		for i := range 1_000_000 {
			s.watch.Refreshed(identity.Refreshed{At: s.now(), Outcome: identity.Forked, Client: "notes", Version: fmt.Sprint(i)})
		}
		refresh("3.2", 300, 200)
		s.look()
		if got := s.decided("version-loses-answers", 1); len(got) == 1 {
			if d := identity.ReadDecision(got[0].Detail); d.About != "3.2" || got[0].ClientID != "notes" {
				s.Errorf("it is %+v", got[0])
			}
		}
		if n := s.watch.Kept(); n > 2000 {
			s.Errorf("%d versions are kept", n)
		}
		s.pass(2 * time.Hour)
		s.look()
		if n := s.watch.Kept(); n != 1 { // of 3.1 it is known for a while; 3.2 was only bad, and inventions were nothing
			s.Errorf("of %d versions it is known what is usual, want 1", n)
		}
		s.pass(49 * time.Hour)
		s.look()
		if n := s.watch.Kept(); n != 0 {
			s.Errorf("%d versions are kept that nobody runs", n)
		}
	})
}

// Compared with the others of the same hour, a version that many use is found at a tenth; of few refreshes a tenth is chance.
func TestVersions_theMoreRefreshesTheFinerTheComparison(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		refresh := func(client, version string, n, lost int) {
			for i := range n {
				r := identity.Refreshed{At: s.now(), Outcome: identity.Rotated, Client: client, Version: version}
				if i < lost {
					r.Outcome = identity.Forked
				}
				s.watch.Refreshed(r)
			}
		}
		for _, client := range []string{"notes", "mail", "chat"} {
			refresh(client, "4.0", 1000, 20)
		}
		refresh("notes", "4.1", 60, 8)
		refresh("mail", "4.1", 1000, 90)
		refresh("chat", "4.1", 1000, 120)
		s.look()
		if got := s.decided("version-loses-answers", 1); len(got) == 1 && got[0].ClientID != "chat" {
			s.Errorf("it is of %s", got[0].ClientID)
		}
		s.pass(20 * time.Minute)
		s.look()
		s.decided("version-loses-answers", 1) // one case, not one an hour
	})
}

// An app that refreshes once a day, of one version alone, is compared with its days before: with the good ones.
func TestVersions_aBadDayIsNoMeasureOfTheNext(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		day := func(lost int) {
			for i := range 100 {
				r := identity.Refreshed{At: s.now(), Outcome: identity.Rotated, Client: "notes", Version: "3.2"}
				if i < lost {
					r.Outcome = identity.Forked
				}
				s.watch.Refreshed(r)
			}
			s.look()
			s.pass(24 * time.Hour)
			s.look()
		}
		for range 3 {
			day(3)
		}
		for n := range 5 {
			day(30)
			s.decided("version-loses-answers", n+1)
		}
		day(3)
		s.decided("version-loses-answers", 5)
	})
}

func TestVersions_allLosingTogetherAreNoVersionsFault(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		for _, version := range []string{"3.1", "3.2", "3.3"} {
			for i := range 300 {
				r := identity.Refreshed{At: s.now(), Outcome: identity.Rotated, Client: "notes", Version: version}
				if i%3 == 0 {
					r.Outcome = identity.SameGiven
				}
				s.watch.Refreshed(r)
			}
		}
		s.look()
		s.decided("version-loses-answers", 0)
	})
}

func TestDeliveries_thatNobodyTakesAreFound(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		for i := range 5000 { // strangers' clients that never answer
			s.watch.Delivered(identity.LogoutDelivery, fmt.Sprint("stranger", i), s.now(), false)
		}
		for range 4 {
			s.watch.Delivered(identity.LogoutDelivery, "stranger1", s.now(), false)
			s.watch.Delivered(identity.LogoutDelivery, "stranger2", s.now(), false)
		}
		s.watch.Delivered(identity.LogoutDelivery, "stranger2", s.now(), true)
		s.look()
		if got := s.decided("back-channel-down", 1); len(got) == 1 && identity.ReadDecision(got[0].Detail).About != "logout stranger1" {
			s.Errorf("it is %v", got)
		}
	})
}

func TestPlatform_aPhoneThatBecomesAnotherEndsAndAScriptIsNoted(t *testing.T) {
	t.Parallel()
	onStage(t, "", func(s *stage) {
		for began, now := range map[string]string{
			"Notes/3 CFNetwork/1568 Darwin/24.0.0": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15", // desktop's page
			"okhttp/5.0":                           "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36",
			"Notes/3 (x)":                          "curl/8.1",
		} {
			s.watch.Refreshed(identity.Refreshed{At: s.now(), Session: identity.Session{ID: identity.NewID(), UserAgent: began}, Seen: identity.Seen{UserAgent: now}})
		}
		s.look()
		s.decided("platform-changed", 0)
		s.decided("platform-of-a-script", 0)
		u := s.someone()
		for range 5000 { // one refresh after the other: no queue grows
			s.watch.Refreshed(identity.Refreshed{
				At: s.now(), Client: "notes", Session: identity.Session{ID: identity.ID{7}, UserID: u.ID, UserAgent: "okhttp/5.0"},
				Seen: identity.Seen{UserAgent: "python-requests/2"},
			})
		}
		s.look()
		s.decided("platform-of-a-script", 1)
	})
}

func TestWatch_withoutRulesNobodyLooks(t *testing.T) {
	t.Parallel()
	var none *anomaly.Watch
	if w := anomaly.New(anomaly.Options{}); w != none {
		t.Error("a watch without rules looks")
	}
	none.Refreshed(identity.Refreshed{})
	none.Delivered(identity.LogoutDelivery, "x", time.Now(), false)
	none.Run(t.Context())
	if signal, own := none.Told("x"); signal != "" || own != "" {
		t.Error("it tells something")
	}
}
