package oauth_test

import (
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// tokenFile is where the processes of one agent keep their tokens: each reads it, refreshes where what it read has expired, and
// writes what it was answered. Nothing locks it between: of several answers the last one written stays.
type tokenFile struct {
	mu      sync.Mutex
	refresh string
	expires time.Time
}

func (f *tokenFile) read() (refresh string, expires time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refresh, f.expires
}

func (f *tokenFile) write(refresh string, expires time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh, f.expires = refresh, expires
}

// A person lets an agent stay connected. Twenty processes of it run for a month, all waking at the same moments, with one file
// between them: nobody is asked to sign in or to consent again. What holds it: a process that reads an answer finds an access
// token that is still good and does not refresh, so that all who refresh at one time show the same token; each gets a branch of
// its own, and the one that stays in the file goes on.
func TestAgent_twentyProcessesWithOneFileForAMonth(t *testing.T) {
	t.Parallel()
	const processes = 20
	onStage(t, func(s *stage) {
		agent, cookie := s.agent(), s.signIn(s.user)
		first := s.post(redeeming(agent, s.allowedBy(agent, cookie, true)))
		s.good(first)
		file, chance := &tokenFile{}, rand.New(rand.NewPCG(1, 2)) // the waits are the same in each run; who comes first is not
		file.write(first.RefreshToken, s.now())
		refreshes, sid := 0, s.session(first).ID
		for began := s.now(); s.now().Sub(began) < 31*24*time.Hour; {
			s.pass(10*time.Minute + time.Duration(chance.Int64N(int64(16*time.Hour))))
			answers := make(chan told, processes)
			var wake sync.WaitGroup
			for range processes {
				wake.Go(func() {
					refresh, expires := file.read()
					if s.now().Before(expires) {
						return
					}
					runtime.Gosched()
					got := s.post(refreshing(agent, refresh, "client_id", "")) // as Codex sends it: the token, no scope, no resource
					if got.Status == http.StatusOK {
						file.write(got.RefreshToken, s.now().Add(time.Duration(got.ExpiresIn)*time.Second))
					}
					answers <- got
				})
			}
			wake.Wait()
			close(answers)
			for got := range answers {
				s.good(got)
				refreshes++
			}
		}
		row, err := s.db.SessionByID(t.Context(), sid)
		if err != nil || !row.Alive(s.now()) || refreshes < 31*processes/2 {
			t.Errorf("after %d refreshes the session is over: %+v, %v", refreshes, row, err)
		}
	})
}

// Where the rule draws the line: two processes that each keep an answer of their own go apart at the second refresh, as a thief
// and the owner would, and the person is asked once more. A file that both read is what keeps them together.
func TestAgent_twoStoresGoApart(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		agent := s.agent()
		first := s.post(redeeming(agent, s.allowedBy(agent, s.signIn(s.user), true)))
		one, other := s.post(refreshing(agent, first.RefreshToken)), s.post(refreshing(agent, first.RefreshToken))
		s.good(one)
		s.good(other)
		s.good(s.post(refreshing(agent, one.RefreshToken)))
		s.good(s.post(refreshing(agent, one.RefreshToken))) // the same store, once more
		s.good(s.post(refreshing(agent, one.RefreshToken, "client_id", "")))
		s.invalidGrant(s.post(refreshing(agent, other.RefreshToken)))
		if row := s.session(first); row.EndCause != identity.EndReuse {
			t.Errorf("ended by %q", row.EndCause)
		}
	})
}
