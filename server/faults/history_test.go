package faults

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sojourn-auth/sojourn/identity"
)

// shown is one request about a Session: a refresh token that was presented, or a sign-out.
type shown struct {
	session      identity.ID
	generation   uint32
	branch       uint16
	ends         bool
	lost, losing int32 // how often the database had lost its last moments when it began, and had or was about to when it ended
}

// answered is what came of it.
type answered struct {
	known      bool // an answer arrived; without one the request may have been carried out, now or never
	served     bool
	generation uint32
	branch     uint16
}

// standing is a Session as the rotation rule of DESIGN §2 sees it. It is written here once more on purpose: what is judged by it runs
// identity's.
type standing struct {
	generation       uint32
	branch, previous uint16
	ended            bool
	losses           int32
}

// specification is the rule as porcupine wants it: whether what everybody saw of a Session can be told in one order.
var specification = porcupine.NondeterministicModel{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		bySession := map[identity.ID][]porcupine.Operation{}
		for _, op := range all {
			id := op.Input.(shown).session
			bySession[id] = append(bySession[id], op)
		}
		parts := make([][]porcupine.Operation, 0, len(bySession))
		for _, part := range bySession {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{standing{}} },
	Step: func(state, in, out any) []any { return state.(standing).step(in.(shown), out.(answered)) },
}

func rotationRule() porcupine.Model { return specification.ToModel() }

// step returns how the Session may stand after an answer; nowhere, if there can be no such answer.
func (s standing) step(in shown, out answered) (all []any) {
	next, goesOn := s.after(in)
	next.losses = max(s.losses, in.lost)
	unseen := !out.known || in.ends && !out.served
	switch {
	case unseen:
		all = []any{s, next}
	case in.ends:
		all = []any{next}
	case out.served == goesOn && (!goesOn || out.generation == next.generation && out.branch == next.branch):
		all = []any{next}
	}
	// Rotations of the last moments may be lost in a crash, endings never. What was handed out then says where the row stood.
	if in.losing > s.losses && !s.ended && !in.ends && out.served && out.generation == in.generation+1 {
		all = append(all, standing{generation: out.generation, branch: out.branch, previous: in.branch, losses: next.losses})
	}
	return all
}

// after is the rule: how the Session stands once something was presented, and whether the holder goes on.
func (s standing) after(in shown) (next standing, goesOn bool) {
	next = s
	switch {
	case s.ended:
		return next, false
	case in.ends:
	case in.generation == s.generation && in.branch <= s.branch, in.generation >= s.generation: // current, or ahead of the row
		return standing{generation: in.generation + 1, previous: in.branch}, true
	case in.generation+1 == s.generation && in.branch == s.previous && s.branch < 999:
		next.branch++
		return next, true
	}
	next.ended = true
	return next, false
}

// losses count how often the database lost its last moments.
type losses struct{ begun, done atomic.Int32 }

// history is what everybody saw, each request with when it began and when its answer was there.
type history struct {
	began  time.Time
	losses losses

	mu  sync.Mutex
	all []porcupine.Operation
}

func (h *history) now() int64 { return int64(time.Since(h.began)) }

// note adds a request that began at a time and has ended now.
func (h *history) note(began int64, in shown, out answered) {
	in.losing = h.losses.begun.Load()
	op := porcupine.Operation{Input: in, Call: began, Output: out, Return: h.now()}
	if !out.known {
		op.Return = math.MaxInt64 // it may still be under way, in a queue or a buffer
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, op)
}

// verdict fails the test where no order of events explains what was seen.
func (h *history) verdict(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, part := range rotationRule().Partition(h.all) {
		if got := porcupine.CheckOperationsTimeout(rotationRule(), part, time.Minute); got != porcupine.Ok {
			t.Errorf("what was seen of Session %s can't be told in one order (%s): %+v", part[0].Input.(shown).session, got, part)
		}
	}
	t.Logf("%d requests about Sessions, each Session's explained by one order", len(h.all))
}

// A check that can't fail shows nothing.
func TestRotationRule_refusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	to := func(g uint32, b uint16) answered {
		return answered{known: true, served: true, generation: g, branch: b}
	}
	refused, lost := answered{known: true}, answered{}
	for name, test := range map[string]struct {
		ops  []porcupine.Operation
		want bool
	}{
		"a line": {turns(shown{}, to(1, 0), shown{generation: 1}, to(2, 0)), true},
		"the first token is served twice as current": {turns(shown{}, to(1, 0), shown{}, to(1, 0)), false},
		"a lost answer forks":                        {turns(shown{}, lost, shown{}, to(1, 1)), true},
		"a request that was lost does nothing":       {turns(shown{}, lost, shown{}, to(1, 0)), true},
		"a used predecessor is reuse":                {turns(shown{}, to(1, 0), shown{generation: 1}, to(2, 0), shown{}, refused), true},
		"a used predecessor is served":               {turns(shown{}, to(1, 0), shown{generation: 1}, to(2, 0), shown{}, to(2, 1)), false},
		"an honest line is refused":                  {turns(shown{}, to(1, 0), shown{generation: 1}, refused), false},
		"an ended Session is served": {
			turns(shown{ends: true}, answered{known: true, served: true}, shown{}, to(1, 0)), false,
		},
		"a rotation that a crash lost": {turns(shown{}, to(1, 0), shown{lost: 1, losing: 1}, to(1, 0)), true},
		"one that was answered the moment before": {
			turns(shown{}, to(1, 0), shown{generation: 1, losing: 1}, to(2, 0), shown{generation: 1, lost: 1, losing: 1}, to(2, 0)), true,
		},
		"an ending that a crash lost": {turns(shown{ends: true}, answered{known: true, served: true}, shown{lost: 1, losing: 1}, to(1, 0)), false},
		"a crash explains one step":   {turns(shown{}, to(1, 0), shown{lost: 1, losing: 1}, to(1, 0), shown{lost: 1, losing: 1}, to(1, 0)), false},
	} {
		if got := porcupine.CheckOperations(rotationRule(), test.ops); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// turns are requests and answers, one after the other.
func turns(pairs ...any) (all []porcupine.Operation) {
	for i := 0; i < len(pairs); i += 2 {
		op := porcupine.Operation{Input: pairs[i], Output: pairs[i+1], Call: int64(10 * i), Return: int64(10*i + 5)}
		if out := pairs[i+1].(answered); !out.known {
			op.Return = math.MaxInt64
		}
		all = append(all, op)
	}
	return all
}
