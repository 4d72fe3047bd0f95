package mfa_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestTOTP_acceptsACodeOnce(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		first := d.right()
		d.expect("the first time", d.verify(first[:3]+" "+first[3:]), 0)
		d.expect("the second time", d.verify(first), identity.BadLogin)
		d.wait(30 * time.Second)
		d.expect("the next code", d.verify(d.right()), 0)
		d.expect("the first one after the next", d.verify(first), identity.BadLogin)
	})
}

func TestTOTP_ofManyWithTheSameCodeExactlyOneIsAccepted(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		code := d.right()
		if n := d.race(func() error { return d.verify(code) }); n != 1 {
			t.Errorf("%d of 16 were accepted, want 1", n)
		}
	})
}

// RFC 6238 §6 would remember how far a clock is off, and take codes further off from then on. Phones set their clocks.
func TestTOTP_driftIsNotRemembered(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		fast := func(by time.Duration) string {
			d.wait(by)
			defer d.wait(-by)
			return d.right()
		}
		for range 3 {
			d.expect("a step ahead", d.verify(fast(30*time.Second)), 0)
			d.wait(time.Hour)
		}
		d.expect("two steps ahead", d.verify(fast(60*time.Second)), identity.BadLogin)
	})
}

func TestTOTP_burntCodeIsNoMiss(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		code := d.right()
		d.expect("the first time", d.verify(code), 0)
		for range 12 {
			d.expect("again", d.verify(code), identity.BadLogin)
		}
		d.wait(30 * time.Second)
		d.expect("the next code", d.verify(d.right()), 0)
		if told := d.details(identity.FactorRefused); told != nil {
			t.Errorf("a burnt code was told as refused: %v", told)
		}
	})
}

func TestTOTP_typingErrorIsNoMiss(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		for range 12 {
			d.expect("five digits", d.verify("12345"), identity.Invalid)
		}
		d.expect("the right code", d.verify(d.right()), 0)
	})
}

func TestTOTP_fiveMissesCostAWaitThatGrows(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		for range 5 {
			d.expect("a miss", d.verify(d.wrong()), identity.BadLogin)
		}
		for _, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute} {
			err := d.verify(d.right())
			d.expect("the right code during the wait", err, identity.Throttled)
			refusal, _ := errors.AsType[*identity.Error](err)
			if refusal.Wait != want {
				t.Fatalf("wait is %v, want %v", refusal.Wait, want)
			}
			d.wait(want - time.Second)
			d.expect("just before its end", d.verify(d.right()), identity.Throttled)
			d.wait(time.Second)
			d.expect("a miss after it", d.verify(d.wrong()), identity.BadLogin)
		}
		d.wait(8 * time.Minute)
		d.expect("the right code after the wait", d.verify(d.right()), 0)
		d.wait(30 * time.Second)
		d.expect("a miss after that, from the start", d.verify(d.wrong()), identity.BadLogin)
		d.expect("and no wait", d.verify(d.right()), 0)
		if told := d.details(identity.FactorRefused); len(told) != 10 || told[0] != "totp 192.0.2.7" {
			t.Errorf("misses told: %v, want 10 of totp", told)
		}
	})
}

func TestTOTP_missesCountPerPersonAndWithRecoveryCodesTogether(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		e := d.begun()
		d.expect("enrolment", d.confirm(e, d.code(e.Secret)), 0)
		for range 3 {
			d.expect("a wrong code", d.verify(d.wrong()), identity.BadLogin)
		}
		for range 2 {
			d.expect("a wrong recovery code", d.recover("0000-0000-00"), identity.BadLogin)
		}
		d.wait(29 * time.Second)
		d.expect("a right code", d.verify(d.code(e.Secret)), identity.Throttled)
		d.expect("a right recovery code", d.recover(e.Codes[0]), identity.Throttled)
		bob := d.user("bob@example.com")
		if err := d.totp.Import(t.Context(), bob.ID, []byte(secret)); err != nil {
			t.Fatal(err)
		}
		d.expect("someone else", d.totp.Verify(t.Context(), bob, d.right(), seen), 0)
	})
}

func TestTOTP_parallelGuessesCountOneByOne(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		wrong := d.wrong()
		if n := d.race(func() error { return d.verify(wrong) }); n != 0 {
			t.Errorf("%d wrong codes were accepted", n)
		}
		if told := d.details(identity.FactorRefused); len(told) != 5 {
			t.Errorf("%d of 16 parallel guesses were judged, want 5", len(told))
		}
	})
}

func TestTOTP_withoutAnAuthenticatorNothingIsRight(t *testing.T) {
	t.Parallel()
	run(t, func(_ *testing.T, d *desk) {
		d.expect("a code", d.verify("123456"), identity.NotFound)
		d.expect("a recovery code", d.recover("4k7m-9xqd-2f"), identity.NotFound)
	})
}

func TestImport_countsAsConfirmedAndReplacesNothing(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, d *desk) {
		d.enrolled()
		d.expect("a second one", d.totp.Import(t.Context(), d.anna.ID, []byte("another secret, longer")), identity.Conflict)
		d.expect("a code of the first", d.verify(d.right()), 0)
		if diff := cmp.Diff([]string{"imported "}, d.details(identity.FactorAdded)); diff != "" {
			t.Error(diff)
		}
	})
}
