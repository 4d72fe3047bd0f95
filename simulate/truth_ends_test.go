package simulate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// outlived is what lifetimes did to Sessions, and what their apps were told of it.
type outlived struct {
	Ended, Forced                    map[identity.Day]int
	Lengths, ToldAfter, RefusedAfter map[int]int
}

func newOutlived() outlived {
	return outlived{map[identity.Day]int{}, map[identity.Day]int{}, map[int]int{}, map[int]int{}, map[int]int{}}
}

const aDay = 24 * time.Hour

// A Session that nobody uses, and one that is used to its last day, end when their lifetimes say, and the numbers of the days say so;
// how long after that their apps heard of it, the first time and the last, is counted as it was.
func TestTruth_whatLifetimesEndIsWhatTheNumbersSay(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		f := lived(t, few(func(o *Options) { o.Database, o.Devices, o.Days, o.Thieves = dsn, 24, 1, 0 }))
		idle, absolute := f.site.cfg.SessionIdle, f.site.cfg.SessionAbsolute
		sleeps := func(s *session) bool { return s.n%2 == 0 }
		wakes := func(s *session) bool { return !sleeps(s) }

		f.come(t, 25*aDay, wakes)
		over := func(s *session) time.Duration { return s.movedAt + idle }
		f.saysOf(t, identity.EndIdle, f.refused(t, idle+3*aDay, sleeps, over), idle+10*aDay)

		for day := 50 * aDay; day < absolute; day += 25 * aDay {
			f.come(t, day, wakes)
		}
		over = func(s *session) time.Duration { return s.beganAt + absolute }
		f.saysOf(t, identity.EndExpired, f.refused(t, absolute+3*aDay, wakes, over), absolute+10*aDay)
	})
}

// come has the apps of some Sessions refresh, each at a time of its own.
func (f *fleet) come(t *testing.T, at time.Duration, who func(*session) bool) {
	t.Helper()
	for _, w := range f.worlds {
		for i := range w.truths {
			for _, s := range w.truths[i].Sessions {
				if !who(s) {
					continue
				}
				w.clock.set(at + time.Duration(s.n)*time.Minute)
				for token := range s.newest {
					next, err := w.issuer.refresh(t.Context(), token, "")
					if err != nil {
						t.Fatal(err)
					}
					if next != "" {
						s.newest, s.movedAt = map[string]bool{next: true}, w.clock.elapsed()
					}
					break
				}
			}
		}
	}
}

// refused has the apps of some Sessions that are over come twice, a day apart, and returns what happened.
func (f *fleet) refused(t *testing.T, at time.Duration, who func(*session) bool, over func(*session) time.Duration) outlived {
	t.Helper()
	f.come(t, at, who)
	f.come(t, at+aDay, who)
	want := newOutlived()
	for _, w := range f.worlds {
		for i := range w.truths {
			for _, s := range w.truths[i].Sessions {
				if !who(s) {
					continue
				}
				ended, told := over(s), at+time.Duration(s.n)*time.Minute
				want.Ended[dayAt(ended)]++
				want.Lengths[step(ended-s.beganAt)]++
				want.Forced[dayAt(told)]++
				want.ToldAfter[step(told-ended)]++
				want.RefusedAfter[step(told+aDay-ended)]++
			}
		}
	}
	return want
}

func dayAt(since time.Duration) identity.Day { return identity.DayOf(epoch.Add(since)) }

// saysOf compares what is told of a cause, of the ten days before a time, with what happened.
func (f *fleet) saysOf(t *testing.T, cause identity.EndCause, want outlived, at time.Duration) {
	t.Helper()
	got := newOutlived()
	for i, h := range f.houses {
		f.worlds[i].clock.set(at)
		if f.shared && i < len(f.houses)-1 {
			continue
		}
		if err := h.db.RollUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := h.db.Stats(t.Context(), identity.StatsQuery{From: dayAt(at) - 11, To: dayAt(at)})
		if err != nil {
			t.Fatal(err)
		}
		days(s.From, s.Engagement.EndedBy[string(cause)], func(d identity.Day, n int) { got.Ended[d] += n })
		days(s.From, s.Health.ForcedBy[string(cause)], func(d identity.Day, n int) { got.Forced[d] += n })
		days(0, identity.Series(s.Engagement.Length.Ended), func(i identity.Day, n int) { got.Lengths[int(i)] += n })
		days(0, identity.Series(s.Health.ToldAfter), func(i identity.Day, n int) { got.ToldAfter[int(i)] += n })
		days(0, identity.Series(s.Health.RefusedAfter), func(i identity.Day, n int) { got.RefusedAfter[int(i)] += n })
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want.Ended) == 0 {
		t.Errorf("%s: happened (-), told (+):\n%s", cause, diff)
	}
}
