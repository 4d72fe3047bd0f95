package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	jose3 "github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// Options are what the endpoints are made of. Every field is needed but Fetch, without which no client's jwks_uri is read
// and none can be told of a logout.
type Options struct {
	Issuer       string        // without a slash at its end
	AccessTTL    time.Duration // of access tokens
	Keys         *identity.Keyring
	Now          func() time.Time
	Sessions     identity.Sessions
	SignIns      identity.SignIns
	SigningKeys  identity.SigningKeys
	Devices      identity.Devices
	Documents    identity.Documents
	Policy       identity.MFAPolicy
	Registration string       // open, token or closed
	Fetch        *http.Client // must guard itself against private addresses
	Problem      func(http.ResponseWriter, *http.Request, identity.Problem)
	Log          *slog.Logger
	Beat         time.Duration // between two signs of life of an event stream; zero means 15 seconds
}

// store is what the endpoints ask of the database themselves; the rest they ask of the domain.
type store interface {
	clientStore
	liveStore
	appStore
	registrationStore
}

// clientStore knows clients, what people allowed them, and which of their assertions were used.
type clientStore interface {
	ClientByID(ctx context.Context, id string) (identity.Client, error)
	GrantOf(ctx context.Context, userID identity.ID, clientID string) (identity.Grant, error)
	SpendAssertion(ctx context.Context, clientID, jti string, expires time.Time) (fresh bool, err error)
	MarkClientUsed(ctx context.Context, id string) error
}

// liveStore knows what a token stands for at this moment.
type liveStore interface {
	SessionByID(ctx context.Context, id identity.ID) (identity.Session, error)
	UserByID(ctx context.Context, id identity.ID) (identity.User, error)
	LiveSession(ctx context.Context, id identity.ID, jti string) (identity.Live, error)
	DenyToken(ctx context.Context, jti string, expires time.Time) error
	TokenDenied(ctx context.Context, jti string) (bool, error)
}

// registrationStore keeps what clients say of themselves (RFC 7591, RFC 7592).
type registrationStore interface {
	InTx(ctx context.Context, fn func(context.Context) error) error
	CreateClient(ctx context.Context, c identity.Client) error
	UpdateClient(ctx context.Context, c identity.Client) error
	ConfirmRegistrationToken(ctx context.Context, id string, hash []byte) error
	DeleteClient(ctx context.Context, id string) error
	SpendRegistrationToken(ctx context.Context, hash []byte) error
	AddEvent(ctx context.Context, e identity.Event) error
}

// Endpoints serve the protocol.
type Endpoints struct {
	o        Options
	store    store
	keys     *keys
	sets     *keySets
	proofs   *proofs
	provider *fosite.Fosite
	guesses  guesses
	streams  *streams
	feeds    *feeds
	decoy    []byte // the hash of a secret that no client has
	metadata document
}

// New makes the endpoints and, where the database has none, the first signing keys. It fails when the database is away.
func New(store store, o Options) (*Endpoints, error) {
	e := &Endpoints{
		o: o, store: store,
		keys:    newKeys(o),
		sets:    newKeySets(o.Fetch, o.Now),
		proofs:  newProofs(o),
		decoy:   o.Keys.HashSecret(identity.RandomText(32)),
		streams: newStreams(),
		feeds:   &feeds{read: store.ChangesSince},
	}
	e.provider = e.newProvider()
	var err error
	if e.metadata, err = newDocument(e.describe()); err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := o.SigningKeys.Ensure(ctx); err != nil {
		return nil, err
	}
	return e, e.keys.reload(ctx)
}

// reloadEvery is how soon a key that another process made is known here; it is published long before it signs.
const reloadEvery = 5 * time.Second

