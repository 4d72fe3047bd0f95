package mfa_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
)

func TestRecoveryCodes_workOnceEach(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		e := d.begun()
		d.expect("enrolment", d.confirm(e, d.code(e.Secret)), 0)
		for i, code := range e.Codes {
			if i%2 == 1 {
				code = upper(code)
			}
			d.expect("a code", d.recover(code), 0)
			d.expect("the same again", d.recover(e.Codes[i]), identity.BadLogin)
		}
		want := []string{
			"0 left 192.0.2.7", "1 left 192.0.2.7", "2 left 192.0.2.7", "3 left 192.0.2.7", "4 left 192.0.2.7",
			"5 left 192.0.2.7", "6 left 192.0.2.7", "7 left 192.0.2.7", "8 left 192.0.2.7", "9 left 192.0.2.7",
		}
		if diff := cmp.Diff(want, d.details(identity.RecoveryCodeUsed)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRecoveryCode_ofManyWithTheSameExactlyOneIsAccepted(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		e := d.begun()
		d.expect("enrolment", d.confirm(e, d.code(e.Secret)), 0)
		if n := d.race(func() error { return d.recover(e.Codes[0]) }); n != 1 {
			t.Errorf("%d of 16 were accepted, want 1", n)
		}
	})
}

func TestRecoveryCode_ofSomeoneElseIsWrong(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		e := d.begun()
		d.expect("enrolment", d.confirm(e, d.code(e.Secret)), 0)
		bob := d.user("bob@example.com")
		if err := d.totp.Import(t.Context(), bob.ID, []byte(secret)); err != nil {
			t.Fatal(err)
		}
		d.expect("anna's code for bob", d.codes.Recover(t.Context(), bob, e.Codes[0], seen), identity.BadLogin)
		d.expect("it still works for anna", d.recover(e.Codes[0]), 0)
	})
}

func TestRecoveryCode_typingErrorIsNoMiss(t *testing.T) {
	t.Parallel()
	run(t, func(_ *testing.T, d *desk) {
		e := d.begun()
		d.expect("enrolment", d.confirm(e, d.code(e.Secret)), 0)
		for range 12 {
			d.expect("too short", d.recover("4k7m"), identity.Invalid)
		}
		d.expect("a code", d.recover(e.Codes[0]), 0)
	})
}

func (d *desk) renewal() mfa.Renewal {
	d.t.Helper()
	r, err := d.codes.Begin(context.Background(), d.anna)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d *desk) renew(r mfa.Renewal) error {
	return d.codes.Renew(context.Background(), d.anna, r.Sealed, seen)
}

func (d *desk) kind(err error, want identity.Kind) {
	d.t.Helper()
	if got := identity.KindOf(err); err == nil || got != want {
		d.t.Errorf("refused with %v (kind %d), want kind %d", err, got, want)
	}
}

func TestRenewal_countsOnceConfirmedInThePlaceOfAllBefore(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		first := d.renewal()
		d.kind(d.recover(first.Codes[0]), identity.BadLogin) // shown, and no more
		if err := d.renew(first); err != nil {
			t.Fatal(err)
		}
		second := d.renewal()
		if err := d.recover(first.Codes[0]); err != nil {
			t.Error("a code that is to be replaced does not count yet:", err)
		}
		if err := d.renew(second); err != nil {
			t.Fatal(err)
		}
		d.kind(d.recover(first.Codes[1]), identity.BadLogin)
		if err := d.recover(second.Codes[9]); err != nil {
			t.Error(err)
		}
		if left, err := d.db.RecoveryCodesLeft(t.Context(), d.anna.ID); left != 9 || err != nil {
			t.Errorf("%d codes are left (%v), want 9", left, err)
		}
	})
}

func TestRenewal_anOldPageBringsNoUsedCodeBack(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		r := d.renewal()
		if err := d.renew(r); err != nil {
			t.Fatal(err)
		}
		if err := d.recover(r.Codes[0]); err != nil {
			t.Fatal(err)
		}
		d.kind(d.renew(r), identity.Conflict)
		d.kind(d.recover(r.Codes[0]), identity.BadLogin)
	})
}

