package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

type operatorStore interface {
	ledger
	readers
	ender
	Events(ctx context.Context, q EventQuery) ([]Event, error)
	// SetUserDisabled locks an account and raises its epoch, or unlocks it for the zero time; false: it was so already.
	SetUserDisabled(ctx context.Context, userID ID, at time.Time) (bool, error)
	DeleteUser(ctx context.Context, userID ID) error
	// LockUser keeps everyone else from changing the user until the transaction ends.
	LockUser(ctx context.Context, userID ID) error
	SetDescribed(ctx context.Context, userID ID, said Described) error
	// SetEmail gives an account another address, which counts as verified: Conflict when it is taken.
	SetEmail(ctx context.Context, userID ID, email string) error
	VerifyEmail(ctx context.Context, userID ID, email string) error
	outbox
	SetClientDisabled(ctx context.Context, clientID string, at time.Time) (bool, error)
	DeleteClient(ctx context.Context, id string) error
	// RetireClient deletes a client that would come back by itself, and keeps its id out until it is enabled again.
	RetireClient(ctx context.Context, id string) error
	// RotateSecret gives a client another secret; the one before stays good until a time. NotFound without a client or secret.
	RotateSecret(ctx context.Context, id string, hash []byte, formerUntil time.Time) error
	// CreateClient adds a client; Conflict when its id is taken.
	CreateClient(ctx context.Context, c Client) error
	// LockClient reads a client, disabled or not, and keeps everyone else from changing it until the transaction ends.
	LockClient(ctx context.Context, id string) (Client, error)
	// UpdateClient writes all of a client that operators may change.
	UpdateClient(ctx context.Context, c Client) error
	resourceStore
	CreateRegistrationToken(ctx context.Context, hash []byte, uses int, expires time.Time) error
	// Reseal seals what rests under another root secret under the first one, and counts what remains.
	Reseal(ctx context.Context) ([]Resealed, error)
	deliveryStore
	caseStore
}

type deliveryStore interface {
	RetryDelivery(ctx context.Context, id ID) error
	RetryDead(ctx context.Context) (int, error)
}

// Operators does what the people who run the service may do to accounts, Sessions and clients. Who of them acts is said
// by WithActor, and stands in every Event.
type Operators struct {
	Store operatorStore
	Now   func() time.Time
	// CleanKeys judges a client's inline key set, and returns what is kept of it; nil: a client can have none.
	CleanKeys func(jwks json.RawMessage) (json.RawMessage, error)
	Schemes   []string // without a dot, by which apps may be led back
	Algs      []string // that sign ID tokens here; nil: UsualAlgs
	MailOn    bool     // whether mail can be sent
}

// EndSession ends one Session, and with its device the browser sign-in that it began from and all that began from that.
// NotFound when there is no such Session.
func (o Operators) EndSession(ctx context.Context, id ID, device bool) (Struck, error) {
	s, err := o.Store.SessionByID(ctx, id)
	if err != nil {
		return Struck{}, err
	}
	if device {
		return o.Store.End(ctx, Ending{SignIn: s.SignInID, With: id, Offline: true, Cause: EndOperator})
	}
	return o.Store.End(ctx, Ending{Session: id, Cause: EndOperator})
}

// EndAll ends every SignIn and Session of a person.
func (o Operators) EndAll(ctx context.Context, userID ID) (Struck, error) {
	return o.Store.End(ctx, Ending{User: userID, Cause: EndOperator})
}

// Lock locks an account and ends everything of it; false when it was locked already. Unlocking resurrects nothing.
func (o Operators) Lock(ctx context.Context, userID ID) (changed bool, err error) {
	err = o.Store.InTx(ctx, func(ctx context.Context) error {
		if changed, err = o.Store.SetUserDisabled(ctx, userID, o.Now()); err != nil {
			return err
		}
		if _, err := o.Store.End(ctx, Ending{User: userID, Cause: EndLocked}); err != nil || !changed {
			return err
		}
		return o.tell(ctx, Event{Kind: UserLocked, UserID: userID})
	})
	return changed, err
}

