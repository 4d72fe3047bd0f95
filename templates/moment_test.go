package templates

import (
	"testing"
	"time"
)

func TestMoment_isSaidAsPeopleSayIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for past, want := range map[time.Duration]string{
		-time.Second:               "just now", // another server's clock
		59 * time.Second:           "just now",
		time.Minute:                "1 minute ago",
		59*time.Minute + 59:        "59 minutes ago",
		time.Hour:                  "1 hour ago",
		24*time.Hour - time.Second: "23 hours ago",
		24 * time.Hour:             "1 day ago",
		29 * 24 * time.Hour:        "29 days ago",
		30 * 24 * time.Hour:        "on 4 April 2026",
	} {
		if got, err := ago(Moment{At: now.Add(-past), Now: now}); err != nil || got != want {
			t.Errorf("%s before now is %q (%v), want %q", past, got, err, want)
		}
	}
}

func TestMachine_isCalledByWhatIsKnown(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]Machine{
		"":                     {},
		"Ada’s phone, Pixel 9": {Name: "Ada’s phone", Model: "Pixel 9", Browser: "Chrome"},
		"Ada’s Pixel 9":        {Name: "Ada’s Pixel 9", Model: "Pixel 9"},
		"Pixel 9":              {Model: "Pixel 9", Platform: "Android"},
		"Firefox on Linux":     {Browser: "Firefox", Platform: "Linux"},
		"Android":              {Platform: "Android"},
	} {
		if got, err := m.Called(); err != nil || got != want {
			t.Errorf("%+v is called %q (%v), want %q", m, got, err, want)
		}
	}
}
