package identity

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// table is the numbers of some days of one Scope, by measure and label.
type table struct {
	from, to Day
	all      map[Tick]Series
}

func newTable(q StatsQuery, numbers []Number) table {
	t := table{q.From, q.To, map[Tick]Series{}}
	for _, n := range numbers {
		key := Tick{n.Measure, n.Label}
		if t.all[key] == nil {
			t.all[key] = t.zeros()
		}
		t.all[key][n.Day-t.from] += n.N
	}
	return t
}

func (t table) zeros() Series { return make(Series, t.to-t.from+1) }

// series is a measure of each day, all labels together that keep says; nil: all of them.
func (t table) series(m Measure, keep func(label string) bool) Series {
	sum := t.zeros()
	for key, s := range t.all {
		if key.Measure == m && (keep == nil || keep(key.Label)) {
			for i, n := range s {
				sum[i] += n
			}
		}
	}
	return sum
}

func (t table) labels(m Measure) map[string]Series {
	all := map[string]Series{}
	for key, s := range t.all {
		if key.Measure == m {
			all[key.Label] = s
		}
	}
	return all
}

// histogram is a measure whose labels are steps of Scale, after a prefix.
func (t table) histogram(m Measure, prefix string) Histogram {
	h := make(Histogram, len(Scale)+1)
	for label, s := range t.labels(m) {
		step, is := strings.CutPrefix(label, prefix)
		if i, err := strconv.Atoi(step); is && err == nil && i >= 0 && i < len(h) {
			h[i] += s.Sum()
		}
	}
	return h
}

// latest is the numbers of the last day that has any of a measure, by label.
func (t table) latest(m Measure) map[string]int64 {
	day, found := 0, map[string]int64{}
	for label, s := range t.labels(m) {
		for i, n := range s {
			if n == 0 || i < day {
				continue
			}
			if i > day {
				day, found = i, map[string]int64{}
			}
			found[label] = n
		}
	}
	return found
}

// NewStats makes of the numbers of one Scope what is told of it: nothing of a part that is too small.
func NewStats(q StatsQuery, numbers []Number) Stats {
	s := Stats{From: q.From, To: q.To, ClientID: q.ClientID, Platform: q.Platform, Version: q.Version}
	t := newTable(q, numbers)
	if q.Scope != (Scope{}) && slices.Max(t.series(MeasureDevices30, nil)) < SmallGroup {
		s.Withheld, t = true, newTable(q, nil)
	}
	s.Health, s.Engagement = t.health(), t.engagement()
	return s
}

func (t table) health() Health {
	h := Health{
		Forced: t.series(MeasureForced, Unasked), ForcedBy: t.labels(MeasureForced), Refreshes: map[RefreshOutcome]Series{},
		CodeRetries: t.series(MeasureRetries, nil), RefreshAge: t.histogram(MeasureRefreshAge, ""),
		ReuseCaught: t.series(MeasureEnded, func(cause string) bool { return cause == string(EndReuse) }),
		ReuseAfter:  t.histogram(MeasureReuseAfter, ""), ToldAfter: t.histogram(MeasureToldAfter, ""),
		RefusedAfter: t.histogram(MeasureRefusedAfter, ""),
		IdleEnds:     t.series(MeasureEnded, func(cause string) bool { return cause == string(EndIdle) }),
	}
	for _, outcome := range RefreshOutcomes {
		h.Refreshes[outcome] = t.series(MeasureRefreshes, func(label string) bool { return label == string(outcome) })
	}
	devices := t.series(MeasureDevices, nil)
	h.DeviceDays, h.ForcedRate = devices.Sum(), rate(h.Forced.Sum(), devices.Sum())
	for i, n := range devices {
		h.ForcedRates = append(h.ForcedRates, rate(h.Forced[i], n))
	}
	h.Absorbed = sum(h.CodeRetries, h.Refreshes[Forked], h.Refreshes[SameGiven], h.Refreshes[RolledOn])
	h.AbsorbedRate = rate(h.Absorbed.Sum(), h.answered())
	h.Funnel = t.funnel()
	return h
}

// answered is how many refreshes were answered with tokens.
func (h Health) answered() int64 {
	return sum(h.Refreshes[Rotated], h.Refreshes[Kept], h.Refreshes[Forked], h.Refreshes[SameGiven], h.Refreshes[RolledOn]).Sum()
}

// sum adds series of the same days.
func sum(all ...Series) Series {
	total := slices.Clone(all[0])
	for _, s := range all[1:] {
		for i, n := range s {
			total[i] += n
		}
	}
	return total
}

