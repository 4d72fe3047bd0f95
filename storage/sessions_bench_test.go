package storage_test

import (
	"context"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// BenchmarkAdvance is the hot path of every refresh, beside the same statement's floor: a bare single-row UPDATE.
func BenchmarkAdvance(b *testing.B) {
	for _, kind := range storagetest.Kinds(b) {
		b.Run(kind, func(b *testing.B) {
			db := storagetest.Open(b, kind)
			s := someone(b, db).begin(b, db, "openid", "offline_access")
			b.ReportAllocs()
			for b.Loop() {
				next, done, err := db.Advance(b.Context(), turn(s, db.Now()))
				if err != nil || !done {
					b.Fatal(done, err)
				}
				s = next
			}
		})
		b.Run(kind+"/floor", func(b *testing.B) {
			db := storagetest.Open(b, kind)
			s := someone(b, db).begin(b, db, "openid", "offline_access")
			pool := db.Writer()
			query := map[string]string{
				storage.SQLite:   "UPDATE sessions SET generation = generation + 1 WHERE id = ? RETURNING generation",
				storage.Postgres: "UPDATE sessions SET generation = generation + 1 WHERE id = $1 RETURNING generation",
			}[kind]
			b.ReportAllocs()
			for b.Loop() {
				var generation int64
				if err := pool.QueryRowContext(context.Background(), query, s.ID).Scan(&generation); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLiveSession is what introspection and userinfo read.
func BenchmarkLiveSession(b *testing.B) {
	for _, kind := range storagetest.Kinds(b) {
		b.Run(kind, func(b *testing.B) {
			db := storagetest.Open(b, kind)
			s := someone(b, db).begin(b, db, "openid", "offline_access")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := db.LiveSession(b.Context(), s.ID, "jti"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEndUser ends a thousand Sessions of one person in one transaction, with an Event each.
func BenchmarkEndUser(b *testing.B) {
	const many = 1000
	for _, kind := range storagetest.Kinds(b) {
		b.Run(kind, func(b *testing.B) {
			db := storagetest.Open(b, kind)
			for b.Loop() {
				b.StopTimer()
				p := someone(b, db)
				beginMany(b, db, p, many)
				b.StartTimer()
				if ended := struck(b, db, identity.Ending{User: p.user.ID, Cause: identity.EndOperator}); ended != many {
					b.Fatal(ended)
				}
			}
		})
	}
}

func beginMany(t testing.TB, db *storage.DB, p person, many int) {
	t.Helper()
	ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
		for range many {
			promise := p.promise("offline_access")
			if _, _, err := db.RedeemCode(ctx, promise, planned(db, promise)); err != nil {
				return err
			}
		}
		return nil
	}))
}
