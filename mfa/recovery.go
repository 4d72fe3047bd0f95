package mfa

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Recovery judges and renews recovery codes. They belong to a person, whatever kinds of factors they stand in for.
type Recovery struct {
	Store store
	Keys  *identity.Keyring
	Now   func() time.Time
}

type recoveryStore interface {
	// UseRecoveryCode uses a recovery code up: false when there is none with any of these hashes, or not any more.
	UseRecoveryCode(ctx context.Context, userID identity.ID, hashes [][]byte) (bool, error)
	RecoveryCodesLeft(ctx context.Context, userID identity.ID) (int, error)
	// RecoveryHashes returns the hashes of a person's recovery codes, used or not, in an order of their own.
	RecoveryHashes(ctx context.Context, userID identity.ID) ([][]byte, error)
	// ReplaceRecoveryCodes writes hashes in the place of all that there are.
	ReplaceRecoveryCodes(ctx context.Context, userID identity.ID, hashes [][]byte) error
}

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

// Recover accepts one of the person's recovery codes, each once. Refusals: Invalid (cannot be a code: not counted),
// BadLogin (wrong or used), Throttled (together with TOTP.Verify), NotFound (no factor that it could stand in for).
// It must not run inside a transaction: what it counts has to stay.
func (r Recovery) Recover(ctx context.Context, user identity.User, code string, seen identity.Seen) error {
	code, err := cleanRecoveryCode(code)
	if err != nil {
		return err
	}
	g := r.guesses()
	return g.try(ctx, user.ID, func(ctx context.Context) (refusal, err error) {
		used, err := r.use(ctx, user.ID, code)
		if err != nil {
			return nil, err
		}
		if !used {
			told := event{identity.FactorRefused, user.ID, identity.RecoveryCode.Name, seen}
			return bad("recovery_code", wrongRecovery), g.tell(ctx, told)
		}
		left, err := r.Store.RecoveryCodesLeft(ctx, user.ID)
		if err != nil {
			return nil, err
		}
		told := event{identity.RecoveryCodeUsed, user.ID, fmt.Sprintf("%d left", left), seen}
		if err := g.tell(ctx, told); err != nil {
			return nil, err
		}
		return nil, r.Store.ClearTries(ctx, tries(user.ID))
	})
}

// use uses a code up, under whichever key it was hashed.
func (r Recovery) use(ctx context.Context, userID identity.ID, code string) (bool, error) {
	factors, err := r.Store.FactorsOf(ctx, userID)
	if err != nil || len(factors) == 0 {
		return false, cmp.Or(err, errNoFactor)
	}
	hashes := r.Keys.Hashes(identity.ForRecovery, recoveryBody(userID, code))
	a, err := r.Store.TOTPOf(ctx, userID)
	switch {
	case err == nil:
		hashes = append(hashes, oldRecoveryHash(a.Secret, code))
	case identity.KindOf(err) != identity.NotFound:
		return false, err
	}
	return r.Store.UseRecoveryCode(ctx, userID, hashes)
}

func (r Recovery) guesses() guesses { return guesses{r.Store, r.Now} }

// recoveryHashes are what rows keep of codes. A leaked database alone gives nothing to try fifty bits against, and a row
// that is moved to another person's account opens nothing there.
func recoveryHashes(keys *identity.Keyring, userID identity.ID, codes []string) [][]byte {
	hashes := make([][]byte, len(codes))
	for i, code := range codes {
		hashes[i] = keys.Hashes(identity.ForRecovery, recoveryBody(userID, code))[0]
	}
	return hashes
}

func recoveryBody(userID identity.ID, code string) []byte { return append(userID[:], code...) }

// oldRecoveryHash is what rows have of codes that were handed out when the authenticator's secret was their key
// (decision 15).
func oldRecoveryHash(secret []byte, code string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("recovery code " + code))
	return h.Sum(nil)
}

// Renewal is new recovery codes that don't count yet: they travel through the page that shows them, sealed, so that
// nobody loses the old ones to a page that never arrived.
type Renewal struct {
	Sealed string   // for the form
	Codes  []string // like 4k7m-9xqd-2f
}

