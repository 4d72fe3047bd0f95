package anomaly

import (
	"context"
	"slices"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// forced are the causes that end a Session whose person wanted nothing of the kind. That one idles or expires writes no Event.
var forced = []identity.EndCause{
	identity.EndReuse, identity.EndForks, identity.EndReplay, identity.EndCrowded, identity.EndClientOff, identity.EndClientGone,
	identity.EndClientChanged, identity.EndOperator, identity.EndUnusual,
}

// ofMany takes in what an Event says of many people, networks and apps.
func (w *Watch) ofMany(ctx context.Context, e identity.Event) error {
	if e.Actor != "" && e.Kind != identity.SessionEnded {
		return nil // operators do as they like
	}
	network := identity.Premises(e.Address)
	switch e.Kind {
	case identity.PasswordRefused:
		w.season.add(RefusedAll, e)
		return w.did(ctx, GuessedPeople, act{subject: network, who: e.UserID.String(), at: e.At})
	case identity.SignedIn:
		w.crowds[GuessedPeople].forgive(network, e.UserID.String())
	case identity.ClientRegistered:
		if err := w.did(ctx, Registered, act{subject: "all", who: e.ClientID, at: e.At}); err != nil {
			return err
		}
		return w.did(ctx, Registrations, act{subject: network, who: e.ClientID, at: e.At})
	case identity.UserCreated:
		return w.did(ctx, SignUps, act{subject: network, who: e.UserID.String(), at: e.At})
	case identity.SessionEnded:
		if slices.Contains(forced, identity.EndCause(e.Detail)) {
			w.season.add(ForcedSignIns, e)
		}
		if e.Detail == string(identity.EndReuse) {
			return w.did(ctx, ReusePeople, act{subject: e.ClientID, who: e.UserID.String(), at: e.At, client: e.ClientID})
		}
	default: // says nothing of many
	}
	return nil
}

// act is what somebody did, under what it is counted.
type act struct {
	subject, who, client string
	at                   time.Time
}

// did counts an act, and answers where that is too much.
func (w *Watch) did(ctx context.Context, s Signal, a act) error {
	if a.subject == "" || len(w.rules[s]) == 0 {
		return nil
	}
	g := w.crowds[s].add(a.subject, a.who, a.at)
	for _, r := range w.rules[s] {
		n := g.count(a.at, r.Window)
		if float64(n) < r.Threshold {
			continue
		}
		about := a.subject
		if a.client != "" {
			about = ""
		}
		err := w.decide(ctx, r, identity.Decision{
			Subject: a.subject, At: a.at, Value: float64(n), About: about, ClientID: a.client,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
