package simulate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Report is what a simulation found. An owner whose Session ended because a thief used a copy of its token is no forced
// login: that is the thief being caught.
type Report struct {
	Policy   Policy  `json:"policy"`
	Database string  `json:"database"` // sqlite, postgres, or none for a reference
	Devices  int     `json:"devices"`
	Days     int     `json:"days"`
	Seed     uint64  `json:"seed"`
	Loss     float64 `json:"loss"`
	Late     float64 `json:"late"`
	Parallel float64 `json:"parallel"`
	Stores   float64 `json:"two_stores,omitempty"`
	Bound    bool    `json:"bound"`

	ForcedLogins int            `json:"forced_logins"`
	Causes       map[string]int `json:"forced_logins_by_cause"`
	Thieves
	ByKind map[kind]Thieves `json:"thieves_by_kind"`

	SignIns           int `json:"sign_ins"`
	LostExchanges     int `json:"lost_exchanges"`     // answers to a code that did not arrive
	LostAnswers       int `json:"lost_answers"`       // to a refresh
	KilledApps        int `json:"killed_apps"`        // before they stored an answer
	ParallelRefreshes int `json:"parallel_refreshes"` // pairs
	LateRequests      int `json:"late_requests"`

	Refreshes          int             `json:"refreshes"` // that were answered with tokens, thieves' included
	Seconds            float64         `json:"seconds"`
	RefreshesPerSecond float64         `json:"refreshes_per_second"`
	Rows               map[string]Rows `json:"rows"` // by table
}

// Thieves are what became of some of them. One is counted when it used its copy.
type Thieves struct {
	Thieves       int `json:"thieves"`
	OwnerReturned int `json:"thieves_owner_returned"` // the owner came back while the thief was at it
	Caught        int `json:"caught"`                 // the Session ended over it
	// These are counted from the thief's first use of its copy: before that there is nothing to see. A thief whose tokens
	// are worthless already is caught only when it comes with one.
	MedianOwnerRefreshes int     `json:"median_owner_refreshes_until_caught"`
	MedianMinutes        float64 `json:"median_minutes_until_caught"`
	MostOutlived         int     `json:"most_owner_refreshes_outlived"` // after so many of the owner's a thief still got one
	Refreshes            int     `json:"thief_refreshes"`
	Served               int     `json:"thieves_served"` // got at least one
	Refused              int     `json:"thief_refusals"` // tries that failed for want of the owner's key, and touched nothing
}

// Rows are how many a table has: when everyone has signed in for the first time, and in the end.
type Rows struct {
	Before int `json:"before"`
	After  int `json:"after"`
}

func newReport(o Options, t tally) Report {
	r := Report{
		Policy: o.Policy, Bound: o.Bound, Database: "sqlite", Devices: o.Devices, Days: o.Days, Seed: o.Seed,
		Loss: o.Loss, Late: o.Late, Parallel: o.Parallel, Stores: o.Stores,
		Causes: map[string]int{}, Thieves: summary(t.everyone()), ByKind: map[kind]Thieves{},
		SignIns: t.SignIns, LostExchanges: t.LostExchanges, LostAnswers: t.LostAnswers, KilledApps: t.KilledApps,
		ParallelRefreshes: t.Parallel, LateRequests: t.LateRequests, Refreshes: t.Refreshes, Rows: map[string]Rows{},
	}
	for cause, n := range t.causes {
		r.Causes[cause] = n
		r.ForcedLogins += n
	}
	for k, all := range t.thieves {
		r.ByKind[k] = summary(all)
	}
	switch {
	case references[o.Policy].on != nil:
		r.Database = "none"
	case o.Database != "":
		r.Database = "postgres"
	}
	return r
}

// timed adds how long it took.
func (r *Report) timed(took time.Duration) {
	r.Seconds = math.Round(took.Seconds()*10) / 10
	r.RefreshesPerSecond = math.Round(float64(r.Refreshes) / took.Seconds())
}

// counted adds the rows.
func (r *Report) counted(before, after map[string]int) {
	for table, n := range after {
		r.Rows[table] = Rows{before[table], n}
	}
}

