package mfa

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

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