// Unlock lets a person sign in again; false when they could already.
func (o Operators) Unlock(ctx context.Context, userID ID) (changed bool, err error) {
	err = o.Store.InTx(ctx, func(ctx context.Context) error {
		changed, err = o.Store.SetUserDisabled(ctx, userID, time.Time{})
		if err != nil || !changed {
			return err
		}
		return o.tell(ctx, Event{Kind: UserUnlocked, UserID: userID})
	})
	return changed, err
}

// Reason cleans why an operator does what only a person may do as a rule. Refusal: Invalid, field reason, without one.
func Reason(text string) (string, error) {
	reason := cleanFact(text)
	if reason == "" {
		return "", RefuseField("reason", "Say why, like: lost phone, ticket 4711. It stands in the Event that tells of it.")
	}
	return reason, nil
}

// ChangeCredentials makes a change of what opens a person's account in their name, and ends everything of it: write does
// the change, in the same transaction. The person hears of it by mail.
func (o Operators) ChangeCredentials(
	ctx context.Context, userID ID, ch CredentialChange, write func(context.Context) error,
) error {
	return o.Store.InTx(ctx, func(ctx context.Context) error {
		if _, err := o.Store.End(ctx, Ending{User: userID, Cause: ch.Cause}); err != nil {
			return err
		}
		at := o.Now() // before what it tells of, as in Credentials
		if err := write(ctx); err != nil {
			return err
		}
		return o.Store.AddEvent(ctx, Event{ID: NewID(), At: at, Kind: ch.Event, UserID: userID, Detail: ch.Detail})
	})
}

// SetEmail gives a person's account another address, which counts as confirmed, and ends everything of it. Old and new address
// hear of it by mail. Refusals: NotFound, Conflict (taken), Invalid (fields new_email and reason).
func (o Operators) SetEmail(ctx context.Context, userID ID, email, reason string) error {
	reason, err := Reason(reason)
	if err != nil {
		return err
	}
	if email, err = CleanEmail(email); err != nil {
		return RefuseField("new_email", err.Error())
	}
	ch := CredentialChange{Cause: EndEmail, Event: EmailChanged, Detail: email + ": " + reason}
	return o.ChangeCredentials(ctx, userID, ch, func(ctx context.Context) error {
		user, err := o.Store.UserByID(ctx, userID)
		if err != nil {
			return err
		}
		if user.Email == email {
			return RefuseField("new_email", "That is the address of the account already. It can be confirmed.")
		}
		if err := o.Store.SetEmail(ctx, userID, email); err != nil {
			return err
		}
		if err := o.Store.QueueLetter(ctx, Letter{Kind: LetterMoved, UserID: userID, To: user.Email, Detail: email}); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: ProfileChanged, UserID: userID})
	})
}

// ConfirmEmail says that the address of an account is its person's, which only following a mail says as a rule. It ends
// nothing; false where it was confirmed. The person hears of it by mail. Refusals: NotFound, Invalid (field reason).
func (o Operators) ConfirmEmail(ctx context.Context, userID ID, reason string) (changed bool, err error) {
	if reason, err = Reason(reason); err != nil {
		return false, err
	}
	err = o.Store.InTx(ctx, func(ctx context.Context) error {
		user, err := o.Store.UserByID(ctx, userID)
		if changed = err == nil && !user.EmailVerified; !changed {
			return err
		}
		if err := o.Store.VerifyEmail(ctx, userID, user.Email); err != nil {
			return err
		}
		if err := o.tell(ctx, Event{Kind: ProfileChanged, UserID: userID}); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: EmailVouched, UserID: userID, Detail: reason})
	})
	return changed, err
}

// WayIn is a link by which a person chooses a new password, without the mail that would carry it.
type WayIn struct {
	Link      string    `json:"link"` // good once
	ExpiresAt time.Time `json:"expires_at"`
}

// wayIn is the Detail of a link to choose a new password that no mail carried: it proves no mailbox, and undoes nothing.
const wayIn = "way in"

// ProvesMailbox reports whether a link to choose a new password with that detail came by mail.
func ProvesMailbox(detail string) bool { return detail != wayIn }

