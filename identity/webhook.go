package identity

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/url"
	"slices"
	"time"
)

const (
	// MaxWebhooks is how many there are at most: each is told of every Event that it asks for.
	MaxWebhooks = 10
	// MaxWebhookWaiting is how many Events wait for a webhook that does not answer. What happens then is missed, and that
	// is written down (Webhook.MissedSince).
	MaxWebhookWaiting = 100_000
	// webhookSecretPrefix tells a webhook's secret from the other kinds (Standard Webhooks, "Webhook secrets").
	webhookSecretPrefix = "whsec_"
	maxWebhookURL       = 512 // bytes
)

// Webhook is a program of the operator's that is told what happens, so that another database can follow ours.
type Webhook struct {
	Name      string
	URL       string
	Kinds     []EventKind // that it is told of; none: all
	CreatedAt time.Time
	// MissedSince is when so much waited for it that an Event was left out for the first time; zero: none was.
	MissedSince time.Time
	// FormerUntil is until when the secret before signs beside the newest one.
	FormerUntil time.Time
}

// Wants reports whether a webhook is told of Events of a kind. What bad networks do all day is told where it is asked for alone.
func (w Webhook) Wants(kind EventKind) bool {
	if len(w.Kinds) == 0 {
		return kind != SessionForked
	}
	return slices.Contains(w.Kinds, kind)
}

// WantsEvent reports whether a webhook is told of an Event: of its kinds, and of what a rule says that every webhook is told.
func (w Webhook) WantsEvent(e Event) bool {
	return w.Wants(e.Kind) || e.Kind == AnomalyFound && ReadDecision(e.Detail).Answer.Has(AnswerWebhook)
}

// WebhookNotice is what a Delivery to a webhook carries. Who the person is is looked up when it is sent.
type WebhookNotice struct {
	Event Event `json:"event"`
}

type webhookStore interface {
	ledger
	// CreateWebhook keeps a webhook and its secret, sealed; Conflict when the name is taken or there are MaxWebhooks.
	CreateWebhook(ctx context.Context, w Webhook, secret []byte) error
	Webhooks(ctx context.Context) ([]Webhook, error)
	// RotateWebhook gives a webhook another secret; the one before signs too until a time. NotFound.
	RotateWebhook(ctx context.Context, name string, secret []byte, formerUntil time.Time) error
	// DeleteWebhook forgets a webhook and what waits for it; NotFound when there is none of this name.
	DeleteWebhook(ctx context.Context, name string) error
	// ReplayWebhook queues the next Events after a place for a webhook, the oldest first, at most a batch of them, and
	// returns how many those were and the place behind them; done says that there are no more.
	ReplayWebhook(ctx context.Context, w Webhook, from EventPlace) (n int, to EventPlace, done bool, err error)
	// CountWebhookWaiting is how many Deliveries wait for a webhook, up to MaxWebhookWaiting.
	CountWebhookWaiting(ctx context.Context, name string) (int, error)
	// SetWebhookMissed writes MissedSince; a zero time forgets it.
	SetWebhookMissed(ctx context.Context, name string, since time.Time) error
}

// EventPlace is a place among all Events, by time.
type EventPlace struct {
	At time.Time
	ID ID
}

// Webhooks are the programs that are told what happens.
type Webhooks struct {
	Store    webhookStore
	Now      func() time.Time
	Loopback bool // the issuer is this machine: so may a webhook be, by http
	Reads    int  // how many batches of Events one replay looks through; 0: usualReads
}

// usualReads bounds a replay: whoever asks for what happened in years goes on where it stopped.
const usualReads = 400

// Add makes a webhook, fills in when, and returns its secret, which is told this once. Refusals: Invalid, by field; Conflict for a name that
// is taken, or one webhook too many.
func (h Webhooks) Add(ctx context.Context, w *Webhook) (secret string, err error) {
	if err := h.check(*w); err != nil {
		return "", err
	}
	w.CreatedAt = h.Now()
	secret = newWebhookSecret()
	return secret, h.Store.InTx(ctx, func(ctx context.Context) error {
		if err := h.Store.CreateWebhook(ctx, *w, []byte(secret)); err != nil {
			return err
		}
		return h.tell(ctx, WebhookAdded, w.Name)
	})
}

func newWebhookSecret() string {
	return webhookSecretPrefix + base64.StdEncoding.EncodeToString([]byte(RandomText(24)))
}

