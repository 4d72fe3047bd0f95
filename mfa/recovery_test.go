package mfa_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
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
