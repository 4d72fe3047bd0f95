package contract

import (
	"os"
	"testing"
)

// stage is where one scenario is played.
type stage struct {
	t      *testing.T
	spec   driverSpec
	serves provider
	cast
	person  *person
	drivers map[string]*driver
	opened  map[string]map[string]any // how each driver was opened
	later   map[string]pending
	kept    map[string]any
	counted int // requests that a "sent" has seen
	store   string
}

// newStage has an app and a person of its own.
func newStage(t *testing.T, spec driverSpec, p provider) *stage {
	t.Helper()
	who := p.register(t)
	store, err := os.MkdirTemp(scratch, "store") // it outlives the test, and so what an app that was closed may still write
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{
		t: t, spec: spec, serves: p, cast: who, person: newPerson(t, who, p.net()), drivers: map[string]*driver{},
		opened: map[string]map[string]any{}, later: map[string]pending{}, kept: map[string]any{}, store: store,
	}
	t.Cleanup(s.leave)
	return s
}

// leave is the end of the scenario: from then on none of its apps sends anything.
func (s *stage) leave() {
	for _, d := range s.drivers {
		d.leave(s.spec)
	}
	s.drivers = map[string]*driver{}
}

// pending is a command whose answer comes later.
type pending struct {
	d  *driver
	id int
}
