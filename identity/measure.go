package identity

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Measure is something that is counted of a day (docs/analytics.md).
type Measure string

// What is counted as it happens: no row is left of it.
const (
	MeasureRefreshes  Measure = "refreshes"   // label: RefreshOutcome
	MeasureRefreshAge Measure = "refresh_age" // how long after the one before; label: step of Scale
	MeasureRetries    Measure = "code_retries"
	MeasureReached    Measure = "reached" // a step of a sign-in, so long after the request; label: step/step of Scale
	MeasurePassed     Measure = "passed"  // likewise
)

// What the rows of Sessions say of a day.
const (
	MeasureForced       Measure = "forced"        // sessions whose app was told to sign the person in; label: EndCause, or why else
	MeasureToldAfter    Measure = "told_after"    // how long after the end that was; label: step of Scale
	MeasureRefusedAfter Measure = "refused_after" // how long after the end apps came last, of those that ended LastRefusals ago
	MeasureReuseAfter   Measure = "reuse_after"   // how long after the line moved last a reuse was caught
	MeasureBegun        Measure = "begun"
	MeasureEnded        Measure = "ended"  // label: EndCause
	MeasureLengths      Measure = "length" // of those that ended; label: step of Scale
	MeasureLived        Measure = "lived"  // seconds that Sessions spent at that length; label: step of Scale
	MeasureLiving       Measure = "living" // as the day ends
	MeasureDevices      Measure = "devices"
	MeasureDevices7     Measure = "devices_7"
	MeasureDevices30    Measure = "devices_30"
	MeasureUsers        Measure = "users"
	MeasureUsers7       Measure = "users_7"
	MeasureUsers30      Measure = "users_30"
	MeasureReturning    Measure = "returning"   // users of the day who were there in the 30 days before
	MeasureCohort       Measure = "cohort"      // users of the week so far; label: the Monday of the week of their account
	MeasurePerPerson    Measure = "per_person"  // people by their living devices; label: 1 to 5, 5 being more, too
	MeasureFactors      Measure = "with_factor" // people of the 30 days; label: the factor, or none
)

// MeasureEvents is what Events say of an hour; label: EventKind.
const MeasureEvents Measure = "events"

// Scale are the steps of all lengths of time that are counted: each up to, and without, the one that is named. Beyond the last
// one there is another step.
var Scale = []time.Duration{
	time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
	15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, oneDay, 2 * oneDay, 3 * oneDay, 7 * oneDay,
	14 * oneDay, 30 * oneDay, 60 * oneDay, 90 * oneDay, 180 * oneDay, 365 * oneDay,
}

// stepOf is where a length of time stands in Scale.
func stepOf(d time.Duration) int {
	for i, bound := range Scale {
		if d < bound {
			return i
		}
	}
	return len(Scale)
}

// onScale is the label of a length of time.
func onScale(d time.Duration) string { return stepLabel(stepOf(d)) }

func stepLabel(i int) string { return stepLabels[i] }

var stepLabels = func() (all []string) {
	for i := range len(Scale) + 1 {
		all = append(all, fmt.Sprintf("%02d", i))
	}
	return all
}()

// What stands for names that there are too many of, and for those that nobody knows.
const (
	OtherName   = "other"
	UnknownName = "unknown"
)

// Scope is whom a number is of: the apps of a client, on a platform, in a version. What is empty is all of them.
type Scope struct {
	ClientID, Platform, Version string
}

// Subject is whom something happened to.
type Subject struct {
	Scope
	Own bool // an operator added the client
}

// SubjectOf is the one of a Session of client c.
func SubjectOf(c Client, s Session) Subject {
	return Subject{Scope{c.ID, s.Platform, s.Device.AppVersion}, !c.SelfRegistered}
}

