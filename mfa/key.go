package mfa

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"

	"github.com/sojourn-auth/sojourn/identity"
)

// uri writes the address that authenticators read, by Google Authenticator's Key Uri Format: a colon parts issuer from
// account, so neither has one, and whatever else they have is percent-encoded; a plus would be shown as such.
func (t TOTP) uri(user identity.User, secret string) string {
	issuer := strings.Join(strings.Fields(strings.ReplaceAll(t.Issuer, ":", " ")), " ")
	query := url.Values{
		"secret": {secret}, "issuer": {issuer}, "algorithm": {otp.AlgorithmSHA1.String()},
		"digits": {digits.String()}, "period": {strconv.Itoa(period)},
	}
	label := encoded(issuer) + ":" + encoded(strings.ReplaceAll(user.Email, ":", ""))
	return "otpauth://totp/" + label + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}

// encoded leaves nothing as it is that has a meaning in an address.
func encoded(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// An imported secret may have the 80 bits that authenticators began with, though RFC 4226 §4 R6 asks for 128.
const minSecret, maxSecret = 10, 64 // bytes

// ParseSecret reads a Base32 secret as people have it: in any case, in groups, with or without padding. The error says
// what would be right and nothing of the secret.
func ParseSecret(text string) ([]byte, error) {
	text = strings.ToUpper(unseparated(text))
	secret, err := secretText.DecodeString(strings.TrimRight(text, "="))
	switch {
	case err != nil:
		return nil, errors.New("a TOTP secret is Base32: the letters A to Z and the digits 2 to 7")
	case len(secret) < minSecret || len(secret) > maxSecret:
		return nil, errors.New("a TOTP secret has 10 to 64 bytes: 16 to 103 characters of Base32")
	}
	return secret, nil
}

// Import gives a person an authenticator whose secret is known elsewhere; it counts as confirmed and brings no recovery
// codes. Refusal: Conflict (the person has an authenticator).
func (t TOTP) Import(ctx context.Context, userID identity.ID, secret []byte) error {
	a := Authenticator{UserID: userID, Secret: secret, ConfirmedAt: t.Now()}
	return t.add(ctx, a, nil, event{identity.FactorAdded, userID, identity.FactorImported, identity.Seen{}})
}

const (
	quietZone  = 4 // modules of white all around (ISO/IEC 18004 §9.1)
	modulePx   = 6
	black      = 1
	blackBelow = 0x8000
)

// qrPNG draws text as a QR code with error correction M, in two colours so that it stays small in a page.
func qrPNG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("QR code: %w", err)
	}
	modules := code.Bounds().Dx()
	side := (modules + 2*quietZone) * modulePx
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range modules * modulePx {
		for x := range modules * modulePx {
			if r, _, _, _ := code.At(x/modulePx, y/modulePx).RGBA(); r < blackBelow {
				picture.SetColorIndex(x+quietZone*modulePx, y+quietZone*modulePx, black)
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("QR code: %w", err)
	}
	return out.Bytes(), nil
}