// MakeWayIn makes a link for who reads no mail of ours now; it lives as a mailed one does and takes the place of an earlier one. Who
// has a second factor is asked for it after it. The person hears of it by mail. Refusals: NotFound, Invalid (field
// reason), Conflict (the account is locked).
func (o Operators) MakeWayIn(ctx context.Context, links MailLinks, userID ID, reason string) (w WayIn, err error) {
	if reason, err = Reason(reason); err != nil {
		return w, err
	}
	err = o.Store.InTx(ctx, func(ctx context.Context) error {
		user, err := o.Store.UserByID(ctx, userID)
		if err != nil {
			return err
		}
		if !user.DisabledAt.IsZero() {
			return Refuse(Conflict, "The account is locked, and a new password would not open it. Unlock it first.")
		}
		w.ExpiresAt = o.Now().Add(linkLives[LinkWayIn])
		if w.Link, err = links.Make(ctx, LinkFor{UserID: userID, Kind: LinkWayIn, Detail: wayIn, Epoch: user.Epoch}); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: WayInMade, UserID: userID, Detail: reason})
	})
	return w, err
}

// SendReset mails a person a link to choose a new password. Nothing of theirs changes before they follow it. Refusals:
// NotFound, Conflict (the account is locked, no mail is sent here).
func (o Operators) SendReset(ctx context.Context, userID ID) error {
	return o.mail(ctx, userID, func(user User) (Letter, error) {
		return Letter{Kind: LetterForgot, To: user.Email}, nil
	})
}

// SendConfirm mails a person a link to confirm the address of their account. Refusals: NotFound, Conflict (it is confirmed, the
// account is locked, no mail is sent here).
func (o Operators) SendConfirm(ctx context.Context, userID ID) error {
	return o.mail(ctx, userID, func(user User) (Letter, error) {
		switch {
		case user.EmailVerified:
			return Letter{}, Refuse(Conflict, "The address is confirmed already.")
		case user.Unconfirmed(): // nobody has signed in to it yet
			return Letter{Kind: LetterConfirm, To: user.Email}, nil
		}
		return Letter{Kind: LetterVerify, UserID: user.ID, Epoch: user.Epoch}, nil
	})
}

func (o Operators) mail(ctx context.Context, userID ID, write func(User) (Letter, error)) error {
	if !o.MailOn {
		return Refuse(Conflict, "No mail is sent here: SOJOURN_SMTP is not set.")
	}
	return o.Store.InTx(ctx, func(ctx context.Context) error {
		user, err := o.Store.UserByID(ctx, userID)
		if err != nil {
			return err
		}
		if !user.DisabledAt.IsZero() {
			return Refuse(Conflict, "The account is locked, and the link would not open it. Unlock it first.")
		}
		letter, err := write(user)
		if err != nil {
			return err
		}
		return o.Store.QueueLetter(ctx, letter)
	})
}

// DeleteUser ends everything of a person and then deletes the account with all that it held.
func (o Operators) DeleteUser(ctx context.Context, userID ID) error {
	return o.Store.InTx(ctx, func(ctx context.Context) error {
		if _, err := o.Store.End(ctx, Ending{User: userID, Cause: EndDeleted}); err != nil {
			return err
		}
		if err := o.Store.DeleteUser(ctx, userID); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: UserDeleted, UserID: userID})
	})
}

func (o Operators) tell(ctx context.Context, e Event) error {
	e.ID, e.At = NewID(), o.Now()
	return o.Store.AddEvent(ctx, e)
}

// The bounds of an initial access token: who has one makes apps.
const (
	MaxRegistrations     = 1000
	MinRegistrationToken = time.Minute
	MaxRegistrationToken = 30 * 24 * time.Hour
)

// AddRegistrationToken makes an initial access token (RFC 7591 §3) that is good for so many registrations for a while, and returns
// its text, which is told this once, and until when. Refusals: Invalid, field uses or expires_in_seconds.
func (o Operators) AddRegistrationToken(ctx context.Context, uses int, lasts time.Duration) (text string, expires time.Time, err error) {
	if uses < 1 || uses > MaxRegistrations {
		return "", expires, RefuseField("uses", "Use a number between 1 and 1000 for how many registrations.")
	}
	if lasts < MinRegistrationToken || lasts > MaxRegistrationToken {
		return "", expires, RefuseField("expires_in_seconds", "It can be good for a minute to thirty days (720 hours).")
	}
	text, hash := NewInitialToken()
	expires = o.Now().Add(lasts)
	return text, expires, o.Store.InTx(ctx, func(ctx context.Context) error {
		if err := o.Store.CreateRegistrationToken(ctx, hash, uses, expires); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: RegistrationTokenAdded, Detail: fmt.Sprintf("good for %d", uses)})
	})
}

