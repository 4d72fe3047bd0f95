package oauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// keys are the server's signing keys in memory. Readers take the ring that is current; reload swaps it.
type keys struct {
	source identity.SigningKeys
	now    func() time.Time
	keep   time.Duration // how long after its retirement a key is still published
	ring   atomic.Pointer[ring]
}

// ring is one state of the keys.
type ring struct {
	byID      map[string]*signingKey // every known key, for hints that expired long ago
	published map[string]*signingKey // those that may have signed something that is still valid
	current   map[string]*signingKey // by algorithm
	since     map[string]time.Time   // when that began to sign
	jwks      document
	verified  *verified // what the published keys are known to have signed
}

// signingKey is one key, parsed once, with its signers, made once. A retired one has none: its private half is gone.
type signingKey struct {
	id, alg   string
	public    crypto.PublicKey
	access    es256       // typ at+jwt; the one algorithm of access tokens
	accessJWT es256       // typ JWT, for resource servers that refuse at+jwt
	endings   es256       // typ endings+jwt
	idToken   jose.Signer // typ JWT

	introspection jose.Signer // typ token-introspection+jwt
	userinfo      jose.Signer
	logout        jose.Signer // typ logout+jwt (OpenID Connect Back-Channel Logout 1.0 §2.4)
}

// keyMargin is added to the longest token life before a retired key leaves the JWKS: for clocks that are off and key
// sets that someone has kept.
const keyMargin = time.Hour

func newKeys(o Options) *keys {
	k := &keys{source: o.SigningKeys, now: o.Now, keep: max(o.AccessTTL, idTokenTTL) + keyMargin}
	k.ring.Store(&ring{verified: newVerified()})
	return k
}

// reload reads the keys again. A key that is known already is not parsed again.
func (k *keys) reload(ctx context.Context) error {
	rows, err := k.source.All(ctx)
	if err != nil {
		return err
	}
	before := k.ring.Load()
	next := &ring{
		byID: make(map[string]*signingKey, len(rows)), published: map[string]*signingKey{}, current: map[string]*signingKey{},
		since: map[string]time.Time{},
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, row := range rows {
		key, known := before.byID[row.ID]
		if !known {
			if key, err = parseKey(row); err != nil {
				return err
			}
		}
		next.byID[row.ID] = key
		if row.State == identity.KeyCurrent {
			next.current[row.Alg], next.since[row.Alg] = key, row.ActivatedAt
		}
		if row.State != identity.KeyRetired || k.now().Before(row.RetiredAt.Add(k.keep)) {
			next.published[row.ID] = key
			set.Keys = append(set.Keys, jose.JSONWebKey{
				Key: key.public, KeyID: key.id, Algorithm: key.alg, Use: "sig",
			})
		}
	}
	if next.jwks, err = newDocument(set); err != nil {
		return err
	}
	if next.verified = before.verified; !maps.Equal(before.published, next.published) {
		next.verified = newVerified()
	}
	k.ring.Store(next)
	return nil
}

func parseKey(row identity.SigningKey) (*signingKey, error) {
	public, err := x509.ParsePKIXPublicKey(row.Public)
	if err != nil || !keyFor(public, row.Alg) {
		return nil, fmt.Errorf("signing key %s is no key for %s (%w)", row.ID, row.Alg, err)
	}
	key := &signingKey{id: row.ID, alg: row.Alg, public: public}
	if row.State == identity.KeyRetired {
		return key, nil
	}
	private, err := x509.ParsePKCS8PrivateKey(row.Private)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", row.ID, err)
	}
	if private, is := private.(*ecdsa.PrivateKey); is {
		for to, header := range map[*es256]es256Header{
			&key.access: {Typ: identity.TokenATJWT}, &key.accessJWT: {Typ: identity.TokenJWT, Use: accessUse}, &key.endings: {Typ: "endings+jwt"},
		} {
			if *to, err = newES256(row.ID, private, header); err != nil {
				return nil, err
			}
		}
	}
	if key.idToken, err = newSigner(row, private, "JWT"); err != nil {
		return nil, err
	}
	if key.introspection, err = newSigner(row, private, "token-introspection+jwt"); err != nil {
		return nil, err
	}
	if key.userinfo, err = newSigner(row, private, ""); err != nil {
		return nil, err
	}
	key.logout, err = newSigner(row, private, "logout+jwt")
	return key, err
}

