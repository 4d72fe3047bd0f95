package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// ChangeKind names what apps hear of while they listen.
type ChangeKind string

// The kinds of change.
const (
	ChangeEnded    ChangeKind = "session.ended"
	ChangeStarted  ChangeKind = "session.started"
	ChangeProfile  ChangeKind = "profile.changed"
	ChangeDocument ChangeKind = "state.changed"
)

// Change is something about a person that happened in one place and that their apps hear of in others. It is read from
// the rows that it changed; nothing else is stored for it.
type Change struct {
	Kind      ChangeKind
	At        time.Time
	ID        ID     // of the Event or the Session; for a document one that its key and version make
	SessionID ID     // of session.ended and session.started
	ClientID  string // whose Session or document it is
	Cause     EndCause
	Device    Device   // of session.started
	Document  Document // of state.changed: key, version and whether it was deleted
}

// Feed asks for the changes that an app hears of.
type Feed struct {
	UserID   ID
	ClientID string // whose documents it hears of
	Own      bool   // it hears only of Sessions of its own client
	After    time.Time
	Limit    int
}

// Position is how far an app has listened: what happened up to a time, and the change that it heard last.
type Position struct {
	At     time.Time
	Change ID // zero: none yet
}

const (
	markLen  = 8
	plainLen = 8 + 16
)

// Text spells a Position as the id of a server-sent event for one person's app. It holds no secret and gives no right: the
// mark in it only tells an id of ours for this app from any other.
func (p Position) Text(userID ID, clientID string) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, plainLen+markLen), uint64(p.At.UnixMicro()))
	b = append(b, p.Change[:]...)
	return base64.RawURLEncoding.EncodeToString(append(b, positionMark(b, userID, clientID)...))
}

// ReadPosition is the way back; false for anything that Text did not spell for this person's app.
func ReadPosition(text string, userID ID, clientID string) (Position, bool) {
	if len(text) != base64.RawURLEncoding.EncodedLen(plainLen+markLen) { // decoding would pass over line breaks
		return Position{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != plainLen+markLen {
		return Position{}, false
	}
	if subtle.ConstantTimeCompare(b[plainLen:], positionMark(b[:plainLen], userID, clientID)) != 1 {
		return Position{}, false
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	return Position{At: at, Change: ID(b[8:plainLen])}, true
}

func positionMark(plain []byte, userID ID, clientID string) []byte {
	sum := sha256.Sum256(append(append(append([]byte{}, plain...), userID[:]...), clientID...))
	return sum[:markLen]
}
