package simulate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// told are the numbers of the days as the databases of a fleet tell them of some phones.
type told struct {
	Began, Came, Reuse  map[identity.Day]int
	Ended, Forced       map[identity.Day]map[string]int
	Lengths, ReuseAfter map[int]int
	ToldAfter           int64
	Moves               map[identity.RefreshOutcome]int
	Retries, Absorbed   int64
	Aged, Tokens        int64
	Living              int64 // as the last day ends
}

func newTold() told {
	return told{
		Began: map[identity.Day]int{}, Came: map[identity.Day]int{}, Reuse: map[identity.Day]int{}, Ended: map[identity.Day]map[string]int{},
		Forced: map[identity.Day]map[string]int{}, Lengths: map[int]int{}, ReuseAfter: map[int]int{}, Moves: map[identity.RefreshOutcome]int{},
	}
}

func (a *told) add(s identity.Stats) {
	days(s.From, s.Engagement.Begun, func(d identity.Day, n int) { a.Began[d] += n })
	days(s.From, s.Engagement.Devices, func(d identity.Day, n int) { a.Came[d] += n })
	days(s.From, s.Health.ReuseCaught, func(d identity.Day, n int) { a.Reuse[d] += n })
	for cause, series := range s.Health.ForcedBy {
		days(s.From, series, func(d identity.Day, n int) { inc(a.Forced, d, cause, n) })
	}
	for cause, series := range s.Engagement.EndedBy {
		days(s.From, series, func(d identity.Day, n int) { inc(a.Ended, d, cause, n) })
	}
	days(0, identity.Series(s.Engagement.Length.Ended), func(i identity.Day, n int) { a.Lengths[int(i)] += n })
	days(0, identity.Series(s.Health.ReuseAfter), func(i identity.Day, n int) { a.ReuseAfter[int(i)] += n })
	for _, o := range []identity.RefreshOutcome{identity.Rotated, identity.Forked, identity.RolledOn, identity.Kept, identity.SameGiven} {
		if n := s.Health.Refreshes[o].Sum(); n > 0 {
			a.Moves[o] += int(n)
		}
	}
	a.ToldAfter += s.Health.ToldAfter.Sum()
	a.Retries += s.Health.CodeRetries.Sum()
	a.Absorbed += s.Health.Absorbed.Sum()
	a.Aged += s.Health.RefreshAge.Sum()
	a.Living += s.Engagement.Living.Last()
	a.Tokens += s.Health.Funnel[len(s.Health.Funnel)-1].Reached
}

func days(from identity.Day, series identity.Series, each func(identity.Day, int)) {
	for i, n := range series {
		if n > 0 {
			each(from+identity.Day(i), int(n))
		}
	}
}

// told is what the numbers must say.
func (t truth) told() told {
	all := newTold()
	all.Began, all.Reuse, all.Ended, all.Forced = t.Began, t.Reuse, t.Ended, t.Forced
	all.Lengths, all.ReuseAfter, all.Moves = t.Lengths, t.ReuseAfter, t.Moves
	all.Retries = int64(t.Retries)
	all.Absorbed = all.Retries + int64(t.Moves[identity.Forked])
	all.Aged = int64(t.Moves[identity.Rotated] + t.Moves[identity.Forked])
	for day, sessions := range t.Came {
		all.Came[day] = len(sessions)
	}
	for _, n := range t.Began {
		all.Living, all.Tokens = all.Living+int64(n), all.Tokens+int64(n)
	}
	for _, n := range t.Reuse {
		all.Living, all.ToldAfter = all.Living-int64(n), all.ToldAfter+int64(n)
	}
	return all
}

// What phones, thieves and people did on each day is what operators are told of it, exactly: of all, of the client, and of each version
// and platform.
func TestTruth_isWhatTheNumbersOfTheDaysSay(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		o := few(func(o *Options) { o.Database, o.Devices, o.Days, o.Late, o.Stores = dsn, 36, 2, .05, .2 })
		f := lived(t, o)
		for _, h := range f.houses {
			if err := h.built.AddNumbers(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		all := newTruth()
		for i, m := range makes {
			one := newTruth()
			for shard, w := range f.worlds {
				one.add(w.truths[i], shard)
				all.add(w.truths[i], shard)
			}
			want := one.told()
			f.tells(t, identity.Scope{ClientID: clientID, Version: m.version}, want)
			f.tells(t, identity.Scope{Platform: identity.PlatformOf(m.agent, identity.Device{})}, want)
		}
		want := all.told()
		f.tells(t, identity.Scope{}, want)
		f.tells(t, identity.Scope{ClientID: clientID}, want)
		if len(want.Forced) == 0 || len(want.Reuse) == 0 || want.Aged < 300 || want.Absorbed < 10 {
			t.Errorf("nothing was tested: %+v", want)
		}
	})
}

// lived is a fleet whose days have passed.
func lived(t *testing.T, o Options) *fleet {
	t.Helper()
	f := settle(o)
	t.Cleanup(func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	})
	if err := f.build(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// tells compares what the databases say of a part with what happened to it.
func (f *fleet) tells(t *testing.T, of identity.Scope, want told) {
	t.Helper()
	got := newTold()
	for i, h := range f.houses {
		if f.shared && i < len(f.houses)-1 {
			continue
		}
		if err := h.db.RollUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := h.db.Stats(t.Context(), identity.StatsQuery{Scope: of})
		if err != nil {
			t.Fatal(err)
		}
		got.add(s)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%+v: happened (-), told (+):\n%s", of, diff)
	}
}
