package bench

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// town is a server on a seeded database.
type town struct {
	process
	seconds float64    // that its seed took
	tokens  [][]string // of each worker
	access  [][]string
	next    []atomic.Int64
	took    map[string][]time.Duration
}

const townWorkers = 8

// newTown seeds a database with the program itself, as operators do, and starts a server on it.
func newTown(b *testing.B, users, sessions int) *town {
	b.Helper()
	dsn, file := storagetest.DSN(b, storage.Postgres), filepath.Join(b.TempDir(), "tokens")
	cmd := exec.CommandContext(b.Context(), program, "seed", "--users", strconv.Itoa(users), "--sessions", strconv.Itoa(sessions),
		"--tokens", file, "--json")
	cmd.Env = append(os.Environ(), "SOJOURN_DATABASE="+dsn, "SOJOURN_SECRET="+base64.StdEncoding.EncodeToString(storagetest.Root()))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err, said.String())
	}
	var report struct {
		Users, Sessions int
		Seconds         float64
	}
	if err := json.Unmarshal(out, &report); err != nil || report.Users != users || report.Sessions != sessions {
		b.Fatal(err, string(out))
	}
	tokens, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	t := &town{
		process: startSojourn(b, dsn), seconds: report.Seconds, next: make([]atomic.Int64, townWorkers),
		tokens: make([][]string, townWorkers), access: make([][]string, townWorkers), took: map[string][]time.Duration{},
	}
	for i, token := range strings.Fields(string(tokens)) {
		t.tokens[i%townWorkers] = append(t.tokens[i%townWorkers], token)
	}
	for worker := range t.tokens {
		t.access[worker] = make([]string, len(t.tokens[worker]))
	}
	return t
}

// turn is which of its Sessions a worker has its next call for: each after the other.
func (t *town) turn(worker int) int {
	return int((t.next[worker].Add(1) - 1) % int64(len(t.tokens[worker])))
}

func (t *town) refresh(worker int) error {
	i := t.turn(worker)
	var got tokens
	err := post(t.base+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"seeded-phone"}, "refresh_token": {t.tokens[worker][i]},
	}, &got)
	t.tokens[worker][i], t.access[worker][i] = cmp.Or(got.Refresh, t.tokens[worker][i]), got.Access
	return err
}

// devices asks for the list of devices of whoever has the next Session that was refreshed.
func (t *town) devices(b *testing.B, worker int) error {
	i := t.turn(worker)
	for t.access[worker][i] == "" {
		i = t.turn(worker)
	}
	return get(b, t.base+"/me", t.access[worker][i])
}

func (t *town) serve(b *testing.B, what string, calls int) {
	b.Helper()
	ask := map[string]func(int) error{
		"refresh": t.refresh,
		"devices": func(worker int) error { return t.devices(b, worker) },
	}[what]
	took, err := volley(townWorkers, calls, ask)
	if err != nil {
		b.Fatal(what, ": ", err)
	}
	t.took[what] = append(t.took[what], took...)
}

// BenchmarkSeeded compares a server whose PostgreSQL was seeded with BENCH_USERS (100,000) people and BENCH_SESSIONS (200,000)
// Sessions with one that has 32 and 64, in turns, each call another Session's: what refreshing and the list of devices take at
// the 99th percentile, and how long the seed took. The question of DESIGN is asked with BENCH_USERS=1000000 BENCH_SESSIONS=2000000.
func BenchmarkSeeded(b *testing.B) {
	const calls, turns = 1_000, 10
	users, sessions := sizeOf(b, "BENCH_USERS", 100_000), sizeOf(b, "BENCH_SESSIONS", 200_000)
	full, empty := newTown(b, users, sessions), newTown(b, 32, 64)
	for b.Loop() { // once: it takes longer than any benchmark's second
		for _, what := range []string{"refresh", "devices"} {
			for turn := range turns + 1 {
				for _, t := range []*town{empty, full} {
					t.serve(b, what, calls)
					if turn == 0 {
						t.took[what] = nil // it was to warm up
					}
				}
			}
			b.ReportMetric(p99(full.took[what])*1000, what+"-p99-ms")
			b.ReportMetric(p99(full.took[what])/p99(empty.took[what]), what+"-p99-ratio")
		}
		b.ReportMetric(full.seconds, "seed-s")
		b.ReportMetric(0, "ns/op") // of all together: it says nothing
	}
}

// sizeOf reads a number from the environment.
func sizeOf(b *testing.B, name string, std int) int {
	b.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(name), strconv.Itoa(std)))
	if err != nil || n < 1 {
		b.Fatalf("%s: a number above 0, not %q", name, os.Getenv(name))
	}
	return n
}
