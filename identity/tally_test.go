package identity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// An app with a million versions, and a million apps, make nothing grow, and nothing of what they did is left out of the sum.
func TestTally_aMillionNamesAreAFewAndOthers(t *testing.T) {
	t.Parallel()
	tally, now := identity.NewTally(identity.NewCalendar(nil)), time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	rotated := identity.Tick{Measure: identity.MeasureRefreshes, Label: "rotated"}
	const many = 100_000
	for i := range many {
		tally.Count(now, identity.Subject{Scope: identity.Scope{ClientID: "app", Version: fmt.Sprint(i)}, Own: true}, rotated)
		tally.Count(now, identity.Subject{Scope: identity.Scope{ClientID: fmt.Sprint("https://", i), Version: "1"}}, rotated)
	}
	numbers := tally.Take()
	var all, app, other int64
	for _, n := range numbers {
		switch (identity.Scope{ClientID: n.ClientID, Platform: n.Platform, Version: n.Version}) {
		case identity.Scope{}:
			all = n.N
		case identity.Scope{ClientID: "app"}:
			app = n.N
		case identity.Scope{ClientID: identity.OtherName}:
			other = n.N
		}
	}
	if all != 2*many || app != many || other != many-50 || len(numbers) > 500 {
		t.Errorf("%d numbers: all %d, the app %d, other apps %d", len(numbers), all, app, other)
	}
	if again := tally.Take(); len(again) != 0 {
		t.Errorf("%d numbers were taken twice", len(again))
	}
}

// The same of a census: an app that names a version of its own for each device has a few, and others.
func TestCensus_aMillionVersionsAreAFewAndOthers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	calendar := identity.NewCalendar(nil)
	day := calendar.DayOf(now)
	census := identity.NewCensus(calendar, []identity.Day{day}, now)
	const many = 20_000
	for i := range many {
		s := identity.Session{ID: identity.NewID(), UserID: identity.NewID(), ClientID: "app", CreatedAt: now.Add(-time.Hour), LastUsedAt: now.Add(-time.Hour)}
		s.IdleEndsAt, s.EndsAt, s.Device.AppVersion, s.Device.InstallID = now.AddDate(0, 1, 0), now.AddDate(0, 1, 0), fmt.Sprint(i), fmt.Sprint(i)
		census.Add(identity.Counted{Session: s, Own: true})
	}
	numbers, of := census.Numbers()[day], map[identity.Scope]int64{}
	for _, n := range numbers {
		if n.Measure == identity.MeasureBegun || n.Measure == identity.MeasureDevices {
			of[n.Scope] += n.N
		}
	}
	app, other := of[identity.Scope{ClientID: "app"}], of[identity.Scope{ClientID: "app", Version: identity.OtherName}]
	if app != 2*many || other != 2*(many-30) || len(numbers) > 1000 {
		t.Errorf("%d numbers: the app has %d, other versions %d", len(numbers), app, other)
	}
}

// How long Sessions last is estimated from those that live, too: half of these end on their first day, each other half on the day
// after, and nobody waits until the last one is over.
func TestStats_lengthTakesTheLivingIntoAccount(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	calendar := identity.NewCalendar(nil)
	day := calendar.DayOf(now) - 1
	census := identity.NewCensus(calendar, []identity.Day{day}, now.Add(3*time.Hour))
	for i := range 1000 { // begun all at once at the day's begin; a tenth ends in each of its first hours, the rest lives
		s := identity.Session{ID: identity.NewID(), UserID: identity.NewID(), ClientID: "app", CreatedAt: calendar.Begins(day), LastUsedAt: calendar.Begins(day)}
		s.IdleEndsAt, s.EndsAt = now.Add(time.Hour*1000), now.Add(time.Hour*1000)
		if i < 100 {
			s.EndedAt, s.EndCause = s.CreatedAt.Add(30*time.Minute), identity.EndDevice
		}
		census.Add(identity.Counted{Session: s, Own: true})
	}
	var numbers []identity.Number
	for _, n := range census.Numbers()[day] {
		if n.Scope == (identity.Scope{}) {
			numbers = append(numbers, n)
		}
	}
	l := identity.NewStats(identity.StatsQuery{From: day, To: day}, numbers).Engagement.Length
	hour, atDay := l.Surviving[8], l.Surviving[12]
	if hour < .88 || hour > .92 || atDay != hour || l.P50 != 0 || l.Ended.Sum() != 100 {
		t.Errorf("after an hour %.3f live, after a day %.3f; half are over after %d s, %d ended", hour, atDay, l.P50, l.Ended.Sum())
	}
}
