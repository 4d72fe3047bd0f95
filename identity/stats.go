package identity

import (
	"slices"
	"time"
)

// SmallGroup is from how many devices on numbers are told of a part of all: of fewer somebody could be made out.
const SmallGroup = 5

// MaxStatDays bounds how many days one question is for.
const MaxStatDays = 400

// StatsQuery says whose numbers are wanted, of which days. An empty client, platform or version is all of them; a version goes
// with its client, and not with a platform.
type StatsQuery struct {
	From, To Day // both included
	Scope
}

// Check refuses what no numbers are kept of.
func (q StatsQuery) Check() error {
	switch {
	case q.To < q.From:
		return RefuseField("to", "The last day is before the first.")
	case q.To-q.From >= MaxStatDays:
		return RefuseField("from", "At most 400 days are told of at once.")
	case q.Version != "" && (q.ClientID == "" || q.Platform != ""):
		return RefuseField("version", "A version goes with a client, and not with a platform.")
	}
	return nil
}

// Stats are the numbers of some days.
type Stats struct {
	From       Day        `json:"from"`
	To         Day        `json:"to"`
	Zone       string     `json:"time_zone"`
	ClientID   string     `json:"client_id,omitempty"`
	Platform   string     `json:"platform,omitempty"`
	Version    string     `json:"version,omitempty"`
	Settled    Day        `json:"settled"`             // up to this day the numbers are final; later ones may still change
	Uncounted  []Day      `json:"uncounted,omitempty"` // of these days nothing was counted yet: what stands for them is no number
	Withheld   bool       `json:"withheld,omitempty"`  // fewer than SmallGroup devices: nothing is told
	Health     Health     `json:"health"`
	Engagement Engagement `json:"engagement"`
}

// Counted reports whether what there is of a day was counted, once at least.
func (s Stats) Counted(day Day) bool { return !slices.Contains(s.Uncounted, day) }

// Series is one number for each day from the first to the last.
type Series []int64

// Sum is all of it.
func (s Series) Sum() (sum int64) {
	for _, n := range s {
		sum += n
	}
	return sum
}

// Last is the last day's.
func (s Series) Last() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1]
}

// Health is how Sessions fare.
type Health struct {
	// The first service level: Sessions whose app was told to sign the person in although nobody asked for
	// that (Unasked), for a thousand device-days.
	ForcedRate  float64   `json:"forced_rate"`
	ForcedRates []float64 `json:"forced_rates"`    // by day; -1 where no device was active
	Forced      Series    `json:"forced"`          // those that count for the rate
	DeviceDays  int64     `json:"device_days"`     // the active devices of each day, summed up
	ForcedBy    ByCause   `json:"forced_by_cause"` // all of them

	Refreshes    map[RefreshOutcome]Series `json:"refreshes"`
	CodeRetries  Series                    `json:"code_retries"`  // answers to a code that were given again
	Absorbed     Series                    `json:"absorbed"`      // lost answers that nobody noticed: forked, same again, rolled forward, code retries
	AbsorbedRate float64                   `json:"absorbed_rate"` // of a thousand refreshes that were answered with tokens
	RefreshAge   Histogram                 `json:"refresh_age"`   // how long after the refresh before

	ReuseCaught  Series    `json:"reuse_caught"`
	ReuseAfter   Histogram `json:"reuse_after"`   // how long after the line had moved last
	ToldAfter    Histogram `json:"told_after"`    // from an ending to the first refusal
	RefusedAfter Histogram `json:"refused_after"` // from an ending to the last refusal within LastRefusals, told so long after the ending
	IdleEnds     Series    `json:"idle_ends"`
	Funnel       []Stage   `json:"funnel"`
}

// Causes are numbers by cause, of all days together.
type Causes map[string]int64

// ByCause are numbers of each day by cause.
type ByCause map[string]Series

// LastRefusals is for how long after an ending its refusals are noted.
const LastRefusals = 7 * oneDay

// Stage is a step of signing in, and what became of who reached it.
type Stage struct {
	Step         string    `json:"step"` // FunnelSteps
	Reached      int64     `json:"reached"`
	Passed       int64     `json:"passed"`
	Left         int64     `json:"left"`          // reached it and went no further
	ReachedAfter Histogram `json:"reached_after"` // how long after the request
	PassedAfter  Histogram `json:"passed_after"`
}

// FunnelSteps are the steps of signing in, in their order. After password, factor and consent the request comes back and goes on.
var FunnelSteps = []string{"asked", "password", "factor", "consent", "code", "tokens"}

// Engagement is who uses the apps, and for how long.
type Engagement struct {
	Begun   Series  `json:"begun"`
	Ended   Series  `json:"ended"`
	EndedBy ByCause `json:"ended_by_cause"`
	Living  Series  `json:"living"` // as the day ends
	Length  Length  `json:"length"`

	Users     Series `json:"users"` // active on the day
	Users7    Series `json:"users_7"`
	Users30   Series `json:"users_30"`
	Devices   Series `json:"devices"`
	Devices7  Series `json:"devices_7"`
	Devices30 Series `json:"devices_30"`
	Returning Series `json:"returning"`

	Cohorts   []Cohort         `json:"cohorts"`            // not by platform or version
	PerPerson map[string]int64 `json:"devices_per_person"` // people by how many devices they have, as the last day ends; 5 is 5 or more
	Factors   map[string]int64 `json:"factors"`            // people of the last 30 days by factor
	Events    map[string]int64 `json:"events"`             // not by platform or version
}

