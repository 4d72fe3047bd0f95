package identity_test

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// search tries every schedule there is. Generations are relative and branches are capped, so the scenes are finitely many
// and "every" means schedules of any length.
type search struct {
	rule     rule
	rotation identity.Rotation
	proved   bool
	honest   bool   // there is no thief, and a refusal is wrong
	crashes  int    // how often the row may fall behind
	undone   int    // how many writes one crash may undo
	branches uint16 // schedules with more forks of one generation than this are left out
	within   int    // the answers that an owner keeps until the thief must be out
}

// deed is one thing that somebody does in a scene.
type deed struct {
	by string
	to int
}

// found is what a search saw.
type found struct {
	deeds [][]deed       // by scene
	wrong map[string]int // what no scene may show, and in how many it was seen
}

func (s search) run() found {
	scenes, index := []scene{s.theft()}, map[string]int{s.theft().key(): 0}
	f := found{wrong: map[string]int{}}
	for at := 0; at < len(scenes); at++ {
		f.deeds = append(f.deeds, nil)
		s.steps(scenes[at], func(by string, to scene) {
			if to = to.plain(); to.row.Branch > s.branches {
				return
			}
			next, known := index[to.key()]
			if !known {
				next = len(scenes)
				index[to.key()], scenes = next, append(scenes, to)
			}
			f.deeds[at] = append(f.deeds[at], deed{by, next})
		}, func(what string) { f.wrong[what]++ })
	}
	return f
}

const (
	ownerRefused = "the owner is refused"
	twoUsed      = "two branches of one generation were used"
	thiefGoesOn  = "the thief is served after the owner's second refresh"
)

// steps reports every scene that can follow, and what was wrong on the way. It mirrors shared_for_ever of the model that
// the rule came from, and adds crashes, and owners who ask several times before they keep an answer.
func (s search) steps(now scene, follows func(by string, to scene), wrong func(string)) {
	next, answer, served := s.serve(now, now.owner)
	switch {
	case served:
		s.judge(now, now.owner, wrong)
		next.answers = with(now.answers, answer)
		follows("owner", next)
	case s.honest:
		wrong(ownerRefused)
	}
	for _, answer := range now.answers {
		kept := now
		kept.owner, kept.answers, kept.kept = answer, nil, min(s.within, now.kept+1)
		follows("store", kept)
	}
	for _, held := range now.thief {
		next, answer, served := s.serve(now, held)
		if !served {
			continue
		}
		if now.kept == s.within {
			wrong(thiefGoesOn)
		}
		s.judge(now, held, wrong)
		next.thief = with(now.thief, answer)
		follows("thief", next)
	}
	for n := 1; now.crashes > 0 && n <= len(now.earlier); n++ {
		follows("crash", now.crash(n))
	}
}

// judge looks whether another branch of the generation was used before.
func (s search) judge(now scene, held token, wrong func(string)) {
	for _, t := range now.used {
		if t.g == held.g && t.b != held.b {
			wrong(twoUsed)
		}
	}
}

// shared reports whether there is a schedule without end in which both owner and thief are served again and again: a
// strongly connected component with deeds of both inside it (Tarjan). No crash is in a component, for they run out.
func (f found) shared() bool {
	t := tarjan{deeds: f.deeds, number: make([]int, len(f.deeds)), low: make([]int, len(f.deeds)), part: make([]int, len(f.deeds))}
	for at := range f.deeds {
		if t.number[at] == 0 {
			t.visit(at)
		}
	}
	actors := map[int]map[string]bool{}
	for at, deeds := range f.deeds {
		for _, d := range deeds {
			if part := t.part[at]; part == t.part[d.to] {
				if actors[part] == nil {
					actors[part] = map[string]bool{}
				}
				actors[part][d.by] = true
				if actors[part]["owner"] && actors[part]["thief"] {
					return true
				}
			}
		}
	}
	return false
}

// tarjan numbers the strongly connected components of a graph, from 1.
type tarjan struct {
	deeds             [][]deed
	number, low, part []int // by scene; 0 is none yet
	stack             []int
	visited, parts    int
}

