package admin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
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
	return listOfClients(r.Context(), asked, a.o.Lists.Clients)
}

func listOfClients(ctx context.Context, asked identity.ClientQuery, list func(context.Context, identity.ClientQuery) ([]identity.Client, error)) (any, error) {
	limit := asked.Limit
	asked.Limit++
	all, err := list(ctx, asked)
	clients, next := cut(all, limit, func(one identity.Client) (Client, string) { return NewClient(one), one.ID })
	return struct {
		Clients []Client `json:"clients"`
		Next    string   `json:"next,omitempty"`
	}{clients, next}, err
}

func (a *API) clientShow(r *http.Request) (any, error) {
	client, err := a.o.Store.RegisteredClient(r.Context(), clientIn(r))
	return newVersioned(client), err
}

// versioned is a client whose answer has an ETag (RFC 9110 §8.8.3), which a change sends back.
type versioned struct {
	Client
	version string
}

func newVersioned(c identity.Client) versioned { return versioned{NewClient(c), versionOf(c)} }

// ETag names how the client is now.
func (v versioned) ETag() string { return v.version }

// versionOf changes with all that operators change of a client by settings and secrets, and with nothing that its use changes.
func versionOf(c identity.Client) string {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(c.Settings()) // cannot fail: its keys are JSON that was read
	h.Write(c.SecretHash)
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16]) + `"`
}

// clientBody is what a client is added with or changed to: settings as a merge patch (RFC 7396) names them, and its secret.
type clientBody struct {
	id, secret string
	settings   map[string]json.RawMessage
}

func readClient(r *http.Request) (b clientBody, err error) {
	if err := readBody(r, &b.settings); err != nil {
		return b, err
	}
	for name, text := range map[string]*string{"client_id": &b.id, "client_secret": &b.secret} {
		value, said := b.settings[name]
		if delete(b.settings, name); !said {
			continue
		}
		if json.Unmarshal(value, text) != nil {
			return b, identity.RefuseField(name, "Send a string.")
		}
	}
	if b.secret == "" {
		return b, nil
	}
	return b, identity.CheckClientSecret("client_secret", b.secret)
}

// on returns a client with what the body says on top.
func (b clientBody) on(c identity.Client, keys *identity.Keyring) (identity.Client, error) {
	s, err := c.Settings().Patched(b.settings)
	if c = c.With(s); b.secret != "" {
		c.SecretHash, c.FormerSecret, c.FormerUntil = keys.HashSecret(b.secret), nil, time.Time{}
	}
	return c, err
}

// clientAdd answers POST /api/clients.
func (a *API) clientAdd(r *http.Request) (any, error) {
	body, err := readClient(r)
	if err != nil {
		return nil, err
	}
	identity.TrailOf(r.Context()).ClientID = body.id[:min(len(body.id), identity.MaxDevice)]
	client, err := body.on(identity.Client{ID: body.id}, a.o.Keys)
	if err != nil {
		return nil, err
	}
	client, err = a.o.Operators.AddClient(r.Context(), client)
	return newVersioned(client), err
}

// clientUpdate answers PATCH /api/clients/{id}. Of changes that read the same client one is made: each says by If-Match
// (RFC 9110 §13.1.1) which one it read, and the others hear 409.
func (a *API) clientUpdate(r *http.Request) (any, error) {
	id, match := clientIn(r), r.Header.Get("If-Match")
	if match == "" {
		return nil, identity.RefuseField("If-Match", "Send the ETag of the client as you read it in If-Match: of two changes at once one is made.")
	}
	body, err := readClient(r)
	if err != nil {
		return nil, err
	}
	if body.id != "" && body.id != id {
		return nil, identity.RefuseField("client_id", "The id of a client does not change. Leave it out.")
	}
	after, _, err := a.o.Operators.UpdateClient(r.Context(), id, func(c identity.Client) (identity.Client, error) {
		if match != "*" && match != versionOf(c) {
			return c, identity.Refuse(identity.Conflict, "The client was changed meanwhile. Read it again, then send the change.")
		}
		return body.on(c, a.o.Keys)
	})
	return newVersioned(after), err
}

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

// rotation is what a secret is rotated by.
type rotation struct {
	Secret  string `json:"secret"`
	Overlap int    `json:"overlap_seconds"`
}

func (r rotation) overlap() time.Duration {
	return time.Duration(min(max(r.Overlap, -1), int(identity.MaxOverlap/time.Second)+1)) * time.Second
}

func (a *API) clientRotateSecret(r *http.Request) (any, error) {
	id, body := clientIn(r), rotation{Overlap: defaultOverlap}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	secret := identity.NewClientSecret{ClientID: id, Secret: body.Secret, Overlap: body.overlap()}
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

// RegistrationToken is an initial access token (RFC 7591 §3), which is told once, when it is made.
type RegistrationToken struct {
	Token   string    `json:"token"`
	Uses    int       `json:"uses"`
	Expires time.Time `json:"expires_at"`
}

// registrationList answers GET /api/registrations: the apps that registered themselves, the newest first.
func (a *API) registrationList(r *http.Request) (any, error) {
	q := queryOf(r, "limit", "after")
	asked := identity.ClientQuery{After: q.text("after"), Limit: q.limit()}
	if q.err != nil {
		return nil, q.err
	}
	return listOfClients(r.Context(), asked, a.o.Store.SelfRegistered)
}

// registrationTokenAdd answers POST /api/registration-tokens.
func (a *API) registrationTokenAdd(r *http.Request) (any, error) {
	body := struct {
		Uses    int `json:"uses"`
		Seconds int `json:"expires_in_seconds"`
	}{1, 24 * 60 * 60}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	lasts := time.Duration(min(max(body.Seconds, 0), 1<<31)) * time.Second
	text, until, err := a.o.Operators.AddRegistrationToken(r.Context(), body.Uses, lasts)
	return RegistrationToken{text, body.Uses, until}, err
}
