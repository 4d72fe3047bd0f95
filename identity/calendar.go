package identity

import (
	"sync/atomic"
	"time"
)

const oneDay = hoursOfDay

// MarshalText spells the day in JSON.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is the way back.
func (d *Day) UnmarshalText(text []byte) (err error) {
	*d, err = ReadDay(string(text))
	return err
}

// Monday is the first day of its week.
func (d Day) Monday() Day { return d - Day((int(d.noon().Weekday())+6)%7) }

// noon is a moment of the day, in the calendar of UTC.
func (d Day) noon() time.Time { return time.Unix(int64(d)*86400+43200, 0).UTC() }

// Calendar says which day a moment is of, in the operator's time zone. Days follow on each other without gap or overlap, also
// where clocks are put forward or back at midnight: most have 24 hours, some 23 or 25.
type Calendar struct {
	zone  *time.Location
	hours [hoursKnown]atomic.Pointer[span] // the day that a moment of each hour was of: whoever counts all Sessions asks for each
}

// hoursKnown is for how many hours a calendar knows the day: 680 days of them.
const hoursKnown = 1 << 14

// span is a day from its first moment up to that of the next.
type span struct {
	day        Day
	begins, to time.Time
}

// NewCalendar is the one of a zone; nil means UTC.
func NewCalendar(zone *time.Location) *Calendar {
	if zone == nil {
		zone = time.UTC
	}
	return &Calendar{zone: zone}
}

// Zone is the name of the time zone.
func (c *Calendar) Zone() string { return c.zone.String() }

// DayOf returns the day of a moment.
func (c *Calendar) DayOf(t time.Time) Day {
	known := &c.hours[(t.Unix()/3600%hoursKnown+hoursKnown)%hoursKnown]
	if s := known.Load(); s != nil && !t.Before(s.begins) && t.Before(s.to) {
		return s.day
	}
	day := c.civil(t)
	for t.Before(c.Begins(day)) {
		day--
	}
	for !t.Before(c.Begins(day + 1)) {
		day++
	}
	known.Store(&span{day, c.Begins(day), c.Begins(day + 1)})
	return day
}

// civil is the date that clocks show.
func (c *Calendar) civil(t time.Time) Day {
	year, month, day := t.In(c.zone).Date()
	return Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Begins returns the first moment of a day: midnight, or where there is none the moment at which clocks show that day first.
// It is looked for within two days by halving, since time.Date may answer with either side of a gap.
func (c *Calendar) Begins(d Day) time.Time {
	middle := time.Unix(int64(d)*86400, 0)
	before, after := middle.Add(-30*time.Hour), middle.Add(30*time.Hour) // zones are at most 14 hours off
	for after.Sub(before) > time.Second {
		if half := before.Add(after.Sub(before) / 2).Truncate(time.Second); c.civil(half) >= d {
			after = half
		} else {
			before = half
		}
	}
	return after.UTC()
}

// HoursOf is how many hours a day has, begun ones included.
func (c *Calendar) HoursOf(d Day) int {
	return int((c.Begins(d+1).Sub(c.Begins(d)) + time.Hour - 1) / time.Hour)
}
