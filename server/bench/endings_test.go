package bench

import (
	"cmp"
	"database/sql"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// BenchmarkEndings ends 300,000 Sessions of one person and of one client on PostgreSQL: until they are refused everywhere,
// until the server has written all rows, Events and notices, and what others' refreshes wait meanwhile.
func BenchmarkEndings(b *testing.B) {
	const many = 300_000
	for what, ending := range map[string]func(*crowd) identity.Ending{
		"person": func(c *crowd) identity.Ending {
			return identity.Ending{User: c.standing.User.ID, Cause: identity.EndPassword}
		},
		"client": func(c *crowd) identity.Ending {
			return identity.Ending{Client: c.app.ID, Cause: identity.EndClientOff}
		},
	} {
		b.Run(what, func(b *testing.B) {
			dsn := storagetest.DSN(b, storage.Postgres)
			c := newCrowd(b, dsn, many)
			e := ending(c)
			c.bystanders(b)
			rows := beside(b, dsn)
			p := startSojourn(b, dsn)
			for b.Loop() { // once: it takes longer than any benchmark's second
				c.endAll(b, p, rows, e)
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
func (c *crowd) endAll(b *testing.B, p process, rows *sql.DB, e identity.Ending) {
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
	struck, err := c.db.End(b.Context(), e)
	if err != nil || !struck.More {
		b.Fatal(struck, err)
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
