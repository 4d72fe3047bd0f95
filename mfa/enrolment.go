package mfa

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"

	"github.com/sojourn-auth/sojourn/identity"
)

// Enrolment is an authenticator that is being added. Nothing of it is stored before one right code: the secret and the
// recovery codes travel through the page, sealed.
type Enrolment struct {
	Sealed string   // for the form
	URI    string   // otpauth://totp/…
	Secret string   // Base32, as in URI
	QR     []byte   // a PNG of URI
	Codes  []string // recovery codes, like 4k7m-9xqd-2f
}

const (
	secretLen    = 20 // bytes: RFC 4226 §4 R6 recommends 160 bits
	enrolmentLen = 8 + secretLen + recoveryCodes*recoveryLen
	enrolmentTTL = time.Hour
)

const (
	enrolmentOver = "This page was open for too long, or your account has changed since, so here is a new key. Delete the entry that you made in your app and add this one."
	notYetRight   = "That code is not right. Check that your app took this key and that your phone's clock is right, then type its newest code."
)

var sealedText = base64.RawURLEncoding.Strict()

// Begin makes a secret and recovery codes for a person; Confirm makes them count.
func (t TOTP) Begin(user identity.User) (Enrolment, error) {
	body := binary.BigEndian.AppendUint64(nil, uint64(t.Now().UnixMicro()))
	secret := make([]byte, secretLen)
	_, _ = rand.Read(secret)
	codes := newRecoveryCodes()
	body = append(append(body, secret...), strings.Join(codes, "")...)
	sealed := sealedText.EncodeToString(t.Keys.Seal(identity.ForEnrol, body, begunBy(user)))
	return t.enrolment(user, sealed, pending{secret, codes})
}

// Resume shows again what Begin showed, after a wrong code. It refuses (Invalid, Field "enrolment") what Begin did not
// seal for this person and their epoch within the last hour: begin anew.
func (t TOTP) Resume(user identity.User, sealed string) (Enrolment, error) {
	p, err := t.open(user, sealed)
	if err != nil {
		return Enrolment{}, err
	}
	return t.enrolment(user, sealed, p)
}

// Confirmation is what the form of an enrolment sends back.
type Confirmation struct {
	Sealed string // as Begin gave it
	Code   string // as typed
	Seen   identity.Seen
}

// Confirm makes an enrolment count, once a code of it was right; that code is used up. Misses are not counted: whoever
// types them has the secret before their eyes. Refusals: Invalid (Field "enrolment": begin anew; Field "totp": not six
// digits), BadLogin (not right), Conflict (the person has an authenticator).
func (t TOTP) Confirm(ctx context.Context, user identity.User, c Confirmation) error {
	p, err := t.open(user, c.Sealed)
	if err != nil {
		return err
	}
	code, err := cleanCode(c.Code)
	if err != nil {
		return err
	}
	now := t.Now()
	step, ok, err := match(p.secret, code, now)
	if err != nil {
		return err
	}
	if !ok {
		return bad("totp", notYetRight)
	}
	a := Authenticator{UserID: user.ID, Secret: p.secret, LastStep: step, ConfirmedAt: now}
	return t.Store.InTx(ctx, func(ctx context.Context) error {
		if _, same, err := lock(ctx, t.Store, user); err != nil {
			return err
		} else if !same {
			return identity.RefuseField("enrolment", enrolmentOver)
		}
		return t.add(ctx, a, p.codes, event{identity.FactorAdded, user.ID, identity.TOTP.Name, c.Seen})
	})
}

// add writes an authenticator, and the recovery codes that were shown with it in the place of all that there are: the
// list that the person saw last is the one that works.
func (t TOTP) add(ctx context.Context, a Authenticator, codes []string, added event) error {
	return t.Store.InTx(ctx, func(ctx context.Context) error {
		if _, err := t.Store.LockFactors(ctx, a.UserID); err != nil {
			return err
		}
		at := t.Now()
		if err := t.Store.CreateTOTP(ctx, a); err != nil {
			return err
		}
		if len(codes) > 0 {
			if err := t.Store.ReplaceRecoveryCodes(ctx, a.UserID, recoveryHashes(t.Keys, a.UserID, codes)); err != nil {
				return err
			}
		}
		return t.guesses().tellAt(ctx, added, at)
	})
}

// pending is what a sealed enrolment holds.
type pending struct {
	secret []byte
	codes  []string
}

func (t TOTP) open(user identity.User, sealed string) (pending, error) {
	raw, err := sealedText.DecodeString(sealed)
	if err != nil || len(sealed) > 4*enrolmentLen {
		return pending{}, identity.RefuseField("enrolment", enrolmentOver)
	}
	body, err := t.Keys.Open(identity.ForEnrol, raw, begunBy(user))
	if err != nil || len(body) != enrolmentLen {
		return pending{}, identity.RefuseField("enrolment", enrolmentOver)
	}
	begun := time.UnixMicro(int64(binary.BigEndian.Uint64(body)))
	if t.Now().Sub(begun) > enrolmentTTL {
		return pending{}, identity.RefuseField("enrolment", enrolmentOver)
	}
	p := pending{secret: body[8 : 8+secretLen]}
	for rest := string(body[8+secretLen:]); rest != ""; rest = rest[recoveryLen:] {
		p.codes = append(p.codes, rest[:recoveryLen])
	}
	return p, nil
}

func (t TOTP) enrolment(user identity.User, sealed string, p pending) (Enrolment, error) {
	secret := secretText.EncodeToString(p.secret)
	uri := t.uri(user, secret)
	picture, err := qrPNG(uri)
	if err != nil {
		return Enrolment{}, err
	}
	e := Enrolment{Sealed: sealed, URI: uri, Secret: secret, QR: picture}
	for _, code := range p.codes {
		e.Codes = append(e.Codes, grouped(code))
	}
	return e, nil
}

// uri writes the address that authenticators read. The otp library's own leaves an & of the issuer as it is, and the
// issuer ends there.
func (t TOTP) uri(user identity.User, secret string) string {
	issuer := strings.ReplaceAll(t.Issuer, ":", " ") // a colon ends the issuer in the label
	query := url.Values{
		"secret": {secret}, "issuer": {issuer}, "algorithm": {otp.AlgorithmSHA1.String()},
		"digits": {digits.String()}, "period": {strconv.Itoa(period)},
	}
	label := url.PathEscape(issuer) + ":" + url.PathEscape(user.Email)
	return "otpauth://totp/" + label + "?" + strings.ReplaceAll(query.Encode(), "+", "%20") // apps show a plus as such
}

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
