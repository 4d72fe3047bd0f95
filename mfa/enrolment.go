package mfa

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Enrolment is an authenticator that is being added, or takes the place of the one there is. Nothing of it is stored before
// one right code: it travels through the browser, sealed. For an hour it is the same on every page of one sign-in, until it
// counts or what opens the account has changed.
type Enrolment struct {
	Sealed string // for the form, and for the browser to keep
	URI    string // otpauth://totp/…
	Secret string // Base32, as in URI
	QR     []byte // a PNG of URI
	// Codes are the recovery codes that count with it, like 4k7m-9xqd-2f: people see them then (Handed). None where it replaces
	// another, whose stay.
	Codes []string
}

const (
	secretLen    = 20 // bytes: RFC 4226 §4 R6 recommends 160 bits
	enrolmentLen = 8 + secretLen + recoveryCodes*recoveryLen
	// EnrolmentLasts is for how long an enrolment may be confirmed, and what it handed out be looked at again.
	EnrolmentLasts = time.Hour
)

const (
	enrolmentOver = "This page was open for too long, or your account has changed since, so here is a new key. Delete the entry that you made in your app and add this one."
	notYetRight   = "That code is not right. Check that your app took this key and that your phone's clock is right, then type its newest code."
)

var sealedText = base64.RawURLEncoding.Strict()

// What an enrolment does. One that was sealed for the first is worth nothing for the second.
const (
	adding    = "adds"
	replacing = "replaces"
)

// purpose is what an enrolment of whoever stands there does.
func purpose(s identity.Standing) string {
	if s.Has(identity.TOTP) {
		return replacing
	}
	return adding
}

// enrolledBy is what an enrolment is sealed for: a sign-in of a person, their epoch, and its purpose.
func enrolledBy(s identity.Standing, purpose string) []byte {
	return fmt.Appendf(begunBy(s.User), " %s %s", s.SignIn.ID, purpose)
}

// Begin makes a secret and recovery codes for whoever stands there; Confirm makes them count. For somebody who has an
// authenticator, Replace makes the secret count, and their recovery codes stay.
func (t TOTP) Begin(s identity.Standing) (Enrolment, error) {
	body := binary.BigEndian.AppendUint64(nil, uint64(t.Now().UnixMicro()))
	secret := make([]byte, secretLen)
	_, _ = rand.Read(secret)
	codes := newRecoveryCodes()
	body = append(append(body, secret...), strings.Join(codes, "")...)
	sealed := sealedText.EncodeToString(t.Keys.Seal(identity.ForEnrol, body, enrolledBy(s, purpose(s))))
	return t.enrolment(s, sealed, pending{secret, codes})
}

