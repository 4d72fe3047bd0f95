package anomaly

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// justNow is how long a place is new after somebody was there first: the Events of one sign-in come in any order.
const justNow = 10 * time.Minute

// recovering are what whoever takes an account over does, each by itself no wonder.
var recovering = []identity.EventKind{
	identity.PasswordReset, identity.RecoveryCodeUsed, identity.FactorRemoved, identity.FactorReplaced, identity.RecoveryRenewed,
	identity.EmailChanged,
}

// ofPeople takes in what Events say of each person, and learns from where they sign in.
func (w *Watch) ofPeople(ctx context.Context, events []identity.Event) error {
	habits, err := w.o.Store.Habits(ctx, concerned(events))
	if err != nil {
		return err
	}
	learnt, judged := map[identity.ID]bool{}, map[judging]bool{}
	for _, e := range events {
		if !personal(e) {
			continue
		}
		h := habits[e.UserID]
		h.UserID = e.UserID
		if err := w.ofPerson(ctx, moment{Event: e, habit: h, spot: w.spot(e)}, judged); err != nil {
			return err
		}
		if e.Kind == identity.SignedIn && e.Address != "" && h.Learn(w.spot(e)) {
			learnt[e.UserID] = true
		}
		habits[e.UserID] = h
	}
	for id := range learnt {
		if err := w.o.Store.WriteHabit(ctx, habits[id]); err != nil {
			return err
		}
	}
	return nil
}

// judging is what is judged once in a page of Events, since it is asked of the database.
type judging struct {
	userID identity.ID
	rule   string
}

// personal reports whether an Event is one that people's rules look at.
func personal(e identity.Event) bool {
	if e.UserID == (identity.ID{}) || e.Actor != "" {
		return false
	}
	switch e.Kind {
	case identity.SignedIn, identity.NewBrowser, identity.FactorRefused:
		return true
	default:
		return slices.Contains(recovering, e.Kind)
	}
}

// concerned are the people whose habits matter.
func concerned(events []identity.Event) (people []identity.ID) {
	known := map[identity.ID]bool{}
	for _, e := range events {
		if personal(e) && !known[e.UserID] {
			known[e.UserID] = true
			people = append(people, e.UserID)
		}
	}
	return people
}

// moment is an Event with what is known of the person just before.
type moment struct {
	identity.Event
	habit identity.Habit
	spot  identity.Spot
}

// spot is where an Event came from, coarsely.
func (w *Watch) spot(e identity.Event) identity.Spot {
	at := w.o.Locate(e.Address)
	return identity.Spot{
		Network: identity.Region(e.Address), Country: at.Country, Last: e.At, Located: at.Located,
		Lat: int(math.Round(at.Lat)), Lon: int(math.Round(at.Lon)),
	}
}