// RetryDelivery makes a Delivery due at once, with all its tries again, dead or not; NotFound when there is none.
func (o Operators) RetryDelivery(ctx context.Context, id ID) error {
	return o.Store.InTx(ctx, func(ctx context.Context) error {
		if err := o.Store.RetryDelivery(ctx, id); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: DeliveryRetried, Detail: id.String()})
	})
}

// RetryDead makes every dead Delivery due at once, with all its tries again, and returns how many those were.
func (o Operators) RetryDead(ctx context.Context) (n int, err error) {
	err = o.Store.InTx(ctx, func(ctx context.Context) error {
		if n, err = o.Store.RetryDead(ctx); err != nil || n == 0 {
			return err
		}
		return o.tell(ctx, Event{Kind: DeliveryRetried, Detail: fmt.Sprintf("%d that were given up", n)})
	})
	return n, err
}

// Resealed is what became of one kind of thing that rests under a root secret.
type Resealed struct {
	What   string `json:"what"`
	Anew   int    `json:"sealed_anew"`
	Left   int    `json:"under_others"` // that need another root secret than the first
	Hashed bool   `json:"hashed"`       // cannot be made anew: their owners do that, by use or by new ones
}

// Reseal seals everything at rest under the first root secret, so that an older one may leave. Beside a running server,
// and again after it was broken off.
func (o Operators) Reseal(ctx context.Context) ([]Resealed, error) {
	all, err := o.Store.Reseal(ctx)
	if err != nil {
		return nil, err
	}
	anew, left := 0, 0
	for _, r := range all {
		anew, left = anew+r.Anew, left+r.Left
	}
	return all, o.Store.InTx(ctx, func(ctx context.Context) error {
		return o.tell(ctx, Event{Kind: KeysResealed, Detail: fmt.Sprintf("%d sealed anew, %d remain under others", anew, left)})
	})
}

// Dossier is all that is known of one Session.
type Dossier struct {
	Live
	Events []Event // the newest first
}

// maxTold bounds the Events that one look at a Session brings.
const maxTold = 100

// Session returns a Session, over or not, with whose it is and what happened to it; NotFound when there is none.
func (o Operators) Session(ctx context.Context, id ID) (d Dossier, err error) {
	if d.Session, err = o.Store.SessionByID(ctx, id); err != nil {
		return d, err
	}
	if d.User, err = o.Store.UserByID(ctx, d.Session.UserID); err != nil {
		return d, err
	}
	d.Events, err = o.Store.Events(ctx, EventQuery{UserID: d.User.ID, SessionID: id, Limit: maxTold})
	return d, err
}

// Account is a person as operators see them.
type Account struct {
	User
	Factors   []Factor // the kinds that count
	CodesLeft int      // recovery codes that were not used
	Sessions  int      // that live
}

// AccountQuery picks accounts, the newest first.
type AccountQuery struct {
	Email string // as KnownEmail returns it; empty: everyone
	// Starts is the beginning of an address, in lower case. It orders by address, and knows no After.
	Starts string
	Sub    string
	ID     ID
	After  ID // the last one of the page before; zero: from the start
	Limit  int
}

// SessionQuery picks Sessions that live, the newest first.
type SessionQuery struct {
	UserID   ID     // zero: of everyone
	ClientID string // empty: of all clients
	After    ID
	Limit    int
}

// ClientQuery picks clients by their ids, in order, disabled ones too.
type ClientQuery struct {
	After string
	Limit int
}

// EventQuery picks Events, the newest first.
type EventQuery struct {
	UserID    ID        // zero: of everyone
	SessionID ID        // zero: of all
	ClientID  string    // empty: of all; goes by Since, or by the person or Session
	Kind      EventKind // empty: all; likewise
	Since     time.Time // zero: from the start
	Before    time.Time // zero: up to now
	After     ID
	Limit     int
}
