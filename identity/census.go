package identity

import (
	"cmp"
	"strconv"
	"time"
)

// Counted is one row of a Session as a Census reads it, with what it must know of the person.
type Counted struct {
	Session
	Own           bool      // an operator added the client
	UserCreatedAt time.Time // zero: the account is gone
	Factors       []Factor

	joined  Day // of the account
	subject Subject
	scopes  []Scope // that it counts in
}

// Census makes the numbers of some days out of the rows of Sessions (docs/analytics.md). It is given all of them, each person's
// in a row, and keeps no more than one person and the numbers.
type Census struct {
	calendar *Calendar
	names    *names
	scopes   map[Subject][]Scope
	days     []*censusDay
	one      []Counted // the person whose Sessions come
	crowd    crowd
}

// censusDay is what becomes of one day.
type censusDay struct {
	day        Day
	begins, to time.Time // the end of the day, or now
	sessions   cells[Subject]
	people     cells[Scope] // who are one in each scope, however many Sessions they have
}

// NewCensus counts days of a calendar as they look at a time. Days that have not begun have no numbers.
func NewCensus(calendar *Calendar, days []Day, now time.Time) *Census {
	c := &Census{calendar: calendar, names: newNames(), scopes: map[Subject][]Scope{}, crowd: newCrowd()}
	for _, d := range days {
		day := &censusDay{day: d, begins: calendar.Begins(d), to: calendar.Begins(d + 1), sessions: cells[Subject]{}, people: cells[Scope]{}}
		if now.Before(day.to) {
			day.to = now
		}
		c.days = append(c.days, day)
	}
	return c
}

// Add counts one Session. Those of one person follow on each other.
func (c *Census) Add(row Counted) {
	if len(c.one) > 0 && c.one[0].UserID != row.UserID {
		c.person()
	}
	subject := c.names.of(Subject{Scope{row.ClientID, row.Platform, row.Device.AppVersion}, row.Own})
	scopes, known := c.scopes[subject]
	if !known {
		scopes = subject.scopes()
		c.scopes[subject] = scopes
	}
	row.subject, row.scopes = subject, scopes
	// What began before its row told of days, or was seeded, was used on these at least.
	row.Active = row.Active.on(c.calendar.DayOf(row.LastUsedAt)).on(c.calendar.DayOf(row.CreatedAt))
	row.joined = c.calendar.DayOf(row.UserCreatedAt)
	c.one = append(c.one, row)
}

// Numbers ends the count and returns what each day has.
func (c *Census) Numbers() map[Day][]Number {
	c.person()
	all := make(map[Day][]Number, len(c.days))
	for _, d := range c.days {
		all[d.day] = d.numbers()
	}
	return all
}

func (d *censusDay) numbers() []Number {
	for subject, ticks := range d.sessions {
		for _, scope := range subject.scopes() {
			for tick, n := range ticks {
				d.people.at(scope)[tick] += n
			}
		}
	}
	return numbersOf(d.people, d.day)
}

func (c *Census) person() {
	for _, d := range c.days {
		for i := range c.one {
			d.session(&c.one[i])
		}
		d.person(c.one, &c.crowd)
	}
	c.one = c.one[:0]
}

// in reports whether a moment is of the day.
func (d *censusDay) in(t time.Time) bool { return !t.Before(d.begins) && t.Before(d.to) }

// session counts what happened to a Session on the day.
func (d *censusDay) session(row *Counted) {
	ticks := d.sessions.at(row.subject)
	cause, over := row.overAt()
	if d.in(row.CreatedAt) {
		ticks[Tick{MeasureBegun, ""}]++
	}
	if row.CreatedAt.Before(d.to) && !over.Before(d.to) {
		ticks[Tick{MeasureLiving, ""}]++
	}
	if d.in(over) {
		ticks[Tick{MeasureEnded, string(cause)}]++
		ticks[Tick{MeasureLengths, onScale(over.Sub(row.CreatedAt))}]++
		if cause == EndReuse {
			ticks[Tick{MeasureReuseAfter, onScale(over.Sub(row.LastUsedAt))}]++
		}
	}
	if !row.ToldAt.IsZero() && d.in(row.ToldAt) {
		ticks[Tick{MeasureForced, cmp.Or(row.ToldWhy, UnknownName)}]++
		if !row.ToldAt.Before(over) {
			ticks[Tick{MeasureToldAfter, onScale(row.ToldAt.Sub(over))}]++
		}
	}
	if last := row.lastRefusal(); last.After(over) && d.in(over.Add(LastRefusals)) {
		ticks[Tick{MeasureRefusedAfter, onScale(last.Sub(over))}]++
	}
	d.lived(ticks, row.CreatedAt, over)
}

