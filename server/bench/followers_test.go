package bench

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// follower is an API that follows the feed of endings of one process.
type follower struct {
	mu    sync.Mutex
	heard map[string]time.Time // when it was told of a session
	ready chan struct{}        // closed with its first beat
	once  sync.Once
}

// follow opens a stream of the feed of endings as an API.
func follow(ctx context.Context, base, api string) (*follower, error) {
	form := url.Values{"client_id": {api}, "client_secret": {"an api's secret"}, "nonce": {"0123456789abcdef"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/oauth2/endings", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("follow: %s", resp.Status)
	}
	f := &follower{heard: map[string]time.Time{}, ready: make(chan struct{})}
	go func() {
		defer func() { _ = resp.Body.Close() }()
		lines := bufio.NewScanner(resp.Body)
		for lines.Buffer(nil, 1<<20); lines.Scan(); {
			f.read(lines.Text())
		}
	}()
	<-f.ready
	return f, nil
}

// read notes what a line tells. Verifying it is the follower's own affair.
func (f *follower) read(line string) {
	at := time.Now()
	if line == "event: beat" {
		f.once.Do(func() { close(f.ready) })
	}
	parts := strings.Split(strings.TrimPrefix(line, "data: "), ".")
	if len(parts) != 3 {
		return
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var said struct{ Marks [][]any }
	_ = json.Unmarshal(payload, &said)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range said.Marks {
		f.heard[m[1].(string)] = at
	}
}

func (f *follower) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.heard)
}

// BenchmarkFollowersCost refreshes in turns without and with 100 followers: what the feed of endings costs the hot path.
func BenchmarkFollowersCost(b *testing.B) {
	const followers, workers, calls, turns = 100, 16, 4000, 6
	each(b, func(b *testing.B, s *stage, p process) {
		s.secondAPI(b)
		call := func(worker int) error { return s.refresh(p.base, worker) }
		var rates, spent [2][]float64
		var idle []float64
		turn := func(with int) {
			cpu, began := p.cpu(b), time.Now()
			if _, err := volley(workers, calls, call); err != nil {
				b.Fatal(err)
			}
			rates[with] = append(rates[with], calls/time.Since(began).Seconds())
			spent[with] = append(spent[with], float64((p.cpu(b)-cpu).Microseconds())/calls)
		}
		for b.Loop() {
			for range turns {
				turn(0)
				ctx, stop := context.WithCancel(b.Context())
				for i := range followers {
					if _, err := follow(ctx, p.base, []string{"api", "api2"}[i%2]); err != nil {
						b.Fatal(err)
					}
				}
				idle = append(idle, p.idle(b))
				turn(1)
				stop()
			}
		}
		middle := func(all []float64) float64 { slices.Sort(all); return all[len(all)/2] }
		b.ReportMetric(middle(idle), "idle-ms/s")
		b.ReportMetric(middle(rates[0]), "op/s")
		b.ReportMetric(middle(rates[1])/middle(rates[0]), "throughput-ratio")
		b.ReportMetric(middle(spent[0]), "server-µs/op")
		b.ReportMetric(middle(spent[1])/middle(spent[0]), "cpu-ratio")
	})
}

// idle is how many milliseconds of processor time a server takes in a second in which nobody asks anything of it but to be
// followed: what no noise of other programs hides.
func (p process) idle(b *testing.B) float64 {
	b.Helper()
	cpu, began := p.cpu(b), time.Now()
	time.Sleep(3 * time.Second)
	return (p.cpu(b) - cpu).Seconds() * 1000 / time.Since(began).Seconds()
}

// secondAPI adds another API: one alone may not have a hundred followers.
func (s *stage) secondAPI(b *testing.B) {
	b.Helper()
	err := s.db.CreateClient(b.Context(), identity.Client{ID: "api2", SecretHash: s.keys.HashSecret("an api's secret"), CreatedAt: s.db.Now()})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFollowersSoon ends sessions on PostgreSQL from a process that has no followers: how long after the commit three
// APIs have heard, each from a server of its own, with a few endings and with 1,000 a second.
func BenchmarkFollowersSoon(b *testing.B) {
	for name, pace := range map[string]struct {
		endings int
		every   time.Duration
	}{"few": {100, 30 * time.Millisecond}, "many": {5000, time.Millisecond}} {
		b.Run(name, func(b *testing.B) {
			dsn := storagetest.DSN(b, storage.Postgres)
			s := newStage(b, dsn)
			var apis []*follower
			for range 3 {
				f, err := follow(b.Context(), startSojourn(b, dsn, "SOJOURN_ISSUER=http://localhost:8080").base, "api")
				if err != nil {
					b.Fatal(err)
				}
				apis = append(apis, f)
			}
			for b.Loop() { // once: it takes longer than any benchmark's second
				s.endMany(b, apis, pace.endings, pace.every)
			}
		})
	}
}

// endAt ends sessions in their order, one every so often, says after each commit which one that was, and reports how many it was a
// second.
func (s *stage) endAt(b *testing.B, every time.Duration, ids []string, ended func(i int, at time.Time)) {
	b.Helper()
	began, at := time.Now(), atomic.Int64{}
	_, err := volley(24, len(ids), func(int) error {
		i := int(at.Add(1)) - 1
		time.Sleep(time.Until(began.Add(time.Duration(i) * every)))
		_, err := s.db.End(b.Context(), identity.Ending{Session: uuid.MustParse(ids[i]), Cause: identity.EndDevice})
		ended(i, time.Now())
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(ids))/time.Since(began).Seconds(), "endings/s")
}

// endMany ends sessions, one each time, and reports how long the slowest API took to hear of each.
func (s *stage) endMany(b *testing.B, apis []*follower, n int, every time.Duration) {
	b.Helper()
	ids := make([]string, n)
	for i := range ids {
		if i%90 == 0 { // a person may have 100 sessions of an app
			s.newPerson(b)
		}
		s.startSession(b, 0)
		ids[i] = s.ids[0]
	}
	before := apis[0].count()
	done := make([]time.Time, n)
	s.endAt(b, every, ids, func(i int, at time.Time) { done[i] = at })
	var took []time.Duration
	for _, f := range apis {
		for until := time.Now().Add(time.Minute); f.count() < before+n; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				b.Fatalf("an API heard of %d of %d", f.count()-before, n)
			}
		}
		for i, id := range ids {
			took = append(took, f.heard[id].Sub(done[i]))
		}
	}
	reportWaits(b, took)
}
