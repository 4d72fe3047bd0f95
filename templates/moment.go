package templates

import "time"

// Moment is when something happened, as seen from now.
type Moment struct{ At, Now time.Time }

// ago is a moment as people say it.
func ago(m Moment) (string, error) {
	past := m.Now.Sub(m.At)
	switch {
	case past < time.Minute:
		return text("ago.now")
	case past < time.Hour:
		return count("ago.minutes", int(past/time.Minute))
	case past < 24*time.Hour:
		return count("ago.hours", int(past/time.Hour))
	case past < 30*24*time.Hour:
		return count("ago.days", int(past/(24*time.Hour)))
	}
	layout, err := text("ago.layout")
	if err != nil {
		return "", err
	}
	return text("ago.date", "date", m.At.Format(layout))
}