func (w *Watch) ofPerson(ctx context.Context, m moment, judged map[judging]bool) error {
	for signal, rules := range w.rules {
		if !m.bears(signal) || traits[signal].about != aboutPerson {
			continue
		}
		for _, r := range rules {
			if !m.holds(r) {
				continue
			}
			once := judging{m.UserID, r.Name}
			if m.asksDatabase(signal) && judged[once] {
				continue
			}
			judged[once] = true
			if err := w.judgePerson(ctx, m, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// bears reports whether an Event can have anything to do with a signal.
func (m moment) bears(s Signal) bool {
	switch s {
	case FactorMisses:
		return m.Kind == identity.FactorRefused
	case RecoveryActs:
		return slices.Contains(recovering, m.Kind)
	default:
		return m.Kind == identity.SignedIn || m.Kind == identity.NewBrowser
	}
}

func (m moment) asksDatabase(s Signal) bool { return s == FactorMisses || s == Dormant }

// holds reports whether the facts of a rule do. A rule about new browsers is judged by the Event that tells of one, all others by that of
// the sign-in itself, so that each is judged once.
func (m moment) holds(r Rule) bool {
	newBrowser := slices.Contains(r.When, InNewBrowser)
	if traits[r.Signal].signIn && newBrowser != (m.Kind == identity.NewBrowser) {
		return false
	}
	span := justNow
	if r.Signal == RecoveryActs || r.Signal == FactorMisses {
		span = max(span, r.Window) // the sign-in that went before is a part of the same
	}
	if r.Signal == Dormant && len(m.habit.Places) == 0 { // so long that it was forgotten
		return true
	}
	return (!slices.Contains(r.When, AtNewNetwork) || m.newNetwork(span)) &&
		(!slices.Contains(r.When, AtNewCountry) || m.newCountry(span))
}

// newNetwork reports whether the person never signed in from that part of the internet, but for the last while. Of whom nothing is
// known nothing is new.
func (m moment) newNetwork(span time.Duration) bool {
	before := m.At.Add(-span)
	return m.spot.Network != "" && m.habit.Knows(before, func(identity.Spot) bool { return true }) &&
		!m.habit.Knows(before, func(s identity.Spot) bool { return s.Network == m.spot.Network })
}

func (m moment) newCountry(span time.Duration) bool {
	before := m.At.Add(-span)
	return m.spot.Country != "" && m.habit.Knows(before, func(s identity.Spot) bool { return s.Country != "" }) &&
		!m.habit.Knows(before, func(s identity.Spot) bool { return s.Country == m.spot.Country })
}

// judgePerson takes the signal of one rule, and answers it.
func (w *Watch) judgePerson(ctx context.Context, m moment, r Rule) error {
	value, about, err := w.value(ctx, m, r)
	if err != nil || value < r.Threshold {
		return err
	}
	subject := m.UserID.String()
	if r.Signal == NewCountry || r.Signal == NewNetwork {
		subject += " " + about
	}
	return w.decide(ctx, r, identity.Decision{
		Subject: subject, At: m.At, Value: value, About: about, UserID: m.UserID, Address: m.Address,
	})
}

func (w *Watch) value(ctx context.Context, m moment, r Rule) (value float64, about string, err error) {
	switch r.Signal {
	case NewCountry:
		return one(m.newCountry(justNow)), m.spot.Country, nil
	case NewNetwork:
		return one(m.newNetwork(justNow)), m.spot.Network, nil
	case Travel:
		return m.speed(), m.spot.Country, nil
	case Dormant:
		last, err := w.o.Store.LastActive(ctx, m.UserID, m.At)
		if err != nil || last.IsZero() {
			return 0, "", err
		}
		return math.Floor(m.At.Sub(last).Hours() / 24), "", nil
	case FactorMisses:
		n, _, err := w.o.Store.Acts(ctx, m.UserID, []identity.EventKind{identity.FactorRefused}, identity.EventSpan{Since: m.At.Add(-r.Window), Until: w.o.Now()})
		return float64(n), "", err
	case RecoveryActs:
		_, n, err := w.o.Store.Acts(ctx, m.UserID, recovering, identity.EventSpan{Since: m.At.Add(-r.Window), Until: m.At})
		return float64(n), "", err
	default:
		return 0, "", nil
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

const (
	earthRadius = 6371.0 // km
	// farApart is how far two places must be apart: what a network is near is a guess, and places are kept in whole degrees.
	farApart = 800.0 // km
	// shortest is the least time between two sign-ins that is divided by.
	shortest = time.Minute
)

// speed is how fast the person must have travelled since the sign-in before, in km/h; 0 where nobody knows, or it was not far.
func (m moment) speed() float64 {
	last, found := m.habit.LastElsewhere(m.spot, m.At)
	if !found || !m.spot.Located {
		return 0
	}
	apart := distance(last, m.spot)
	if apart < farApart {
		return 0
	}
	return math.Round(apart / max(m.At.Sub(last.Last), shortest).Hours())
}

// distance is the great circle between two places, by the haversine formula.
func distance(a, b identity.Spot) float64 {
	rad := func(deg int) float64 { return float64(deg) * math.Pi / 180 }
	lat, lon := rad(b.Lat-a.Lat)/2, rad(b.Lon-a.Lon)/2
	h := math.Sin(lat)*math.Sin(lat) + math.Cos(rad(a.Lat))*math.Cos(rad(b.Lat))*math.Sin(lon)*math.Sin(lon)
	return 2 * earthRadius * math.Asin(math.Min(1, math.Sqrt(h)))
}
