package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestDelivery_waitsLongerAfterEachFailureAndDiesInADay(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)
	waits := []time.Duration{
		time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour,
		3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour,
	}
	for _, jitter := range []float64{0, 0.5, 1} {
		d, now := identity.Delivery{}, start
		for i, wait := range waits {
			d = d.Failed(identity.FailedTry{At: now, Cause: errors.New("it answered 500"), Jitter: jitter})
			want := now.Add(wait + time.Duration(jitter*0.1*float64(wait)))
			if d.Tries != i+1 || !d.NextTryAt.Equal(want) || !d.DeadAt.IsZero() || d.LastError != "it answered 500" {
				t.Fatalf("after failure %d: %+v, want the next try at %v", i+1, d, want)
			}
			now = d.NextTryAt
		}
		if d = d.Failed(identity.FailedTry{At: now, Cause: errors.New("it answered 500"), Jitter: jitter}); !d.DeadAt.Equal(now) {
			t.Errorf("it lives on: %+v", d)
		}
		if took := now.Sub(start); took < 22*time.Hour || took > 25*time.Hour {
			t.Errorf("it was tried for %v", took)
		}
	}
}

func TestDelivery_permanentErrorsEndItAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	cause := fmt.Errorf("RCPT: %w", identity.Permanent(errors.New("no such mailbox")))
	d := identity.Delivery{}.Failed(identity.FailedTry{At: now, Cause: cause})
	if !d.DeadAt.Equal(now) || d.Tries != 1 || d.LastError != "RCPT: no such mailbox" {
		t.Errorf("it became %+v", d)
	}
}

// What an endpoint answered goes into a database and onto a terminal.
func TestDelivery_lastErrorIsOneShortLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\nb\x00c\x1b[31m\td":   "a b c [31m d",
		"caf\xe9 ok":             "caf ok",
		strings.Repeat("é", 101): strings.Repeat("é", 100),
		"":                       "",
	} {
		d := identity.Delivery{}.Failed(identity.FailedTry{Cause: errors.New(text)})
		if d.LastError != want || !utf8.ValidString(d.LastError) {
			t.Errorf("%q became %q, want %q", text, d.LastError, want)
		}
	}
}
