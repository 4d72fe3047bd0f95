package identity

import "time"

// EventKind names what happened, as operators and people's activity pages look for it.
type EventKind string

// The events that exist so far.
const (
	UserCreated      EventKind = "user.created"
	SignedIn         EventKind = "signin.proved"
	SignInEnded      EventKind = "signin.ended"
	SessionEnded     EventKind = "session.ended"
	SessionForked    EventKind = "session.forked"
	SessionRolled    EventKind = "session.rolled_forward"
	FactorAdded      EventKind = "factor.added"
	FactorRefused    EventKind = "factor.refused"
	RecoveryCodeUsed EventKind = "factor.recovery_code_used"
	ConsentGiven     EventKind = "consent.given"
	ClientRegistered EventKind = "client.registered"
	ClientUpdated    EventKind = "client.updated"
	ClientDeleted    EventKind = "client.deleted"
	KeysRotated      EventKind = "keys.rotated"
)

// Event is something that a user or an operator may ask about later. It is written in the transaction of what it tells.
type Event struct {
	ID        ID
	At        time.Time
	Kind      EventKind
	UserID    ID // zero when no user is concerned
	SessionID ID
	ClientID  string
	Detail    string // a cause or a short fact; never a secret
	Address   string
}
