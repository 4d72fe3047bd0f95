package identity_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// ticks is what a trail counts of a sign-in.
func ticks(t *identity.Trail) (all []string) {
	for _, tick := range t.Ticks {
		all = append(all, fmt.Sprint(tick.Measure, " ", tick.Label))
	}
	return all
}

// A request carries how far it has come: through the pages and back each step is counted once, whatever the person presses again.
func TestAsked_stepsAreCountedOnceOnTheWay(t *testing.T) {
	t.Parallel()
	ring, now := keyring(t, 1), time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	asked := identity.NewAsked(url.Values{"client_id": {"app"}, "sojourn_reached": {"5"}}, now) // which no app has to say
	_, trail := identity.WithTrail(t.Context())
	for _, step := range []identity.Step{
		identity.StepSignIn, identity.StepSignIn, identity.StepFactor, identity.StepSignIn, identity.StepFactor, identity.StepConsent, identity.StepNone,
	} {
		asked = asked.Onward(trail, step, now)
		text, err := ring.AskedText(asked)
		if err != nil {
			t.Fatal(err)
		}
		if asked, err = ring.ReadAsked(text); err != nil {
			t.Fatal(err)
		}
	}
	now0 := "/" + ticks(trail)[0][len("reached asked/"):]
	want := []string{
		"reached asked" + now0, "passed asked" + now0, "reached password" + now0, "passed password" + now0, "reached factor" + now0,
		"passed factor" + now0, "reached consent" + now0, "passed consent" + now0, "reached code" + now0,
	}
	if diff := cmp.Diff(want, ticks(trail)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(url.Values{"client_id": {"app"}}, asked.Params); diff != "" {
		t.Error(diff)
	}
}

// Who is signed in already goes by the pages that they need not see.
func TestAsked_stepsThatNobodySawAreNotCounted(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	_, trail := identity.WithTrail(t.Context())
	identity.NewAsked(nil, now).Onward(trail, identity.StepNone, now.Add(3*time.Second))
	got := ticks(trail)
	if len(got) != 3 || got[1][:13] != "passed asked/" || got[2][:13] != "reached code/" {
		t.Error(got)
	}
}
