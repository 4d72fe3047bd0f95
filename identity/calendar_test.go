package identity_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/sojourn-auth/sojourn/identity"
)

func zone(t *testing.T, name string) *identity.Calendar {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return identity.NewCalendar(z)
}

func day(t *testing.T, text string) identity.Day {
	t.Helper()
	d, err := identity.ReadDay(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCalendar_daysHaveTwentyThreeToTwentyFiveHours(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, day, begins string
		hours             time.Duration
	}{
		{"UTC", "2026-03-29", "2026-03-29T00:00:00Z", 24 * time.Hour},
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", 23 * time.Hour},
		{"Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", 25 * time.Hour},
		{"Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", 24*time.Hour + 30*time.Minute},
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", 0},                  // a day that never was
		{"Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", 23 * time.Hour},     // it has no midnight
		{"America/St_Johns", "2010-11-06", "2010-11-06T02:30:00Z", 25 * time.Hour}, // its midnight came twice
	} {
		calendar, d := zone(t, c.zone), day(t, c.day)
		begins, next := calendar.Begins(d), calendar.Begins(d+1)
		if got := begins.Format(time.RFC3339); got != c.begins || next.Sub(begins) != c.hours {
			t.Errorf("%s %s begins at %s and has %v, want %s and %v", c.zone, c.day, got, next.Sub(begins), c.begins, c.hours)
		}
	}
}

// Every moment is of one day, and days follow on each other.
func TestCalendar_daysAreAPartitionOfTime(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Africa/Cairo", "Asia/Kathmandu", "Pacific/Kiritimati"} {
		calendar := zone(t, name)
		from := time.Date(2010, 10, 1, 0, 0, 0, 0, time.UTC)
		last := calendar.DayOf(from)
		for at := from; at.Sub(from) < 800*24*time.Hour; at = at.Add(150 * time.Minute) {
			d := calendar.DayOf(at)
			if d < last || at.Before(calendar.Begins(d)) || !at.Before(calendar.Begins(d+1)) {
				t.Fatalf("%s: %v is of %v, after %v", name, at, d, last)
			}
			last = d
		}
	}
}

func TestDay_spellsItselfAndKnowsItsWeek(t *testing.T) {
	t.Parallel()
	d := day(t, "2026-11-29") // a Sunday
	if d.String() != "2026-11-29" || d.Monday().String() != "2026-11-23" || (d+1).Monday() != d+1 {
		t.Error(d, d.Monday(), (d + 1).Monday())
	}
	for _, bad := range []string{"", "29.11.2026", "2026-13-01", "2026-02-30", "2026-11-29T00:00:00Z"} {
		if _, err := identity.ReadDay(bad); err == nil {
			t.Errorf("%q is a day", bad)
		}
	}
}

func FuzzReadDay(f *testing.F) {
	f.Add("2026-11-29")
	f.Add("9999-12-31")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := identity.ReadDay(text)
		if err == nil && d.String() != text {
			t.Errorf("%q is %q", text, d)
		}
	})
}