func newSigner(row identity.SigningKey, private any, typ jose.ContentType) (jose.Signer, error) {
	with := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(row.Alg), Key: jose.JSONWebKey{Key: signerOf(private, row.Alg), KeyID: row.ID}}
	opts := &jose.SignerOptions{}
	if typ != "" {
		opts = opts.WithType(typ)
	}
	signer, err := jose.NewSigner(with, opts)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", row.ID, err)
	}
	return signer, nil
}

// algOfKey is the algorithm that a public key is for, as far as we use it; empty for others.
func algOfKey(public any) string {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return "ES256"
		}
	case *rsa.PublicKey:
		return "RS256"
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

// defaultAlg signs for clients that registered none.
const defaultAlg = "RS256"

// keyFor reports whether a public key is one that alg is verified with: an RSA key serves two (RFC 7518 §3.3, §3.5), and so
// does one of Ed25519, by two names.
func keyFor(public any, alg string) bool {
	usual := algOfKey(public)
	return usual != "" && sameAlg(usual, alg) || usual == "RS256" && alg == "PS256"
}

// KeysSince returns since when the keys sign that sign now, by algorithm. The caller must not change it.
func (e *Endpoints) KeysSince() map[string]time.Time { return e.keys.ring.Load().since }

// signer returns the key that signs with alg now.
func (k *keys) signer(alg string) (*signingKey, error) {
	key, ok := k.ring.Load().current[alg]
	if !ok {
		return nil, fmt.Errorf("there is no current signing key for %s", alg)
	}
	return key, nil
}

// signerFor returns the key that signs what goes to a client, which registered alg or nothing. RS256 is the default of OpenID
// Connect Registration 1.0 §2 and RFC 9701 §6, every client can be given it, and it signs too where alg is published no more.
func (k *keys) signerFor(alg string) (*signingKey, error) {
	if key, ok := k.ring.Load().current[alg]; ok {
		return key, nil
	}
	return k.signer(defaultAlg)
}

// jwks serves the public keys: the next ones before they sign, retired ones until nothing that they signed is valid.
func (e *Endpoints) jwks(w http.ResponseWriter, r *http.Request) {
	e.keys.ring.Load().jwks.serve(w, r, "application/jwk-set+json")
}

// es256 signs JWTs of one type with one P-256 key, in the compact form of RFC 7515 §7.1. Every refresh pays for it, so the
// header is written once; go-jose, which signs all else and verifies this too, would write it anew each time.
type es256 struct {
	key    *ecdsa.PrivateKey
	header string // encoded, with the dot behind it
}

// es256Header is the protected header, of which its maker says the last two.
type es256Header struct {
	Alg string `json:"alg"`
	KID string `json:"kid"`
	Typ string `json:"typ"`
	Use string `json:"token_use,omitempty"` // accessUse, where typ does not tell
}

func newES256(id string, key *ecdsa.PrivateKey, said es256Header) (es256, error) {
	said.Alg, said.KID = "ES256", id
	header, err := json.Marshal(said)
	if err != nil {
		return es256{}, fmt.Errorf("signing key %s: %w", id, err)
	}
	return es256{key: key, header: base64.RawURLEncoding.EncodeToString(header) + "."}, nil
}

// sign returns the token that says claims.
func (s es256) sign(claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write claims: %w", err)
	}
	var signature [64]byte
	text := make([]byte, 0, len(s.header)+base64.RawURLEncoding.EncodedLen(len(payload))+1+base64.RawURLEncoding.EncodedLen(len(signature)))
	text = base64.RawURLEncoding.AppendEncode(append(text, s.header...), payload)
	sum := sha256.Sum256(text)
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	r.FillBytes(signature[:32]) // both at full length (RFC 7518 §3.4)
	v.FillBytes(signature[32:])
	return string(base64.RawURLEncoding.AppendEncode(append(text, '.'), signature[:])), nil
}
