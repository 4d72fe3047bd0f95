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

	joined Day // of the account
}

// Census makes the numbers of some days out of the rows of Sessions (docs/analytics.md). It is given all of them, each person's
// in a row, and keeps no more than one person and the numbers.
type Census struct {
	calendar *Calendar
	names    *names
	days     []*censusDay
	one      []Counted // the person whose Sessions come
}

// censusDay is what becomes of one day.
type censusDay struct {
	day        Day
	begins, to time.Time // the end of the day, or now
	cells      cells
}

// NewCensus counts days of a calendar as they look at a time. Days that have not begun have no numbers.
func NewCensus(calendar *Calendar, days []Day, now time.Time) *Census {
	c := &Census{calendar: calendar, names: newNames()}
	for _, d := range days {
		day := &censusDay{day: d, begins: calendar.Begins(d), to: calendar.Begins(d + 1), cells: cells{}}
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
	row.ClientID, row.Platform, row.Device.AppVersion = subject.ClientID, subject.Platform, subject.Version
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
		all[d.day] = d.cells.of(d.day)
	}
	return all
}

func (c *Census) person() {
	for _, d := range c.days {
		for _, row := range c.one {
			d.session(row)
		}
		d.people(c.one)
	}
	c.one = c.one[:0]
}

func (row Counted) subject() Subject {
	return Subject{Scope{row.ClientID, row.Platform, row.Device.AppVersion}, row.Own}
}

// in reports whether a moment is of the day.
func (d *censusDay) in(t time.Time) bool { return !t.Before(d.begins) && t.Before(d.to) }

// session counts what happened to a Session on the day.
func (d *censusDay) session(row Counted) {
	subject := row.subject()
	cause, over := row.overAt()
	if d.in(row.CreatedAt) {
		d.cells.add(subject, MeasureBegun, "", 1)
	}
	if row.CreatedAt.Before(d.to) && !over.Before(d.to) {
		d.cells.add(subject, MeasureLiving, "", 1)
	}
	if d.in(over) {
		d.cells.add(subject, MeasureEnded, string(cause), 1)
		d.cells.add(subject, MeasureLengths, onScale(over.Sub(row.CreatedAt)), 1)
		if cause == EndReuse {
			d.cells.add(subject, MeasureReuseAfter, onScale(over.Sub(row.LastUsedAt)), 1)
		}
	}
	if !row.ToldAt.IsZero() && d.in(row.ToldAt) {
		d.cells.add(subject, MeasureForced, cmp.Or(row.ToldWhy, UnknownName), 1)
		if !row.ToldAt.Before(over) {
			d.cells.add(subject, MeasureToldAfter, onScale(row.ToldAt.Sub(over)), 1)
		}
	}
	if last := row.lastRefusal(); last.After(over) && d.in(over.Add(LastRefusals)) {
		d.cells.add(subject, MeasureRefusedAfter, onScale(last.Sub(over)), 1)
	}
	d.lived(subject, row.CreatedAt, over)
}

// lastRefusal is when its app was told last, as far as that is noted; zero: never.
func (s Session) lastRefusal() time.Time {
	if s.RefusedAt.After(s.ToldAt) {
		return s.RefusedAt
	}
	return s.ToldAt
}

// lived adds how long a Session was at each length on the day: the time in which it could have ended there.
func (d *censusDay) lived(subject Subject, created, over time.Time) {
	from, to := later(created, d.begins), earlier(over, d.to)
	for i := stepOf(from.Sub(created)); from.Before(to); i++ {
		until := to
		if i < len(Scale) {
			until = earlier(to, created.Add(Scale[i]))
		}
		if seconds := int64(until.Sub(from) / time.Second); seconds > 0 {
			d.cells.add(subject, MeasureLived, stepLabel(i), seconds)
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

// people counts a person, with the devices of theirs that are told apart.
func (d *censusDay) people(rows []Counted) {
	users, devices, living := map[Scope]uint64{}, map[device]uint64{}, map[device]bool{}
	for _, row := range rows {
		if !row.CreatedAt.Before(d.to) {
			continue
		}
		days, install := row.Active.until(d.day), cmp.Or(row.Device.InstallID, row.ID.String())
		_, over := row.overAt()
		for _, scope := range row.subject().scopes() {
			users[scope] |= days
			devices[device{scope, install}] |= days
			if !over.Before(d.to) && wide(scope) {
				living[device{scope, install}] = true
			}
		}
	}
	for of, days := range devices {
		d.active(of.Scope, days, [...]Measure{MeasureDevices, MeasureDevices7, MeasureDevices30})
	}
	for scope, days := range users {
		d.active(scope, days, [...]Measure{MeasureUsers, MeasureUsers7, MeasureUsers30})
		if within(days, 1) && within(days>>1, 30) {
			d.cells[Cell{scope, MeasureReturning, ""}]++
		}
		if wide(scope) && len(rows) > 0 {
			d.about(scope, days, rows[0])
		}
	}
	d.perPerson(living)
}

// wide reports whether a scope is all there is or one client: what is not told apart any further.
func wide(s Scope) bool { return s.Platform == "" && s.Version == "" }

// active counts somebody or something by the days up to this one: as of the day, of 7 days and of 30.
func (d *censusDay) active(scope Scope, days uint64, measures [3]Measure) {
	for i, span := range [...]int{1, 7, 30} {
		if within(days, span) {
			d.cells[Cell{scope, measures[i], ""}]++
		}
	}
}

// maxCohortWeeks is for how many weeks a cohort is followed: a Session's row tells of no more, but people begin others.
const maxCohortWeeks = 26

// about counts a person by the week of their account, and by their factors.
func (d *censusDay) about(scope Scope, days uint64, row Counted) {
	monday := d.day.Monday()
	if !row.UserCreatedAt.IsZero() && within(days, int(d.day-monday)+1) {
		week := row.joined.Monday()
		if week <= monday && monday-week < 7*maxCohortWeeks {
			d.cells[Cell{scope, MeasureCohort, week.String()}]++
		}
	}
	if !within(days, 30) {
		return
	}
	for _, f := range row.Factors {
		d.cells[Cell{scope, MeasureFactors, f.Name}]++
	}
	if len(row.Factors) == 0 {
		d.cells[Cell{scope, MeasureFactors, "none"}]++
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
		d.cells[Cell{scope, MeasurePerPerson, strconv.Itoa(min(n, mostDevices))}]++
	}
}
