package server

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// What operators are told of Sessions is what happened to them, and who asks again and again is one person all the same.
func TestMetrics_countWhatBecomesOfSessions(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			a, p := w.app(t, trusted), w.person(t)

			first := a.redeem(t, newVisitor(t).signIn(t, a, p)).RefreshToken
			second := a.tokens(t, a.refresh(t, first)).RefreshToken // rotated
			a.tokens(t, a.refresh(t, first))                        // the answer was lost: forked
			a.tokens(t, a.refresh(t, second))                       // rotated
			for range 3 {
				a.refresh(t, first) // reuse, then over
			}
			forgotten := a.redeem(t, newVisitor(t).signIn(t, a, p)).RefreshToken
			w.pass(31 * 24 * time.Hour)
			a.refresh(t, forgotten)
			a.refresh(t, "sj_rt_nonsense")
			a.refresh(t, "")

			want := map[string]string{
				`sojourn_refreshes_total{outcome="rotated"}`:     "2",
				`sojourn_refreshes_total{outcome="forked"}`:      "1",
				`sojourn_refreshes_total{outcome="reuse"}`:       "1",
				`sojourn_refreshes_total{outcome="refused"}`:     "5",
				`sojourn_refreshes_total{outcome="unavailable"}`: "0",
				`sojourn_forced_signins_total{cause="reuse"}`:    "1",
				`sojourn_forced_signins_total{cause="idle"}`:     "1",
				`sojourn_sessions_started_total`:                 "2",
				`sojourn_sessions_ended_total{cause="reuse"}`:    "1",
			}
			got := w.counted(t, "sojourn_refreshes", "sojourn_forced", "sojourn_sessions_started", "sojourn_sessions_ended")
			for name, value := range got {
				if value == "0" && want[name] == "" {
					delete(got, name)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefreshOutcomes_areWordsThatOperatorsWereTold(t *testing.T) {
	t.Parallel()
	var names []string
	for _, outcome := range identity.RefreshOutcomes {
		names = append(names, string(outcome))
	}
	slices.Sort(names)
	want := strings.Fields("forked kept refused reuse rolled_forward rotated same_again unavailable")
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

// counted are the metrics whose names begin so, with their values.
func (w *world) counted(t *testing.T, prefixes ...string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^([^#\s]\S*) (\S+)$`).FindAllStringSubmatch(w.metrics(t), -1) {
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(line[1], prefix) }) {
			got[line[1]] = line[2]
		}
	}
	return got
}