const renewalLen = 8 + sha256.Size + recoveryCodes*recoveryLen

var errRenewalOver = identity.Refuse(identity.Conflict, "Those recovery codes can’t be taken any more. Here are others.")

// Begin makes recovery codes for a person who has a factor; Renew makes them count. Refusal: NotFound (no factor).
func (r Recovery) Begin(ctx context.Context, user identity.User) (Renewal, error) {
	factors, err := r.Store.FactorsOf(ctx, user.ID)
	if err != nil || len(factors) == 0 {
		return Renewal{}, cmp.Or(err, errNoFactor)
	}
	mark, err := r.codesMark(ctx, user.ID)
	if err != nil {
		return Renewal{}, err
	}
	body := binary.BigEndian.AppendUint64(nil, uint64(r.Now().UnixMicro()))
	codes := newRecoveryCodes()
	body = append(append(body, mark...), strings.Join(codes, "")...)
	renewal := Renewal{Sealed: sealedText.EncodeToString(r.Keys.Seal(identity.ForEnrol, body, begunBy(user)))}
	for _, code := range codes {
		renewal.Codes = append(renewal.Codes, grouped(code))
	}
	return renewal, nil
}

// Renew makes the codes of Begin count in the place of all that the person had. Each renewal works once.
// Refusals: Conflict (not sealed for this person within the last hour, or codes or credentials changed meanwhile), NotFound, Throttled.
func (r Recovery) Renew(ctx context.Context, user identity.User, sealed string, seen identity.Seen) error {
	mark, codes, err := r.openRenewal(user, sealed)
	if err != nil {
		return err
	}
	return r.Store.InTx(ctx, func(ctx context.Context) error {
		factors, same, err := lock(ctx, r.Store, user)
		switch {
		case err != nil:
			return err
		case len(factors) == 0:
			return errNoFactor
		case !same:
			return errRenewalOver
		}
		now, err := r.codesMark(ctx, user.ID)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(mark, now) == 0 {
			return errRenewalOver // or a used code could be brought back by an old page
		}
		if err := identity.CountChange(ctx, r.Store, user.ID); err != nil {
			return err
		}
		at := r.Now()
		if err := r.Store.ReplaceRecoveryCodes(ctx, user.ID, recoveryHashes(r.Keys, user.ID, codes)); err != nil {
			return err
		}
		return r.guesses().tellAt(ctx, event{identity.RecoveryRenewed, user.ID, "", seen}, at)
	})
}

// codesMark changes whenever the person gets other recovery codes.
func (r Recovery) codesMark(ctx context.Context, userID identity.ID) ([]byte, error) {
	hashes, err := r.Store.RecoveryHashes(ctx, userID)
	sum := sha256.New()
	for _, hash := range hashes {
		sum.Write(hash)
	}
	return sum.Sum(nil), err
}

func (r Recovery) openRenewal(user identity.User, sealed string) (mark []byte, codes []string, err error) {
	raw, err := sealedText.DecodeString(sealed)
	if err != nil || len(sealed) > 4*renewalLen {
		return nil, nil, errRenewalOver
	}
	body, err := r.Keys.Open(identity.ForEnrol, raw, begunBy(user))
	if err != nil || len(body) != renewalLen {
		return nil, nil, errRenewalOver
	}
	if r.Now().Sub(time.UnixMicro(int64(binary.BigEndian.Uint64(body)))) > EnrolmentLasts {
		return nil, nil, errRenewalOver
	}
	for rest := string(body[8+sha256.Size:]); rest != ""; rest = rest[recoveryLen:] {
		codes = append(codes, rest[:recoveryLen])
	}
	return body[8 : 8+sha256.Size], codes, nil
}

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
	code := lookalikes.Replace(strings.ToLower(unseparated(typed)))
	if len(code) != recoveryLen || strings.Trim(code, alphabet) != "" {
		return "", identity.RefuseField("recovery_code", malformedRecovery)
	}
	return code, nil
}