// scopes are all that a number of the subject counts in. A version says nothing without its client, and is not told apart by
// platform: who has both has two numbers.
func (s Subject) scopes() []Scope {
	all := append(make([]Scope, 0, 5), Scope{})
	if s.ClientID == "" {
		return all
	}
	all = append(all, Scope{ClientID: s.ClientID})
	if s.Platform != "" {
		all = append(all, Scope{Platform: s.Platform}, Scope{ClientID: s.ClientID, Platform: s.Platform})
	}
	if s.Version != "" {
		all = append(all, Scope{ClientID: s.ClientID, Version: s.Version})
	}
	return all
}

// PlatformOf guesses from a User-Agent and the model of a device on which platform an app runs; empty: nobody knows. What it
// returns are names of ours.
func PlatformOf(userAgent string, d Device) string {
	for _, said := range []string{userAgent, d.Model, d.Name} {
		if _, platform := ReadUserAgent(said); platform != "" {
			return platform
		}
	}
	if strings.Contains(userAgent, "CFNetwork") || strings.Contains(userAgent, "Darwin") {
		return "Apple" // iPhone, iPad or Mac: their own library tells no more
	}
	return ""
}

// How many names are told apart in a day. What is more is OtherName: nobody who invents names makes anything grow.
const (
	MaxOwnClients    = 200
	maxOtherClients  = 50 // that registered themselves
	maxVersions      = 30 // of one client
	maxVersionsAtAll = 500
)

// names tells apart as many clients and versions as there may be, those that come first.
type names struct {
	own, others map[string]map[string]bool // versions by client
	versions    int
}

func newNames() *names {
	return &names{own: map[string]map[string]bool{}, others: map[string]map[string]bool{}}
}

// of is the subject as it is counted.
func (n *names) of(s Subject) Subject {
	clients, most := n.others, maxOtherClients
	if s.Own {
		clients, most = n.own, MaxOwnClients
	}
	if s.Platform == "" {
		s.Platform = UnknownName
	}
	if s.Version == "" {
		s.Version = UnknownName
	}
	versions, known := clients[s.ClientID]
	switch {
	case !known && len(clients) >= most:
		s.ClientID, s.Version = OtherName, OtherName
		return s
	case !known:
		versions = map[string]bool{}
		clients[s.ClientID] = versions
	}
	switch {
	case s.Version == UnknownName || versions[s.Version]:
	case len(versions) >= maxVersions || n.versions >= maxVersionsAtAll:
		s.Version = OtherName
	default:
		versions[s.Version] = true
		n.versions++
	}
	return s
}

// Cell is one number of a day.
type Cell struct {
	Scope
	Measure Measure
	Label   string
}

// cells are numbers that are being counted, by whom they are of: a census of millions finds them quicker so.
type cells[of comparable] map[of]map[Tick]int64

// at are the numbers of one.
func (c cells[of]) at(one of) map[Tick]int64 {
	ticks, known := c[one]
	if !known {
		ticks = map[Tick]int64{}
		c[one] = ticks
	}
	return ticks
}

// numbersOf returns the numbers as those of a day, always in the same order.
func numbersOf(c cells[Scope], d Day) (all []Number) {
	for scope, ticks := range c {
		for tick, n := range ticks {
			all = append(all, Number{d, Cell{scope, tick.Measure, tick.Label}, n})
		}
	}
	slices.SortFunc(all, Number.compare)
	return all
}

// EventCount makes the numbers of an hour out of how many Events there were of each kind and client.
type EventCount struct {
	own   map[string]bool
	names *names
	cells cells[Scope]
}

// NewEventCount counts with those clients that operators added.
func NewEventCount(own map[string]bool) *EventCount {
	return &EventCount{own, newNames(), cells[Scope]{}}
}

// Add counts n Events. Kinds are words of ours.
func (c *EventCount) Add(kind EventKind, client string, n int64) {
	s := Subject{Scope{ClientID: client}, c.own[client]}
	if client != "" {
		s.ClientID = c.names.of(s).ClientID
	}
	for _, scope := range s.scopes() {
		c.cells.at(scope)[Tick{MeasureEvents, string(kind)}] += n
	}
}

// Numbers returns them.
func (c *EventCount) Numbers(d Day) []Number { return numbersOf(c.cells, d) }
