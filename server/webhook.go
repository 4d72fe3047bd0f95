package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
	"github.com/sojourn-auth/sojourn/storage"
)

const (
	// lookForWebhooks is how often a process looks whether there are other webhooks, and whether one is full.
	lookForWebhooks = 5 * time.Second
	// hooksAtOnce is how many tries one webhook gets at once from this process.
	hooksAtOnce = 4
	// maxHookAnswer bounds what is read of an answer, in bytes. Its status says all.
	maxHookAnswer = 1 << 10
)

// herald tells the operator's own programs what happens, as Standard Webhooks says (standardwebhooks.com, 1.0).
type herald struct {
	db    *storage.DB
	now   func() time.Time
	fetch *http.Client
}

func newHerald(db *storage.DB, guarded *http.Client) *herald {
	return &herald{db: db, now: db.Now, fetch: oauth.Unredirected(guarded)}
}

// said is the body of a message.
type said struct {
	Type      identity.EventKind `json:"type"`
	Timestamp time.Time          `json:"timestamp"`
	Data      saidData           `json:"data"`
}

type saidData struct {
	admin.Event
	User *saidUser `json:"user,omitempty"` // as they are when it is sent; none: there is no such person, or none any more
}

// saidUser is whom an Event is about.
type saidUser struct {
	Sub           string `json:"sub"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	Name          string `json:"name,omitempty"`
}

// deliver tells a webhook of one Event. Where the webhook is gone it does nothing. The error says why it was not reached,
// without its address, which may hold a secret; it is Permanent where no other try can help.
func (h *herald) deliver(ctx context.Context, d identity.Delivery) error {
	var notice identity.WebhookNotice
	if json.Unmarshal(d.Body, &notice) != nil || notice.Event.Kind == "" {
		return identity.Permanent(errors.New("the notice can't be read"))
	}
	w, secrets, err := h.db.WebhookSecrets(ctx, d.ClientID)
	if identity.KindOf(err) == identity.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	body, err := h.write(ctx, notice.Event)
	if err != nil {
		return err
	}
	r, err := message{w.URL, secrets, notice.Event.ID.String(), body}.signed(ctx, h.now())
	if err != nil {
		return err
	}
	return h.post(r)
}

func (h *herald) write(ctx context.Context, e identity.Event) ([]byte, error) {
	data := saidData{Event: admin.NewEvent(e)}
	if e.UserID != (identity.ID{}) {
		user, err := h.db.UserByID(ctx, e.UserID)
		switch {
		case err == nil:
			data.User = &saidUser{user.Sub, user.Email, user.EmailVerified, user.Name}
		case identity.KindOf(err) != identity.NotFound:
			return nil, err
		}
	}
	return json.Marshal(said{e.Kind, e.At, data})
}

// message is what goes to a program of the operator's.
type message struct {
	url     string
	secrets []string // the newest first; while one takes another's place, each signs
	id      string   // an Event's: the same in each try and in a replay
	body    []byte
}

// signed is a message as it is now: whoever gets it refuses what is older than a few minutes.
func (m message) signed(ctx context.Context, now time.Time) (*http.Request, error) {
	signatures := make([]string, len(m.secrets))
	for i, secret := range m.secrets {
		signer, err := webhooks.NewWebhook(secret)
		if err != nil {
			return nil, identity.Permanent(errors.New("the webhook's secret can't be read: remove it and add it again"))
		}
		if signatures[i], err = signer.Sign(m.id, now, m.body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		return nil, identity.Permanent(errors.New("the webhook's url is no address"))
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Sojourn")
	r.Header.Set(webhooks.HeaderWebhookID, m.id)
	r.Header.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(webhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return r, nil
}

// post succeeds with any 2xx. A webhook that says 410 wants no more of this; it is the operator who removes it.
func (h *herald) post(r *http.Request) error {
	answer, err := h.fetch.Do(r)
	if err != nil {
		return oauth.OwnWords(err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxHookAnswer)) // so that the connection can be used again
	_ = answer.Body.Close()
	switch {
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		return nil
	case answer.StatusCode == http.StatusGone:
		return identity.Permanent(errors.New("it answered 410: it wants none of this"))
	}
	return fmt.Errorf("it answered %d, not 2xx", answer.StatusCode)
}

// hostOfWebhook is the host and port that deliver would call: a webhook's address never changes.
func hostOfWebhook(_ context.Context, d identity.Delivery) string { return d.Host }

// watchWebhooks keeps what this process knows of webhooks a few seconds young, until ctx ends.
func (s *Server) watchWebhooks(ctx context.Context) {
	for ctx.Err() == nil {
		changed := s.db.WebhooksChanged()
		if err := s.db.LoadWebhooks(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "webhooks were not read", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(lookForWebhooks):
		}
	}
}

// Webhooks are the programs of the operator's on a database.
func Webhooks(db *storage.DB, loopback bool) identity.Webhooks {
	return identity.Webhooks{Store: db, Now: db.Now, Loopback: loopback}
}
