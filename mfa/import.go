package mfa

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/sojourn-auth/sojourn/identity"
)

// An imported secret may have the 80 bits that authenticators began with, though RFC 4226 §4 R6 asks for 128.
const minSecret, maxSecret = 10, 64 // bytes

// ParseSecret reads a Base32 secret as people have it: in any case, in groups, with or without padding. The error says
// what would be right and nothing of the secret.
func ParseSecret(text string) ([]byte, error) {
	text = strings.ToUpper(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, text))
	secret, err := secretText.DecodeString(strings.TrimRight(text, "="))
	switch {
	case err != nil:
		return nil, errors.New("a TOTP secret is Base32: the letters A to Z and the digits 2 to 7")
	case len(secret) < minSecret || len(secret) > maxSecret:
		return nil, errors.New("a TOTP secret has 10 to 64 bytes: 16 to 103 characters of Base32")
	}
	return secret, nil
}

// Import gives a person an authenticator whose secret is known elsewhere; it counts as confirmed and has no recovery
// codes. Refusal: Conflict (the person has an authenticator).
func (t TOTP) Import(ctx context.Context, userID identity.ID, secret []byte) error {
	f := Factor{UserID: userID, Secret: secret, ConfirmedAt: t.Now()}
	return t.add(ctx, f, nil, event{identity.FactorAdded, userID, identity.FactorImported, identity.Seen{}})
}
