package resource

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	unknownKeyWait = 10 * time.Second // between fetches for keys that are not known
	firstKeysWait  = time.Second      // while there are none at all
	keysLife       = 5 * time.Minute  // then they are fetched again: one that leaked is published no more
)

// keys are the issuer's (RFC 7517). Those that were good stay while no better ones are to be had.
type keys struct {
	server *server
	epoch  atomic.Uint64 // another one when others are known: what was verified before is verified anew

	mu    sync.RWMutex
	known []jose.JSONWebKey
	read  moment

	fetching sync.Mutex // one at a time; whoever waited looks again
	tried    time.Duration
	once     bool
	err      error // of the last try
}

// find returns the keys that may have signed for kid with alg; an unknown kid has them fetched, unless that was done a moment
// ago. An error means that no keys are to be had at all: there is no verdict.
func (k *keys) find(ctx context.Context, kid, alg string) ([]jose.JSONWebKey, error) {
	if found := k.held(kid, alg); len(found) > 0 {
		k.renew(ctx)
		return found, nil
	}
	k.fetching.Lock()
	defer k.fetching.Unlock()
	if found := k.held(kid, alg); len(found) > 0 {
		return found, nil
	}
	k.refresh(ctx)
	if found := k.held(kid, alg); len(found) > 0 {
		return found, nil
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if len(k.known) == 0 {
		return nil, fmt.Errorf("the issuer's keys: %w", k.err)
	}
	return nil, nil
}

// renew has keys fetched that were read a while ago. Nobody waits for it, and they serve on while the issuer is away.
func (k *keys) renew(ctx context.Context) {
	k.mu.RLock()
	old := k.read.age(k.server.cfg.Clock) > keysLife
	k.mu.RUnlock()
	if old && k.fetching.TryLock() {
		go func() {
			defer k.fetching.Unlock()
			k.refresh(ctx)
		}()
	}
}

// refresh fetches the keys, if the last time is long enough ago. It must be called under fetching.
func (k *keys) refresh(ctx context.Context) {
	k.mu.RLock()
	wait := unknownKeyWait
	if len(k.known) == 0 {
		wait = firstKeysWait
	}
	k.mu.RUnlock()
	now := k.server.cfg.Clock.Elapsed()
	if k.once && now-k.tried < wait {
		return
	}
	read := momentOf(k.server.cfg.Clock)
	fetched, err := k.server.fetchKeys(context.WithoutCancel(ctx)) // others wait for them too
	k.tried, k.once, k.err = k.server.cfg.Clock.Elapsed(), true, err
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	changed := !reflect.DeepEqual(k.known, fetched)
	if k.known, k.read = fetched, read; changed {
		k.epoch.Add(1)
	}
}

func (k *keys) held(kid, alg string) (found []jose.JSONWebKey) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, key := range k.known {
		if (kid == "" || key.KeyID == kid) && fits(key, alg) {
			found = append(found, key)
		}
	}
	return found
}

// fits keeps a key from being used with an algorithm that it was not made for (RFC 8725 §3.1).
func fits(key jose.JSONWebKey, alg string) bool {
	if key.Algorithm != "" && key.Algorithm != alg {
		return false
	}
	switch public := key.Key.(type) {
	case *ecdsa.PublicKey:
		return alg == "ES256" && public.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return (alg == "RS256" || alg == "PS256") && public.N.BitLen() >= 2048
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

// secrets are members that a public key has not (RFC 7518 §6).
var secrets = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// publicKey reads a JWK that is public and for signatures.
func publicKey(text []byte) (key jose.JSONWebKey, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || slices.ContainsFunc(secrets, func(name string) bool { return members[name] != nil }) {
		return key, false
	}
	ok = json.Unmarshal(text, &key) == nil && key.IsPublic() && (key.Use == "" || key.Use == "sig")
	return key, ok
}

// fetchKeys reads the public signing keys. One that can't be read is left out: it may be of a kind that is newer than this.
func (s *server) fetchKeys(ctx context.Context) ([]jose.JSONWebKey, error) {
	d, err := s.where(ctx)
	if err != nil {
		return nil, err
	}
	s.keys.Add(1)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Keys, nil)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := s.fetch(request, maxBody, &set); err != nil {
		return nil, err
	}
	var good []jose.JSONWebKey
	for _, text := range set.Keys {
		if key, ok := publicKey(text); ok {
			good = append(good, key)
		}
	}
	if len(good) == 0 {
		return nil, fmt.Errorf("%s has no key to verify with", d.Keys)
	}
	return good, nil
}
