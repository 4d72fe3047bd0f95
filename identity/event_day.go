package identity

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"
)

// EventDay is what happened of one kind on one day in UTC, counted and hashed once the day was over.
type EventDay struct {
	Day      Day
	Kind     EventKind
	Events   int
	Digest   []byte // SHA-256 of their leaves, in the order of their times and ids
	Released []byte // EventSealer.Release, once they need not be kept; empty before
	Gone     bool   // and they are all deleted
}

// Day is a day, counted from 1970-01-01: in UTC, or where a Calendar says so in the operator's time zone.
type Day int64

const hoursOfDay = 24 * time.Hour

// DayOf is the day that a time is on.
func DayOf(at time.Time) Day { return Day(at.Unix() / int64(hoursOfDay/time.Second)) }

// Begins is the first moment of the day.
func (d Day) Begins() time.Time { return time.Unix(int64(d)*int64(hoursOfDay/time.Second), 0).UTC() }

// Ends is the first moment of the day after.
func (d Day) Ends() time.Time { return (d + 1).Begins() }

// String is the day as people write it, 2006-01-02.
func (d Day) String() string { return d.Begins().Format(time.DateOnly) }

// EventSealer makes the hashes that show that Events were changed, taken away or put in between. Its key is a secret of the
// installation that rests sealed: who can write the database alone, or has a root secret alone, makes none of them.
type EventSealer struct{ Key []byte }

// Leaf is the hash of one Event. Of what it says of the person only Private goes into it, so that it is the same after they
// were erased.
func (s EventSealer) Leaf(e Event) []byte {
	private := e.Erased
	if len(private) == 0 {
		private = s.Private(e)
	}
	return s.mac("event", e.ID[:], number(e.At.UnixMicro()), []byte(e.Kind), []byte(e.ClientID), []byte(e.Actor), number(int64(e.Repeats)), private)
}

// Private is the hash of what an Event says of a person. It stays in its place where they are erased, and tells nothing of them
// without the key.
func (s EventSealer) Private(e Event) []byte {
	return s.mac("person", e.ID[:], e.UserID[:], e.SessionID[:], []byte(e.Detail), []byte(e.Address), []byte(e.Browser))
}

// Head is the hash of a day: of all its kinds and of the head of the day before, nil for the first.
func (s EventSealer) Head(before []byte, day Day, kinds []EventDay) []byte {
	parts := [][]byte{before, number(int64(day))}
	for _, k := range slices.SortedFunc(slices.Values(kinds), func(a, b EventDay) int { return bytes.Compare([]byte(a.Kind), []byte(b.Kind)) }) {
		parts = append(parts, []byte(k.Kind), number(int64(k.Events)), k.Digest)
	}
	return s.mac("day", parts...)
}

// ReadDay reads a day as people write it.
func ReadDay(text string) (Day, error) {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a day like 2026-11-28", text)
	}
	return DayOf(at), nil
}

// Release says that a kind's Events of a day may go since at, because they were kept for long enough by the setting of then.
func (s EventSealer) Release(d EventDay, at time.Time) []byte {
	when := number(at.UnixMicro())
	return append(when, s.mac("release", number(int64(d.Day)), []byte(d.Kind), when)...)
}

// Releases reports whether it was us who let a kind's Events of a day go.
func (s EventSealer) Releases(d EventDay) bool {
	const when = 8
	if len(d.Released) < when {
		return false
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(d.Released[:when])))
	return hmac.Equal(s.Release(d, at), d.Released)
}

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// mac is HMAC-SHA256 (RFC 2104) of what is hashed and its parts, each behind its length.
func (s EventSealer) mac(what string, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, s.Key)
	for _, part := range append([][]byte{[]byte(what)}, parts...) {
		m.Write(number(int64(len(part))))
		m.Write(part)
	}
	return m.Sum(nil)
}

// EventTally counts and hashes the Events of one day as they are read, in the order of their times and ids.
type EventTally struct {
	Sealer EventSealer
	Erased int
	kinds  map[EventKind]*kindTally
}

type kindTally struct {
	events int
	hash   hash.Hash
}

// Add takes the next Event.
func (t *EventTally) Add(e Event) {
	if t.kinds == nil {
		t.kinds = map[EventKind]*kindTally{}
	}
	k := t.kinds[e.Kind]
	if k == nil {
		k = &kindTally{hash: sha256.New()}
		t.kinds[e.Kind] = k
	}
	k.events++
	k.hash.Write(t.Sealer.Leaf(e))
	if len(e.Erased) > 0 {
		t.Erased++
	}
}

// Days is what was counted, by kind.
func (t *EventTally) Days(day Day) []EventDay {
	var days []EventDay
	for _, kind := range slices.Sorted(maps.Keys(t.kinds)) {
		days = append(days, EventDay{Day: day, Kind: kind, Events: t.kinds[kind].events, Digest: t.kinds[kind].hash.Sum(nil)})
	}
	return days
}

