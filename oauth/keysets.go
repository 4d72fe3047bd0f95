package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	maxSet    = 64 << 10         // bytes of one client's key set
	maxSets   = 1000             // key sets kept at once
	setLife   = time.Hour        // a set is read again when it is older
	setPause  = time.Minute      // between two reads that an unknown kid asks for
	failPause = 10 * time.Second // between two reads while there is no set at all
)

// keySets are the public keys of clients that authenticate with private_key_jwt: inline ones, and those behind a
// jwks_uri, which are kept and read again with pauses, so that no stranger can make us knock on someone's door.
type keySets struct {
	readings[*keySet]
	fetch *http.Client
	now   func() time.Time
}

type keySet struct {
	mu      sync.Mutex // held while reading: of many requests one reads
	set     jose.JSONWebKeySet
	readAt  time.Time // zero: never yet
	triedAt time.Time
}

func newKeySets(fetch *http.Client, now func() time.Time) *keySets {
	return &keySets{readings: newReadings[*keySet](maxSets), fetch: fetch, now: now}
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
	kept := k.keptOf(c)
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

// keptOf returns what is kept for a client. Clients do not share: one's unknown kids never hold up another.
func (k *keySets) keptOf(c identity.Client) *keySet {
	return k.note(c.ID+" "+c.JWKSURI, func(kept **keySet) {
		if *kept == nil {
			*kept = &keySet{}
		}
	})
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
	fresh, err := k.once(uri, func() (*keySet, error) { return k.read(ctx, uri) }) // whoever registered it
	if err != nil {
		return err
	}
	kept.set, kept.readAt = fresh.set, kept.triedAt
	return nil
}

// keySetSource is what stands behind a jwks_uri.
var keySetSource = source{"jwks_uri", "application/jwk-set+json, application/json", maxSet}

func (k *keySets) read(ctx context.Context, uri string) (*keySet, error) {
	body, err := keySetSource.read(ctx, k.fetch, uri)
	if err != nil {
		return nil, err
	}
	set, err := readSet(body)
	return &keySet{set: set}, err
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
