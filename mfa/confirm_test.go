package mfa_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

func TestEnrolment_countsFromOneRightCodeOn(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		e := d.begun()
		if _, err := d.db.TOTPOf(t.Context(), d.anna.ID); identity.KindOf(err) != identity.NotFound {
			t.Errorf("before a code was right something was stored (%v)", err)
		}
		code := d.code(e.Secret)
		d.expect("a typing error", d.confirm(e, "12"), identity.Invalid)
		d.expect("a code of another key", d.confirm(d.begun(), code), identity.BadLogin)
		d.expect("the right code", d.confirm(e, code), 0)
		d.expect("the same code at the challenge", d.verify(code), identity.BadLogin)
		d.wait(30 * time.Second)
		d.expect("the next code at the challenge", d.verify(d.code(e.Secret)), 0)
		if diff := cmp.Diff([]string{"totp 192.0.2.7"}, d.details(identity.FactorAdded)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEnrolment_missesAreNotCounted(t *testing.T) {
	t.Parallel()
	run(t, func(_ *testing.T, d *desk) {
		e, other := d.begun(), d.begun()
		for range 12 {
			d.expect("a wrong code", d.confirm(e, d.code(other.Secret)), identity.BadLogin)
		}
		d.expect("the right code", d.confirm(e, d.code(e.Secret)), 0)
	})
}

func TestEnrolment_ofTwoTabsTheFirstCountsAndTheOtherReplacesNothing(t *testing.T) {
	t.Parallel()
	run(t, func(_ *testing.T, d *desk) {
		first, second := d.begun(), d.begun()
		d.expect("one tab", d.confirm(first, d.code(first.Secret)), 0)
		d.expect("the other tab", d.confirm(second, d.code(second.Secret)), identity.Conflict)
		d.wait(30 * time.Second)
		d.expect("the first key", d.verify(d.code(first.Secret)), 0)
		d.expect("a recovery code of the other tab", d.recover(second.Codes[0]), identity.BadLogin)
		d.expect("a recovery code of the first", d.recover(first.Codes[0]), 0)
	})
}

func TestEnrolment_ofManyPressesExactlyOneCounts(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		e := d.begun()
		code := d.code(e.Secret)
		verdicts := make(chan error)
		for range 16 {
			go func() { verdicts <- d.confirm(e, code) }()
		}
		accepted := 0
		for range 16 {
			switch err := <-verdicts; {
			case err == nil:
				accepted++
			case identity.KindOf(err) != identity.Conflict:
				t.Errorf("a press got %v, want Conflict", err)
			}
		}
		if told := d.details(identity.FactorAdded); accepted != 1 || len(told) != 1 {
			t.Errorf("%d presses counted and %d were told, want 1", accepted, len(told))
		}
		if left, err := d.db.RecoveryCodesLeft(t.Context(), d.anna.ID); left != len(e.Codes) || err != nil {
			t.Errorf("%d recovery codes are left (%v)", left, err)
		}
	})
}

func TestEnrolment_formOfSomeoneElseAddsNothing(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		bob := d.user("bob@example.com")
		e := d.begun()
		err := d.totp.Confirm(t.Context(), identity.Standing{User: bob, SignIn: identity.SignIn{ID: d.browser}}, mfa.Confirmation{Sealed: e.Sealed, Code: d.code(e.Secret), Seen: seen})
		refusal, ok := errors.AsType[*identity.Error](err)
		if !ok || refusal.Field != "enrolment" {
			t.Errorf("bob with anna's form: %v, want a refusal of the enrolment", err)
		}
	})
}

// What was begun by whoever had the account before is worth nothing to them after a change, though their sign-in is kept.
func TestEnrolment_diesWithTheCredentialsUnderWhichItWasBegun(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		e := d.begun()
		d.changed()
		d.expect("in a page that was read before the change", d.confirm(e, d.code(e.Secret)), identity.Invalid)
		d.anna = d.account()
		d.expect("after the change", d.confirm(e, d.code(e.Secret)), identity.Invalid)
		_, err := d.totp.Resume(d.standing(), e.Sealed)
		d.expect("shown again", err, identity.Invalid)
		e = d.begun()
		d.expect("begun after it", d.confirm(e, d.code(e.Secret)), 0)
	})
}

func TestRenewal_diesWithTheCredentialsUnderWhichItWasBegun(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		r := d.renewal()
		d.changed()
		d.expect("in a page that was read before the change", d.renew(r), identity.Conflict)
		d.anna = d.account()
		d.expect("after the change", d.renew(r), identity.Conflict)
		d.expect("begun after it", d.renew(d.renewal()), 0)
	})
}
