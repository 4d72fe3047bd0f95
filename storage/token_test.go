package storage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestDenyToken_onlyTheNamedOne(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		for range 2 { // revoking twice is no error (RFC 7009 §2.2)
			ok(t, db.DenyToken(t.Context(), "jti", db.Now().Add(time.Minute)))
		}
		for jti, want := range map[string]bool{"jti": true, "other": false, "": false, "j\x00ti": false, "\xff": false} {
			if got := must[bool](t)(db.TokenDenied(t.Context(), jti)); got != want {
				t.Errorf("%q denied: %v, want %v", jti, got, want)
			}
		}
	})
}

func TestSpendAssertion_oneOfMany(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		for _, jti := range []string{"jti", "nul\x00", "\xff", strings.Repeat("x", 100_000)} {
			fresh := race(func(int) bool {
				return must[bool](t)(db.SpendAssertion(t.Context(), "app", jti, db.Now().Add(time.Minute)))
			})
			if fresh != 1 {
				t.Errorf("one assertion was fresh %d times", fresh)
			}
		}
		if !must[bool](t)(db.SpendAssertion(t.Context(), "other", "jti", db.Now())) {
			t.Error("another client's jti counted")
		}
	})
}
