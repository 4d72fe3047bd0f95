package identity

import (
	"encoding/json"
	"time"
)

// DeliveryKind says what is delivered, and so who carries it.
type DeliveryKind string

// The kinds of delivery.
const (
	LogoutDelivery DeliveryKind = "logout" // a LogoutNotice to a client's back channel
	MailDelivery   DeliveryKind = "mail"   // a Letter to a person
)

// Delivery is something that has to reach somebody else's server. It is written in the transaction of what it tells, and
// tried until it arrives or is given up.
type Delivery struct {
	ID        ID
	Kind      DeliveryKind
	Host      string          // where it goes; empty for mail, which goes to our own mail server
	Body      json.RawMessage // sealed at rest: a Letter may hold an address or a link
	Tries     int             // those that failed
	CreatedAt time.Time
	NextTryAt time.Time
	DeadAt    time.Time // when it was given up; zero while it is tried
	LastError string    // of the last try, at most 200 bytes, without secrets
}

// LogoutNotice tells a client's back channel that a Session is over (OpenID Connect Back-Channel Logout 1.0 §2.4).
type LogoutNotice struct {
	SessionID ID     `json:"sid"`
	Sub       string `json:"sub"`
	ClientID  string `json:"client_id"`
	URI       string `json:"uri"` // as it was registered when the Session ended
}

// LetterKind says which mail is to be written.
type LetterKind string

// The kinds of mail.
const (
	LetterForgot   LetterKind = "forgot"    // To may or may not have an account: only the postman looks
	LetterVerify   LetterKind = "verify"    // confirm that the address is yours
	LetterNewEmail LetterKind = "new_email" // to the new address: confirm that the account moves to it
	LetterOldEmail LetterKind = "old_email" // to the old address: the account has moved
	LetterHave     LetterKind = "have"      // somebody tried to sign up with an address that has an account
	LetterEvent    LetterKind = "event"     // an Event that a person is told of (Event.Mailed)
)

// Letter is a mail that is to be written and sent. What it says is looked up when it is sent; a link in it is made then.
type Letter struct {
	Kind   LetterKind `json:"kind"`
	To     string     `json:"to,omitempty"`   // empty: the user's address at the time of sending
	UserID ID         `json:"user,omitzero"`  // zero for LetterForgot and LetterHave
	Event  *Event     `json:"event,omitzero"` // of LetterEvent
	Detail string     `json:"detail,omitempty"`
}

// DeliveryClaim asks for one Delivery that is due.
type DeliveryClaim struct {
	Kind  DeliveryKind
	Busy  []string      // hosts that get no more for now
	Lease time.Duration // how long it is nobody else's; longer than a try may take
}

// DeliveryFilter chooses what a list of Deliveries holds.
type DeliveryFilter struct {
	Dead  bool // only those that were given up
	After ID   // the last one of the page before; zero: from the start
	Limit int
}

// ListedDelivery is a Delivery as operators see it: without its Body.
type ListedDelivery struct {
	Delivery
	ClientID  string     // of a LogoutNotice
	SessionID ID         // of a LogoutNotice
	Letter    LetterKind // of a Letter
}

// DeliveryCount is how many Deliveries of a kind there are.
type DeliveryCount struct {
	Kind          DeliveryKind
	Waiting, Dead int
}