// rate is for a thousand; -1 where there is nothing to hold it against.
func rate(n, of int64) float64 {
	if of == 0 {
		return -1
	}
	return float64(n) * 1000 / float64(of)
}

func (t table) funnel() (stages []Stage) {
	for _, step := range FunnelSteps {
		s := Stage{Step: step, ReachedAfter: t.histogram(MeasureReached, step+"/"), PassedAfter: t.histogram(MeasurePassed, step+"/")}
		s.Reached, s.Passed = s.ReachedAfter.Sum(), s.PassedAfter.Sum()
		if step != FunnelSteps[len(FunnelSteps)-1] {
			s.Left = max(0, s.Reached-s.Passed)
		}
		stages = append(stages, s)
	}
	return stages
}

func (t table) engagement() Engagement {
	return Engagement{
		Begun: t.series(MeasureBegun, nil), Ended: t.series(MeasureEnded, nil), EndedBy: t.labels(MeasureEnded),
		Living: t.series(MeasureLiving, nil), Length: t.length(),
		Users: t.series(MeasureUsers, nil), Users7: t.series(MeasureUsers7, nil), Users30: t.series(MeasureUsers30, nil),
		Devices: t.series(MeasureDevices, nil), Devices7: t.series(MeasureDevices7, nil), Devices30: t.series(MeasureDevices30, nil),
		Returning: t.series(MeasureReturning, nil), Cohorts: t.cohorts(),
		PerPerson: t.latest(MeasurePerPerson), Factors: t.latest(MeasureFactors), Events: t.sums(MeasureEvents),
	}
}

func (t table) sums(m Measure) map[string]int64 {
	all := map[string]int64{}
	for label, s := range t.labels(m) {
		all[label] = s.Sum()
	}
	return all
}

// length estimates how long Sessions last by how many ended at each length, and how long Sessions were at that length and could
// have ended: those that live are held against the endings for as long as they were watched, and no longer. Within a step the
// risk counts as even.
func (t table) length() Length {
	l := Length{Ended: t.histogram(MeasureLengths, ""), Surviving: make([]float64, len(Scale))}
	lived := t.histogram(MeasureLived, "")
	alive, began := 1.0, time.Duration(0)
	for i, bound := range Scale {
		if lived[i] == 0 && l.Ended[i] == 0 {
			l.Surviving[i] = -1
			began = bound
			continue
		}
		risk := float64(l.Ended[i]) / math.Max(1, float64(lived[i])) // each second
		before := alive
		alive *= math.Exp(-risk * (bound - began).Seconds())
		l.Surviving[i] = alive
		for _, p := range []struct {
			share float64
			at    *int64
		}{{.5, &l.P50}, {.25, &l.P75}, {.1, &l.P90}, {.01, &l.P99}} {
			if *p.at == 0 && alive <= p.share {
				*p.at = int64(began.Seconds() + math.Log(before/p.share)/risk)
			}
		}
		began = bound
	}
	return l
}

// cohorts are read off the last day of each week, or the last one that there is.
func (t table) cohorts() (all []Cohort) {
	for label, s := range t.labels(MeasureCohort) {
		week, err := ReadDay(label)
		if err != nil {
			continue
		}
		c := Cohort{Week: week}
		for monday := week; monday <= t.to; monday += 7 {
			if sunday := min(monday+6, t.to); sunday >= t.from {
				n := s[sunday-t.from]
				if n > 0 && n < SmallGroup {
					n = -1
				}
				c.Active = append(c.Active, n)
			} else {
				c.Active = append(c.Active, -1)
			}
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Cohort) int { return cmp.Compare(a.Week, b.Week) })
	return all
}

// NewGroup makes of the numbers of a part of all what is told of it.
func NewGroup(name string, devices int64, q StatsQuery, numbers []Number) Group {
	t := newTable(q, numbers)
	h := t.health()
	g := Group{
		Name: name, Devices: devices, DeviceDays: h.DeviceDays, Refreshes: h.answered(), Absorbed: h.Absorbed.Sum(),
		ForcedBy: Causes{}, ForcedRate: h.ForcedRate, ReuseCaught: h.ReuseCaught.Sum(),
	}
	for cause, s := range h.ForcedBy {
		g.ForcedBy[cause] = s.Sum()
	}
	for _, n := range t.latest(MeasureLiving) {
		g.Living += n
	}
	return g
}
