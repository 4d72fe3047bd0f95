package identity

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"
)

// waits are how long a delivery waits after each try that failed: soon at first, since most endpoints are only being
// restarted, then rarely, for about a day.
var waits = []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour,
	3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour,
}

// spread is how much longer, as a share of it, a wait may become: what failed together must not come back together.
const spread = 0.1

// maxLastError bounds Delivery.LastError, in bytes.
const maxLastError = 200

// FailedTry is one try of a Delivery that did not arrive.
type FailedTry struct {
	At     time.Time
	Cause  error   // it is kept and shown to operators, so it must not tell a secret
	Jitter float64 // random, 0 to 1
}

// Failed returns what becomes of the Delivery after a try that failed: it waits longer each time, and is dead after the
// 14th, about a day after the first. One whose Cause is Permanent is dead at once.
func (d Delivery) Failed(try FailedTry) Delivery {
	d.Tries++
	d.LastError = oneLine(try.Cause.Error())
	if d.Tries > len(waits) || errors.As(try.Cause, new(permanent)) {
		d.DeadAt = try.At
		return d
	}
	wait := waits[d.Tries-1]
	d.NextTryAt = try.At.Add(wait + time.Duration(try.Jitter*spread*float64(wait)))
	return d
}

// oneLine is text as one line that any database keeps, cut to maxLastError bytes.
func oneLine(text string) string {
	control := func(r rune) bool { return r <= ' ' || r == 0x7f }
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), control), " ")
	for len(text) > maxLastError {
		_, last := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-last]
	}
	return text
}

type permanent struct{ error }

// Unwrap returns what Permanent was given.
func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error that another try of the same Delivery would meet again.
func Permanent(err error) error { return permanent{err} }
