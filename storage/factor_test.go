package storage_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

var totpSecret = []byte("a TOTP secret, 20 by")

// enrolled makes someone with an authenticator and two recovery codes.
func enrolled(t *testing.T, db *storage.DB) mfa.Authenticator {
	t.Helper()
	f := mfa.Authenticator{UserID: someone(t, db).user.ID, Secret: totpSecret, LastStep: 41, ConfirmedAt: db.Now()}
	ok(t, db.CreateTOTP(t.Context(), f))
	ok(t, db.ReplaceRecoveryCodes(t.Context(), f.UserID, [][]byte{[]byte("one"), []byte("two")}))
	return f
}

func TestTOTP_comesBackAsItWas(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		f := enrolled(t, db)
		same(t, f, must[mfa.Authenticator](t)(db.TOTPOf(t.Context(), f.UserID)))
		_, err := db.TOTPOf(t.Context(), identity.NewID())
		wantKind(t, err, identity.NotFound)
	})
}

func TestCreateTOTP_oneOfManyEnrolments(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		user := someone(t, db).user
		won := race(func(i int) bool {
			f := mfa.Authenticator{UserID: user.ID, Secret: []byte{byte(i)}, ConfirmedAt: db.Now()}
			err := db.CreateTOTP(t.Context(), f)
			if err != nil {
				wantKind(t, err, identity.Conflict)
			}
			return err == nil
		})
		if won != 1 {
			t.Errorf("%d enrolments won, want 1", won)
		}
	})
}

func TestTOTP_restsSealed(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storagetest.DSN(t, kind)
			first, second := []byte(strings.Repeat("1", 32)), []byte(strings.Repeat("2", 32))
			db := openWith(t, dsn, first)
			f := enrolled(t, db)
			var raw []byte
			ok(t, db.Q(t.Context()).Raw("SELECT secret FROM totp_factors").Row().Scan(&raw))
			if bytes.Contains(raw, totpSecret) || len(raw) <= len(totpSecret) {
				t.Errorf("the column holds %q", raw)
			}
			rotated := openWith(t, dsn, second, first)
			same(t, f, must[mfa.Authenticator](t)(rotated.TOTPOf(t.Context(), f.UserID)))
			if _, err := openWith(t, dsn, second).TOTPOf(t.Context(), f.UserID); err == nil || identity.KindOf(err) != identity.Internal {
				t.Errorf("without the root secret: %v", err)
			}
			// Moved to another person's row it opens for nobody: the owner is authenticated with it.
			other := someone(t, db).user
			exec(t, db, "UPDATE totp_factors SET user_id = ?", other.ID)
			if _, err := db.TOTPOf(t.Context(), other.ID); err == nil {
				t.Error("a factor opened for another person")
			}
		})
	}
}

// openWith opens dsn under root secrets of the test's own.
func openWith(t *testing.T, dsn string, roots ...[]byte) *storage.DB {
	t.Helper()
	keys := must[*identity.Keyring](t)(identity.NewKeyring(roots...))
	db := must[*storage.DB](t)(storage.Open(t.Context(), dsn, storage.Options{Keys: keys, MaxConns: 4}))
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestBurnStep_eachOnceAndNeverBackwards(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		f := enrolled(t, db)
		burnt := race(func(int) bool { return must[bool](t)(db.BurnStep(t.Context(), f.UserID, 50)) })
		if burnt != 1 {
			t.Errorf("one step was burnt %d times", burnt)
		}
		for step, want := range map[int64]bool{49: false, 50: false} {
			if got := must[bool](t)(db.BurnStep(t.Context(), f.UserID, step)); got != want {
				t.Errorf("step %d after step 50: %v", step, got)
			}
		}
		if !must[bool](t)(db.BurnStep(t.Context(), f.UserID, 51)) {
			t.Error("the next step was refused")
		}
		if must[bool](t)(db.BurnStep(t.Context(), identity.NewID(), 51)) {
			t.Error("a step was burnt for someone without authenticator")
		}
	})
}

func TestUseRecoveryCode_eachOnce(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		f := enrolled(t, db)
		used := race(func(int) bool {
			return must[bool](t)(db.UseRecoveryCode(t.Context(), f.UserID, [][]byte{[]byte("zero"), []byte("one")}))
		})
		if used != 1 {
			t.Errorf("one code was used %d times", used)
		}
		if left := must[int](t)(db.RecoveryCodesLeft(t.Context(), f.UserID)); left != 1 {
			t.Errorf("%d codes are left, want 1", left)
		}
		for _, user := range []identity.ID{identity.NewID(), someone(t, db).user.ID} {
			if must[bool](t)(db.UseRecoveryCode(t.Context(), user, [][]byte{[]byte("two")})) {
				t.Error("another person's code was taken")
			}
		}
	})
}
