package simulate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/anomaly"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

// AnomalyOptions say what Anomalies simulates.
type AnomalyOptions struct {
	People int
	Days   int
	Each   int    // incidents of each kind
	Seed   uint64 // the same seed, the same lives
}

// Anomalies lets people live in a town for a while, plants incidents among them, and returns what the shipped rules found of those, and
// what else they did.
func Anomalies(ctx context.Context, o AnomalyOptions) (AnomalyReport, error) {
	if o.People < 20 || o.People > 10_000 || o.Days < settled+7 || o.Days > 365 || o.Each < 1 || o.Each > (o.Days-settled-1) || 8*o.Each > o.People {
		return AnomalyReport{}, fmt.Errorf("--devices: between 20 and 10000, and 8 for each incident of a kind; --days: between %d and 365, and more than there are incidents",
			settled+7)
	}
	s, err := newSite(ctx, Options{Policy: Ours, Days: 400})
	if err != nil {
		return AnomalyReport{}, err
	}
	s.passwords = identity.NewPasswords(identity.HashCost{Memory: 64, Passes: 1}) // it is about no password's strength
	if s.hash, err = s.passwords.Hash(ctx, password); err != nil {
		return AnomalyReport{}, err
	}
	dsns, err := s.databases(ctx, 1)
	if err != nil {
		return AnomalyReport{}, err
	}
	t := &town{dice: newDice(o.Seed, 0)}
	if t.house, err = openHouse(ctx, s, dsns[0], t.clock.now); err != nil {
		return AnomalyReport{}, errors.Join(err, s.remove())
	}
	t.totp = mfa.TOTP{Store: t.db, Keys: t.keys, Now: t.clock.now, Issuer: "simulation"}
	t.watch = t.built.Watch(locate)
	report, err := t.run(ctx, o)
	return report, errors.Join(err, t.db.Close(), s.remove())
}

const (
	settled = 16                   // days until it is known what is normal
	asleep  = 200 * 24 * time.Hour // how long dormant accounts were not used before the rest begins
)

// run lets the days pass.
func (t *town) run(ctx context.Context, o AnomalyOptions) (AnomalyReport, error) {
	sleepers := make([]*citizen, o.Each)
	for i := range sleepers {
		c, err := t.move(ctx, o.People+i)
		if err != nil {
			return AnomalyReport{}, err
		}
		sleepers[i] = c
		if _, err := t.enter(ctx, visit{who: c, from: c.home, known: true, whole: true}); err != nil {
			return AnomalyReport{}, err
		}
	}
	if err := t.look(ctx); err != nil {
		return AnomalyReport{}, err
	}
	t.folk = nil
	t.clock.set(asleep)
	for n := range o.People {
		if _, err := t.move(ctx, n); err != nil {
			return AnomalyReport{}, err
		}
	}
	t.planAll(o, sleepers)
	for day := range o.Days {
		for _, c := range t.folk {
			t.day(c)
		}
		for half := range 24 * 2 { // and five minutes before the hour is over
			end := asleep + time.Duration(day)*24*time.Hour + time.Duration(half+1)*30*time.Minute - 5*time.Minute
			if err := errors.Join(t.until(ctx, end), t.look(ctx)); err != nil {
				return AnomalyReport{}, err
			}
		}
	}
	return t.report(ctx, o)
}

// planAll plants the incidents, each of a kind on another day and each of a person's on another person.
func (t *town) planAll(o AnomalyOptions, sleepers []*citizen) {
	victim := 0
	for k, p := range plots {
		for n := range o.Each {
			day := settled + (n*(o.Days-settled-2)/o.Each+k)%(o.Days-settled-1)
			wait := time.Duration(day)*24*time.Hour + time.Duration(13+k%7)*time.Hour + 5*time.Minute
			v := t.folk[0]
			if p.dormant {
				v = sleepers[n]
			} else if p.victim {
				v = t.folk[victim]
				victim++
			}
			t.prepare(p, v, wait)
			t.plant(p, v, n, wait)
		}
	}
}

// prepare sees to it that an incident can happen: a phone to rob, a trip of long ago.
func (t *town) prepare(p plot, v *citizen, wait time.Duration) {
	switch p.kind {
	case "password and guessed codes":
		if !v.enrolled {
			v.enrolled = true
			t.after(wait-2*time.Hour, func(ctx context.Context) error {
				return t.totp.Import(ctx, v.user.ID, []byte(identity.RandomText(16)))
			})
		}
	case "password, at once far away":
		t.after(wait-12*24*time.Hour, func(ctx context.Context) error {
			_, err := t.enter(ctx, visit{who: v, from: at(elsewhere(v), onMobile, 5), known: true, whole: true})
			return err
		})
	}
	if p.victim && !p.dormant { // who is at home, and has the app
		t.after(wait-13*24*time.Hour, func(ctx context.Context) error { return t.comeBy(ctx, v) })
		t.after(wait-time.Hour, func(ctx context.Context) error {
			s, err := t.enter(ctx, visit{who: v, from: v.home, known: true, whole: true})
			if err != nil || !s.SignedIn() {
				return err
			}
			return t.install(ctx, v, s)
		})
	}
}

