package admin

import (
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Delivery is what waits for somebody else's server, without what it says.
type Delivery struct {
	ID        identity.ID           `json:"id"`
	Kind      identity.DeliveryKind `json:"kind"`
	ClientID  string                `json:"client_id,omitempty"` // of a logout; of a webhook its name
	SessionID identity.ID           `json:"sid,omitzero"`        // of a logout
	Letter    identity.LetterKind   `json:"letter,omitempty"`    // which mail
	Event     identity.EventKind    `json:"event,omitempty"`     // what a webhook is told
	Host      string                `json:"host,omitempty"`
	Tries     int                   `json:"tries"` // those that failed
	LastError string                `json:"last_error,omitempty"`
	CreatedAt time.Time             `json:"created_at"`
	NextTryAt time.Time             `json:"next_try_at,omitzero"` // zero: it was given up
	DeadAt    time.Time             `json:"dead_at,omitzero"`
}

// NewDelivery shows a Delivery.
func NewDelivery(d identity.ListedDelivery) Delivery {
	v := Delivery{
		ID: d.ID, Kind: d.Kind, ClientID: d.ClientID, SessionID: d.SessionID, Letter: d.Letter, Event: d.Event, Host: d.Host, Tries: d.Tries,
		LastError: d.LastError, CreatedAt: d.CreatedAt, DeadAt: d.DeadAt,
	}
	if d.DeadAt.IsZero() {
		v.NextTryAt = d.NextTryAt
	}
	return v
}

// deliveryList answers GET /api/deliveries: what waits, or what was given up, the oldest first.
func (a *API) deliveryList(r *http.Request) (any, error) {
	q := queryOf(r, "dead", "limit", "after")
	asked := identity.DeliveryFilter{Dead: q.yes("dead"), After: q.id("after"), Limit: q.limit()}
	if q.err != nil {
		return nil, q.err
	}
	limit := asked.Limit
	asked.Limit++
	all, err := a.o.Lists.Deliveries(r.Context(), asked)
	list, next := cut(all, limit, func(one identity.ListedDelivery) (Delivery, string) {
		return NewDelivery(one), one.ID.String()
	})
	return struct {
		Deliveries []Delivery `json:"deliveries"`
		Next       string     `json:"next,omitempty"`
	}{list, next}, err
}

func (a *API) deliveryRetry(r *http.Request) (any, error) {
	id, err := idOf(named(r), "delivery")
	if err != nil {
		return nil, err
	}
	return nil, a.o.Operators.RetryDelivery(r.Context(), id)
}

// deliveryRetryDead answers POST /api/deliveries/retry-dead: all that were given up.
func (a *API) deliveryRetryDead(r *http.Request) (any, error) {
	n, err := a.o.Operators.RetryDead(r.Context())
	return Retried{n}, err
}

// Retried is how many Deliveries are due again.
type Retried struct {
	Retried int `json:"retried"`
}
