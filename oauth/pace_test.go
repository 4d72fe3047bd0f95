package oauth

import (
	"fmt"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestPaces_oneTooManyWaitsAndNobodyElseDoes(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]pace{"documents": documentPace, "denied tokens": denialPace} {
		var p paces
		now := time.Unix(1_800_000_000, 0)
		for i := range int(to.burst) {
			if err := p.take("mine", to, now); err != nil {
				t.Fatalf("%s: %d: %v", name, i, err)
			}
		}
		refused, _ := p.take("mine", to, now).(*identity.Error) //nolint:errorlint // it is made here
		if refused == nil || refused.Kind != identity.Throttled || refused.Wait != to.every || p.turnedAway() != 1 {
			t.Errorf("%s: one too many: %+v, %d refused", name, refused, p.turnedAway())
		}
		if err := p.take("other", to, now); err != nil {
			t.Errorf("%s: another one: %v", name, err)
		}
		now = now.Add(to.every)
		if p.take("mine", to, now) != nil || p.take("mine", to, now) == nil {
			t.Errorf("%s: after the wait there is not one more", name)
		}
	}
}

func TestPaces_rememberNoMoreThanTheyMay(t *testing.T) {
	t.Parallel()
	var p paces
	now := time.Unix(1_800_000_000, 0)
	for i := range maxPaced {
		_ = p.take(fmt.Sprint(i), documentPace, now)
	}
	now = now.Add(time.Minute) // those have all that they may have again
	_ = p.take("one more", documentPace, now)
	if len(p.by) != 1 {
		t.Errorf("%d are remembered of whom nothing needs to be", len(p.by))
	}
	for i := range 2 * maxPaced {
		_ = p.take(fmt.Sprint("at once ", i), documentPace, now)
	}
	if len(p.by) > maxPaced {
		t.Errorf("%d are remembered", len(p.by))
	}
}
