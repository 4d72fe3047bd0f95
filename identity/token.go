package identity

import (
	"crypto/sha256"
	"crypto/subtle"
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

const (
	refreshPrefix  = "sj_rt_"
	refreshBodyLen = 16 + 16 + 4 + 4 + 2
)

// RefreshToken is what a refresh token says once its MAC has been checked: which Session, by which secret, and which
// place in its line of succession. It is a sealed pointer, not a row (DESIGN §2).
type RefreshToken struct {
	SessionID  ID
	Secret     Secret
	Generation uint32
	Branch     uint16
	client     [4]byte
}

// NewRefreshToken returns the token for one place in the line of session id of client clientID.
func NewRefreshToken(id ID, secret Secret, clientID string) RefreshToken {
	return RefreshToken{SessionID: id, Secret: secret, client: clientTag(clientID)}
}

// At returns the same token at generation g, branch b.
func (t RefreshToken) At(g uint32, b uint16) RefreshToken {
	t.Generation, t.Branch = g, b
	return t
}

// Of reports whether the token was made for clientID, so that another client's token is refused before the database is
// asked. The row's own client_id stays the judge.
func (t RefreshToken) Of(clientID string) bool {
	tag := clientTag(clientID)
	return subtle.ConstantTimeCompare(t.client[:], tag[:]) == 1
}

// RefreshText spells a refresh token: the prefix and 82 characters.
func (k *Keyring) RefreshText(t RefreshToken) string {
	body := make([]byte, 0, refreshBodyLen)
	body = append(body, t.SessionID[:]...)
	body = append(body, t.Secret[:]...)
	body = append(body, t.client[:]...)
	body = binary.BigEndian.AppendUint32(body, t.Generation)
	body = binary.BigEndian.AppendUint16(body, t.Branch)
	return toText(refreshPrefix, k.Sign(ForRefresh, body))
}

// ReadRefresh returns what an authentic refresh token says, or ErrForged. It asks no database.
func (k *Keyring) ReadRefresh(text string) (t RefreshToken, err error) {
	raw, err := fromText(refreshPrefix, text)
	if err != nil || len(raw) != headerLen+refreshBodyLen+macLen {
		return t, ErrForged
	}
	body, err := k.Verify(ForRefresh, raw)
	if err != nil {
		return t, err
	}
	copy(t.SessionID[:], body)
	copy(t.Secret[:], body[16:])
	copy(t.client[:], body[32:])
	t.Generation = binary.BigEndian.Uint32(body[36:])
	t.Branch = binary.BigEndian.Uint16(body[40:])
	return t, nil
}

func clientTag(clientID string) (tag [4]byte) {
	sum := sha256.Sum256([]byte(clientID))
	copy(tag[:], sum[:])
	return tag
}

// AuthorizationOf splits the values of an Authorization header into the scheme, in small letters, and the token (RFC 9110
// §11.4); both are empty without one, and with several.
func AuthorizationOf(headers []string) (scheme, token string) {
	if len(headers) != 1 {
		return "", ""
	}
	scheme, token, _ = strings.Cut(headers[0], " ")
	return strings.ToLower(scheme), strings.Trim(token, " ")
}

// Bearer returns the token of an Authorization header with the scheme Bearer (RFC 6750 §2.1), or "".
func Bearer(headers []string) string {
	scheme, token := AuthorizationOf(headers)
	if scheme != "bearer" {
		return ""
	}
	return token
}
