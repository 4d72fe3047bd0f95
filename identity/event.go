package identity

import (
	"slices"
	"time"
)

// EventKind names what happened, as operators and people's activity pages look for it.
type EventKind string

// The events that exist so far.
const (
	UserCreated      EventKind = "user.created"
	SignUpTried      EventKind = "user.signup_tried" // somebody wanted to make an account with the address of this one
	SignedIn         EventKind = "signin.proved"
	SignInEnded      EventKind = "signin.ended"
	SessionEnded     EventKind = "session.ended"
	SessionForked    EventKind = "session.forked"
	SessionRolled    EventKind = "session.rolled_forward"
	FactorAdded      EventKind = "factor.added"
	FactorRefused    EventKind = "factor.refused"
	RecoveryCodeUsed EventKind = "factor.recovery_code_used"
	RecoveryRenewed  EventKind = "factor.recovery_codes_renewed"
	FactorRemoved    EventKind = "factor.removed"
	FactorReplaced   EventKind = "factor.replaced"
	NewBrowser       EventKind = "signin.new_browser" // a browser that this person had not signed in with before
	PasswordChanged  EventKind = "password.changed"
	PasswordReset    EventKind = "password.reset"
	PasswordRefused  EventKind = "password.refused" // a wrong one was typed: Detail says where
	EmailVerified    EventKind = "email.verified"
	EmailChanged     EventKind = "email.changed"
	EmailVouched     EventKind = "email.vouched"   // an operator says that the address is the person's; Detail: why
	ProfileChanged   EventKind = "profile.changed" // what apps see of the person: name or address
	UserLocked       EventKind = "user.locked"
	UserUnlocked     EventKind = "user.unlocked"
	UserDeleted      EventKind = "user.deleted"
	ChangesUndone    EventKind = "user.undone" // the owner had back what was changed meanwhile; Detail: which parts
	WayInMade        EventKind = "user.way_in" // an operator made a link to choose a new password; Detail: why
	ConsentGiven     EventKind = "consent.given"
	ConsentWithdrawn EventKind = "consent.withdrawn"
	ClientRegistered EventKind = "client.registered"
	ClientUpdated    EventKind = "client.updated"
	ClientDisabled   EventKind = "client.disabled"
	ClientEnabled    EventKind = "client.enabled"
	ClientDeleted    EventKind = "client.deleted"
	ResourceAdded    EventKind = "resource.added" // Detail of all three: its URI
	ResourceUpdated  EventKind = "resource.updated"
	ResourceDeleted  EventKind = "resource.deleted"
	KeysRotated      EventKind = "keys.rotated"
	KeysResealed     EventKind = "keys.resealed" // Detail: how much, and what remains
	KeyRemoved       EventKind = "keys.removed"  // Detail: which, and why

	RegistrationTokenAdded EventKind = "registration_token.added" // Detail: for how many registrations
	DeliveryRetried        EventKind = "delivery.retried"         // Detail: its id, or how many of those given up
	AdminTokenAdded        EventKind = "admin_token.added"        // Detail: its name
	AdminTokenRemoved      EventKind = "admin_token.removed"
	WebhookAdded           EventKind = "webhook.added" // Detail: its name, as of the next two
	WebhookRemoved         EventKind = "webhook.removed"
	WebhookReplayed        EventKind = "webhook.replayed"
	WebhookRotated         EventKind = "webhook.rotated" // Detail: its name, and until when the secret before signs too
	EventsSealed           EventKind = "events.sealed"   // Detail: the last day that was, and its head

	RoleChanged   EventKind = "role.changed"   // Detail: which role of the desk the person has now, or none
	DeskEntered   EventKind = "desk.entered"   // Detail: with which role
	OperatorActed EventKind = "operator.acted" // Detail: what was done at the desk, and why

	AnomalyFound  EventKind = "anomaly.found" // a rule found something unusual; Detail: Decision.Detail
	CaseWasClosed EventKind = "case.closed"   // an operator looked at what a rule found; Detail: the rule, and why
)

// EventKinds are all of them.
var EventKinds = []EventKind{
	UserCreated, SignUpTried, SignedIn, SignInEnded, SessionEnded, SessionForked, SessionRolled, FactorAdded,
	FactorRefused, RecoveryCodeUsed, RecoveryRenewed, FactorRemoved, FactorReplaced, NewBrowser, PasswordChanged,
	PasswordReset, PasswordRefused, EmailVerified, EmailChanged, EmailVouched, ProfileChanged, UserLocked, UserUnlocked,
	UserDeleted, ChangesUndone, WayInMade, ConsentGiven, ConsentWithdrawn, ClientRegistered, ClientUpdated,
	ClientDisabled, ClientEnabled, ClientDeleted, KeysRotated, KeysResealed, KeyRemoved, RegistrationTokenAdded,
	DeliveryRetried, AdminTokenAdded, AdminTokenRemoved, WebhookAdded, WebhookRemoved, WebhookReplayed, WebhookRotated, EventsSealed,
	RoleChanged, DeskEntered, OperatorActed,
	AnomalyFound, CaseWasClosed,
}

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
	Actor     string // the operator who did it, like cli:ada; empty: the person, their app or the server itself
	Browser   string // which one the person used, like Firefox on Linux; empty: nobody knows
	Repeats   int    // how often the same happened again within an hour
	Erased    []byte // in place of what it said of a person who is gone (EventSealer.Private); empty: nothing was erased
}

// mailedKinds are the Events that a person is told of by mail, whoever caused them.
var mailedKinds = []EventKind{
	NewBrowser, PasswordChanged, PasswordReset, EmailChanged, FactorAdded, FactorRemoved, FactorReplaced, RecoveryCodeUsed,
	RecoveryRenewed, WayInMade, ChangesUndone, EmailVouched,
}

// Droppable reports whether a mail that tells of the Event may stay away where many told of the same lately. Strangers cause
// these, or an app that goes wrong; that what opens the account has changed is always told.
func (e Event) Droppable() bool {
	return e.Kind == NewBrowser || e.Kind == SessionEnded || e.Kind == AnomalyFound
}

// FactorImported is the detail of a FactorAdded whose secret the person had before: nothing to be told of.
const FactorImported = "imported"

// Mailed reports whether the person is told of the Event by mail.
func (e Event) Mailed() bool {
	if e.Kind == FactorAdded && e.Detail == FactorImported {
		return false
	}
	if e.Kind == AnomalyFound {
		return e.UserID != (ID{}) && ReadDecision(e.Detail).Answer.Has(AnswerTell)
	}
	stolen := e.Kind == SessionEnded && e.Detail == string(EndReuse) // two parties held one refresh token
	return e.UserID != (ID{}) && (stolen || slices.Contains(mailedKinds, e.Kind))
}
