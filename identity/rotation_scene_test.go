package identity_test

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/sojourn-auth/sojourn/identity"
)

// rule is the rotation rule, or a wrong one that the search must see through.
type rule func(identity.Line, identity.Presented) (identity.Move, identity.Line)

// base is the row's generation in every scene: scenes that differ by a number of generations alone are one scene.
const base = 1000

// scene is everything that decides what can happen next to one Session.
type scene struct {
	row     identity.Line
	earlier []identity.Line // what a crash may bring back, newest first
	crashes int             // how many may still come
	owner   token           // what the owner's one store holds
	answers []token         // what came back since it was stored; the owner may keep any one of them, or none
	kept    int             // answers that the owner kept since the theft and the last crash; 2 stands for more
	thief   []token         // every token that the thief got hold of
	used    []token         // that were presented and served, as far as no crash undid it
}

// theft is a scene in which two parties hold the current token; without a thief it is the start of an honest life.
func (s search) theft() scene {
	now := scene{row: identity.Line{Generation: base}, crashes: s.crashes, owner: token{base, 0}}
	if !s.honest {
		now.thief = []token{{base, 0}}
	}
	return now
}

// serve presents a token; false when the Session ends by it.
func (s search) serve(now scene, held token) (scene, token, bool) {
	move, line := s.rule(now.row, identity.Presented{
		Generation: held.g, Branch: held.b, Proved: s.proved, Rotation: s.rotation,
	})
	if move == identity.Reuse || move == identity.Exhausted {
		return now, token{}, false
	}
	if line != now.row && now.crashes > 0 {
		now.earlier = append([]identity.Line{now.row}, now.earlier[:min(len(now.earlier), s.undone-1)]...)
	}
	now.row = line
	now.used = with(now.used, held)
	return now, token{line.Generation, line.Branch}, true
}

// crash brings back the row of n writes ago: what was used since is as if it had never been.
func (now scene) crash(n int) scene {
	now.row, now.earlier = now.earlier[n-1], now.earlier[n:]
	now.crashes, now.kept = now.crashes-1, 0
	now.used = slices.DeleteFunc(slices.Clone(now.used), func(t token) bool { return t.g >= now.row.Generation })
	return now
}

// plain is the scene without what can't matter any more, moved to base.
func (now scene) plain() scene {
	if now.crashes == 0 {
		now.earlier = nil
	}
	oldest := now.row.Generation
	for _, line := range now.earlier {
		oldest = min(oldest, line.Generation)
	}
	shift := uint32(base) - now.row.Generation // wraps, and so does what it is added to
	row := func(l identity.Line) identity.Line { l.Generation += shift; return l }
	recent := func(tokens []token, since uint32) []token {
		var kept []token
		for _, t := range tokens {
			if t.g >= since {
				kept = append(kept, token{t.g + shift, t.b})
			}
		}
		return kept
	}
	now.row = row(now.row)
	earlier := make([]identity.Line, len(now.earlier))
	for i, line := range now.earlier {
		earlier[i] = row(line)
	}
	now.earlier = earlier
	now.thief, now.used = recent(now.thief, oldest-1), recent(now.used, oldest-1)
	now.answers = recent(now.answers, oldest-2)
	if now.owner.g < oldest-1 {
		now.owner = token{oldest - 2, 0} // too old to be served, however old
	}
	now.owner.g += shift
	return now
}

// key tells plain scenes apart.
func (now scene) key() string {
	b := []byte{byte(now.crashes), byte(now.kept), byte(len(now.earlier)), byte(len(now.answers)), byte(len(now.thief))}
	for _, line := range append([]identity.Line{now.row}, now.earlier...) {
		b = binary.BigEndian.AppendUint32(b, line.Generation)
		b = append(b, byte(line.Branch), byte(line.Previous))
	}
	for _, tokens := range [][]token{{now.owner}, now.answers, now.thief, now.used} {
		for _, t := range tokens {
			b = append(binary.BigEndian.AppendUint32(b, t.g), byte(t.b))
		}
	}
	return string(b)
}

// with is a set of tokens and one more, in order; it shares no memory with the set.
func with(tokens []token, more token) []token {
	at, there := slices.BinarySearchFunc(tokens, more, func(a, b token) int {
		return cmp.Or(cmp.Compare(a.g, b.g), cmp.Compare(a.b, b.b))
	})
	if there {
		return tokens
	}
	return slices.Insert(slices.Clone(tokens), at, more)
}
