package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
)

// store is what the API lists; what it changes, it asks of the domain.
type store interface {
	Accounts(ctx context.Context, q identity.AccountQuery) ([]identity.Account, error)
	AccountByID(ctx context.Context, id identity.ID) (identity.Account, error)
	FindSessions(ctx context.Context, q identity.SessionQuery) ([]identity.Live, error)
	Clients(ctx context.Context, q identity.ClientQuery) ([]identity.Client, error)
	// RegisteredClient returns a client, disabled or not, or NotFound.
	RegisteredClient(ctx context.Context, id string) (identity.Client, error)
	Events(ctx context.Context, q identity.EventQuery) ([]identity.Event, error)
	Deliveries(ctx context.Context, f identity.DeliveryFilter) ([]identity.ListedDelivery, error)
}

// Options are what the API is made of. Every field is needed.
type Options struct {
	Store     store
	Operators identity.Operators
	Tokens    identity.AdminTokens
	Log       *slog.Logger
}

// API is the management API.
type API struct{ o Options }

// New makes the API.
func New(o Options) *API { return &API{o} }

// operation answers one request of a known operator; a nil answer is 204.
type operation func(r *http.Request) (answer any, err error)

func (a *API) operation(op operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := a.perform(op, r)
		switch {
		case err != nil:
			a.refuse(w, r, err)
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			writeJSON(w, http.StatusOK, answer)
		}
	})
}

// perform finds out who asks, and does it in their name.
func (a *API) perform(op operation, r *http.Request) (any, error) {
	token, err := a.o.Tokens.Check(r.Context(), bearerOf(r), identity.SeenFrom(r.RemoteAddr, ""))
	if err != nil {
		return nil, err
	}
	actor := identity.Actor("api", token.Name)
	identity.TrailOf(r.Context()).Actor = actor
	return op(r.WithContext(identity.WithActor(r.Context(), actor)))
}

// bearerOf returns the token of an Authorization header (RFC 6750 §2.1), or "".
func bearerOf(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // fails only when the reader has gone
}