// lastRefusal is when its app was told last, as far as that is noted; zero: never.
func (s *Session) lastRefusal() time.Time {
	if s.RefusedAt.After(s.ToldAt) {
		return s.RefusedAt
	}
	return s.ToldAt
}

// lived adds how long a Session was at each length on the day: the time in which it could have ended there.
func (d *censusDay) lived(ticks map[Tick]int64, created, over time.Time) {
	from, to := later(created, d.begins), earlier(over, d.to)
	for i := stepOf(from.Sub(created)); from.Before(to); i++ {
		until := to
		if i < len(Scale) {
			until = earlier(to, created.Add(Scale[i]))
		}
		if seconds := int64(until.Sub(from) / time.Second); seconds > 0 {
			ticks[Tick{MeasureLived, stepLabel(i)}] += seconds
		}
		from = until
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// device is what counts as one: an install of an app as it names itself, or else a Session.
type device struct {
	Scope
	install string
}

// crowd is what one person is told apart by, while they are counted.
type crowd struct {
	users   map[Scope]uint64
	devices map[device]uint64
	living  map[device]bool
}

func newCrowd() crowd { return crowd{map[Scope]uint64{}, map[device]uint64{}, map[device]bool{}} }

func (c *crowd) clear() {
	clear(c.users)
	clear(c.devices)
	clear(c.living)
}

// person counts a person, with the devices of theirs that are told apart.
func (d *censusDay) person(rows []Counted, c *crowd) {
	c.clear()
	for i := range rows {
		row := &rows[i]
		if !row.CreatedAt.Before(d.to) {
			continue
		}
		days, install := row.Active.until(d.day), row.Device.InstallID
		if install == "" {
			install = row.ID.String()
		}
		_, over := row.overAt()
		for _, scope := range row.scopes {
			c.users[scope] |= days
			c.devices[device{scope, install}] |= days
			if !over.Before(d.to) && wide(scope) {
				c.living[device{scope, install}] = true
			}
		}
	}
	for of, days := range c.devices {
		active(d.people.at(of.Scope), days, [...]Measure{MeasureDevices, MeasureDevices7, MeasureDevices30})
	}
	for scope, days := range c.users {
		ticks := d.people.at(scope)
		active(ticks, days, [...]Measure{MeasureUsers, MeasureUsers7, MeasureUsers30})
		if within(days, 1) && within(days>>1, 30) {
			ticks[Tick{MeasureReturning, ""}]++
		}
		if wide(scope) && len(rows) > 0 {
			d.about(ticks, days, &rows[0])
		}
	}
	d.perPerson(c.living)
}

// wide reports whether a scope is all there is or one client: what is not told apart any further.
func wide(s Scope) bool { return s.Platform == "" && s.Version == "" }

// active counts somebody or something by the days up to this one: as of the day, of 7 days and of 30.
func active(ticks map[Tick]int64, days uint64, measures [3]Measure) {
	for i, span := range [...]int{1, 7, 30} {
		if within(days, span) {
			ticks[Tick{measures[i], ""}]++
		}
	}
}

// maxCohortWeeks is for how many weeks a cohort is followed: a Session's row tells of no more, but people begin others.
const maxCohortWeeks = 26

// about counts a person by the week of their account, and by their factors.
func (d *censusDay) about(ticks map[Tick]int64, days uint64, row *Counted) {
	monday := d.day.Monday()
	if !row.UserCreatedAt.IsZero() && within(days, int(d.day-monday)+1) {
		week := row.joined.Monday()
		if week <= monday && monday-week < 7*maxCohortWeeks {
			ticks[Tick{MeasureCohort, week.String()}]++
		}
	}
	if !within(days, 30) {
		return
	}
	for _, f := range row.Factors {
		ticks[Tick{MeasureFactors, f.Name}]++
	}
	if len(row.Factors) == 0 {
		ticks[Tick{MeasureFactors, "none"}]++
	}
}

// mostDevices is from how many devices on people are not told apart.
const mostDevices = 5

func (d *censusDay) perPerson(living map[device]bool) {
	byScope := map[Scope]int{}
	for of := range living {
		byScope[of.Scope]++
	}
	for scope, n := range byScope {
		d.people.at(scope)[Tick{MeasurePerPerson, strconv.Itoa(min(n, mostDevices))}]++
	}
}
