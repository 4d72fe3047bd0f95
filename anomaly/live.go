package anomaly

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// live is what this process alone knows, and no Event tells: what came of refreshes and of deliveries. Whoever tells it does not wait.
// Each process sees its share of both and judges by that; the decision is one all the same.
type live struct {
	mu       sync.Mutex
	watched  map[Signal]bool
	versions map[version]*answers
	failing  map[string]failures
	found    chan identity.Decision // Sessions that contradict themselves
	missed   int                    // that found no room
}

// version is an app's.
type version struct{ client, name string }

// answers are how many refreshes an app's version made, and after how many of them the answer had been lost.
type answers struct {
	slots    [slots]tally
	at       int64   // the newest slot's number
	used     int64   // that of the last refresh
	before   float64 // the share of lost answers in earlier hours
	beforeOf int     // and of how many refreshes
}

type tally struct {
	all, lost int
	odd       bool // so many were lost that it is no measure of what is usual
}

// failures are tries for a client without an answer in a row.
type failures struct {
	n     int
	since time.Time
}

const (
	slots  = 12
	slotOf = 5 * time.Minute
	// remembered is for how many slots it is known what was usual of a version that nobody uses: an app may refresh once a day.
	remembered  = int64(48 * time.Hour / slotOf)
	maxVersions = 2000
	maxFailing  = 1000
	maxFound    = 1000
	// enough is with how many refreshes a share says something.
	enough = 50
	// times is how much larger a version's share must be than that of the others at the same time, or of the hours before, and
	// spreads how far beyond it: of few refreshes more must be lost, lest it be chance.
	times, spreads = 3, 6
	// floor is the least that it is compared with: a few answers are lost everywhere.
	floor = 0.03
	// alone is the share of a version that there is nothing to compare with.
	alone = 0.4
)

func newLive(rules map[Signal][]Rule) *live {
	l := &live{
		watched: map[Signal]bool{}, versions: map[version]*answers{}, failing: map[string]failures{},
		found: make(chan identity.Decision, maxFound),
	}
	for s := range rules {
		l.watched[s] = true
	}
	return l
}

// Refreshed takes in what came of a refresh. It waits for nobody.
func (w *Watch) Refreshed(r identity.Refreshed) {
	if w == nil {
		return
	}
	l := w.live
	if l.watched[Platform] && r.Session.UserAgent != r.Seen.UserAgent {
		l.compare(r)
	}
	if l.watched[LostAnswers] && r.Version != "" {
		l.count(r)
	}
}

// compare looks whether a Session is where it began.
func (l *live) compare(r identity.Refreshed) {
	began, now := identity.FamilyOf(r.Session.UserAgent), r.Seen.Family()
	how := began.Contradicts(now)
	if how == 0 {
		return
	}
	select {
	case l.found <- identity.Decision{
		Subject: r.Session.ID.String(), At: r.At, Value: how, About: string(began) + " to " + string(now),
		UserID: r.Session.UserID, SessionID: r.Session.ID, ClientID: r.Client, Address: r.Seen.Address,
	}:
	default:
		l.mu.Lock()
		l.missed++
		l.mu.Unlock()
	}
}

// count counts a refresh of an app's version, where there is room for it.
func (l *live) count(r identity.Refreshed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := version{r.Client, r.Version}
	a, known := l.versions[v]
	if !known {
		if len(l.versions) >= maxVersions {
			return // whoever invents versions hides none that was there before
		}
		a = &answers{at: r.At.UnixNano() / int64(slotOf)}
		l.versions[v] = a
	}
	slot := a.turn(r.At)
	a.used = a.at
	slot.all++
	if r.Outcome == identity.Forked || r.Outcome == identity.SameGiven {
		slot.lost++
	}
}

// turn returns the slot of a time, and takes those that are older than an hour into what was before. What is late counts as now.
func (a *answers) turn(at time.Time) *tally {
	now := max(a.at, at.UnixNano()/int64(slotOf))
	for n := min(now-a.at, slots); n > 0; n-- {
		oldest := &a.slots[(now-n+1)%slots]
		if oldest.all > 0 && !oldest.odd {
			all := min(a.beforeOf, 10_000)
			a.before = (a.before*float64(all) + float64(oldest.lost)) / float64(all+oldest.all)
			a.beforeOf = all + oldest.all
		}
		*oldest = tally{}
	}
	a.at = now
	return &a.slots[now%slots]
}