func TestRenewal_theEleventhInADayIsOneTooMany(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		for range identity.ChangeThrottle.Free {
			if err := d.renew(d.renewal()); err != nil {
				t.Fatal(err)
			}
		}
		d.kind(d.renew(d.renewal()), identity.Throttled)
	})
}

func TestRenewal_isTakenOnlyFromItsPersonAndForAnHour(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		r, enrolment := d.renewal(), must(d.totp.Begin(d.standing()))
		bob := d.user("bob@example.com")
		d.kind(d.codes.Renew(t.Context(), bob, r.Sealed, seen), identity.Conflict)
		for _, sealed := range []string{"", "garbage", enrolment.Sealed, r.Sealed + "A"} {
			d.kind(d.codes.Renew(t.Context(), d.anna, sealed, seen), identity.Conflict)
		}
		_, err := d.totp.Resume(d.standing(), r.Sealed)
		d.kind(err, identity.Invalid) // nor is it taken for an enrolment
		d.wait(61 * time.Minute)
		d.kind(d.renew(r), identity.Conflict)
		_, err = d.codes.Begin(t.Context(), bob)
		d.kind(err, identity.NotFound)
	})
}

func TestRenewal_ofManyAtOnceExactlyOneCounts(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		var won atomic.Int32
		var all sync.WaitGroup
		pages := make([]mfa.Renewal, 16)
		for i := range pages {
			pages[i] = d.renewal()
		}
		for _, r := range pages {
			all.Go(func() {
				if err := d.renew(r); err == nil {
					won.Add(1)
				} else if identity.KindOf(err) != identity.Conflict {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if left, err := d.db.RecoveryCodesLeft(t.Context(), d.anna.ID); won.Load() != 1 || left != 10 || err != nil {
			t.Errorf("%d renewals counted and left %d codes (%v)", won.Load(), left, err)
		}
	})
}

func TestRemoval_takesTheCodesWithIt(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		r := d.renewal()
		if err := d.renew(r); err != nil {
			t.Fatal(err)
		}
		if err := d.totp.Remove(t.Context(), d.anna.ID); err != nil {
			t.Fatal(err)
		}
		d.kind(d.totp.Remove(t.Context(), d.anna.ID), identity.NotFound)
		d.kind(d.recover(r.Codes[0]), identity.NotFound)
		d.kind(d.renew(r), identity.NotFound)
		d.enrolled() // the same key again
		d.kind(d.recover(r.Codes[0]), identity.BadLogin)
	})
}

// withPasskey is a database in which everyone has a factor of another kind too.
type withPasskey struct{ *storage.DB }

func (w withPasskey) FactorsOf(ctx context.Context, userID identity.ID) ([]identity.Factor, error) {
	factors, err := w.DB.FactorsOf(ctx, userID)
	return append(factors, identity.Factor{Name: "passkey", AMR: identity.HWK}), err
}

func (w withPasskey) LockFactors(ctx context.Context, userID identity.ID) ([]identity.Factor, error) {
	if _, err := w.DB.LockFactors(ctx, userID); err != nil {
		return nil, err
	}
	return w.FactorsOf(ctx, userID)
}

func TestRecoveryCodes_outliveTheRemovalOfOneFactorOfTwo(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		e := d.begun()
		d.expect("enrolment", d.confirm(e, d.code(e.Secret)), 0)
		d.totp.Store, d.codes.Store = withPasskey{d.db}, withPasskey{d.db}
		d.expect("removal of the authenticator", d.totp.Remove(t.Context(), d.anna.ID), 0)
		d.expect("a code", d.recover(e.Codes[0]), 0)

		e = d.begun() // the list that was shown last is the one that counts
		d.expect("another enrolment", d.confirm(e, d.code(e.Secret)), 0)
		d.expect("a code of the new list", d.recover(e.Codes[1]), 0)
		d.totp.Store, d.codes.Store = d.db, d.db
		d.expect("removal of the last factor", d.totp.Remove(t.Context(), d.anna.ID), 0)
		if left, err := d.db.RecoveryCodesLeft(t.Context(), d.anna.ID); left != 0 || err != nil {
			t.Errorf("%d codes outlived the last factor (%v)", left, err)
		}
	})
}

