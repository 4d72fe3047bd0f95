package storage_test

import (
	"context"
	"testing"

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
