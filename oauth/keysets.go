package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	maxSet      = 64 << 10         // bytes of one client's key set
	maxSets     = 1000             // key sets kept at once
	setLife     = time.Hour        // a set is read again when it is older
	setPause    = time.Minute      // between two reads that an unknown kid asks for
	failPause   = 10 * time.Second // between two reads while there is no set at all
	readTimeout = 5 * time.Second
)

// keySets are the public keys of clients that authenticate with private_key_jwt: inline ones, and those behind a
// jwks_uri, which are kept and read again with pauses, so that no stranger can make us knock on someone's door.
type keySets struct {
	fetch *http.Client
	now   func() time.Time
	under singleflight.Group // one fetch of an address at a time, whoever registered it
	mu    sync.Mutex
	byURI map[string]*keySet
}

type keySet struct {
	mu      sync.Mutex // held while reading: of many requests one reads
	set     jose.JSONWebKeySet
	readAt  time.Time // zero: never yet
	triedAt time.Time
}

func newKeySets(fetch *http.Client, now func() time.Time) *keySets {
	return &keySets{fetch: fetch, now: now, byURI: map[string]*keySet{}}
}

// find returns the client's key that a signature's header means, or errClient. When a jwks_uri cannot be read and no older
// set is at hand, it is Unavailable: the client may ask again. Of a client that registered itself it is the client's own
// fault, invalid_client, and no alarm of ours.
func (k *keySets) find(ctx context.Context, c identity.Client, header jose.Header) (any, error) {
	if c.JWKSURI == "" {
		set, err := readSet(c.JWKS)
		if err != nil {
			return nil, errClient
		}
		key, found := pick(set, header)
		return key, unless(found, errClient)
	}
	kept := k.of(c)
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if key, ok := pick(kept.set, header); ok && k.now().Sub(kept.readAt) < setLife {
		return key, nil
	}
	err := k.refresh(ctx, kept, c.JWKSURI)
	switch {
	case !kept.readAt.IsZero():
		key, found := pick(kept.set, header)
		if !found && err != nil {
			return nil, errOldSet
		}
		return key, unless(found, errClient)
	case identity.KindOf(err) == identity.Busy:
		return nil, err
	case c.SelfRegistered:
		return nil, errTheirSet
	default:
		return nil, errors.Join(errNoSet, err)
	}
}

// errPaused says that a set was read, or could not be, just now.
var errPaused = errors.New("the client's jwks_uri was asked just now")

// errOldSet is errClient for a key that may stand in the set by the time it is read again.
var errOldSet = again(invalidClient, setPause, notAuthenticated)

var errTheirSet = again(invalidClient, failPause, "Client authentication failed: the client's jwks_uri cannot be read from here. "+
	"It must answer 200 with a JSON Web Key Set of at most 64 KiB within 5 seconds.")

var errNoSet = identity.Refuse(identity.Unavailable, "The client's jwks_uri cannot be read.")

// of returns what is kept for a client. Clients do not share: one's unknown kids never hold up another.
func (k *keySets) of(c identity.Client) *keySet {
	name := c.ID + " " + c.JWKSURI
	k.mu.Lock()
	defer k.mu.Unlock()
	if kept, ok := k.byURI[name]; ok {
		return kept
	}
	if len(k.byURI) >= maxSets {
		for other := range k.byURI { // any one: it is read again when it is needed
			delete(k.byURI, other)
			break
		}
	}
	kept := &keySet{}
	k.byURI[name] = kept
	return kept
}

// refresh reads a set again unless that was tried just now (errPaused). What was known stays when reading fails.
func (k *keySets) refresh(ctx context.Context, kept *keySet, uri string) error {
	pause := setPause
	if kept.readAt.IsZero() {
		pause = failPause
	}
	if now := k.now(); !kept.triedAt.IsZero() && now.Sub(kept.triedAt) < pause {
		return errPaused
	}
	kept.triedAt = k.now()
	set, err, _ := k.under.Do(uri, func() (any, error) { return k.read(ctx, uri) })
	if err != nil {
		return err
	}
	kept.set, kept.readAt = set.(jose.JSONWebKeySet), kept.triedAt
	return nil
}

// read fetches one key set, of at most maxSet bytes. The caller hanging up does not stop it: others wait for it too.
func (k *keySets) read(ctx context.Context, uri string) (set jose.JSONWebKeySet, err error) {
	if k.fetch == nil {
		return set, errors.New("no client to read jwks_uri with")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return set, fmt.Errorf("read jwks_uri: %w", err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := k.fetch.Do(req)
	if err != nil {
		return set, fmt.Errorf("read jwks_uri: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return set, fmt.Errorf("read jwks_uri: answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSet+1))
	if err != nil || len(body) > maxSet {
		return set, errors.Join(fmt.Errorf("read jwks_uri: more than %d bytes, or cut off", maxSet), err)
	}
	return readSet(body)
}

// readSet parses a key set. Keys that are of no use to us are left out, as RFC 7517 §5 asks: one of a new kind must not hide
// the others. So are those that tell a secret: whoever reads it could sign.
func readSet(body []byte) (set jose.JSONWebKeySet, err error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return set, fmt.Errorf("read a key set: %w", err)
	}
	for _, text := range raw.Keys {
		if key, ok := usableKey(text); ok && !hasPrivate(text) {
			set.Keys = append(set.Keys, key)
		}
	}
	return set, nil
}
