package mfa_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
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
		d.expect("anna's code for bob", d.totp.Recover(t.Context(), bob, e.Codes[0], seen), identity.BadLogin)
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
	r, err := d.totp.BeginRenewal(context.Background(), d.anna)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d *desk) renew(r mfa.Renewal) error {
	return d.totp.RenewCodes(context.Background(), d.anna, r.Sealed, seen)
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

func TestRenewal_isTakenOnlyFromItsPersonAndForAnHour(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		r, enrolment := d.renewal(), must(d.totp.Begin(d.anna))
		bob := d.user("bob@example.com")
		d.kind(d.totp.RenewCodes(t.Context(), bob, r.Sealed, seen), identity.Conflict)
		for _, sealed := range []string{"", "garbage", enrolment.Sealed, r.Sealed + "A"} {
			d.kind(d.totp.RenewCodes(t.Context(), d.anna, sealed, seen), identity.Conflict)
		}
		_, err := d.totp.Resume(d.anna, r.Sealed)
		d.kind(err, identity.Invalid) // nor is it taken for an enrolment
		d.wait(61 * time.Minute)
		d.kind(d.renew(r), identity.Conflict)
		_, err = d.totp.BeginRenewal(t.Context(), bob)
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

func must(e mfa.Enrolment, err error) mfa.Enrolment {
	if err != nil {
		panic(err)
	}
	return e
}
