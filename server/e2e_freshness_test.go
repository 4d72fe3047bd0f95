package server

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
)

// TestFreshness_asksOnceAndLeadsOn asks someone who is signed in to prove it again (OpenID Connect Core 1.0 §3.1.2.1).
func TestFreshness_asksOnceAndLeadsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	p, a, v := w.enrolled(t), w.app(t), newVisitor(t)
	first := a.redeem(t, v.signIn(t, a, p))
	for _, c := range []struct{ name, value, page string }{
		{"prompt", "login", "/signin"},
		{"max_age", "0", "/signin"},
		{"max_age", "60", "/signin"},
		{"prompt", "consent", "/consent"},
		{"prompt", "login consent", "/signin"},
	} {
		w.pass(2 * time.Minute)
		now := v.open(t, a.asking(c.name, c.value))
		if now.at.Path != c.page {
			t.Errorf("%s=%s leads to %s, want %s", c.name, c.value, now.at, c.page)
		}
		got := a.redeem(t, v.carryOn(t, now, a, p))
		fresh := claimsOf(t, got.IDToken)["auth_time"].(float64) > claimsOf(t, first.IDToken)["auth_time"].(float64)
		if !fresh {
			t.Errorf("%s=%s: auth_time did not move", c.name, c.value)
		}
	}
	answer := v.signIn(t, a, p, "max_age", "3600")
	a.redeem(t, answer) // young enough: nothing is asked
	if last := v.seen[len(v.seen)-1]; last != "/callback" {
		t.Errorf("max_age=3600 shows %s", last)
	}
}
