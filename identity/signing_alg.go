package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// SigningAlgs are the algorithms that tokens can be signed with.
var SigningAlgs = []string{"ES256", "RS256", "EdDSA", "PS256", "Ed25519"}

// UsualAlgs are published unless the operator says otherwise. ES256 signs every access token, and RS256 is what every OpenID
// provider offers (OpenID Connect Core 1.0 §15.1, Discovery 1.0 §3), so these two always are.
var UsualAlgs = []string{"ES256", "RS256", "EdDSA"}

// Published are the algorithms that discovery, the key set and rotation go by.
func (s SigningKeys) Published() []string {
	if s.Algs == nil {
		return UsualAlgs
	}
	return s.Algs
}

// withdraw retires the keys of algorithms that are published no more. The key set has them for as long as anything lives
// that they signed, as with every retired key; their private halves are gone.
func (s SigningKeys) withdraw(ctx context.Context) error {
	keys, err := s.Store.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.State == KeyRetired || slices.Contains(s.Published(), k.Alg) {
			continue
		}
		if err := s.retire(ctx, k.Alg); err != nil {
			return err
		}
	}
	return nil
}

func (s SigningKeys) retire(ctx context.Context, alg string) error {
	return s.Store.InTx(ctx, func(ctx context.Context) error {
		retired, err := s.Store.RetireSigningKeys(ctx, alg)
		if err != nil || !retired {
			return err
		}
		return s.Store.AddEvent(ctx, Event{ID: NewID(), At: s.Now(), Kind: KeysRotated, Detail: alg + ", which is published no more"})
	})
}

// Withdrawn are the algorithms that have keys and are published no more.
func (s SigningKeys) Withdrawn(ctx context.Context) (algs []string, err error) {
	keys, err := s.All(ctx)
	for _, k := range keys {
		if !slices.Contains(s.Published(), k.Alg) {
			algs = append(algs, k.Alg)
		}
	}
	return once(algs), err
}

// Offer returns what a client says of itself without an algorithm for its ID tokens that is not published, so that the default
// takes its place and is returned (RFC 7591 §3.2.1). It refuses what CheckAlgs does of the rest.
func (s SigningKeys) Offer(m Metadata) (Metadata, error) {
	if !slices.Contains(s.Published(), m.IDTokenAlg) {
		m.IDTokenAlg = ""
	}
	judged := m
	if m.AuthMethod == "none" { // only who proves itself may introspect: TakeRegistration passes it over
		judged.IntrospectionAlg = ""
	}
	return m, judged.CheckAlgs(s.Published())
}

// CheckAlgs refuses algorithms for answers to the client that are not among the published ones: Invalid, with the member.
func (m Metadata) CheckAlgs(published []string) error {
	for field, alg := range map[string]string{
		"id_token_signed_response_alg": m.IDTokenAlg, "userinfo_signed_response_alg": m.UserinfoAlg,
		"introspection_signed_response_alg": m.IntrospectionAlg,
	} {
		if alg != "" && !slices.Contains(published, alg) {
			return RefuseField(field, fmt.Sprintf("%s is not published here: use %s.", alg, strings.Join(published, ", ")))
		}
	}
	return nil
}