// String says it to people.
func (r Report) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%d devices, %d days, policy %s%s%s, seed %d", r.Devices, r.Days, r.Policy, r.keys(), r.basis(), r.Seed)
	line("%g %% of the answers lost, %g %% of the requests late, %g %% asked twice at once", 100*r.Loss, 100*r.Late, 100*r.Parallel)
	if r.Stores > 0 {
		line("%g %% of the apps with two stores", 100*r.Stores)
	}
	line("")
	line("forced logins        %d", r.ForcedLogins)
	for _, cause := range slices.Sorted(maps.Keys(r.Causes)) {
		line("  %-18s %d  (%s)", cause, r.Causes[cause], r.explain(cause))
	}
	line("thieves              %d, the owner came back in %d cases, caught %d", r.Thieves.Thieves, r.OwnerReturned, r.Caught)
	if r.Caught > 0 {
		line("  caught after       %d refreshes of the owner and %.0f minutes (medians)", r.MedianOwnerRefreshes, r.MedianMinutes)
	}
	line("  served             %d of them", r.Served)
	if r.Bound {
		line("  refused            %d times, for want of the owner's key", r.Refused)
	}
	line("  got                %d refreshes; none after the owner's refresh number %d", r.Thieves.Refreshes, r.MostOutlived+1)
	for _, k := range kinds {
		if s, some := r.ByKind[k]; some {
			line("  %-18s %d, owner back %d, caught %d, got %d", k, s.Thieves, s.OwnerReturned, s.Caught, s.Refreshes)
		}
	}
	line("refreshes            %d in %.1f s, %.0f/s", r.Refreshes, r.Seconds, r.RefreshesPerSecond)
	line("mishaps              %d answers lost, %d apps killed, %d asked twice, %d requests late, %d code exchanges unanswered",
		r.LostAnswers, r.KilledApps, r.ParallelRefreshes, r.LateRequests, r.LostExchanges)
	for _, table := range slices.Sorted(maps.Keys(r.Rows)) {
		line("rows of %-20s %d, before %d", table, r.Rows[table].After, r.Rows[table].Before)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (r Report) keys() string {
	if r.Bound {
		return ", tokens bound to keys,"
	}
	return ""
}

func (r Report) basis() string {
	if reference, ok := references[r.Policy]; ok {
		return " (a reference: " + reference.words + ", simulated without a database)"
	}
	return " on " + r.Database
}

// explain says what a cause of forced logins means.
func (r Report) explain(cause string) string {
	switch cause {
	case lostAnswer:
		return "an answer was lost and the same token came again"
	case appKilled:
		return "the app was killed before it stored the answer"
	case askedTwice:
		return "the app refreshed twice at once"
	case lateRequest:
		if r.Policy == Ours {
			return "a request was delivered after the next refresh"
		}
		return "a request was delivered minutes after the phone gave up"
	case codeExchange:
		return "the app got no answer to its code"
	case twoStores:
		return "the app has two stores that do not know of each other"
	}
	return "what the server says"
}

// tally is the books of one shard.
type tally struct {
	SignIns       int
	Refreshes     int
	LostAnswers   int
	KilledApps    int
	Parallel      int
	LateRequests  int
	LostExchanges int
	causes        map[string]int
	thieves       map[kind][]found
}

// found is what became of one thief who came to use its copy.
type found struct {
	got, refused  int
	ownerReturned bool
	caught        bool
	ownerCame     int // until it was caught
	outlived      int
	after         time.Duration // from its first use
}

// forced counts a person who has to sign in again although no one did anything wrong.
func (t *tally) forced(cause string) {
	if t.causes == nil {
		t.causes = map[string]int{}
	}
	t.causes[cause]++
}

// lost counts an answer that did not end up in the phone's store.
func (t *tally) lost(excuse string) {
	if excuse == appKilled {
		t.KilledApps++
		return
	}
	t.LostAnswers++
}

// settle writes down what became of a thief. One who never tried is none.
func (t *tally) settle(of *thief) {
	if t.thieves == nil {
		t.thieves = map[kind][]found{}
	}
	if of.used() {
		t.thieves[of.kind] = append(t.thieves[of.kind], found{
			got: of.got, refused: of.refused, ownerReturned: of.ownerReturned(), caught: of.foundOut > 0, ownerCame: of.ownerCame,
			outlived: of.outlived, after: of.foundOut - of.firstUse,
		})
	}
}

// add puts another shard's books on top.
func (t *tally) add(o tally) {
	t.SignIns += o.SignIns
	t.Refreshes += o.Refreshes
	t.LostAnswers += o.LostAnswers
	t.KilledApps += o.KilledApps
	t.Parallel += o.Parallel
	t.LateRequests += o.LateRequests
	t.LostExchanges += o.LostExchanges
	for cause, n := range o.causes {
		for range n {
			t.forced(cause)
		}
	}
	if t.thieves == nil {
		t.thieves = map[kind][]found{}
	}
	for k, all := range o.thieves {
		t.thieves[k] = append(t.thieves[k], all...)
	}
}

// summary says about some thieves what matters.
func summary(all []found) (s Thieves) {
	var came []int
	var after []time.Duration
	for _, f := range all {
		s.Thieves++
		s.Refreshes += f.got
		s.Refused += f.refused
		if f.got > 0 {
			s.Served++
		}
		s.MostOutlived = max(s.MostOutlived, f.outlived)
		if f.ownerReturned {
			s.OwnerReturned++
		}
		if f.caught {
			s.Caught++
			came, after = append(came, f.ownerCame), append(after, f.after)
		}
	}
	if s.Caught > 0 {
		slices.Sort(came)
		slices.Sort(after)
		s.MedianOwnerRefreshes = came[len(came)/2]
		s.MedianMinutes = after[len(after)/2].Minutes()
	}
	return s
}

// everyone is all thieves of all kinds.
func (t *tally) everyone() []found {
	return slices.Concat(slices.Collect(maps.Values(t.thieves))...)
}
