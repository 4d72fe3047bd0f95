package server

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// walker is somebody who signs in, as far as they come.
type walker struct {
	*visitor
	w     *world
	app   *app
	who   *person
	t     *testing.T
	sight sight
}

// until does what the pages want until one is before them, each after ten minutes.
func (g *walker) until(path string) {
	g.t.Helper()
	for range 8 {
		if g.sight.at.Path == path {
			return
		}
		g.w.pass(10 * time.Minute)
		g.sight = g.step(g.t, g.sight, g.who)
	}
	g.t.Fatalf("never came to %s: %v", path, g.seen)
}

// What people did on the pages is what the numbers of the day say: how many came to each step of signing in, how many went on, where the
// others left, and how long after the request.
func TestFunnel_saysWherePeopleLeft(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		a := w.app(t)
		came := func(n int, who func(*testing.T) *person, path string) {
			for range n {
				v := newVisitor(t)
				g := &walker{v, w, a, who(t), t, v.open(t, a.asking())}
				g.until(path)
			}
		}
		came(3, w.person, "/signin")
		came(2, w.person, "/consent")
		came(1, w.enrolled, "/signin/totp")
		for i := range 4 {
			answer := newVisitor(t).signIn(t, a, w.person(t))
			if i > 0 { // one app is killed before
				a.redeem(t, answer)
			}
		}
		if err := w.first.AddNumbers(t.Context()); err != nil {
			t.Fatal(err)
		}
		today := w.db.Calendar().DayOf(w.now())
		s, err := w.db.Stats(t.Context(), identity.StatsQuery{From: today - 1, To: today})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][3]int64{}
		for _, stage := range s.Health.Funnel {
			got[stage.Step] = [3]int64{stage.Reached, stage.Passed, stage.Left}
		}
		want := map[string][3]int64{
			"asked": {10, 10, 0}, "password": {10, 7, 3}, "factor": {1, 0, 1}, "consent": {6, 4, 2}, "code": {4, 3, 1}, "tokens": {3, 0, 0},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("happened (-), told (+):\n%s", diff)
		}
		for i, bound := range identity.Scale {
			if slow := s.Health.Funnel[1].PassedAfter[i]; bound == 15*time.Minute && slow != 3 {
				t.Errorf("%d took ten minutes for their password, want 3: %v", slow, s.Health.Funnel[1].PassedAfter)
			}
		}
	})
}