// Rotate gives a webhook another secret and returns it, this once. For as long as overlap the one before signs as well, beside
// it: the program is told the new one when its people come to it (Standard Webhooks, "Zero downtime secret rotation"). Of two
// that rotate at once, the second one's former secret is the first one's. Refusals: NotFound, Invalid (field overlap_seconds).
func (h Webhooks) Rotate(ctx context.Context, name string, overlap time.Duration) (secret string, until time.Time, err error) {
	if overlap < 0 || overlap > MaxOverlap {
		return "", until, RefuseField("overlap_seconds", "Use between 0 and 720 hours.")
	}
	secret, until = newWebhookSecret(), h.Now().Add(overlap)
	return secret, until, h.Store.InTx(ctx, func(ctx context.Context) error {
		if err := h.Store.RotateWebhook(ctx, name, []byte(secret), until); err != nil {
			return err
		}
		return h.tell(ctx, WebhookRotated, name+", the one before signs until "+until.UTC().Format(time.DateTime))
	})
}

func (h Webhooks) check(w Webhook) error {
	if err := checkName(w.Name, "webhook"); err != nil {
		return err
	}
	u, err := url.Parse(w.URL)
	secure := err == nil && (u.Scheme == "https" || h.Loopback && u.Scheme == "http" && onLoopback(w.URL))
	if !secure || u.Host == "" || u.User != nil || u.Fragment != "" || len(w.URL) > maxWebhookURL {
		return RefuseField("url", "Use an https address of at most 512 bytes, without a user and a fragment.")
	}
	for _, kind := range w.Kinds {
		if !slices.Contains(EventKinds, kind) {
			return RefuseField("kinds", "There are no Events of the kind "+string(kind)+". docs/webhooks.md lists them.")
		}
	}
	return nil
}

// All returns every webhook, by name.
func (h Webhooks) All(ctx context.Context) ([]Webhook, error) { return h.Store.Webhooks(ctx) }

// Remove forgets a webhook and what waits for it; NotFound when there is none of this name.
func (h Webhooks) Remove(ctx context.Context, name string) error {
	return h.Store.InTx(ctx, func(ctx context.Context) error {
		if err := h.tell(ctx, WebhookRemoved, name); err != nil { // first: it is told of that no more
			return err
		}
		return h.Store.DeleteWebhook(ctx, name)
	})
}

// Replayed is what a Replay put into the outbox.
type Replayed struct {
	Events int
	// Until is the time of the last one that was looked at, where more remain than one replay looks through or than may wait at once: replay
	// from there later. Zero: all of them.
	Until time.Time
}

// Replay tells a webhook once more of all that happened since a time, the oldest first. Whoever was told of some knows them
// by their ids. NotFound when there is no webhook of this name.
func (h Webhooks) Replay(ctx context.Context, name string, since time.Time) (Replayed, error) {
	w, err := h.byName(ctx, name)
	if err != nil {
		return Replayed{}, err
	}
	waiting, err := h.Store.CountWebhookWaiting(ctx, name)
	if err != nil {
		return Replayed{}, err
	}
	all, place, done := Replayed{}, EventPlace{At: since}, false
	// The other half is for what happens meanwhile.
	for reads := 0; !done && reads < cmp.Or(h.Reads, usualReads) && waiting+all.Events < MaxWebhookWaiting/2; reads++ {
		var n int
		if n, place, done, err = h.Store.ReplayWebhook(ctx, w, place); err != nil {
			return all, err
		}
		all.Events += n
	}
	if !done {
		all.Until = place.At
	}
	if err := h.replayed(ctx, w, EventSpan{Since: since, Until: all.Until}); err != nil {
		return all, err
	}
	return all, h.tell(ctx, WebhookReplayed, name)
}

// replayed forgets that Events were missed, as far as a replay that began before the first of them got.
func (h Webhooks) replayed(ctx context.Context, w Webhook, told EventSpan) error {
	if w.MissedSince.IsZero() || told.Since.After(w.MissedSince) || !told.Until.IsZero() && told.Until.Before(w.MissedSince) {
		return nil
	}
	return h.Store.SetWebhookMissed(ctx, w.Name, told.Until)
}

func (h Webhooks) byName(ctx context.Context, name string) (Webhook, error) {
	all, err := h.Store.Webhooks(ctx)
	if err != nil {
		return Webhook{}, err
	}
	for _, w := range all {
		if w.Name == name {
			return w, nil
		}
	}
	return Webhook{}, Refuse(NotFound, "There is no webhook of this name.")
}

func (h Webhooks) tell(ctx context.Context, kind EventKind, name string) error {
	return h.Store.AddEvent(ctx, Event{ID: NewID(), At: h.Now(), Kind: kind, Detail: name})
}
