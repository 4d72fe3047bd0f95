package bench

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// crowd is a database with very many Sessions. They are copies of one and share its secret, so any of their tokens can be
// made up.
type crowd struct {
	*stage
	token       identity.RefreshToken
	generations []uint32 // by Session
}

// newCrowd copies a Session n times, at ids that lie far apart in the primary key as random ones do.
func newCrowd(b *testing.B, dsn string, n int) *crowd {
	b.Helper()
	c := &crowd{stage: newStage(b, dsn), generations: make([]uint32, n)}
	var err error
	if c.token, err = c.keys.ReadRefresh(c.tokens[0]); err != nil {
		b.Fatal(err)
	}
	const columns = "client_id, user_id, sub, sign_in_id, secret_hash, generation, branch, previous, amr, scope, offline, " +
		"auth_time, created_at, last_used_at, idle_ends_at, ends_at, end_cause, address, user_agent, key, resources"
	id := map[string]string{
		storage.Postgres: "(lpad(to_hex(n::bigint * 2654435761 % 4294967296), 8, '0') || '-0000-4000-8000-000000000000')::uuid",
		storage.SQLite:   "printf('%08x-0000-4000-8000-000000000000', n * 2654435761 % 4294967296)",
	}[c.db.Kind()]
	execute(b, dsn, fmt.Sprintf(`WITH RECURSIVE many (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM many WHERE n < %d)
		INSERT INTO sessions (id, %s) SELECT %s, %s FROM many, sessions WHERE id = '%s'`,
		n-1, columns, id, columns, c.token.SessionID))
	if c.db.Kind() == storage.Postgres {
		execute(b, dsn, "VACUUM ANALYZE sessions", "CHECKPOINT")
	}
	return c
}

// execute runs statements beside the server.
func execute(b testing.TB, dsn string, statements ...string) {
	b.Helper()
	db := beside(b, dsn)
	for _, s := range statements {
		if _, err := db.ExecContext(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}

// beside is a connection of the measurement's own.
func beside(b testing.TB, dsn string) *sql.DB {
	b.Helper()
	driver, source := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// refresh is one refresh of any Session that belongs to this worker of so many.
func (c *crowd) refresh(base string, worker, workers int) error {
	n := rand.IntN(len(c.generations)/workers)*workers + worker
	token := c.token.At(c.generations[n], 0)
	token.SessionID = identity.ID{6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(token.SessionID[:], uint32(uint64(n)*2654435761))
	c.generations[n]++
	return post(base+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {c.keys.RefreshText(token)},
	}, &tokens{})
}

// BenchmarkRefreshRows drives a server with a million Sessions and one with ten thousand in turns, each call another
// Session's: what a refresh costs must not depend on how many there are.
func BenchmarkRefreshRows(b *testing.B) {
	const workers, few, many = 16, 10_000, 1_000_000
	for _, kind := range storagetest.Kinds(b) {
		b.Run(kind, func(b *testing.B) {
			var rivals [2]rival
			for i, n := range []int{many, few} {
				dsn := storagetest.DSN(b, kind)
				c := newCrowd(b, dsn, n)
				p := startSojourn(b, dsn)
				rivals[i] = rival{process: p, call: func(worker int) error { return c.refresh(p.base, worker, workers) }}
			}
			b.Run("million", func(b *testing.B) { contest(b, workers, &rivals[0], &rivals[1]) })
		})
	}
}
