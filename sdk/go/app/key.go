package app

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// key is the app's own: it signs a proof for each request, so that a copied token is worth nothing (RFC 9449). It is made
// once and never leaves the store; Go has no common way to a chip that would hold it.
type key struct {
	private    *ecdsa.PrivateKey
	thumbprint string // RFC 7638
	signer     jose.Signer
}

func newKey(private *ecdsa.PrivateKey) (*key, error) {
	sum, err := thumbprint(jose.JSONWebKey{Key: private.Public()})
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private},
		(&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		return nil, fmt.Errorf("sign with the key: %w", err)
	}
	return &key{private, sum, signer}, nil
}

// thumbprint names a public key (RFC 7638).
func thumbprint(public jose.JSONWebKey) (string, error) {
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("the thumbprint of a key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// proofClaims are what a proof says (RFC 9449 §4.2).
type proofClaims struct {
	ID       string `json:"jti"`
	Method   string `json:"htm"`
	URL      string `json:"htu"`
	IssuedAt int64  `json:"iat"`
	Hash     string `json:"ath,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
}

// sign makes a proof.
func (k *key) sign(claims proofClaims) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a proof: %w", err)
	}
	return signed.CompactSerialize()
}

// tokenHash is ath: how a proof names the access token that it goes with.
func tokenHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// proof makes a proof for one request, with the newest nonce of where it goes. access is the token that goes with it.
func (a *App) proof(k *key, method string, to *url.URL, access string) (string, error) {
	claims := proofClaims{
		ID: rand.Text(), Method: method, URL: to.Scheme + "://" + to.Host + to.EscapedPath(), IssuedAt: a.serverTime().Unix(),
		Nonce: a.nonceFor(to),
	}
	if access != "" {
		claims.Hash = tokenHash(access)
	}
	return k.sign(claims)
}

func (a *App) nonceFor(to *url.URL) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.nonces[to.Host]
}

// takeNonce keeps the newest nonce of a server, where one came.
func (a *App) takeNonce(from *url.URL, nonce string) {
	if nonce == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nonces[from.Host] = nonce
}

// dropNonce forgets the nonce for an address: its server may know none, or not that one.
func (a *App) dropNonce(address string) {
	if u, err := url.Parse(address); err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.nonces, u.Host)
	}
}

// storedKey is how a key is kept.
type storedKey struct {
	Key  jose.JSONWebKey `json:"key"`
	Made time.Time       `json:"made"`
}

// loadKey reads the key; nil when there is none any more.
func (a *App) loadKey() (*key, error) {
	content, err := a.store.Load(itemKey)
	if errors.Is(err, ErrDamaged) || err == nil && content == nil {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{Kind: Store, Err: err}
	}
	var kept storedKey
	if err := json.Unmarshal(content, &kept); err != nil {
		return nil, nil //nolint:nilerr // a key that can't be read is none
	}
	private, ok := kept.Key.Key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil
	}
	return newKey(private)
}

// makeKey reads the key or makes one. It must be called under the store's lock.
func (a *App) makeKey() (*key, error) {
	k, err := a.loadKey()
	if k != nil || err != nil {
		return k, err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	content, err := json.Marshal(storedKey{jose.JSONWebKey{Key: private}, a.clock.Wall()})
	if err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	if err := a.store.Save(itemKey, content); err != nil {
		return nil, &Error{Kind: Store, Err: err}
	}
	return newKey(private)
}

// keyOf returns the key that something is bound to by its thumbprint: nil for none, and errLostKey where it is gone.
func (a *App) keyOf(_ context.Context, thumbprint string) (*key, error) {
	if thumbprint == "" {
		return nil, nil
	}
	k, err := a.loadKey()
	switch {
	case err != nil:
		return nil, err
	case k == nil || k.thumbprint != thumbprint:
		return nil, errLostKey
	}
	return k, nil
}

var errLostKey = errors.New("the key is lost that the tokens are bound to")