func TestRecoveryCodes_areHadWithoutAnAuthenticator(t *testing.T) {
	t.Parallel()
	run(t, func(_ *testing.T, d *desk) {
		d.codes.Store = withPasskey{d.db}
		r := d.renewal()
		d.expect("a renewal", d.renew(r), 0)
		d.expect("a code", d.recover(r.Codes[0]), 0)
		d.expect("the same again", d.recover(r.Codes[0]), identity.BadLogin)
	})
}

func TestRecoveryCodes_workUnderARotatedRootSecret(t *testing.T) {
	t.Parallel()
	ring := func(roots ...string) *identity.Keyring {
		secrets := make([][]byte, len(roots))
		for i, root := range roots {
			secrets[i] = []byte(strings.Repeat(root, 32))
		}
		keys, err := identity.NewKeyring(secrets...)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	run(t, func(_ *testing.T, d *desk) {
		d.totp.Keys = ring("1")
		e := d.begun()
		d.expect("enrolment", d.confirm(e, d.code(e.Secret)), 0)
		d.codes.Keys = ring("2", "1")
		d.expect("under a newer root secret", d.recover(e.Codes[0]), 0)
		d.codes.Keys = ring("1", "2")
		d.expect("under the old one", d.recover(e.Codes[1]), 0)
		d.expect("a used one", d.recover(e.Codes[0]), identity.BadLogin)
		d.codes.Keys = ring("2")
		d.expect("without the root secret", d.recover(e.Codes[2]), identity.BadLogin)
		d.codes.Keys = ring("2", "1")
		r := d.renewal()
		d.expect("a renewal", d.renew(r), 0)
		d.codes.Keys = ring("2")
		d.expect("made under the newer root secret", d.recover(r.Codes[0]), 0)
	})
}

func TestRecoveryCodes_openNoOtherAccountThatTheirRowsAreMovedTo(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		e := d.begun()
		d.expect("enrolment", d.confirm(e, d.code(e.Secret)), 0)
		bob := d.user("bob@example.com")
		d.expect("bob's authenticator", d.totp.Import(t.Context(), bob.ID, []byte(secret)), 0)
		rows, err := d.db.RecoveryHashes(t.Context(), d.anna.ID)
		if err != nil || len(rows) != len(e.Codes) {
			t.Fatalf("%d rows (%v)", len(rows), err)
		}
		d.expect("the move", d.db.ReplaceRecoveryCodes(t.Context(), bob.ID, rows), 0)
		d.expect("anna's code for bob", d.codes.Recover(t.Context(), bob, e.Codes[0], seen), identity.BadLogin)
	})
}

// Codes were once hashed under the secret of the authenticator that they were handed out with (decision 15).
func TestRecoveryCodes_fromBeforeWorkForAsLongAsTheirAuthenticatorIsThere(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		var old [][]byte
		for _, code := range []string{"4k7m9xqd2f", "0000000000"} {
			h := hmac.New(sha256.New, []byte(secret))
			h.Write([]byte("recovery code " + code))
			old = append(old, h.Sum(nil))
		}
		d.expect("rows from before", d.db.ReplaceRecoveryCodes(t.Context(), d.anna.ID, old), 0)
		d.expect("a code", d.recover("4K7M-9XQD-2F"), 0)
		d.expect("the same again", d.recover("4k7m-9xqd-2f"), identity.BadLogin)
		d.totp.Store = withPasskey{d.db}
		d.expect("removal of the authenticator", d.totp.Remove(t.Context(), d.anna.ID), 0)
		if left, err := d.db.RecoveryCodesLeft(t.Context(), d.anna.ID); left != 0 || err != nil {
			t.Errorf("%d codes are left that nothing can judge (%v)", left, err)
		}
	})
}

func must(e mfa.Enrolment, err error) mfa.Enrolment {
	if err != nil {
		panic(err)
	}
	return e
}
