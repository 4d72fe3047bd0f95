package oauth

import (
	"context"
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
)

// The values of Options.Registration; anything else is as good as closed.
const (
	registrationOpen  = "open"  // to everyone, with a throttle per address
	registrationToken = "token" // to holders of an initial access token
)

var (
	errRegistrationClosed = identity.Refuse(identity.Forbidden,
		"Clients cannot register themselves here. Ask the operator of this server to add yours.")
	errInitialToken = identity.Refuse(identity.BadLogin,
		"Send an initial access token as Authorization: Bearer; the operator of this server gives them out.")
)

// registered is the client information response (RFC 7591 §3.2.1, RFC 7592 §3).
type registered struct {
	ClientID        string `json:"client_id"`
	IssuedAt        int64  `json:"client_id_issued_at"`
	Secret          string `json:"client_secret,omitempty"` // only where it has just been made: the row has its hash
	SecretExpiresAt *int   `json:"client_secret_expires_at,omitempty"`
	AccessToken     string `json:"registration_access_token"`
	URI             string `json:"registration_client_uri"`
	identity.Metadata
}

// register serves POST /oauth2/register (RFC 7591 §3, OpenID Connect Registration 1.0 §3).
func (e *Endpoints) register(w http.ResponseWriter, r *http.Request) {
	answer, err := e.registerClient(w, r)
	if err != nil {
		e.refuse(w, r, atRegister, byMember(err))
		return
	}
	e.writeJSON(w, http.StatusCreated, answer)
}

func (e *Endpoints) registerClient(w http.ResponseWriter, r *http.Request) (registered, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		return registered{}, errMethod
	}
	token, err := e.initialToken(r)
	if err != nil {
		return registered{}, err
	}
	asked, err := readRegistration(w, r)
	if err != nil {
		return registered{}, err
	}
	c := identity.Client{ID: identity.RandomText(16), SelfRegistered: true, CreatedAt: e.o.Now()}
	if c.Metadata, err = identity.CleanRegistration(asked.Metadata); err != nil {
		return registered{}, err
	}
	if err := e.throttleRegistration(r); err != nil {
		return registered{}, err
	}
	access, hash := identity.NewManagementToken()
	c.RegistrationHash = hash
	secret := e.settleSecret(&c)
	return e.informationOf(c, secret, access), e.create(r, c, token)
}

// create spends the initial access token, if one is needed, and makes the client: together or not at all, so that of many
// requests with one use left exactly one makes a client, and a failed one costs no use.
func (e *Endpoints) create(r *http.Request, c identity.Client, initial string) error {
	return e.store.InTx(r.Context(), func(ctx context.Context) error {
		if e.o.Registration != registrationOpen {
			if err := e.store.SpendRegistrationToken(ctx, identity.HashToken(initial)); err != nil {
				return err
			}
		}
		if err := e.store.CreateClient(ctx, c); err != nil {
			return err
		}
		return e.store.AddEvent(ctx, e.clientEvent(r, identity.ClientRegistered, c.ID))
	})
}

// initialToken returns the initial access token where registration asks for one; whether it is good is for create.
func (e *Endpoints) initialToken(r *http.Request) (string, error) {
	switch e.o.Registration {
	case registrationOpen:
		return "", nil
	case registrationToken:
		token := bearerOf(r)
		if token == "" {
			return "", errInitialToken
		}
		return token, nil
	default:
		return "", errRegistrationClosed
	}
}

// throttleRegistration counts well-formed registrations that nobody vouches for against where they come from.
func (e *Endpoints) throttleRegistration(r *http.Request) error {
	if e.o.Registration != registrationOpen {
		return nil
	}
	key := identity.ThrottleKey("register", identity.Network(addressOf(r)))
	return identity.TryOrWait(r.Context(), e.o.SignIns.Store, key, identity.RegisterThrottle)
}

// settleSecret makes the client's secret fit its method: it returns a new one where one is needed and there is none yet,
// keeps one that is there, and forgets one that is of no use any more.
func (e *Endpoints) settleSecret(c *identity.Client) (secret string) {
	switch {
	case c.AuthMethod == methodNone || c.AuthMethod == methodJWT:
		c.SecretHash = nil
	case len(c.SecretHash) == 0:
		secret = identity.RandomText(32)
		c.SecretHash = e.o.Keys.HashSecret(secret)
	}
	return secret
}

// informationOf tells a developer everything about a client as it is registered. Our silent default takes a secret in
// the header and in the body; the one word that RFC 7591 §2 has for it is client_secret_basic.
func (e *Endpoints) informationOf(c identity.Client, secret, access string) registered {
	info := registered{
		ClientID: c.ID, IssuedAt: c.CreatedAt.Unix(), Secret: secret, AccessToken: access,
		URI: e.o.Issuer + registerPath + "/" + c.ID, Metadata: c.Metadata,
	}
	if len(c.SecretHash) > 0 {
		info.SecretExpiresAt = new(int) // 0: never
	}
	if info.AuthMethod == "" {
		info.AuthMethod = methodBasic
	}
	return info
}

func (e *Endpoints) clientEvent(r *http.Request, kind identity.EventKind, clientID string) identity.Event {
	return identity.Event{
		ID: identity.NewID(), At: e.o.Now(), Kind: kind, ClientID: clientID, Address: addressOf(r),
	}
}

func addressOf(r *http.Request) string { return identity.SeenFrom(r.RemoteAddr, "").Address }
