package identity_test

import (
	"math/rand/v2"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// walk plays a schedule: each byte picks one of the deeds that are possible next.
func (s search) walk(t *testing.T, schedule []byte) {
	t.Helper()
	now := s.theft()
	for step, choice := range schedule[:min(len(schedule), identity.MaxBranch)] {
		var deeds []string
		var scenes []scene
		s.steps(now, func(by string, to scene) {
			deeds, scenes = append(deeds, by), append(scenes, to)
		}, func(what string) {
			t.Fatalf("step %d: %s; the owner holds %v, the thief %v, the row stands at %v", step, what, now.owner, now.thief, now.row)
		})
		if len(deeds) == 0 {
			return // whoever comes next ends the Session
		}
		now = scenes[int(choice)%len(scenes)].plain()
	}
}

// schedules are where fuzzing starts, and what every run of the tests plays.
func schedules(f *testing.F) {
	f.Helper()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 3))
		schedule := make([]byte, random.IntN(400))
		for i := range schedule {
			schedule[i] = byte(random.Uint32())
		}
		f.Add(schedule, byte(seed))
	}
}

// FuzzHistories_twoParties goes where the search does not: many branches, and crashes that undo more.
func FuzzHistories_twoParties(f *testing.F) {
	schedules(f)
	f.Fuzz(func(t *testing.T, schedule []byte, crashes byte) {
		s := search{rule: identity.Line.Present, crashes: int(crashes % 4), undone: 5, within: 2}
		if s.crashes > 0 {
			s.within = 3 + s.crashes*s.undone
		}
		s.walk(t, schedule)
	})
}

// FuzzHistories_anHonestPhone does so for whoever has one store.
func FuzzHistories_anHonestPhone(f *testing.F) {
	schedules(f)
	kinds := []search{{}, {proved: true}, {proved: true, rotation: identity.RotateNone}}
	f.Fuzz(func(t *testing.T, schedule []byte, kind byte) {
		s := kinds[int(kind)%len(kinds)]
		s.rule, s.honest, s.crashes, s.undone, s.within = identity.Line.Present, true, 200, 8, 2
		s.walk(t, schedule)
	})
}
