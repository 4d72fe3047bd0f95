package simulate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// told are the numbers of the days as the databases of a fleet tell them.
type told struct {
	Began, Came, Reuse map[identity.Day]int
	Forced             map[identity.Day]map[string]int
	Refreshes, Aged    int64
}

func newTold() told {
	return told{map[identity.Day]int{}, map[identity.Day]int{}, map[identity.Day]int{}, map[identity.Day]map[string]int{}, 0, 0}
}

func (a *told) add(s identity.Stats) {
	each := func(into map[identity.Day]int, from identity.Series) {
		for i, n := range from {
			if n > 0 {
				into[s.From+identity.Day(i)] += int(n)
			}
		}
	}
	each(a.Began, s.Engagement.Begun)
	each(a.Came, s.Engagement.Devices)
	each(a.Reuse, s.Health.ReuseCaught)
	for cause, days := range s.Health.ForcedBy {
		for i, n := range days {
			if day := s.From + identity.Day(i); n > 0 {
				if a.Forced[day] == nil {
					a.Forced[day] = map[string]int{}
				}
				a.Forced[day][cause] += int(n)
			}
		}
	}
	for _, o := range []identity.RefreshOutcome{identity.Rotated, identity.Forked, identity.RolledOn, identity.Kept, identity.SameGiven} {
		a.Refreshes += s.Health.Refreshes[o].Sum()
	}
	a.Aged += s.Health.RefreshAge.Sum()
}

// What phones, thieves and people did on each day is what operators are told of it, exactly.
func TestTruth_isWhatTheNumbersOfTheDaysSay(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		o := few(func(o *Options) { o.Database, o.Devices, o.Days, o.Late, o.Stores = dsn, 36, 2, .05, .2 })
		f := settle(o)
		defer func() {
			if err := f.close(); err != nil {
				t.Error(err)
			}
		}()
		if err := f.build(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want, all := newTold(), newTruth()
		for i, w := range f.worlds {
			all.add(w.truth, i)
		}
		want.Began, want.Reuse, want.Forced = all.Began, all.Reuse, all.Forced
		want.Refreshes, want.Aged = int64(all.Age), int64(all.Age)
		for day, sessions := range all.Came {
			want.Came[day] = len(sessions)
		}
		got := newTold()
		for i, h := range f.houses {
			if err := h.built.AddNumbers(t.Context()); err != nil {
				t.Fatal(err)
			}
			if f.shared && i < len(f.houses)-1 {
				continue
			}
			if err := h.db.RollUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			s, err := h.db.Stats(t.Context(), identity.StatsQuery{})
			if err != nil {
				t.Fatal(err)
			}
			got.add(s)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("happened (-), told (+):\n%s", diff)
		}
		if len(want.Forced) == 0 || len(want.Reuse) == 0 || want.Refreshes < 300 {
			t.Errorf("nothing was tested: %+v", want)
		}
	})
}
