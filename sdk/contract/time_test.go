package contract

import (
	"slices"
	"time"
)

// tick is how long a moment is.
const tick = 200 * time.Millisecond

func (s *stage) passing(from step, event string) {
	s.t.Helper()
	d := s.by(from)
	s.pass(d, func() bool {
		return slices.ContainsFunc(d.events, func(e reply) bool { return e.Event == event })
	})
	if d.event(event, 0, func(map[string]any) bool { return true }) == nil {
		s.t.Fatalf("there was no event %s", event)
	}
}

// pass lets time pass for a driver whenever it waits, until ready, which is called under the driver's lock.
func (s *stage) pass(d *driver, ready func() bool) {
	s.t.Helper()
	for range 1000 {
		waits := 0.0
		d.until(patience, func() bool {
			for i, e := range d.events {
				if seconds, ok := e.data["seconds"].(float64); ok && e.Event == "waiting" {
					waits, d.events = seconds, slices.Delete(d.events, i, i+1)
					return true
				}
			}
			return ready()
		})
		if waits == 0 {
			return
		}
		d.wait(d.send(map[string]any{"do": "clock", "pass": waits}))
	}
	s.t.Fatal("it waits again and again")
}

func (s *stage) nearly(from step, _ string) {
	s.t.Helper()
	const rest = 20 // seconds: less than a minute, and than a tenth of a life of ten minutes
	d := s.by(from)
	life, _ := d.wait(d.send(map[string]any{"do": "token"})).OK["expires_in"].(float64)
	d.wait(d.send(map[string]any{"do": "clock", "pass": life - rest}))
}
