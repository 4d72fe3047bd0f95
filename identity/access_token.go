package identity

import (
	"encoding/binary"
	"strings"
	"time"
)

const (
	accessPrefix = "sj_at_"
	accessLen    = 3*16 + 2*8 + 32 // in bytes, before the texts
	// MaxAccessLen is the longest reference access token in characters.
	MaxAccessLen = 2048
)

// AccessToken is what a reference access token says: a sealed pointer to a Session, not a row. Whose it is and what it is
// good for at this moment, the Session's row tells.
type AccessToken struct {
	SessionID ID     // zero in a token that a client got for itself (RFC 6749 §4.4)
	Secret    Secret // the Session's: the row must know its hash, so that our key alone makes no token
	ID        ID     // its jti
	IssuedAt  time.Time
	Expires   time.Time
	Key       Thumbprint // whose proof must come with it (RFC 9449 §6); zero: a bearer's
	ClientID  string
	Audience  string
	Scopes    []string // empty in a token of a Session: all that it has
}

// AccessText seals a reference access token; times are cut to seconds. It refuses one that would be longer than
// MaxAccessLen. Sealed, not signed: a resource server must not learn the Session's secret.
func (k *Keyring) AccessText(t AccessToken) (string, error) {
	text := toText(accessPrefix, k.Seal(ForAccess, t.bytes(), nil))
	if len(text) > MaxAccessLen {
		return "", RefuseField("scope", "The scopes and the resource are too long together: ask for fewer scopes.")
	}
	return text, nil
}

// ReadAccess returns what an authentic reference access token says, or ErrForged. It asks no database; whether the token
// is still in time is for the caller.
func (k *Keyring) ReadAccess(text string) (t AccessToken, err error) {
	if len(text) > MaxAccessLen {
		return t, ErrForged
	}
	raw, err := fromText(accessPrefix, text)
	if err != nil {
		return t, err
	}
	b, err := k.Open(ForAccess, raw, nil)
	if err != nil || len(b) < accessLen {
		return t, ErrForged
	}
	for _, part := range [][]byte{t.SessionID[:], t.Secret[:], t.ID[:], t.Key[:]} {
		b = b[copy(part, b):]
	}
	t.IssuedAt = time.Unix(int64(binary.BigEndian.Uint64(b)), 0).UTC()
	t.Expires = time.Unix(int64(binary.BigEndian.Uint64(b[8:])), 0).UTC()
	texts := strings.Split(string(b[16:]), accessMark)
	if len(texts) != 3 {
		return AccessToken{}, ErrForged
	}
	t.ClientID, t.Audience, t.Scopes = texts[0], texts[1], SplitScope(texts[2])
	return t, nil
}

// accessMark stands between the texts: no client id, URI or scope holds a line break.
const accessMark = "\n"

func (t AccessToken) bytes() []byte {
	texts := strings.Join([]string{t.ClientID, t.Audience, strings.Join(t.Scopes, " ")}, accessMark)
	b := make([]byte, 0, accessLen+len(texts))
	for _, part := range [][]byte{t.SessionID[:], t.Secret[:], t.ID[:], t.Key[:]} {
		b = append(b, part...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(t.IssuedAt.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(t.Expires.Unix()))
	return append(b, texts...)
}
