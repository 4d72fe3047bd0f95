package oauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// TestES256_isWhatGoJoseVerifies signs often enough for signatures whose halves begin with zeros, one in 128.
func TestES256_isWhatGoJoseVerifies(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := newES256("k-1", key, es256Header{Typ: "at+jwt"})
	if err != nil {
		t.Fatal(err)
	}
	for range 1_000 {
		text, err := signer.sign(AccessClaims{Subject: "ada", Scope: `"quoted" <b>`})
		if err != nil {
			t.Fatal(err)
		}
		jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(text, err)
		}
		if _, err := jws.Verify(key.Public()); err != nil {
			t.Fatal(text, err)
		}
		header := jws.Signatures[0].Protected
		if header.KeyID != "k-1" || header.ExtraHeaders[jose.HeaderType] != "at+jwt" || len(jws.Signatures[0].Signature) != 64 {
			t.Fatalf("%+v", header)
		}
	}
}

// chain is a store of signing keys whose keys can be taken away.
type chain struct {
	*storage.DB
	keys []identity.SigningKey
}

func (c *chain) SigningKeys(context.Context) ([]identity.SigningKey, error) { return c.keys, nil }

func (c *chain) AddSigningKey(_ context.Context, k identity.SigningKey) (bool, error) {
	c.keys = append(c.keys, k)
	return true, nil
}

// signing makes endpoints that can sign and read access tokens, at a time that can be moved.
func signing(t *testing.T) (*Endpoints, *chain, *atomic.Int64) {
	t.Helper()
	store, clock := &chain{}, &atomic.Int64{}
	now := func() time.Time { return time.Unix(clock.Load(), 0) }
	o := Options{Issuer: "https://id.example", AccessTTL: time.Minute, Keys: storagetest.Keys(t), Now: now}
	o.SigningKeys = identity.SigningKeys{Store: store, Now: now}
	e := &Endpoints{o: o, keys: newKeys(o)}
	if err := o.SigningKeys.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	reload(t, e)
	return e, store, clock
}

func reload(t *testing.T, e *Endpoints) {
	t.Helper()
	if err := e.keys.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func signed(t *testing.T, e *Endpoints) string {
	t.Helper()
	text, err := e.signAccess(identity.Resource{}, AccessClaims{Subject: "ada", Expires: e.o.Now().Add(e.o.AccessTTL).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (e *Endpoints) remembered() int { return len(e.keys.ring.Load().verified.claims) }

func TestVerified_noTokenOutlivesItsKey(t *testing.T) {
	t.Parallel()
	e, store, _ := signing(t)
	text := signed(t, e)
	for range 2 { // verified, and remembered
		if claims, err := e.VerifyAccessToken(text); err != nil || claims.Subject != "ada" {
			t.Fatal(claims, err)
		}
		reload(t, e) // nothing changed, so nothing is forgotten
	}
	if n := e.remembered(); n != 1 {
		t.Errorf("%d tokens are remembered, want 1", n)
	}
	before := e.keys.ring.Load()
	store.keys = nil
	if err := e.o.SigningKeys.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	reload(t, e)
	if _, err := e.VerifyAccessToken(text); identity.KindOf(err) != identity.BadLogin {
		t.Errorf("the key is gone, and what it signed: %v", err)
	}
	before.verified.put([32]byte{1}, AccessClaims{}) // by a request that began before the key went
	if n := e.remembered(); n != 0 {
		t.Errorf("%d tokens of keys that are gone are remembered", n)
	}
}

func TestVerified_anExpiredTokenIsRefusedThoughItIsRemembered(t *testing.T) {
	t.Parallel()
	e, _, clock := signing(t)
	text := signed(t, e)
	for at, good := range []bool{0: true, 59: true, 60: false, 61: false} {
		if at > 0 && at < 59 {
			continue
		}
		clock.Store(int64(at))
		if _, err := e.VerifyAccessToken(text); (err == nil) != good {
			t.Errorf("after %d seconds of 60: %v", at, err)
		}
	}
	late := signed(t, e)
	clock.Add(60)
	if _, err := e.VerifyAccessToken(late); err == nil || e.remembered() != 1 {
		t.Errorf("%v, and %d tokens are remembered; want the one that was good", err, e.remembered())
	}
}

func TestVerified_isBounded(t *testing.T) {
	t.Parallel()
	v := newVerified()
	for i := range maxVerified + 1 {
		v.put([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, AccessClaims{IssuedAt: int64(i)})
	}
	if len(v.claims) != maxVerified {
		t.Errorf("%d tokens are remembered, want %d", len(v.claims), maxVerified)
	}
	last := [32]byte{byte(maxVerified & 0xff), byte(maxVerified >> 8 & 0xff), byte(maxVerified >> 16)}
	if claims, known := v.get(last); !known || claims.IssuedAt != maxVerified {
		t.Error("the latest token was forgotten")
	}
}

// It tells something under the race detector.
func TestVerified_whileKeysChange(t *testing.T) {
	t.Parallel()
	e, store, _ := signing(t)
	text := signed(t, e)
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 200 {
				_, _ = e.VerifyAccessToken(text)
			}
		})
	}
	for range 20 {
		reload(t, e)
	}
	store.keys = nil
	reload(t, e)
	if _, err := e.VerifyAccessToken(text); err == nil {
		t.Error("a token is good although there is no key")
	}
	asking.Wait()
	if _, err := e.VerifyAccessToken(text); err == nil {
		t.Error("a token is good although there is no key")
	}
}
