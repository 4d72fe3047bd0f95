package bench

import (
	"cmp"
	"database/sql"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// BenchmarkEndings ends BENCH_SESSIONS (100,000) Sessions of one person, of one client, and of one person who is deleted, on
// PostgreSQL: until they are refused by another process, until that has written all rows, Events and notices, and what others'
// refreshes wait meanwhile.
func BenchmarkEndings(b *testing.B) {
	for what, end := range map[string]func(*crowd) error{
		"person": func(c *crowd) error {
			_, err := c.db.End(b.Context(), identity.Ending{User: c.standing.User.ID, Cause: identity.EndPassword})
			return err
		},
		"client": func(c *crowd) error {
			_, err := c.db.End(b.Context(), identity.Ending{Client: c.app.ID, Cause: identity.EndClientOff})
			return err
		},
		"deleted": func(c *crowd) error {
			return identity.Operators{Store: c.db, Now: c.db.Now}.DeleteUser(b.Context(), c.standing.User.ID)
		},
	} {
		b.Run(what, func(b *testing.B) {
			dsn := storagetest.DSN(b, storage.Postgres)
			c := newCrowd(b, dsn, sizeOf(b, "BENCH_SESSIONS", 100_000))
			struck := *c.stage // as it is before the phones are given away
			ending := func() error { return end(&crowd{stage: &struck}) }
			c.bystanders(b)
			rows := beside(b, dsn)
			p := startSojourn(b, dsn)
			for b.Loop() { // once: it takes longer than any benchmark's second
				c.endAll(b, p, rows, ending)
			}
		})
	}
}

// bystanders gives the phones of the stage to another person, in another app.
func (c *crowd) bystanders(b *testing.B) {
	b.Helper()
	c.app.ID = "others"
	c.signIn(b, "bob@example.com")
	for i := range c.tokens {
		c.startSession(b, i)
	}
}

// endAll carries out an ending and measures what it takes, and what bystanders wait before it and beside it.
func (c *crowd) endAll(b *testing.B, p process, rows *sql.DB, end func() error) {
	b.Helper()
	const workers, calls = 8, 4_000
	refresh := func(worker int) error {
		var got struct {
			RefreshToken string `json:"refresh_token"`
		}
		err := post(p.base+"/oauth2/token", url.Values{
			"grant_type": {"refresh_token"}, "client_id": {"others"}, "refresh_token": {c.tokens[worker]},
		}, &got)
		c.tokens[worker] = cmp.Or(got.RefreshToken, c.tokens[worker])
		return err
	}
	var waits [2][]time.Duration
	var err error
	if waits[0], err = volley(workers, calls, refresh); err != nil {
		b.Fatal(err)
	}
	memory, began := p.resident(b), time.Now()
	if err := end(); err != nil {
		b.Fatal(err)
	}
	if err := c.refresh(p.base, 0, 1); err == nil || !strings.Contains(err.Error(), "login") {
		b.Fatal("the server does not refuse it: ", err)
	}
	b.ReportMetric(time.Since(began).Seconds()*1000, "refused-ms")
	most := 0
	for untidy(b, rows) {
		took, err := volley(workers, calls/8, refresh)
		if err != nil {
			b.Fatal(err)
		}
		waits[1], most = append(waits[1], took...), max(most, p.resident(b))
	}
	b.ReportMetric(time.Since(began).Seconds(), "tidy-s")
	b.ReportMetric(float64(most-memory)/(1<<20), "more-MiB")
	reportWaits(b, waits[1])
	b.ReportMetric(p99(waits[1])/p99(waits[0]), "p99-ratio")
}

// untidy reports whether rows of an ending are still to be written.
func untidy(b *testing.B, rows *sql.DB) (waiting bool) {
	b.Helper()
	if err := rows.QueryRowContext(b.Context(), "SELECT EXISTS (SELECT 1 FROM endings)").Scan(&waiting); err != nil {
		b.Fatal(err)
	}
	return waiting
}

// p99 is the 99th percentile, in seconds.
func p99(took []time.Duration) float64 {
	slices.Sort(took)
	return took[len(took)*99/100].Seconds()
}
