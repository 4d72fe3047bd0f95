package anomaly

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// season is how often something happened in each hour, and what is normal then.
type season struct {
	now     map[Signal]map[time.Time]map[identity.ID]int // the Events of hours that are not closed, with how often each happened
	more    map[Signal]map[time.Time]int                 // those that were too many to know each
	open    map[Signal]time.Time                         // the first hour that is not kept yet
	normals map[Signal]normal
}

// normal is what is usual in an hour.
type normal struct {
	hour   time.Time
	median float64
	spread float64
	known  bool
}

const (
	day  = 24 * time.Hour
	week = 7 * day
	// maxKnown is how many Events of an hour are known one by one, so that none counts twice.
	maxKnown = 20_000
	// fewest is with how many hours to compare with something is judged.
	fewest = 4
	// atLeast is how much must happen in an hour before it is judged.
	atLeast = 10
)

func newSeason() season {
	s := season{
		now: map[Signal]map[time.Time]map[identity.ID]int{}, more: map[Signal]map[time.Time]int{},
		open: map[Signal]time.Time{}, normals: map[Signal]normal{},
	}
	for signal, t := range traits {
		if t.season {
			s.now[signal], s.more[signal] = map[time.Time]map[identity.ID]int{}, map[time.Time]int{}
		}
	}
	return s
}

// add counts an Event in its hour. One that happened again since counts in each hour as often as it did then.
func (s *season) add(signal Signal, e identity.Event) {
	hour, before := e.At.Truncate(time.Hour), 0
	for other, known := range s.now[signal] {
		if other.Before(hour) {
			before += known[e.ID]
		}
	}
	known := s.now[signal][hour]
	if known == nil {
		known = map[identity.ID]int{}
		s.now[signal][hour] = known
	}
	if _, there := known[e.ID]; !there && len(known) >= maxKnown {
		s.more[signal][hour]++
		return
	}
	known[e.ID] = max(0, e.Repeats+1-before)
}

func (s *season) count(signal Signal, hour time.Time) (n int) {
	for _, times := range s.now[signal][hour] {
		n += times
	}
	return n + s.more[signal][hour]
}

// closeHours judges the hour that goes on, and keeps those that nothing can be added to any more: what repeats within an hour moves.
func (w *Watch) closeHours(ctx context.Context, now time.Time) error {
	over := now.Add(-time.Hour - 2*overlap).Truncate(time.Hour)
	for signal := range w.season.now {
		if len(w.rules[signal]) == 0 {
			continue
		}
		for hour := latest(w.began, w.season.open[signal]); hour.Before(over); hour = hour.Add(time.Hour) {
			if err := w.o.Store.WriteHour(ctx, string(signal), hour, w.season.count(signal, hour)); err != nil {
				return err
			}
			w.season.open[signal] = hour.Add(time.Hour)
		}
		w.season.drop(signal, over)
		if err := w.judgeHour(ctx, signal, now); err != nil {
			return err
		}
	}
	return nil
}

// drop forgets what happened in hours before a time.
func (s *season) drop(signal Signal, before time.Time) {
	for hour := range s.now[signal] {
		if hour.Before(before) {
			delete(s.now[signal], hour)
			delete(s.more[signal], hour)
		}
	}
}

// judgeHour compares what happened in an hour so far with what is normal in all of it.
func (w *Watch) judgeHour(ctx context.Context, signal Signal, now time.Time) error {
	hour := now.Truncate(time.Hour)
	n := w.season.count(signal, hour)
	if n < atLeast {
		return nil
	}
	usual, err := w.normal(ctx, signal, hour)
	if err != nil || !usual.known {
		return err
	}
	score := (float64(n) - usual.median) / usual.spread
	for _, r := range w.rules[signal] {
		if score < r.Threshold {
			continue
		}
		err := w.decide(ctx, r, identity.Decision{
			Subject: "all", At: now, Value: score, About: fmt.Sprintf("%d, usually %g", n, usual.median),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// normal is what is usual in that hour of the week, or of the day while too few weeks are known.
func (w *Watch) normal(ctx context.Context, signal Signal, hour time.Time) (normal, error) {
	if n := w.season.normals[signal]; n.hour.Equal(hour) {
		return n, nil
	}
	hours, err := w.o.Store.Hours(ctx, string(signal), hour.Add(-8*week))
	if err != nil {
		return normal{}, err
	}
	n := usual(hours, hour, week, 8)
	if !n.known {
		n = usual(hours, hour, day, 14)
	}
	w.season.normals[signal] = n
	return n, nil
}

// usual is the median of the same hours before, and how far they are from it: 1.4826 times the median distance is the standard deviation
// of what is distributed normally, and no single bad hour moves it. What is counted spreads by its root at least.
func usual(hours map[time.Time]int, hour time.Time, step time.Duration, most int) normal {
	n := normal{hour: hour}
	var counts []float64
	for i := 1; i <= most; i++ {
		if c, known := hours[hour.Add(-time.Duration(i)*step)]; known {
			counts = append(counts, float64(c))
		}
	}
	if n.known = len(counts) >= fewest; !n.known {
		return n
	}
	n.median = median(counts)
	apart := make([]float64, len(counts))
	for i, c := range counts {
		apart[i] = math.Abs(c - n.median)
	}
	n.spread = max(1.4826*median(apart), math.Sqrt(n.median), 1)
	return n
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