func (t *tarjan) visit(at int) {
	t.visited++
	t.number[at], t.low[at] = t.visited, t.visited
	t.stack = append(t.stack, at)
	for _, d := range t.deeds[at] {
		switch {
		case t.number[d.to] == 0:
			t.visit(d.to)
			t.low[at] = min(t.low[at], t.low[d.to])
		case t.part[d.to] == 0: // still on the stack
			t.low[at] = min(t.low[at], t.number[d.to])
		}
	}
	if t.low[at] != t.number[at] {
		return
	}
	t.parts++
	for last := -1; last != at; {
		last = t.stack[len(t.stack)-1]
		t.stack, t.part[last] = t.stack[:len(t.stack)-1], t.parts
	}
}

// TestSearch_noScheduleServesOwnerAndThiefForEver is the heart of the rule: whoever comes when, and with which of the
// tokens they got, two parties who share a bearer Session don't both go on; two branches of one generation are never both
// used; and the thief is out by the second answer that the owner keeps. A Session that ends is a schedule that stops.
func TestSearch_noScheduleServesOwnerAndThiefForEver(t *testing.T) {
	t.Parallel()
	for _, rotation := range []identity.Rotation{identity.RotateForking, identity.RotateNone} {
		f := search{rule: identity.Line.Present, rotation: rotation, branches: 5, within: 2}.run()
		if f.shared() || len(f.wrong) > 0 || len(f.deeds) < 10_000 {
			t.Errorf("%s: %d scenes, shared for ever: %v, wrong: %v", rotation, len(f.deeds), f.shared(), f.wrong)
		}
	}
}

// TestSearch_lostWritesOnlyDelayDiscovery lets the row fall back to what it was some writes ago, as a crash does that loses
// what was committed asynchronously. Each write that is undone may cost the owner one more refresh until the thief is out,
// and an answer that was under way during the crash another one.
func TestSearch_lostWritesOnlyDelayDiscovery(t *testing.T) {
	t.Parallel()
	for _, s := range []search{
		{crashes: 1, undone: 1, branches: 3},
		{crashes: 1, undone: 3, branches: 2},
		{crashes: 2, undone: 2, branches: 1},
		{crashes: 3, undone: 1, branches: 1},
	} {
		s.rule, s.within = identity.Line.Present, 3+s.crashes*s.undone
		f := s.run()
		if f.shared() || len(f.wrong) > 0 || len(f.deeds) < 4_000 {
			t.Errorf("%d crashes that undo %d: %d scenes, shared for ever: %v, wrong: %v",
				s.crashes, s.undone, len(f.deeds), f.shared(), f.wrong)
		}
	}
}

// TestSearch_anHonestPhoneIsNeverRefused has one store, any number of requests at once, any answer kept or none, and a
// database that forgets.
func TestSearch_anHonestPhoneIsNeverRefused(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]search{
		"a bearer":                      {},
		"a bound key":                   {proved: true},
		"a bound key, without rotation": {proved: true, rotation: identity.RotateNone},
		"a bearer, without rotation":    {rotation: identity.RotateNone},
	} {
		s.rule, s.honest, s.crashes, s.undone, s.branches, s.within = identity.Line.Present, true, 3, 3, 3, 2
		if f := s.run(); len(f.wrong) > 0 || len(f.deeds) < 5 {
			t.Errorf("%s: %d scenes, wrong: %v", name, len(f.deeds), f.wrong)
		}
	}
}

// TestSearch_aBoundKeyHasOneSuccessor: no schedule makes a second branch, so there is nothing to choose from.
func TestSearch_aBoundKeyHasOneSuccessor(t *testing.T) {
	t.Parallel()
	forks := 0
	s := search{proved: true, honest: true, crashes: 2, undone: 3, branches: 3, within: 2}
	s.rule = func(l identity.Line, p identity.Presented) (identity.Move, identity.Line) {
		move, line := l.Present(p)
		if line.Branch > 0 {
			forks++
		}
		return move, line
	}
	if f := s.run(); forks > 0 || len(f.deeds) < 50 {
		t.Errorf("%d forks in %d scenes", forks, len(f.deeds))
	}
}