// Resume shows again what Begin showed. It refuses (Invalid, Field "enrolment") what Begin did not seal for this sign-in,
// its person and their epoch within the last hour, or what counts already: begin anew.
func (t TOTP) Resume(s identity.Standing, sealed string) (Enrolment, error) {
	p, err := t.open(sealed, enrolledBy(s, purpose(s)))
	if err != nil {
		return Enrolment{}, err
	}
	return t.enrolment(s, sealed, p)
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
func (t TOTP) Confirm(ctx context.Context, s identity.Standing, c Confirmation) error {
	a, p, err := t.prove(s, c, adding)
	if err != nil {
		return err
	}
	return t.Store.InTx(ctx, func(ctx context.Context) error {
		if _, same, err := lock(ctx, t.Store, s.User); err != nil {
			return err
		} else if !same {
			return identity.RefuseField("enrolment", enrolmentOver)
		}
		return t.add(ctx, a, p.codes, event{identity.FactorAdded, s.User.ID, identity.TOTP.Name, c.Seen})
	})
}

// prove judges the code of an enrolment, and returns the authenticator that it is of.
func (t TOTP) prove(s identity.Standing, c Confirmation, purpose string) (Authenticator, pending, error) {
	p, err := t.open(c.Sealed, enrolledBy(s, purpose))
	if err != nil {
		return Authenticator{}, p, err
	}
	code, err := cleanCode(c.Code)
	if err != nil {
		return Authenticator{}, p, err
	}
	now := t.Now()
	step, ok, err := match(p.secret, code, now)
	if err == nil && !ok {
		err = bad("totp", notYetRight)
	}
	return Authenticator{UserID: s.User.ID, Secret: p.secret, LastStep: step, ConfirmedAt: now}, p, err
}

// add writes an authenticator, and the recovery codes that came with it in the place of all that there are: the list that
// the person saw last is the one that works.
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

var errNothingHanded error = identity.Refuse(identity.NotFound, "There are no recovery codes to show.")

// Handed is what an enrolment handed out that counts by now.
type Handed struct {
	Codes []string  // recovery codes, like 4k7m-9xqd-2f
	At    time.Time // when it began to count: in the sign-in that it was begun in
}

// Handed shows the recovery codes of an enrolment that Begin sealed for this sign-in within the last hour, as long as they
// are the ones that count. Refusal: NotFound.
func (t TOTP) Handed(ctx context.Context, s identity.Standing, sealed string) (Handed, error) {
	p, err := t.open(sealed, enrolledBy(s, adding))
	if err != nil {
		return Handed{}, errNothingHanded
	}
	a, err := t.Store.TOTPOf(ctx, s.User.ID)
	if err != nil {
		return Handed{}, err
	}
	hashes, err := t.Store.RecoveryHashes(ctx, s.User.ID)
	if err != nil {
		return Handed{}, err
	}
	for _, code := range p.codes {
		if !slices.ContainsFunc(hashes, t.hashOf(s.User.ID, code)) {
			return Handed{}, errNothingHanded
		}
	}
	return Handed{p.shown(), a.ConfirmedAt}, nil
}

// hashOf reports what is a hash of a recovery code, under whichever key.
func (t TOTP) hashOf(userID identity.ID, code string) func(hash []byte) bool {
	hashes := t.Keys.Hashes(identity.ForRecovery, recoveryBody(userID, code))
	return func(hash []byte) bool {
		return slices.ContainsFunc(hashes, func(h []byte) bool { return bytes.Equal(h, hash) })
	}
}

// pending is what a sealed enrolment holds.
type pending struct {
	secret []byte
	codes  []string
}

func (t TOTP) open(sealed string, by []byte) (pending, error) {
	raw, err := sealedText.DecodeString(sealed)
	if err != nil || len(sealed) > 4*enrolmentLen {
		return pending{}, identity.RefuseField("enrolment", enrolmentOver)
	}
	body, err := t.Keys.Open(identity.ForEnrol, raw, by)
	if err != nil || len(body) != enrolmentLen {
		return pending{}, identity.RefuseField("enrolment", enrolmentOver)
	}
	begun := time.UnixMicro(int64(binary.BigEndian.Uint64(body)))
	if t.Now().Sub(begun) > EnrolmentLasts {
		return pending{}, identity.RefuseField("enrolment", enrolmentOver)
	}
	p := pending{secret: body[8 : 8+secretLen]}
	for rest := string(body[8+secretLen:]); rest != ""; rest = rest[recoveryLen:] {
		p.codes = append(p.codes, rest[:recoveryLen])
	}
	return p, nil
}

func (t TOTP) enrolment(s identity.Standing, sealed string, p pending) (Enrolment, error) {
	secret := secretText.EncodeToString(p.secret)
	uri := t.uri(s.User, secret)
	picture, err := qrPNG(uri)
	e := Enrolment{Sealed: sealed, URI: uri, Secret: secret, QR: picture}
	if purpose(s) == adding {
		e.Codes = p.shown()
	}
	return e, err
}

// shown are the codes as people read them.
func (p pending) shown() (codes []string) {
	for _, code := range p.codes {
		codes = append(codes, grouped(code))
	}
	return codes
}