// Run makes the next signing keys and then reads all of them again every few seconds, until ctx ends. With it end the
// event streams, which would keep a server from stopping.
func (e *Endpoints) Run(ctx context.Context) {
	defer e.streams.stop()
	prepared := false
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		if !prepared {
			prepared = e.logged(ctx, "make the next signing keys", e.o.SigningKeys.Prepare(ctx))
		}
		e.logged(ctx, "read the signing keys", e.keys.reload(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (e *Endpoints) logged(ctx context.Context, what string, err error) bool {
	if err != nil && ctx.Err() == nil {
		e.o.Log.ErrorContext(ctx, what, "error", err)
	}
	return err == nil
}

// newProvider sets fosite up. Every field that a getter would fill in later is set now, because those getters write
// without a lock. None of fosite's own handlers takes part: theirs store one row per token.
func (e *Endpoints) newProvider() *fosite.Fosite {
	config := &fosite.Config{
		AccessTokenLifespan:          e.o.AccessTTL,
		AuthorizeCodeLifespan:        identity.CodeTTL,
		IDTokenLifespan:              idTokenTTL,
		IDTokenIssuer:                e.o.Issuer,
		AccessTokenIssuer:            e.o.Issuer,
		TokenURL:                     e.o.Issuer + tokenPath,
		ScopeStrategy:                fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:     fosite.ExactAudienceMatchingStrategy,
		MinParameterEntropy:          1, // 0 would mean 8; and state is optional, see authorization.frame
		RefreshTokenScopes:           []string{},
		AllowedPromptValues:          identity.Prompts,
		ClientAuthenticationStrategy: e.authenticateForFosite,
		JWKSFetcherStrategy:          noFetch{},
		AuthorizeEndpointHandlers:    fosite.AuthorizeEndpointHandlers{codeIssuer{e}},
		TokenEndpointHandlers:        fosite.TokenEndpointHandlers{codeGrant{e}, refreshGrant{e}, clientGrant{e}},
	}
	config.ClientSecretsHasher = &fosite.BCrypt{Config: config}
	return fosite.NewOAuth2Provider(clientsOf{e}, config)
}

// inOurWords says what fosite itself finds wrong in sentences that a person may meet on a page. What our own handlers and
// client authentication refused comes back through it as it was; anything else of fosite's is a fault of ours.
func inOurWords(err error) error {
	theirs, ok := errors.AsType[*fosite.RFC6749Error](err)
	if !ok || errors.Is(err, identity.ErrUnavailable) {
		return err
	}
	switch theirs.ErrorField {
	case fosite.ErrInvalidScope.ErrorField:
		return say(invalidScope, "The app asked for a permission (scope) that it is not registered for.")
	case fosite.ErrUnsupportedResponseType.ErrorField:
		return say(unsupportedResponseType,
			"The app asked for an answer of a kind that is not given here: response_type must be code.")
	case fosite.ErrUnsupportedResponseMode.ErrorField: // no RFC knows its code
		return say(invalidRequest,
			"The app asked for an answer in a way that is not offered here: response_mode must be query.")
	case fosite.ErrInvalidRequest.ErrorField:
		return say(invalidRequest, "The request is not one that can be answered: a parameter is missing, or has a wrong value.")
	}
	return fmt.Errorf("fosite: %w: %s", err, theirs.Debug())
}

// clientsOf is the one storage that fosite is given.
type clientsOf struct{ e *Endpoints }

type askingKey struct{}

// withClient lets fosite find the client that this authorization request was already matched to.
func withClient(ctx context.Context, c client) context.Context {
	return context.WithValue(ctx, askingKey{}, c)
}

// GetClient returns the client of the request. fosite calls any error of it invalid_client, but wraps the cause, so that
// surface.judge still tells a database that is away.
func (s clientsOf) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	if c, ok := ctx.Value(askingKey{}).(client); ok && c.ID == id {
		return c, nil
	}
	c, err := s.e.clientByID(ctx, id)
	return client{Client: c}, err
}

var errOurs = errors.New("client assertions are checked by our own strategy")

// ClientAssertionJWTValid refuses: fosite's check and mark are two steps with a race between them.
func (clientsOf) ClientAssertionJWTValid(context.Context, string) error { return errOurs }

// SetClientAssertionJWT refuses, as ClientAssertionJWTValid does.
func (clientsOf) SetClientAssertionJWT(context.Context, string, time.Time) error { return errOurs }

// noFetch keeps fosite from fetching keys: it sets no limits and no guard.
type noFetch struct{}

// Resolve refuses.
func (noFetch) Resolve(context.Context, string, bool) (*jose3.JSONWebKeySet, error) {
	return nil, errOurs
}

// unstored makes a request of ours what fosite calls a session: something that its own handlers would store, and ask for
// times and names. Ours do neither.
type unstored struct{}

// SetExpiresAt does nothing: tokens carry their own times.
func (unstored) SetExpiresAt(fosite.TokenType, time.Time) {}

// GetExpiresAt returns the zero time.
func (unstored) GetExpiresAt(fosite.TokenType) time.Time { return time.Time{} }

// GetUsername returns nothing.
func (unstored) GetUsername() string { return "" }

// GetSubject returns nothing.
func (unstored) GetSubject() string { return "" }

// Clone returns nothing worth keeping.
func (unstored) Clone() fosite.Session { return unstored{} }
