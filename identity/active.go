package identity

import (
	"math/bits"
	"time"
)

// ActiveDays is how many days a Session's row tells of: the day of its last use and those before it.
const ActiveDays = 63

// Active says on which days a Session was used. A refresh writes it along with the rest (storage.Advance), so that who is active
// costs no write of its own.
type Active struct {
	Day  Day   // of the last use
	Days int64 // a bit for each day: the lowest is Day, the next the day before
}

// ActiveOn is that of a Session that begins on a day.
func ActiveOn(d Day) Active { return Active{d, 1} }

// Used returns a with a use on day d. One before Day, by a clock or a time zone that was put back, counts as on Day.
func (a Active) Used(d Day) Active {
	if d > a.Day {
		a.Days <<= min(uint(d-a.Day), ActiveDays)
		a.Day = d
	}
	a.Days = a.Days&(1<<ActiveDays-1) | 1
	return a
}

// on adds a use on a day that may be long ago, as far as a tells of it.
func (a Active) on(d Day) Active {
	if d > a.Day {
		return a.Used(d)
	}
	if back := a.Day - d; back < ActiveDays {
		a.Days |= 1 << back
	}
	return a
}

// until returns the days up to d as bits: the lowest is d.
func (a Active) until(d Day) uint64 {
	switch shift := d - a.Day; {
	case shift >= ActiveDays, -shift >= ActiveDays:
		return 0
	case shift >= 0:
		return uint64(a.Days) << shift
	default:
		return uint64(a.Days) >> -shift
	}
}

// within reports whether one of the last n days of bits is among them.
func within(days uint64, n int) bool { return bits.TrailingZeros64(days) < n }

// overAt says why and when a Session is over by its row: whichever came first of its endings. Another one later changes nothing.
func (s *Session) overAt() (EndCause, time.Time) {
	cause, at := EndIdle, s.IdleEndsAt
	if !s.EndsAt.After(at) {
		cause, at = EndExpired, s.EndsAt
	}
	if !s.EndedAt.IsZero() && !s.EndedAt.After(at) {
		cause, at = s.EndCause, s.EndedAt
	}
	return cause, at
}
