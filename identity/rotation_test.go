package identity_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// TestPresent_everyRowOfTheRule is the rotation table of DESIGN §2, read top down.
func TestPresent_everyRowOfTheRule(t *testing.T) {
	t.Parallel()
	line := func(g uint32, b, p uint16) identity.Line {
		return identity.Line{Generation: g, Branch: b, Previous: p}
	}
	for name, c := range map[string]struct {
		row    identity.Line
		g      uint32
		b      uint16
		proved bool
		rotate identity.Rotation
		move   identity.Move
		want   identity.Line
	}{
		"the first token":                         {line(0, 0, 0), 0, 0, false, "", identity.Rotate, line(1, 0, 0)},
		"a current token":                         {line(7, 0, 3), 7, 0, false, "", identity.Rotate, line(8, 0, 0)},
		"the newest of several branches":          {line(7, 2, 0), 7, 2, false, "", identity.Rotate, line(8, 0, 2)},
		"an older branch that no one used":        {line(7, 2, 0), 7, 1, false, "", identity.Rotate, line(8, 0, 1)},
		"the predecessor, by a bearer":            {line(7, 0, 3), 6, 3, false, "", identity.Fork, line(7, 1, 3)},
		"the predecessor again":                   {line(7, 1, 3), 6, 3, false, "", identity.Fork, line(7, 2, 3)},
		"the predecessor, by a proved holder":     {line(7, 0, 3), 6, 3, true, "", identity.SameAgain, line(7, 0, 3)},
		"the last branch there is room for":       {line(7, 998, 3), 6, 3, false, "", identity.Fork, line(7, 999, 3)},
		"the 1,000th branch":                      {line(7, 999, 3), 6, 3, false, "", identity.Exhausted, line(7, 999, 3)},
		"the predecessor's sibling, never chosen": {line(7, 0, 3), 6, 2, false, "", identity.Reuse, line(7, 0, 3)},
		"a sibling, by a proved holder":           {line(7, 0, 3), 6, 2, true, "", identity.Reuse, line(7, 0, 3)},
		"two generations behind":                  {line(7, 0, 0), 5, 0, false, "", identity.Reuse, line(7, 0, 0)},
		"two generations behind, proved":          {line(7, 0, 0), 5, 0, true, "", identity.Reuse, line(7, 0, 0)},
		"a generation ahead of the row":           {line(7, 0, 0), 8, 0, false, "", identity.RollForward, line(9, 0, 0)},
		"a branch ahead of the row":               {line(7, 0, 0), 7, 1, false, "", identity.RollForward, line(8, 0, 1)},
		"strict, a current token":                 {line(7, 0, 3), 7, 0, false, "strict", identity.Rotate, line(8, 0, 0)},
		"strict, the predecessor":                 {line(7, 0, 0), 6, 0, false, "strict", identity.Reuse, line(7, 0, 0)},
		"strict, the predecessor, proved":         {line(7, 0, 0), 6, 0, true, "strict", identity.Reuse, line(7, 0, 0)},
		"none, the current token stays":           {line(7, 0, 3), 7, 0, true, "none", identity.Keep, line(7, 0, 3)},
		"none, a fork from before is settled":     {line(7, 2, 3), 7, 1, true, "none", identity.Rotate, line(8, 0, 1)},
		"none, the predecessor":                   {line(7, 0, 3), 6, 3, true, "none", identity.SameAgain, line(7, 0, 3)},
		"none, two generations behind":            {line(7, 0, 3), 5, 0, true, "none", identity.Reuse, line(7, 0, 3)},
		"none, ahead of the row":                  {line(7, 0, 3), 9, 2, true, "none", identity.RollForward, line(9, 2, 0)},
		"none, by a bearer":                       {line(7, 0, 3), 7, 0, false, "none", identity.Rotate, line(8, 0, 0)},
		"none, the predecessor, by a bearer":      {line(7, 0, 3), 6, 3, false, "none", identity.Fork, line(7, 1, 3)},
		"none, ahead of the row, by a bearer":     {line(7, 0, 3), 9, 2, false, "none", identity.RollForward, line(10, 0, 2)},
		"far ahead, on a branch":                  {line(7, 1, 0), 20, 4, false, "", identity.RollForward, line(21, 0, 4)},
	} {
		move, got := c.row.Present(identity.Presented{Generation: c.g, Branch: c.b, Proved: c.proved, Rotation: c.rotate})
		if move != c.move {
			t.Errorf("%s: %v, want %v", name, move, c.move)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

type token struct {
	g uint32
	b uint16
}

// present plays one presentation against a line and reports whether it was served.
func present(line *identity.Line, held token) (token, bool) {
	move, next := line.Present(identity.Presented{Generation: held.g, Branch: held.b})
	if move == identity.Reuse || move == identity.Exhausted {
		return held, false
	}
	*line = next
	return token{next.Generation, next.Branch}, true
}

// TestPresent_anHonestPhoneIsNeverRefused plays phones with one token store: answers are lost, the app is killed before
// it stored one, two threads refresh at once and either answer is kept.
func TestPresent_anHonestPhoneIsNeverRefused(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 1))
		var line identity.Line
		held := token{}
		for step := range 200 {
			next, served := present(&line, held)
			if !served {
				t.Fatalf("seed %d: refused at step %d, holding %v at %v", seed, step, held, line)
			}
			if random.IntN(10) == 0 { // a second thread at the same moment, with the same stored token
				other, served := present(&line, held)
				if !served {
					t.Fatalf("seed %d: the second thread was refused at step %d", seed, step)
				}
				if random.IntN(2) == 0 {
					next = other
				}
			}
			if random.IntN(4) > 0 { // else the answer never reached the store
				held = next
			}
		}
	}
}

// TestPresent_twoPartiesAreFoundByTheOwnersSecondRefresh copies the owner's token at a random moment and lets the thief
// refresh at random moments: once both have used a token since the theft, one of them holds a superseded one.
func TestPresent_twoPartiesAreFoundByTheOwnersSecondRefresh(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5000) {
		random := rand.New(rand.NewPCG(seed, 2))
		var line identity.Line
		owner := token{}
		for range random.IntN(5) {
			owner, _ = present(&line, owner)
		}
		thief, thiefServed, owners := owner, 0, 0
		for alive := true; alive; {
			if owners >= 2 && thiefServed > 2 {
				t.Fatalf("seed %d: owner refreshed %d times and thief %d times, and both go on", seed, owners, thiefServed)
			}
			if random.IntN(2) == 0 {
				thief, alive = present(&line, thief)
				thiefServed++
				continue
			}
			owner, alive = present(&line, owner)
			if owners++; thiefServed == 0 && owners > 20 {
				break // the thief never came in this history
			}
		}
	}
}
