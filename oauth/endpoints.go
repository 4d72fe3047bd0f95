package oauth

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Options are what the endpoints are made of. Every field is needed but Fetch, without which no client's jwks_uri is read
// and none can be told of a logout, FetchRequests, without which no request_uri is, and Clients, without which no client has a document.
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
	Subjects     identity.Subjects    // what people are called to clients
	Claims       []identity.ClaimRule // of one's own
	Hook         *ClaimsHook          // says more of people; nil: nobody does
	SignupOpen   bool                 // people may make accounts
	Registration string               // open, token or closed
	Schemes      []string             // without a dot, by which apps may be led back
	Clients      *ClientDocuments
	Fetch        *http.Client // must guard itself against private addresses
	// FetchRequests reads request objects, and is another one: whoever makes it wait keeps no keys from being read.
	FetchRequests *http.Client
	Problem       func(http.ResponseWriter, *http.Request, Problem)
	Handover      func(http.ResponseWriter, *http.Request, Handover)
	Log           *slog.Logger
	Beat          time.Duration // between two signs of life of an event stream; zero means 15 seconds
}

// Endpoints serve the protocol.
type Endpoints struct {
	o        Options
	store    store
	keys     *keys
	sets     *keySets
	files    *requestFiles
	proofs   *proofs
	engine   engine
	guesses  guesses
	writes   paces
	denials  paces
	sectors  paces
	streams  *streams
	followed *endingsFeed
	polls    paces
	feeds    *feeds
	verdicts *verdicts
	decoy    []byte // the hash of a secret that no client has
	metadata atomic.Pointer[published]
	apis     []ownAPI
}

// New makes the endpoints and, where the database has none, the first signing keys. It fails when the database is away.
func New(store store, o Options) (*Endpoints, error) {
	if o.Clients == nil {
		o.Clients = NewClientDocuments(DocumentOptions{Store: store, Now: o.Now, Log: o.Log})
	}
	e := &Endpoints{
		o: o, store: store,
		keys:     newKeys(o),
		sets:     newKeySets(o.Fetch, o.Now),
		files:    newRequestFiles(o),
		proofs:   newProofs(store, o),
		decoy:    o.Keys.HashSecret(identity.RandomText(32)),
		streams:  newStreams(),
		feeds:    &feeds{read: store.ChangesSince},
		verdicts: &verdicts{read: store.LiveSessions},
	}
	e.followed = newEndingsFeed(e)
	e.engine = newEngine(e)
	made, err := newDocument(e.describe())
	if err != nil {
		return nil, err
	}
	if e.apis, err = e.ownAPIs(); err != nil {
		return nil, err
	}
	e.metadata.Store(&published{document: made})
	ctx := context.Background()
	if err := o.SigningKeys.Ensure(ctx); err != nil {
		return nil, err
	}
	return e, e.keys.reload(ctx)
}

// reloadEvery is how soon a key that an operator removed is worth nothing here, and one that another process made is known.
const reloadEvery = time.Second

// Run makes the next signing keys and then reads all of them again every second, until ctx ends. With it end the
// event streams, which would keep a server from stopping.
func (e *Endpoints) Run(ctx context.Context) {
	defer e.streams.stop()
	prepared, known := false, true
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		if !prepared {
			prepared = e.logged(ctx, "make the next signing keys", e.o.SigningKeys.Prepare(ctx))
		}
		if err := e.reloadKeys(ctx); err == nil || known { // said once for as long as it lasts
			known = e.logged(ctx, "read the signing keys", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// reloadKeys reads the keys again. Streams that were opened by what a removed one signed end.
func (e *Endpoints) reloadKeys(ctx context.Context) error {
	err := e.keys.reload(ctx)
	if err == nil {
		e.streams.keep(e.keys.ring.Load().published)
	}
	return err
}

func (e *Endpoints) logged(ctx context.Context, what string, err error) bool {
	if err != nil && ctx.Err() == nil {
		e.o.Log.ErrorContext(ctx, what, "error", err)
	}
	return err == nil
}

// store is what the endpoints ask of the database themselves; the rest they ask of the domain.
type store interface {
	clientStore
	liveStore
	appStore
	registrationStore
	markStore
	proofStore
	clientDocumentStore
}

// clientStore knows clients, what people allowed them, and which of their assertions were used.
type clientStore interface {
	ClientByID(ctx context.Context, id string) (identity.Client, error)
	GrantOf(ctx context.Context, userID identity.ID, clientID string) (identity.Grant, error)
	// Resources are all that operators added, deleted ones too, and nobody's to change.
	Resources(ctx context.Context) (identity.Resources, error)
	SpendAssertion(ctx context.Context, clientID, jti string, expires time.Time) (fresh bool, err error)
	MarkClientUsed(ctx context.Context, id string) error
	RehashSecret(ctx context.Context, c identity.Client, hash []byte) error
}

// liveStore knows what a token stands for at this moment.
type liveStore interface {
	SessionByID(ctx context.Context, id identity.ID) (identity.Session, error)
	UserByID(ctx context.Context, id identity.ID) (identity.User, error)
	LiveSession(ctx context.Context, id identity.ID, jti string) (identity.Live, error)
	// RecentSession is LiveSession for what only tells: it may be a second old.
	RecentSession(ctx context.Context, id identity.ID, jti string) (identity.Live, error)
	DenyToken(ctx context.Context, jti string, expires time.Time) error
	TokenDenied(ctx context.Context, jti string) (bool, error)
	StandingOf(ctx context.Context, signInID identity.ID) (identity.Standing, error)
}

// registrationStore keeps what clients say of themselves (RFC 7591, RFC 7592).
type registrationStore interface {
	InTx(ctx context.Context, fn func(context.Context) error) error
	CreateClient(ctx context.Context, c identity.Client) error
	UpdateRegistration(ctx context.Context, c identity.Client, read []byte) error
	ConfirmRegistrationToken(ctx context.Context, id string, hash []byte) error
	DeleteClient(ctx context.Context, id string) error
	SpendRegistrationToken(ctx context.Context, hash []byte) error
	AddEvent(ctx context.Context, e identity.Event) error
	AddRepeat(ctx context.Context, e identity.Event) error
}

// Problem is a page that says kindly what went wrong and leads back: the protocol decides that there is one, the pages
// show it (web.Problem, field by field).
type Problem struct {
	Status    int // HTTP status
	Title     string
	Msg       string
	Detail    string          // the same in the words of the protocol, for whoever builds the app; perhaps nothing
	Yours     bool            // whether the person did something wrong; mostly not
	Client    identity.Client // the app that asked; zero when it is not known
	BackURL   string          // a way back to the app, or empty
	BackLabel string
	Answer    url.Values // what a form posts to BackURL; empty: BackURL is a link
}

// Handover is a page whose form brings an answer to the app (web.Handover, field by field).
type Handover struct {
	Client identity.Client
	To     string // its redirect URI, http or https
	Answer url.Values
}
