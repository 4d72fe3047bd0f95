package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// clientList answers GET /api/clients: all of them, disabled ones too, by their ids.
func (a *API) clientList(r *http.Request) (any, error) {
	q := queryOf(r, "limit", "after")
	asked := identity.ClientQuery{After: q.text("after"), Limit: q.limit()}
	if q.err != nil {
		return nil, q.err
	}
	limit := asked.Limit
	asked.Limit++
	all, err := a.o.Store.Clients(r.Context(), asked)
	clients, next := cut(all, limit, func(one identity.Client) (Client, string) { return NewClient(one), one.ID })
	return struct {
		Clients []Client `json:"clients"`
		Next    string   `json:"next,omitempty"`
	}{clients, next}, err
}

func (a *API) clientShow(r *http.Request) (any, error) { return a.client(r.Context(), clientIn(r)) }

func (a *API) client(ctx context.Context, id string) (Client, error) {
	client, err := a.o.Store.RegisteredClient(ctx, id)
	return NewClient(client), err
}

// changedClient is a client after a change, and whether it was one.
type changedClient struct {
	Changed bool `json:"changed"`
	Client
}

func (a *API) clientDisable(r *http.Request) (any, error) {
	return a.changeClient(r, a.o.Operators.DisableClient)
}

func (a *API) clientEnable(r *http.Request) (any, error) {
	return a.changeClient(r, a.o.Operators.EnableClient)
}

func (a *API) changeClient(r *http.Request, change func(context.Context, string) (bool, error)) (any, error) {
	changed, err := change(r.Context(), clientIn(r))
	if err != nil {
		return nil, err
	}
	client, err := a.client(r.Context(), clientIn(r))
	return changedClient{changed, client}, err
}

// defaultOverlap is for how long a rotated secret stays good where nothing is said.
const defaultOverlap = 24 * 60 * 60

func (a *API) clientRotateSecret(r *http.Request) (any, error) {
	id := clientIn(r)
	body := struct {
		Secret  string `json:"secret"`
		Overlap int    `json:"overlap_seconds"`
	}{Overlap: defaultOverlap}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	overlap := time.Duration(min(max(body.Overlap, -1), int(identity.MaxOverlap/time.Second)+1)) * time.Second
	secret := identity.NewClientSecret{ClientID: id, Secret: body.Secret, Overlap: overlap}
	if err := a.o.Operators.RotateSecret(r.Context(), a.o.Keys, secret); err != nil {
		return nil, err
	}
	return a.client(r.Context(), id)
}

func (a *API) clientDelete(r *http.Request) (any, error) {
	return nil, a.o.Operators.DeleteClient(r.Context(), clientIn(r))
}

// clientIn reads which client the address names, for the log too: cut, since anyone may have typed it.
func clientIn(r *http.Request) string {
	id := named(r)
	identity.TrailOf(r.Context()).ClientID = id[:min(len(id), identity.MaxDevice)]
	return id
}
