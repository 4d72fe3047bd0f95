package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// KeyState is where a signing key stands: published before it signs, and for a while after.
type KeyState string

// The states.
const (
	KeyNext    KeyState = "next"
	KeyCurrent KeyState = "current"
	KeyRetired KeyState = "retired"
)

// SigningKey is one key pair for tokens.
type SigningKey struct {
	ID          string // the kid
	Alg         string
	State       KeyState
	Private     []byte // PKCS #8 DER; sealed where it rests
	Public      []byte // PKIX DER
	CreatedAt   time.Time
	ActivatedAt time.Time
	RetiredAt   time.Time
}

type signingKeyStore interface {
	ledger
	SigningKeys(ctx context.Context) ([]SigningKey, error)
	// AddSigningKey adds a key unless one of its algorithm is in that state already: of many servers one wins.
	AddSigningKey(ctx context.Context, k SigningKey) (bool, error)
	// LockSigningKeys keeps everyone else from rotating and removing until the transaction ends.
	LockSigningKeys(ctx context.Context) error
	// PromoteSigningKeys retires the current key of alg and makes the next one current.
	PromoteSigningKeys(ctx context.Context, alg string) error
	// RemoveSigningKey deletes a key and returns what it was; where it signed, the next one takes its place. NotFound.
	RemoveSigningKey(ctx context.Context, id string) (SigningKey, error)
	// RetireSigningKeys retires every key of alg that signs or will; false when there was none.
	RetireSigningKeys(ctx context.Context, alg string) (bool, error)
}

// SigningKeys makes and rotates the server's keys.
type SigningKeys struct {
	Store signingKeyStore
	Now   func() time.Time
	Algs  []string // those of SigningAlgs that are published: one current and one next key of each exist. nil: UsualAlgs
}

// All returns every key that may still verify something.
func (s SigningKeys) All(ctx context.Context) ([]SigningKey, error) { return s.Store.SigningKeys(ctx) }

// Ensure makes a current key of every published algorithm that has none, and retires the keys of the others.
func (s SigningKeys) Ensure(ctx context.Context) error {
	if err := s.ensure(ctx, KeyCurrent); err != nil {
		return err
	}
	return s.withdraw(ctx)
}

// Prepare makes a next key of every published algorithm that has none, so that it is published before it signs.
func (s SigningKeys) Prepare(ctx context.Context) error { return s.ensure(ctx, KeyNext) }

func (s SigningKeys) ensure(ctx context.Context, state KeyState) error {
	keys, err := s.Store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, alg := range s.Published() {
		has := func(k SigningKey) bool { return k.Alg == alg && k.State == state }
		if slices.ContainsFunc(keys, has) {
			continue
		}
		key, err := s.generate(alg, state)
		if err != nil {
			return err
		}
		if _, err := s.Store.AddSigningKey(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Rotate makes the next key of alg, or of every published algorithm when alg is empty, the current one, and a new
// next one. Tokens of the retired key verify until they expire. It refuses (Invalid) an algorithm that no key signs with.
func (s SigningKeys) Rotate(ctx context.Context, alg string) error { return s.RotateSeen(ctx, alg, "") }

// RotateSeen is Rotate by somebody who saw which key is current, where seen is not empty: of several who press a button at once one
// rotates, or a key would sign that no API has read yet. Refusals: those of Rotate, Conflict where seen is not current any more.
func (s SigningKeys) RotateSeen(ctx context.Context, alg, seen string) error {
	algs := s.Published()
	if alg != "" {
		if !slices.Contains(algs, alg) {
			return RefuseField("alg", fmt.Sprintf("No key signs with %q: choose one of %v.", alg, algs))
		}
		algs = []string{alg}
	}
	if err := s.Prepare(ctx); err != nil {
		return err
	}
	next := make([]SigningKey, len(algs))
	for i, a := range algs {
		var err error
		if next[i], err = s.generate(a, KeyNext); err != nil {
			return err
		}
	}
	return s.Store.InTx(ctx, func(ctx context.Context) error {
		if err := s.stillCurrent(ctx, seen); err != nil {
			return err
		}
		for _, k := range next {
			if err := s.rotate(ctx, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// stillCurrent refuses a key that signs no more; nobody changes that until the transaction ends.
func (s SigningKeys) stillCurrent(ctx context.Context, seen string) error {
	if err := s.Store.LockSigningKeys(ctx); err != nil || seen == "" {
		return err
	}
	all, err := s.All(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(k SigningKey) bool { return k.ID == seen && k.State == KeyCurrent }) {
		return &Error{Kind: Conflict, Field: "current", Msg: "The keys were rotated meanwhile: that one signs no more. Look at them again."}
	}
	return nil
}

func (s SigningKeys) rotate(ctx context.Context, next SigningKey) error {
	if err := s.Store.PromoteSigningKeys(ctx, next.Alg); err != nil {
		return err
	}
	if _, err := s.Store.AddSigningKey(ctx, next); err != nil {
		return err
	}
	return s.Store.AddEvent(ctx, Event{ID: NewID(), At: s.Now(), Kind: KeysRotated, Detail: next.Alg})
}

// Remove deletes a key that leaked: from the next reload on, every process refuses what it signed. One that signs is
// replaced in the same act by the next one, which was published all along; of removals and rotations at once each stands on
// the one before. Refusals: NotFound, Invalid (field reason) without a reason.
func (s SigningKeys) Remove(ctx context.Context, id, reason string) error {
	reason, err := Reason(reason)
	if err != nil {
		return err
	}
	if err := s.Prepare(ctx); err != nil {
		return err
	}
	all, err := s.All(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(k SigningKey) bool { return k.ID == id })
	if i < 0 {
		return Refuse(NotFound, "There is no such key: sojourn key list shows them.")
	}
	return s.remove(ctx, all[i], reason)
}

func (s SigningKeys) remove(ctx context.Context, k SigningKey, reason string) error {
	spare, err := s.generate(k.Alg, KeyNext)
	if err != nil {
		return err
	}
	return s.Store.InTx(ctx, func(ctx context.Context) error {
		removed, err := s.Store.RemoveSigningKey(ctx, k.ID)
		if err != nil {
			return err
		}
		if slices.Contains(s.Published(), k.Alg) {
			if _, err := s.Store.AddSigningKey(ctx, spare); err != nil {
				return err
			}
		}
		detail := fmt.Sprintf("%s %s, which was %s: %s", removed.Alg, k.ID, removed.State, reason)
		return s.Store.AddEvent(ctx, Event{ID: NewID(), At: s.Now(), Kind: KeyRemoved, Detail: detail})
	})
}

func (s SigningKeys) generate(alg string, state KeyState) (SigningKey, error) {
	private, err := newPrivateKey(alg)
	if err != nil {
		return SigningKey{}, fmt.Errorf("make a %s key: %w", alg, err)
	}
	key := SigningKey{ID: RandomText(12), Alg: alg, State: state, CreatedAt: s.Now()}
	if state == KeyCurrent {
		key.ActivatedAt = key.CreatedAt
	}
	if key.Private, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return SigningKey{}, fmt.Errorf("encode a %s key: %w", alg, err)
	}
	key.Public, err = x509.MarshalPKIXPublicKey(private.Public())
	return key, err
}

func newPrivateKey(alg string) (crypto.Signer, error) {
	switch alg {
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256", "PS256": // each with keys of its own: a JWK names one alg (RFC 7517 §4.4)
		return rsa.GenerateKey(rand.Reader, 2048) // RFC 7518 §3.3: at least 2048 bits
	default: // EdDSA and Ed25519, each with keys of its own too
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
}