// within sums up the slots of a window.
func (a *answers) within(window time.Duration) (sum tally) {
	n := min(max(int64(window/slotOf), 1), slots)
	for i := range n {
		slot := a.slots[((a.at-i)%slots+slots)%slots]
		sum.all += slot.all
		sum.lost += slot.lost
	}
	return sum
}

func (t tally) share() float64 {
	if t.all == 0 {
		return 0
	}
	return float64(t.lost) / float64(t.all)
}

// exceeds reports whether far more was lost than usual. What is lost by chance spreads by the root of what is to be expected.
func (t tally) exceeds(usual float64) bool {
	expected := usual * float64(t.all)
	return t.share() >= times*usual && float64(t.lost) >= expected+spreads*math.Sqrt(expected)
}

// Delivered takes in what came of a try to reach a client's back channel, or a webhook. It waits for nobody.
func (w *Watch) Delivered(kind identity.DeliveryKind, client string, at time.Time, arrived bool) {
	if w == nil || !w.live.watched[FailedDelivery] || client == "" {
		return
	}
	l := w.live
	l.mu.Lock()
	defer l.mu.Unlock()
	key := string(kind) + " " + client
	if arrived {
		delete(l.failing, key)
		return
	}
	f, known := l.failing[key]
	if !known {
		if len(l.failing) >= maxFailing {
			return
		}
		f.since = at
	}
	f.n++
	l.failing[key] = f
}

// judgeLive judges what this process alone knows.
func (w *Watch) judgeLive(ctx context.Context) error {
	if err := w.judgePlatforms(ctx); err != nil {
		return err
	}
	for _, r := range w.rules[FailedDelivery] {
		for _, d := range w.live.down(r, w.o.Now()) {
			if err := w.decide(ctx, r, d); err != nil {
				return err
			}
		}
	}
	for _, r := range w.rules[LostAnswers] {
		for _, d := range w.live.losing(r, w.o.Now()) {
			if err := w.decide(ctx, r, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// judgePlatforms answers what refreshes found since the last look. Of what fails nothing is kept: the next refresh finds it again.
func (w *Watch) judgePlatforms(ctx context.Context) error {
	for range len(w.live.found) {
		d := <-w.live.found
		for _, r := range w.rules[Platform] {
			if d.Value < r.Threshold {
				continue
			}
			if err := w.decide(ctx, r, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// down are those whom no try reached for a while.
func (l *live) down(r Rule, now time.Time) (all []identity.Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, f := range l.failing {
		if now.Sub(f.since) > 2*day { // every delivery of then was given up
			delete(l.failing, key)
			continue
		}
		if float64(f.n) >= r.Threshold {
			all = append(all, identity.Decision{Subject: key, At: now, Value: float64(f.n), About: key})
		}
	}
	return all
}

// losing are the versions that lose far more answers than the others of their app, or than before.
func (l *live) losing(r Rule, now time.Time) (all []identity.Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	apps, mine := map[string]tally{}, map[version]tally{}
	for v, a := range l.versions {
		a.turn(now)
		t := a.within(r.Window)
		if t.all == 0 && (a.beforeOf < enough || a.at-a.used > remembered) {
			delete(l.versions, v)
			continue
		}
		if t.all < enough { // says nothing, of itself or of the others: anybody can invent versions
			continue
		}
		mine[v] = t
		app := apps[v.client]
		apps[v.client] = tally{all: app.all + t.all, lost: app.lost + t.lost}
	}
	for v, t := range mine {
		if t.share() < r.Threshold {
			continue
		}
		others := tally{all: apps[v.client].all - t.all, lost: apps[v.client].lost - t.lost}
		usual, known := others.share(), others.all >= enough
		if a := l.versions[v]; !known && a.beforeOf >= enough {
			usual, known = a.before, true
		}
		if known && t.exceeds(max(usual, floor)) || !known && t.share() >= alone {
			for i := range l.versions[v].slots {
				l.versions[v].slots[i].odd = true
			}
			all = append(all, identity.Decision{
				Subject: v.client + " " + v.name, At: now, Value: t.share(), About: v.name, ClientID: v.client,
			})
		}
	}
	return all
}
