package oauth

import (
	"fmt"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Whoever invents ids, or guesses from ever new networks, makes nobody forget what was guessed at a client just now.
func TestGuesses_manyOthersWipeNoCountedMisses(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{"ids that nobody has": false, "clients from other networks": true} {
		var g guesses
		now := time.Unix(1_800_000_000, 0)
		for i := range maxGuessers - 1 {
			g.missed(fmt.Sprint("before ", i), known, now)
			now = now.Add(time.Millisecond)
		}
		for range clientThrottle.Free {
			g.missed("mine", true, now)
		}
		for i := range maxGuessers / 2 {
			g.missed(fmt.Sprint("other ", i), known, now.Add(time.Millisecond))
		}
		if identity.KindOf(g.wait("mine", now)) != identity.Throttled {
			t.Errorf("%s: the misses are forgotten", name)
		}
		if len(g.known) > maxGuessers || len(g.unknown) > maxGuessers {
			t.Errorf("%s: %d and %d are remembered", name, len(g.known), len(g.unknown))
		}
	}
}

func TestGuesses_atIDsThatNobodyHasWaitToo(t *testing.T) {
	t.Parallel()
	var g guesses
	now := time.Unix(1_800_000_000, 0)
	for range clientThrottle.Free {
		if g.wait("nobody", now) != nil {
			t.Fatal("too early")
		}
		g.missed("nobody", false, now)
	}
	if identity.KindOf(g.wait("nobody", now)) != identity.Throttled {
		t.Error("unknown ids can be told from known ones")
	}
}
