package identity_test

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// window is what others do for 30 seconds, at its worst: everybody comes inside of it, and gets the same successor.
func window(l identity.Line, p identity.Presented) (identity.Move, identity.Line) {
	if p.Generation+1 == l.Generation {
		return identity.SameAgain, l
	}
	p.Rotation = identity.RotateStrict
	return l.Present(p)
}

// lenient forks for every branch of the generation before, chosen or not.
func lenient(l identity.Line, p identity.Presented) (identity.Move, identity.Line) {
	if p.Generation+1 == l.Generation {
		l.Branch++
		return identity.Fork, l
	}
	return l.Present(p)
}

// forgetful takes what is ahead of the row for stolen.
func forgetful(l identity.Line, p identity.Presented) (identity.Move, identity.Line) {
	if move, line := l.Present(p); move != identity.RollForward {
		return move, line
	}
	return identity.Reuse, l
}

// stuck rolls forward without going on: the token that was ahead comes back as the current one, for a thief too.
func stuck(l identity.Line, p identity.Presented) (identity.Move, identity.Line) {
	if move, line := l.Present(p); move != identity.RollForward {
		return move, line
	}
	return identity.RollForward, identity.Line{Generation: p.Generation, Branch: p.Branch}
}

// kept takes every bearer for one who proved who they are, and does not rotate.
func kept(l identity.Line, p identity.Presented) (identity.Move, identity.Line) {
	p.Rotation, p.Proved = identity.RotateNone, true
	return l.Present(p)
}

// once takes every token that is not the current one for stolen.
func once(l identity.Line, p identity.Presented) (identity.Move, identity.Line) {
	p.Rotation = identity.RotateStrict
	return l.Present(p)
}

// TestSearch_seesThroughWrongRules shows that the searches can fail.
func TestSearch_seesThroughWrongRules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		search
		shared bool
		wrong  string
	}{
		"a window, two parties":           {search{rule: window, within: 2}, true, thiefGoesOn},
		"a window that was missed":        {search{rule: once, honest: true, within: 2}, false, ownerRefused},
		"every branch may be used":        {search{rule: lenient, within: 2}, true, twoUsed},
		"a row that is behind is trusted": {search{rule: forgetful, honest: true, crashes: 1, undone: 1}, false, ownerRefused},
		"rolled to the token itself":      {search{rule: stuck, crashes: 1, undone: 2, within: 5}, false, twoUsed},
		"no rotation for bearers":         {search{rule: kept, within: 2}, true, thiefGoesOn},
		"found by the first refresh":      {search{rule: identity.Line.Present, within: 1}, false, thiefGoesOn},
		"a crash delays nothing":          {search{rule: identity.Line.Present, crashes: 1, undone: 1, within: 2}, false, thiefGoesOn},
	} {
		c.branches = 3
		f := c.run()
		if f.shared() != c.shared || f.wrong[c.wrong] == 0 {
			t.Errorf("%s: shared for ever: %v, wrong: %v, in %d scenes", name, f.shared(), f.wrong, len(f.deeds))
		}
	}
}
