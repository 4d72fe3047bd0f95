package bench

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// startGate runs `sojourn gate`, which is an API in Go as far as tokens go, and waits until it knows the endings.
func startGate(b *testing.B, issuer string) process {
	b.Helper()
	listen, secret := freePort(b), filepath.Join(b.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("an api's secret\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	base := "http://" + listen
	return start(b, process{base: base, metrics: base + "/metrics"}, base+"/readyz", exec.CommandContext(
		b.Context(), program, "gate", "--listen", listen, "--issuer", issuer, "--client-id", "api", "--secret-file", secret), nil)
}

// verify asks a gate about a token.
func (p process) verify(ctx context.Context, token string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/verify", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// BenchmarkGate asks for a token that was seen before: requests a second, and what one costs the gate in processor time.
func BenchmarkGate(b *testing.B) {
	dsn := storagetest.DSN(b, storage.SQLite)
	s := newStage(b, dsn)
	server := startSojourn(b, dsn)
	gate, token := startGate(b, server.base), accessToken(b, s, server)
	drive(b, gate, 16, func(int) error {
		status, err := gate.verify(b.Context(), token)
		if err == nil && status != http.StatusOK {
			err = errors.New(http.StatusText(status))
		}
		return err
	})
}

// BenchmarkRefused ends sessions on PostgreSQL from a process that nobody follows, and asks three API processes until each
// refuses: how long after the commit that is, with a few endings and with 1,000 a second. Each process follows one server.
func BenchmarkRefused(b *testing.B) {
	for name, pace := range map[string]struct {
		watched, crowd int // sessions whose tokens are asked about, and how many others end between two of them
		every          time.Duration
	}{"few": {60, 0, 100 * time.Millisecond}, "many": {60, 100, time.Millisecond}} {
		b.Run(name, func(b *testing.B) {
			dsn := storagetest.DSN(b, storage.Postgres)
			s := newStage(b, dsn)
			server := startSojourn(b, dsn)
			var apis []process
			for range 3 {
				apis = append(apis, startGate(b, server.base))
			}
			w := watch{stage: s, apis: apis, tokens: make([]string, pace.watched)}
			ids := w.prepare(b, server, pace.crowd)
			for b.Loop() { // once: it takes longer than any benchmark's second
				w.end(b, ids, pace.every)
			}
		})
	}
}

// watch asks APIs about tokens whose sessions end.
type watch struct {
	*stage
	apis   []process
	tokens []string // of those that are asked about

	mu   sync.Mutex
	took []time.Duration
}

// prepare makes the sessions, and has every API see the tokens; ids are in the order in which they will end.
func (w *watch) prepare(b *testing.B, server process, crowd int) (ids []string) {
	b.Helper()
	for i := range w.tokens {
		w.newPerson(b)
		w.startSession(b, 0)
		var got tokens
		if err := post(server.base+"/oauth2/token", url.Values{
			"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {w.stage.tokens[0]},
		}, &got); err != nil {
			b.Fatal(err)
		}
		w.tokens[i], ids = got.Access, append(ids, w.ids[0])
		for _, api := range w.apis {
			if status, err := api.verify(b.Context(), got.Access); err != nil || status != http.StatusOK {
				b.Fatal(status, err)
			}
		}
		for n := range crowd {
			if n%90 == 89 { // a person may have 100 sessions of an app
				w.newPerson(b)
			}
			w.startSession(b, 0)
			ids = append(ids, w.ids[0])
		}
	}
	return ids
}

// end ends all of them, and reports how long it took until an API refused.
func (w *watch) end(b *testing.B, ids []string, every time.Duration) {
	b.Helper()
	each := len(ids) / len(w.tokens)
	var asking sync.WaitGroup
	w.endAt(b, every, ids, func(i int, done time.Time) {
		if i%each == 0 {
			for _, api := range w.apis {
				asking.Go(func() { w.ask(b, api, w.tokens[i/each], done) })
			}
		}
	})
	asking.Wait()
	if len(w.took) != 3*len(w.tokens) {
		b.Fatalf("%d refusals", len(w.took))
	}
	reportWaits(b, w.took)
}

// ask asks an API about a token until it refuses.
func (w *watch) ask(b *testing.B, api process, token string, ended time.Time) {
	for until := ended.Add(time.Minute); time.Now().Before(until); time.Sleep(time.Millisecond) {
		status, err := api.verify(b.Context(), token)
		if err != nil {
			b.Error(err)
			return
		}
		if status == http.StatusUnauthorized {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.took = append(w.took, time.Since(ended))
			return
		}
	}
}
