package bench

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// listeners is how many apps listen at once.
const listeners = 1000

// BenchmarkStreams has 1,000 apps listen to one process. It says what a stream takes and how soon they hear when one of
// 1,000 people changes something there (here), when another process does (elsewhere), and when all apps are one person's
// and hear the same (all).
func BenchmarkStreams(b *testing.B) {
	each(b, func(b *testing.B, s *stage, p process) {
		b.Run("people", func(b *testing.B) {
			people := s.audience(b, p, s.newPerson)
			one := func(i int) []int { return []int{i} }
			b.Run("here", func(b *testing.B) {
				people.measure(b, people.write, one)
				b.ReportMetric(people.each/1024, "KiB/stream")
			})
			b.Run("elsewhere", func(b *testing.B) { people.measure(b, people.changeName, one) })
		})
		b.Run("all", func(b *testing.B) {
			person := s.audience(b, p, func(testing.TB) {})
			all := make([]int, listeners)
			for i := range all {
				all[i] = i
			}
			person.measure(b, person.write, func(int) []int { return all })
		})
	})
}

// audience is apps that listen.
type audience struct {
	*stage
	process
	access []string
	users  []identity.ID
	heard  []chan time.Time // when each app heard something
	each   float64          // bytes of the server's memory that a stream takes
}

// audience signs apps in, each after next has run, and has them listen.
func (s *stage) audience(b *testing.B, p process, next func(testing.TB)) *audience {
	b.Helper()
	a := &audience{stage: s, process: p}
	for range listeners {
		next(b)
		s.startSession(b, 0)
		a.access, a.users = append(a.access, accessToken(b, s, p)), append(a.users, s.standing.User.ID)
		a.heard = append(a.heard, make(chan time.Time, 1))
	}
	before := p.resident(b)
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	for i := range listeners {
		if err := a.listen(ctx, i); err != nil {
			b.Fatal(err)
		}
		<-a.heard[i] // the greeting
	}
	a.each = float64(p.resident(b)-before) / listeners
	return a
}

// newPerson signs another person in in the browser.
func (s *stage) newPerson(b testing.TB) {
	b.Helper()
	now, code := s.db.Now(), identity.NewSecret()
	u := identity.User{
		ID: identity.NewID(), Sub: identity.RandomText(16), Email: strings.ToLower(identity.RandomText(9)) + "@example.com",
		PasswordHash: "none", CreatedAt: now, UpdatedAt: now,
	}
	in := identity.SignIn{
		ID: identity.NewID(), UserID: u.ID, SecretHash: identity.NewSecret().Hash(), CodeSecretHash: code.Hash(), AMR: identity.PWD,
		ProvedAt: now, CreatedAt: now, LastUsedAt: now, IdleEndsAt: now.Add(time.Hour), EndsAt: now.Add(time.Hour),
	}
	if err := s.db.CreateUser(b.Context(), u); err != nil {
		b.Fatal(err)
	}
	if err := s.db.StartSignIn(b.Context(), in); err != nil {
		b.Fatal(err)
	}
	s.standing = identity.Standing{User: u, SignIn: in}
	s.standing.Pointer.CodeSecret = code
}

// listen opens an app's stream and notes when something is heard on it.
func (a *audience) listen(ctx context.Context, i int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/me/events", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.access[i])
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("listen: %s", resp.Status)
	}
	go func() {
		defer func() { _ = resp.Body.Close() }()
		defer close(a.heard[i])
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "data:") {
				a.heard[i] <- time.Now()
			}
		}
	}()
	return nil
}

// measure changes something again and again, and each time waits until those who should hear of it did.
func (a *audience) measure(b *testing.B, change func(i int) error, hears func(i int) []int) {
	b.Helper()
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		began := time.Now()
		if err := change(n % listeners); err != nil {
			b.Fatal(err)
		}
		for _, i := range hears(n % listeners) {
			at, open := <-a.heard[i]
			if !open {
				b.Fatal("a stream ended: an access token lives for ten minutes")
			}
			took = append(took, at.Sub(began))
		}
	}
	reportWaits(b, took)
}

// write changes a document of an app's person, at the process that they listen to.
func (a *audience) write(i int) error {
	req, err := http.NewRequest(http.MethodPut, a.base+"/me/state/k", strings.NewReader(`{"a":1}`))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.access[i])
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("write a document: %s", resp.Status)
	}
	return nil
}

// changeName tells that a person's profile changed, in this process.
func (a *audience) changeName(i int) error {
	return a.db.AddEvent(context.Background(), identity.Event{
		ID: identity.NewID(), At: a.db.Now(), Kind: identity.ProfileChanged, UserID: a.users[i],
	})
}
