package bench

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// BenchmarkShares has others refresh while one party takes as much as it can get: guesses of passwords from 400 networks, and
// one account with all its streams and as many writes as it may. It says what is left to the others of their throughput and
// of their p99 (1: all), and what the party was answered.
func BenchmarkShares(b *testing.B) {
	for _, kind := range storagetest.Kinds(b) {
		b.Run(kind, func(b *testing.B) {
			dsn := storagetest.DSN(b, kind)
			s := newStage(b, dsn)
			p := startSojourn(b, dsn, "SOJOURN_TRUSTED_PROXIES=127.0.0.1/32")
			b.Run("guesses", func(b *testing.B) {
				g := &guessers{process: p, ada: browser(b)}
				g.honest(b) // the browser knows her from here
				s.beside(b, p, g.guess)
				b.ReportMetric(float64(g.busy.Load()), "busy")
				b.ReportMetric(float64(g.failed.Load()), "faults")
				b.ReportMetric(slices.Max(g.took).Seconds()*1000, "honest-max-ms")
			})
			b.Run("streams", func(b *testing.B) { s.beside(b, p, s.hog(b, p).flood) })
		})
	}
}

// hog is an account with all the streams that it may have; the stage's phones are another person's from then on.
func (s *stage) hog(b *testing.B, p process) *audience {
	b.Helper()
	const sessions, streams = 8, 32
	hog := &audience{stage: s, process: p}
	for range sessions {
		s.startSession(b, 0)
		hog.access = append(hog.access, accessToken(b, s, p))
	}
	for i := range streams {
		if i >= sessions {
			hog.access = append(hog.access, hog.access[i%sessions])
		}
		heard := make(chan time.Time)
		hog.heard = append(hog.heard, heard)
		if err := hog.listen(b.Context(), i); err != nil {
			b.Fatal(err)
		}
		go func() {
			for range heard { // as a phone would
			}
		}()
	}
	s.newPerson(b)
	for i := range s.tokens {
		s.startSession(b, i)
	}
	return hog
}

// beside has the stage's phones refresh in turns, alone and beside what a party does until its context ends.
func (s *stage) beside(b *testing.B, p process, party func(context.Context)) {
	b.Helper()
	const workers, calls, turns = 16, 2_000, 5
	refresh := func(worker int) error {
		var got struct {
			RefreshToken string `json:"refresh_token"`
		}
		err := post(p.base+"/oauth2/token", url.Values{
			"grant_type": {"refresh_token"}, "client_id": {s.app.ID}, "refresh_token": {s.tokens[worker]},
		}, &got)
		s.tokens[worker] = cmp.Or(got.RefreshToken, s.tokens[worker])
		return err
	}
	serve := func() (rate float64, took []time.Duration) {
		began := time.Now()
		took, err := volley(workers, calls, refresh)
		if err != nil {
			b.Fatal(err)
		}
		return calls / time.Since(began).Seconds(), took
	}
	for b.Loop() { // once: it takes longer than any benchmark's second
		var rates []float64
		var waits [2][]time.Duration
		for range turns {
			alone, took := serve()
			waits[0] = append(waits[0], took...)
			ctx, stop := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			wg.Go(func() { party(ctx) })
			crowded, took := serve()
			stop()
			wg.Wait()
			waits[1] = append(waits[1], took...)
			rates = append(rates, crowded/alone)
		}
		slices.Sort(rates)
		b.ReportMetric(rates[len(rates)/2], "throughput-ratio")
		b.ReportMetric(p99(waits[1])/p99(waits[0]), "p99-ratio")
	}
}

// guessers are who guesses at sign-in, and Ada, who signs in meanwhile in a browser that knows her.
type guessers struct {
	process
	ada          *http.Client
	next         atomic.Int64
	busy, failed atomic.Int64
	took         []time.Duration // Ada's sign-ins
}

func browser(b *testing.B) *http.Client {
	b.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	return &http.Client{
		Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// signIn posts the form of sign-in from a network and returns the status of the answer.
func (g *guessers) signIn(ctx context.Context, by *http.Client, network, email, password string) (int, error) {
	form := url.Values{"username": {email}, "password": {password}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+"/signin", strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("X-Forwarded-For", network)
	resp, err := by.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// guess has 400 networks guess at once, each at another account, again every second, until ctx ends.
func (g *guessers) guess(ctx context.Context) {
	for ctx.Err() == nil {
		var wg sync.WaitGroup
		for i := range 400 {
			wg.Go(func() {
				n := g.next.Add(1)
				status, err := g.signIn(ctx, client, fmt.Sprintf("198.18.%d.%d", i/256, i%256), fmt.Sprintf("p%d@example.com", n), "a wrong guess")
				switch {
				case err != nil: // the turn is over
				case status == http.StatusServiceUnavailable:
					g.busy.Add(1)
				case status >= http.StatusInternalServerError:
					g.failed.Add(1)
				}
			})
		}
		wg.Go(func() { g.timed(ctx) })
		wg.Wait()
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// timed has Ada sign in, and notes how long it took.
func (g *guessers) timed(ctx context.Context) {
	began := time.Now()
	if status, err := g.signIn(ctx, g.ada, "203.0.113.9", "ada@example.com", "correct horse battery"); err == nil {
		g.took = append(g.took, time.Since(began))
		if status != http.StatusSeeOther {
			g.failed.Add(1)
		}
	}
}

// honest signs Ada in.
func (g *guessers) honest(b *testing.B) {
	b.Helper()
	status, err := g.signIn(b.Context(), g.ada, "203.0.113.9", "ada@example.com", "correct horse battery")
	if err != nil || status != http.StatusSeeOther {
		b.Fatal("Ada's sign-in: ", status, err)
	}
	g.timed(b.Context())
}

// flood writes documents with all Sessions of the account, as fast as it is let, until ctx ends.
func (a *audience) flood(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = a.write(i) // refused when it is one too many
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	wg.Wait()
}
