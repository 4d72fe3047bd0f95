package identity

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"
)

// DeliveryKind says what is delivered, and so who carries it.
type DeliveryKind string

// The kinds of delivery.
const (
	LogoutDelivery DeliveryKind = "logout" // a LogoutNotice to a client's back channel
	MailDelivery   DeliveryKind = "mail"   // a Letter to a person
	// WebhookDelivery is a WebhookNotice to a program of the operator's.
	WebhookDelivery DeliveryKind = "webhook"
)

// DeliveryKinds are all of them.
var DeliveryKinds = []DeliveryKind{LogoutDelivery, MailDelivery, WebhookDelivery}

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
	ClientID  string    // whose it is; the name of a webhook; empty for mail
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
	LetterMoved    LetterKind = "moved"     // to the old address: an operator has moved the account
	// LetterTakenBack goes to the address that an account left by "It wasn't me", back to the one before.
	LetterTakenBack LetterKind = "taken_back"
	LetterHave      LetterKind = "have"    // somebody tried to sign up with an address that has an account
	LetterSignUp    LetterKind = "sign_up" // somebody made an account with To: confirm it, or you have one already
	LetterConfirm   LetterKind = "confirm" // to confirm an account that was made with To, once more
	LetterEvent     LetterKind = "event"   // an Event that a person is told of (Event.Mailed)
)

// Letter is a mail that is to be written and sent. What it says is looked up when it is sent; a link in it is made then.
type Letter struct {
	Kind   LetterKind `json:"kind"`
	To     string     `json:"to,omitempty"`   // empty: the user's address at the time of sending
	UserID ID         `json:"user,omitzero"`  // zero for those that only say whom they go To
	Event  *Event     `json:"event,omitzero"` // of LetterEvent
	Detail string     `json:"detail,omitempty"`
	Epoch  int        `json:"epoch,omitempty"` // of the user, when it was asked for from within the account
	Before time.Time  `json:"before,omitzero"` // of LetterOldEmail: what was done later may be a thief's
}

// DeliveryClaim asks for one Delivery that is due.
type DeliveryClaim struct {
	Kind  DeliveryKind
	After string        // the client whose turn was last
	Busy  []string      // clients that get no more for now
	Only  []string      // if not nil, no others get any
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
	SessionID ID         // of a LogoutNotice
	Letter    LetterKind // of a Letter
	Event     EventKind  // of a WebhookNotice
}

// DeliveryCount is how many Deliveries of a kind there are.
type DeliveryCount struct {
	Kind          DeliveryKind
	Waiting, Dead int
	Oldest        time.Time // when the oldest of those that wait was queued; zero: none waits
}

// waits are how long a delivery waits after each try that failed: soon at first, since most endpoints are only being
// restarted, then rarely, for about a day.
var waits = []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour,
	3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour,
}

// spread is how much longer, as a share of it, a wait may become: what failed together must not come back together.
const spread = 0.1

// maxLastError bounds Delivery.LastError, in bytes.
const maxLastError = 200

// FailedTry is one try of a Delivery that did not arrive.
type FailedTry struct {
	At     time.Time
	Cause  error   // it is kept and shown to operators, so it must not tell a secret
	Jitter float64 // random, 0 to 1
}

// Failed returns what becomes of the Delivery after a try that failed: it waits longer each time, and is dead after the
// 14th, about a day after the first. One whose Cause is Permanent is dead at once.
func (d Delivery) Failed(try FailedTry) Delivery {
	d.Tries++
	d.LastError = oneLine(try.Cause.Error())
	if d.Tries > len(waits) || errors.As(try.Cause, new(permanent)) {
		d.DeadAt = try.At
		return d
	}
	wait := waits[d.Tries-1]
	d.NextTryAt = try.At.Add(wait + time.Duration(try.Jitter*spread*float64(wait)))
	return d
}

// oneLine is text as one line that any database keeps, cut to maxLastError bytes.
func oneLine(text string) string {
	control := func(r rune) bool { return r <= ' ' || r == 0x7f }
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), control), " ")
	for len(text) > maxLastError {
		_, last := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-last]
	}
	return text
}

type permanent struct{ error }

// Unwrap returns what Permanent was given.
func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error that another try of the same Delivery would meet again.
func Permanent(err error) error { return permanent{err} }
