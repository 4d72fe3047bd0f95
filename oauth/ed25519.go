package oauth

import (
	"crypto/ed25519"

	"github.com/go-jose/go-jose/v4"
)

// algEd25519 is EdDSA with Ed25519 by its own name (RFC 9864 §2.2), which libraries write by now. go-jose knows the old name
// alone, so that it is handed keys that sign and verify by themselves; it goes on judging all the rest.
const algEd25519 = "Ed25519"

// sameAlg reports whether two names are of one algorithm: of the curves of EdDSA we have Ed25519 only.
func sameAlg(one, other string) bool { return oldName(one) == oldName(other) }

func oldName(alg string) string {
	if alg == algEd25519 {
		return string(jose.EdDSA)
	}
	return alg
}

// verifierOf is a public key as go-jose takes it to verify what was signed with alg.
func verifierOf(public any, alg string) any {
	if key, is := public.(ed25519.PublicKey); is && alg == algEd25519 {
		return ed25519Verifier(key)
	}
	return public
}

// signerOf is verifierOf for the private half.
func signerOf(private any, alg string) any {
	if key, is := private.(ed25519.PrivateKey); is && alg == algEd25519 {
		return ed25519Signer(key)
	}
	return private
}

type ed25519Verifier ed25519.PublicKey

// VerifyPayload implements jose.OpaqueVerifier.
func (k ed25519Verifier) VerifyPayload(payload, signature []byte, alg jose.SignatureAlgorithm) error {
	if alg != algEd25519 || !ed25519.Verify(ed25519.PublicKey(k), payload, signature) {
		return jose.ErrCryptoFailure
	}
	return nil
}

type ed25519Signer ed25519.PrivateKey

// Public implements jose.OpaqueSigner.
func (k ed25519Signer) Public() *jose.JSONWebKey {
	return &jose.JSONWebKey{Key: ed25519.PrivateKey(k).Public()}
}

// Algs implements jose.OpaqueSigner.
func (k ed25519Signer) Algs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{algEd25519}
}

// SignPayload implements jose.OpaqueSigner.
func (k ed25519Signer) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	return ed25519.Sign(ed25519.PrivateKey(k), payload), nil
}
