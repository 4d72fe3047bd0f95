package simulate

import (
	"maps"
	"slices"
	"time"
)

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
	got           int
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
			got: of.got, ownerReturned: of.ownerReturned(), caught: of.foundOut > 0, ownerCame: of.ownerCame,
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
