package resource

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	maxToken    = 8 << 10
	maxVerified = 10_000
)

// hash is how tokens are remembered: by their SHA-256, so that memory holds none.
type hash [sha256.Size]byte

// unavailableError is the lack of a verdict: nothing is wrong with the token as far as is known.
type unavailableError struct{ err error }

func (e *unavailableError) Error() string { return e.err.Error() }
func (e *unavailableError) Unwrap() error { return e.err }

// verify returns an error unless the issuer signed it.
func (k *keys) verify(ctx context.Context, j jws) error {
	found, err := k.find(ctx, j.kid, j.alg)
	if err != nil {
		return &unavailableError{err}
	}
	if !slices.ContainsFunc(found, j.signedBy) {
		return errors.New("no key of the issuer signed it")
	}
	return nil
}

// verified are the tokens whose signature was good, until they expire.
type verified struct {
	mu     sync.RWMutex
	tokens map[hash]*Claims
}

func (v *verified) find(h hash) *Claims {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.tokens[h]
}

func (v *verified) count() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.tokens)
}

// remember keeps a token; when there are too many, those that expired go, and if there are none, any.
func (v *verified) remember(h hash, c *Claims, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for old, held := range v.tokens {
		if len(v.tokens) < maxVerified && held.expires > now.Unix() {
			break // a look at one is enough where there is room
		}
		delete(v.tokens, old)
		if len(v.tokens) < maxVerified {
			break
		}
	}
	v.tokens[h] = c
}

func (v *verified) forget(h hash) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.tokens, h)
}

// judgeJWT verifies a JWT access token (RFC 9068 §4).
func (g *Guard) judgeJWT(ctx context.Context, text string, sum hash) (*Claims, error) {
	now := g.cfg.Clock.Wall()
	epoch := g.keys.epoch.Load()
	if c := g.verified.find(sum); c != nil && c.keys == epoch {
		if c.expires > now.Unix() {
			return c, nil
		}
		g.verified.forget(sum)
		return nil, errExpired
	}
	j, err := parseJWS(text)
	if err != nil {
		return nil, err
	}
	if j.typ != "at+jwt" && (!g.cfg.TypJWT || j.typ != "jwt" && j.typ != "") {
		return nil, errors.New("its typ is not at+jwt")
	}
	if !slices.Contains(g.cfg.Algs, j.alg) {
		return nil, errors.New("its alg is not taken here")
	}
	if err := g.keys.verify(ctx, j); err != nil {
		return nil, err
	}
	c, err := g.readJWT(j.payload, now)
	if err != nil {
		return nil, err
	}
	c.keys = epoch
	g.verified.remember(sum, c, now)
	return c, nil
}

var errExpired = errors.New("it is expired")

// readJWT reads the claims of a JWT access token (RFC 9068 §2.2) whose signature is good.
func (g *Guard) readJWT(payload []byte, now time.Time) (*Claims, error) {
	var all map[string]any
	if err := json.Unmarshal(payload, &all); err != nil {
		return nil, errors.New("its claims are no JSON object")
	}
	c, err := readClaims(all)
	switch {
	case err != nil:
		return nil, err
	case all["iss"] != g.cfg.Issuer:
		return nil, errors.New("it is of another issuer")
	case !isFor(all["aud"], g.cfg.Audience):
		return nil, errors.New("it is for another audience")
	case c.Subject == "" || c.ClientID == "" || c.ID == "":
		return nil, errors.New("sub, client_id or jti is missing")
	case c.expires <= now.Unix():
		return nil, errExpired
	}
	for _, name := range []string{"iat", "nbf"} {
		at, there, err := number(all, name)
		switch {
		case err != nil:
			return nil, err
		case !there && name == "iat":
			return nil, errors.New("iat is missing")
		case there && at > now.Unix()+slack:
			return nil, fmt.Errorf("its %s is ahead", name)
		}
	}
	return c, nil
}
