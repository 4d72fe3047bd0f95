package simulate

import (
	"reflect"
	"testing"
)

// Ground truth: what is planted is found, and nobody else is bothered.
func TestAnomalies_findWhatIsPlantedAndBotherNobodyElse(t *testing.T) {
	t.Parallel()
	live := func(o AnomalyOptions) AnomalyReport {
		r, err := Anomalies(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := live(AnomalyOptions{People: 130, Days: 23, Each: 2, Seed: 1})
	t.Log("\n" + r.String())
	for _, f := range r.Rules {
		if f.Planted > 0 && f.Recall < 1 {
			t.Errorf("%s found %d of %d", f.Rule, f.Found, f.Planted)
		}
		if f.Precision < .6 {
			t.Errorf("%s is right in %d of %d decisions", f.Rule, f.Right, f.Decisions)
		}
	}
	if part(r.Answered, r.Takeovers) < .95 || r.Takeovers < 16 {
		t.Errorf("of %d takeovers %d were told, asked or ended; not: %v", r.Takeovers, r.Answered, r.Unanswered)
	}
	if r.PerThousand >= 1 || r.SignIns < 1000 {
		t.Errorf("%d honest people were bothered in %d sign-ins", r.Bothered, r.SignIns)
	}
	few := AnomalyOptions{People: 20, Days: 23, Each: 1, Seed: 7}
	if once, again := live(few), live(few); !reflect.DeepEqual(once, again) {
		t.Errorf("the same seed is\n%s\nand then\n%s", once, again)
	}
}