// Length is how long Sessions last, those that still live among them: how many ended at each length is held against how long
// Sessions were at that length while they could end (docs/analytics.md).
type Length struct {
	Ended     Histogram `json:"ended"`       // that did, by their length
	Surviving []float64 `json:"surviving"`   // the share that gets to the end of each step of Scale; -1 where nobody was ever as old
	P50       int64     `json:"p50_seconds"` // 0: more than half of them last longer than anyone could see
	P75       int64     `json:"p75_seconds"` // what three quarters do not outlast
	P90       int64     `json:"p90_seconds"`
	P99       int64     `json:"p99_seconds"`
}

// Cohort is everybody whose account was made in one week, and how many of them came in each week since, that one included. Fewer
// than SmallGroup are not told of: -1.
type Cohort struct {
	Week   Day     `json:"week"` // its Monday
	Active []int64 `json:"active"`
}

// Histogram counts lengths of time by Scale: one number for each, and one for what is longer.
type Histogram []int64

// Sum is how many there are.
func (h Histogram) Sum() int64 { return Series(h).Sum() }

// Percentile is the length that a share of all, between 0 and 1, does not exceed: the end of its step of Scale. 0 without any;
// of what is beyond Scale its last step.
func (h Histogram) Percentile(share float64) time.Duration {
	sum, seen := h.Sum(), int64(0)
	for i, n := range h {
		if seen += n; sum > 0 && float64(seen) >= share*float64(sum) {
			return Scale[min(i, len(Scale)-1)]
		}
	}
	return 0
}

// Group is a part of all: a client, a platform, or a version of a client.
type Group struct {
	Name        string  `json:"name"`
	Devices     int64   `json:"devices"` // active in the 30 days before the last day ends
	Living      int64   `json:"living"`
	DeviceDays  int64   `json:"device_days"`
	Refreshes   int64   `json:"refreshes"`
	Absorbed    int64   `json:"absorbed"`
	ForcedBy    Causes  `json:"forced_by_cause"`
	ForcedRate  float64 `json:"forced_rate"` // as in Health
	ReuseCaught int64   `json:"reuse_caught"`
}

// GroupBy is what all are divided by.
type GroupBy string

// The ways to divide.
const (
	ByClient   GroupBy = "client"
	ByPlatform GroupBy = "platform" // of one client, or of all
	ByVersion  GroupBy = "version"  // of one client
)

// Groups are parts of all, the largest first.
type Groups struct {
	Groups []Group `json:"groups"`
	Small  int     `json:"small"` // parts that are left out, since they are too small or hide one that is (Tellable)
}

// Part is a part of all and how many devices it has.
type Part struct {
	Name    string
	Devices int64
}

// maxGroups is how many parts are told of.
const maxGroups = 50

// Tellable returns how many of the parts, the largest first, are told of. What is left out has SmallGroup devices at least and is of
// two parts at least: whoever knows the sum of all, and takes off what is told, has a sum of several. So where one small part would be
// left out alone, the smallest of the others goes with it.
func Tellable(parts []Part) (told int) {
	left := int64(0)
	for _, p := range parts {
		left += p.Devices
	}
	for told < len(parts) && told < maxGroups && parts[told].Devices >= SmallGroup {
		left -= parts[told].Devices
		told++
	}
	for told > 0 && told < len(parts) && (len(parts)-told < 2 || left < SmallGroup) {
		told--
		left += parts[told].Devices
	}
	return told
}

// Unasked reports whether a cause of a forced sign-in is one that nobody asked for: neither the person nor their app, and no
// operator, whose are the lifetimes and the policy as well.
func Unasked(cause string) bool {
	switch EndCause(cause) {
	case EndReuse, EndForks, EndReplay, EndCrowded, UnknownName:
		return true
	default:
		return false
	}
}

// Divide refuses what is not divided that way.
func (q StatsQuery) Divide(by GroupBy) error {
	switch {
	case q.Platform != "" || q.Version != "" || by == ByClient && q.ClientID != "":
		return RefuseField("by", "What is divided is all there is, or one client by platform or version.")
	case by == ByVersion && q.ClientID == "":
		return RefuseField("client", "Versions are those of a client: name it.")
	case by != ByClient && by != ByPlatform && by != ByVersion:
		return RefuseField("by", "Divide by client, platform or version.")
	}
	return q.Check()
}

// Part is the question for one part of all.
func (q StatsQuery) Part(by GroupBy, name string) StatsQuery {
	switch by {
	case ByClient:
		q.ClientID = name
	case ByPlatform:
		q.Platform = name
	case ByVersion:
		q.Version = name
	}
	return q
}
