package admin

import (
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Webhook is a program that is told what happens.
type Webhook struct {
	Name        string               `json:"name"`
	URL         string               `json:"url"`
	Kinds       []identity.EventKind `json:"kinds,omitempty"` // none: all but forks
	CreatedAt   time.Time            `json:"created_at"`
	MissedSince time.Time            `json:"missed_since,omitzero"`        // when the first Event was left out, since too much waited
	FormerUntil time.Time            `json:"former_secret_until,omitzero"` // the one before signs too until then
	Secret      string               `json:"secret,omitempty"`             // told once, when it is made
}

// NewWebhook shows a webhook.
func NewWebhook(w identity.Webhook) Webhook {
	return Webhook{Name: w.Name, URL: w.URL, Kinds: w.Kinds, CreatedAt: w.CreatedAt, MissedSince: w.MissedSince, FormerUntil: w.FormerUntil}
}

// Replayed is what a replay put into the outbox.
type Replayed struct {
	Events int       `json:"events"`
	Until  time.Time `json:"until,omitzero"` // replay from here later: no more may wait at once
}

// webhookList answers GET /api/webhooks.
func (a *API) webhookList(r *http.Request) (any, error) {
	all, err := a.o.Webhooks.All(r.Context())
	list := make([]Webhook, len(all))
	for i, w := range all {
		list[i] = NewWebhook(w)
	}
	return struct {
		Webhooks []Webhook `json:"webhooks"`
	}{list}, err
}

// webhookAdd answers POST /api/webhooks.
func (a *API) webhookAdd(r *http.Request) (any, error) {
	var body struct {
		Name  string               `json:"name"`
		URL   string               `json:"url"`
		Kinds []identity.EventKind `json:"kinds"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	w := identity.Webhook{Name: body.Name, URL: body.URL, Kinds: body.Kinds}
	secret, err := a.o.Webhooks.Add(r.Context(), &w)
	shown := NewWebhook(w)
	shown.Secret = secret
	return shown, err
}

func (a *API) webhookRemove(r *http.Request) (any, error) {
	return nil, a.o.Webhooks.Remove(r.Context(), named(r))
}

// RotatedWebhook is a webhook's secret, told once.
type RotatedWebhook struct {
	Name        string    `json:"name"`
	Secret      string    `json:"secret"`
	FormerUntil time.Time `json:"former_secret_until"`
}

// webhookRotate answers POST /api/webhooks/{id}/rotate-secret.
func (a *API) webhookRotate(r *http.Request) (any, error) {
	body := rotation{Overlap: defaultOverlap}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if body.Secret != "" {
		return nil, identity.RefuseField("secret", "The secret of a webhook is made here.")
	}
	secret, until, err := a.o.Webhooks.Rotate(r.Context(), named(r), body.overlap())
	return RotatedWebhook{named(r), secret, until}, err
}

// webhookReplay answers POST /api/webhooks/{id}/replay.
func (a *API) webhookReplay(r *http.Request) (any, error) {
	var body struct {
		Since time.Time `json:"since"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if body.Since.IsZero() {
		return nil, identity.RefuseField("since", "Say from when on, like 2026-11-28T22:00:00Z.")
	}
	done, err := a.o.Webhooks.Replay(r.Context(), named(r), body.Since)
	return Replayed(done), err
}
