package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

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
