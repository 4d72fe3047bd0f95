package mfa_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

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