// EventsKept is for how long Events stay: all of them, and those of some kinds.
type EventsKept struct {
	All   time.Duration
	Kinds map[EventKind]time.Duration
}

// DefaultEventsKept keeps Events for 400 days, and what an honest phone on a bad network causes again and again for a week.
var DefaultEventsKept = EventsKept{All: 400 * hoursOfDay, Kinds: map[EventKind]time.Duration{SessionForked: 7 * hoursOfDay}}

// NewEventsKept reads for how long Events stay. It refuses a kind that does not exist and a time under two days: by then a day is
// sealed, and whoever follows Events has read them.
func NewEventsKept(all time.Duration, kinds map[string]time.Duration) (EventsKept, error) {
	k := EventsKept{All: all, Kinds: map[EventKind]time.Duration{}}
	for name, kept := range kinds {
		if !slices.Contains(EventKinds, EventKind(name)) {
			return k, fmt.Errorf("there is no event %q; docs/webhooks.md lists them", name)
		}
		k.Kinds[EventKind(name)] = kept
		all = min(all, kept)
	}
	if all < 2*hoursOfDay {
		return k, errors.New("events are kept for 48h at least")
	}
	return k, nil
}

// Of is for how long Events of a kind stay.
func (k EventsKept) Of(kind EventKind) time.Duration {
	if kept, is := k.Kinds[kind]; is {
		return kept
	}
	return k.All
}

// EventSpan picks Events by time, the oldest first.
type EventSpan struct {
	Since, Until time.Time
	After        ID // the one after which it goes on; zero: from Since
}

// settled is how old an Event is when none that happened before it can be committed any more.
const settled = time.Minute

// Settled is the span up to what changes no more.
func (s EventSpan) Settled(now time.Time) EventSpan {
	if latest := now.Add(-settled); s.Until.IsZero() || s.Until.After(latest) {
		s.Until = latest
	}
	return s
}

// EventCheck is what became of a comparison of sealed days with what the database holds.
type EventCheck struct {
	Sealer EventSealer
	Now    time.Time

	Days, Events, Erased int
	Released             int      // days of a kind whose Events went because they had been kept for long enough
	Problems             []string // each a sentence; none: everything is as it was sealed
	Last                 Day      // the last sealed day,
	Head                 []byte   // and its head; nil: none

	Noted     Day // a day whose head was noted elsewhere,
	NotedHead []byte
	seen      bool
}

// Day compares one day's head and kinds with what is there.
func (c *EventCheck) Day(day Day, head []byte, sealed []EventDay, found *EventTally) {
	if c.Head != nil && day != c.Last+1 {
		c.say("%s: the days from %s on are not sealed.", day, c.Last+1)
	}
	if !hmac.Equal(c.Sealer.Head(c.Head, day, sealed), head) {
		c.say("%s: its head does not follow from the day before and from what is sealed of this day.", day)
	}
	if c.NotedHead != nil && day == c.Noted {
		if c.seen = true; !hmac.Equal(head, c.NotedHead) {
			c.say("%s: its head is not the one that was noted.", day)
		}
	}
	c.Days, c.Last, c.Head, c.Erased = c.Days+1, day, head, c.Erased+found.Erased
	there := map[EventKind]EventDay{}
	for _, f := range found.Days(day) {
		there[f.Kind] = f
	}
	for _, s := range sealed {
		c.kind(s, there[s.Kind])
		delete(there, s.Kind)
	}
	for _, kind := range slices.Sorted(maps.Keys(there)) {
		c.say("%s: %d of %s are there, none was sealed.", day, there[kind].Events, kind)
	}
}

func (c *EventCheck) kind(sealed, found EventDay) {
	c.Events += found.Events
	switch {
	case len(sealed.Released) > 0 && c.Sealer.Releases(sealed):
		c.Released++
	case len(sealed.Released) > 0:
		c.say("%s: %s was let go, but not by this server.", sealed.Day, sealed.Kind)
	case sealed.Events != found.Events:
		c.say("%s: %d of %s are there, %d were sealed.", sealed.Day, found.Events, sealed.Kind, sealed.Events)
	case !hmac.Equal(sealed.Digest, found.Digest):
		c.say("%s: of %s at least one of %d was changed.", sealed.Day, sealed.Kind, sealed.Events)
	}
}

// End looks for days that should have been sealed by now.
func (c *EventCheck) End(after time.Duration) {
	if c.NotedHead != nil && !c.seen {
		c.say("%s: the day whose head was noted is not sealed.", c.Noted)
	}
	const late = hoursOfDay // a server that was away seals when it is back
	if c.Head != nil && (c.Last + 1).Ends().Add(after+late).Before(c.Now) {
		c.say("%s: the days since then are not sealed; a server that runs does that.", c.Last)
	}
}

func (c *EventCheck) say(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}