// look has the server look, until there is nothing more.
func (t *town) look(ctx context.Context) error {
	for {
		more, err := t.watch.Look(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// AnomalyReport is what the rules found of what was planted.
type AnomalyReport struct {
	People          int         `json:"people"`
	Days            int         `json:"days"`
	Seed            uint64      `json:"seed"`
	SignIns         int         `json:"honest_sign_ins"`
	Bothered        int         `json:"honest_asked_or_told"` // decisions that told, asked or ended somebody of whom nobody was after
	PerThousand     float64     `json:"honest_asked_or_told_per_1000"`
	Takeovers       int         `json:"takeovers"`
	Answered        int         `json:"takeovers_answered"`          // told, asked or ended, by whatever of the server
	AnsweredByRules int         `json:"takeovers_answered_by_rules"` // by a rule
	Unanswered      []string    `json:"takeovers_unanswered,omitempty"`
	Rules           []RuleFound `json:"rules"`
}

// RuleFound is what one rule found.
type RuleFound struct {
	Rule      string  `json:"rule"`
	Planted   int     `json:"planted"`   // incidents that it should find
	Found     int     `json:"found"`     // of those
	Decisions int     `json:"decisions"` // in all
	Right     int     `json:"right"`     // about something that was planted
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
}

// report compares the Events with what was planted.
func (t *town) report(ctx context.Context, o AnomalyOptions) (AnomalyReport, error) {
	r := AnomalyReport{People: o.People, Days: o.Days, Seed: o.Seed, SignIns: t.signedIn}
	events, err := t.db.Events(ctx, identity.EventQuery{Since: epoch.Add(asleep), Limit: 10_000_000})
	if err != nil {
		return r, err
	}
	for _, rule := range anomaly.Shipped() {
		r.Rules = append(r.Rules, t.ofRule(rule.Name, events, &r.Bothered))
	}
	for _, i := range t.incidents {
		if !i.takeover {
			continue
		}
		r.Takeovers++
		byAny, byRule := i.answered(events)
		if byAny {
			r.Answered++
		} else {
			r.Unanswered = append(r.Unanswered, i.kind)
		}
		if byRule {
			r.AnsweredByRules++
		}
	}
	r.PerThousand = 1000 * part(r.Bothered, r.SignIns)
	return r, nil
}

func (t *town) ofRule(name string, events []identity.Event, bothered *int) RuleFound {
	f := RuleFound{Rule: name}
	found := map[*incident]bool{}
	for _, e := range events {
		d := identity.ReadDecision(e.Detail)
		if e.Kind != identity.AnomalyFound || d.Rule != name {
			continue
		}
		f.Decisions++
		right := false
		for _, i := range t.incidents {
			if i.explains(e, name) {
				right, found[i] = true, true
			}
		}
		if right {
			f.Right++
		} else if d.Answer&(identity.AnswerTell|identity.AnswerAsk|identity.AnswerEnd) != 0 {
			*bothered++
		}
	}
	for _, i := range t.incidents {
		if slices.Contains(i.rules, name) {
			f.Planted++
			if found[i] {
				f.Found++
			}
		}
	}
	f.Precision, f.Recall = part(f.Right, f.Decisions), part(f.Found, f.Planted)
	return f
}

// explains reports whether a decision is about the incident: in its time, and about its person or by a rule that it was planted for.
func (i *incident) explains(e identity.Event, rule string) bool {
	if e.At.Before(i.from) || e.At.After(i.to) {
		return false
	}
	if i.user != (identity.ID{}) {
		return e.UserID == i.user
	}
	return slices.Contains(i.rules, rule) || slices.Contains(i.also, rule)
}

// answered reports whether the person was told or asked, or the Session ended, by anything and by a rule.
func (i *incident) answered(events []identity.Event) (byAny, byRule bool) {
	for _, e := range events {
		if e.UserID != i.user || e.At.Before(i.from) || e.At.After(i.to) {
			continue
		}
		d := identity.ReadDecision(e.Detail)
		rule := e.Kind == identity.AnomalyFound && d.Answer&(identity.AnswerTell|identity.AnswerAsk|identity.AnswerEnd) != 0
		ended := e.Kind == identity.SessionEnded && (e.Detail == string(identity.EndReuse) || e.Detail == string(identity.EndUnusual))
		byAny, byRule = byAny || rule || ended || e.Mailed(), byRule || rule
	}
	return byAny, byRule
}

func part(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

// String is the table.
func (r AnomalyReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d people, %d days, seed %d\n\n", r.People, r.Days, r.Seed)
	fmt.Fprintf(&b, "%-28s %8s %8s %10s %10s %8s\n", "rule", "planted", "found", "decisions", "precision", "recall")
	for _, f := range r.Rules {
		fmt.Fprintf(&b, "%-28s %8d %8d %10d %9.0f%% %7.0f%%\n", f.Rule, f.Planted, f.Found, f.Decisions, 100*f.Precision, 100*f.Recall)
	}
	fmt.Fprintf(&b, "\ntakeovers told, asked or ended: %d of %d (by rules alone %d)\n", r.Answered, r.Takeovers, r.AnsweredByRules)
	fmt.Fprintf(&b, "honest people told or asked for more: %d in %d sign-ins (%.2f in 1,000)", r.Bothered, r.SignIns, r.PerThousand)
	return b.String()
}
