package mfa

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	recoveryCodes = 10
	recoveryLen   = 10 // characters of five bits: 50 bits, behind the same throttle as other codes
	// alphabet is Crockford's Base32: nothing in it looks like something else in it.
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
)

const (
	wrongRecovery     = "That recovery code is not right, or it was used before. Try another one."
	malformedRecovery = "A recovery code has ten letters and digits, like 4k7m-9xqd-2f. Check it against your list."
)

// lookalikes are read as what they were taken for (Crockford's Base32).
var lookalikes = strings.NewReplacer("o", "0", "i", "1", "l", "1")

// newRecoveryCodes makes codes without separators.
func newRecoveryCodes() []string {
	random := make([]byte, recoveryLen)
	codes := make([]string, recoveryCodes)
	for i := range codes {
		_, _ = rand.Read(random)
		for j := range random {
			random[j] = alphabet[random[j]%32]
		}
		codes[i] = string(random)
	}
	return codes
}

// grouped writes a code as people read it: xxxx-xxxx-xx.
func grouped(code string) string { return code[:4] + "-" + code[4:8] + "-" + code[8:] }

// cleanRecoveryCode returns the ten characters of a typed code: case and separators mean nothing.
func cleanRecoveryCode(typed string) (string, error) {
	code := lookalikes.Replace(strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, typed)))
	if len(code) != recoveryLen || strings.Trim(code, alphabet) != "" {
		return "", identity.RefuseField("recovery_code", malformedRecovery)
	}
	return code, nil
}

// recoveryHash is what a row keeps of a code. The key is the factor's own secret, which rests sealed: a leaked database
// alone gives nothing to try fifty bits against, and codes die with the factor that they were handed out with.
func recoveryHash(secret []byte, code string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("recovery code " + code))
	return h.Sum(nil)
}

func recoveryHashes(secret []byte, codes []string) [][]byte {
	hashes := make([][]byte, len(codes))
	for i, code := range codes {
		hashes[i] = recoveryHash(secret, code)
	}
	return hashes
}

// Recover accepts one of the person's recovery codes, each once. Refusals: Invalid (cannot be a code: not counted),
// BadLogin (wrong or used), Throttled (together with Verify), NotFound (no authenticator).
// It must not run inside a transaction: what it counts has to stay.
func (t TOTP) Recover(ctx context.Context, user identity.User, code string, seen identity.Seen) error {
	code, err := cleanRecoveryCode(code)
	if err != nil {
		return err
	}
	return t.try(ctx, user.ID, func(ctx context.Context, f Factor) (refusal, err error) {
		used, err := t.Store.UseRecoveryCode(ctx, user.ID, recoveryHash(f.Secret, code))
		if err != nil {
			return nil, err
		}
		if !used {
			told := event{identity.FactorRefused, user.ID, "recovery code", seen}
			return bad("recovery_code", wrongRecovery), t.tell(ctx, told)
		}
		left, err := t.Store.RecoveryCodesLeft(ctx, user.ID)
		if err != nil {
			return nil, err
		}
		told := event{identity.RecoveryCodeUsed, user.ID, fmt.Sprintf("%d left", left), seen}
		if err := t.tell(ctx, told); err != nil {
			return nil, err
		}
		return nil, t.Store.ClearTries(ctx, tries(user.ID))
	})
}

// Renewal is new recovery codes that don't count yet: they travel through the page that shows them, sealed, so that
// nobody loses the old ones to a page that never arrived.
type Renewal struct {
	Sealed string   // for the form
	Codes  []string // like 4k7m-9xqd-2f
}

const renewalLen = 8 + sha256.Size + recoveryCodes*recoveryLen

var errRenewalOver = identity.Refuse(identity.Conflict, "Those recovery codes can’t be taken any more. Here are others.")

// BeginRenewal makes recovery codes for a person who has an authenticator; RenewCodes makes them count. Refusal:
// NotFound (no authenticator).
func (t TOTP) BeginRenewal(ctx context.Context, user identity.User) (Renewal, error) {
	if _, err := t.Store.TOTPOf(ctx, user.ID); err != nil {
		return Renewal{}, err
	}
	mark, err := t.codesMark(ctx, user.ID)
	if err != nil {
		return Renewal{}, err
	}
	body := binary.BigEndian.AppendUint64(nil, uint64(t.Now().UnixMicro()))
	codes := newRecoveryCodes()
	body = append(append(body, mark...), strings.Join(codes, "")...)
	r := Renewal{Sealed: sealedText.EncodeToString(t.Keys.Seal(identity.ForEnrol, body, user.ID[:]))}
	for _, code := range codes {
		r.Codes = append(r.Codes, grouped(code))
	}
	return r, nil
}

// RenewCodes makes the codes of BeginRenewal count in the place of all that the person had. Each renewal works once.
// Refusals: Conflict (not sealed for this person within the last hour, or the codes were renewed meanwhile), NotFound.
func (t TOTP) RenewCodes(ctx context.Context, user identity.User, sealed string, seen identity.Seen) error {
	mark, codes, err := t.openRenewal(user, sealed)
	if err != nil {
		return err
	}
	return t.Store.InTx(ctx, func(ctx context.Context) error {
		f, err := t.Store.LockTOTP(ctx, user.ID)
		if err != nil {
			return err
		}
		now, err := t.codesMark(ctx, user.ID)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(mark, now) == 0 {
			return errRenewalOver // or a used code could be brought back by an old page
		}
		if err := t.Store.ReplaceRecoveryCodes(ctx, user.ID, recoveryHashes(f.Secret, codes)); err != nil {
			return err
		}
		return t.tell(ctx, event{identity.RecoveryRenewed, user.ID, "", seen})
	})
}

// codesMark changes whenever the person gets other recovery codes.
func (t TOTP) codesMark(ctx context.Context, userID identity.ID) ([]byte, error) {
	hashes, err := t.Store.RecoveryHashes(ctx, userID)
	sum := sha256.New()
	for _, hash := range hashes {
		sum.Write(hash)
	}
	return sum.Sum(nil), err
}

func (t TOTP) openRenewal(user identity.User, sealed string) (mark []byte, codes []string, err error) {
	raw, err := sealedText.DecodeString(sealed)
	if err != nil || len(sealed) > 4*renewalLen {
		return nil, nil, errRenewalOver
	}
	body, err := t.Keys.Open(identity.ForEnrol, raw, user.ID[:])
	if err != nil || len(body) != renewalLen {
		return nil, nil, errRenewalOver
	}
	if t.Now().Sub(time.UnixMicro(int64(binary.BigEndian.Uint64(body)))) > enrolmentTTL {
		return nil, nil, errRenewalOver
	}
	for rest := string(body[8+sha256.Size:]); rest != ""; rest = rest[recoveryLen:] {
		codes = append(codes, rest[:recoveryLen])
	}
	return body[8 : 8+sha256.Size], codes, nil
}
