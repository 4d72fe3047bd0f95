package identity

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// UndoFor is how long what was done to an account can be undone by its owner: as long as the mails that told of it can be
// answered.
const UndoFor = 7 * 24 * time.Hour

// Undoable is a part of an account that an owner gets back as it was.
type Undoable string

// The parts. A name of them stands in Events.
const (
	UndoAddress Undoable = "address"
	UndoName    Undoable = "name"
	UndoFactors Undoable = "factors" // authenticator and recovery codes
	UndoConsent Undoable = "consent"
)

// Undoing takes back what was done to an account after a moment.
type Undoing struct {
	UserID ID
	Since  time.Time
	// Owner is the address whose reader asks for it. The account goes back to the address that it had at that moment, unless
	// KeepAddress.
	Owner       string
	KeepAddress bool
	// Until is the moment up to which the owner's word goes: mails that tell of later things keep their worth. Zero: now.
	Until time.Time
}

type undoStore interface {
	// AddressAt returns the address that an account had after all that was done to it until at.
	AddressAt(ctx context.Context, userID ID, at time.Time) (string, error)
	// Changed names what of an account was changed after a moment and Undo would take back, but for its address.
	Changed(ctx context.Context, userID ID, since time.Time) ([]Undoable, error)
	// Undo carries an Undoing out and names what it changed. It belongs in a transaction that has locked the user's row.
	Undo(ctx context.Context, u Undoing) ([]Undoable, error)
	// Undone reports whether the same owner had what happened at a moment undone since.
	Undone(ctx context.Context, userID ID, m Moment) (bool, error)
	// StartClean takes everything from an account that hangs on it, but for its password.
	StartClean(ctx context.Context, userID ID) error
}

// Moment is what a mail with the words "It wasn't me" tells of, and where it went. It is the Detail of the link in it.
type Moment struct {
	Before time.Time // whatever was done later may be a thief's
	Email  string    // the address that the account had then
	Keeps  bool      // a thief of what the mail tells of could change nothing: the link ends everything and undoes nothing
}

// PressedLinkLasts is how long the page goes on after a link "It wasn't me" was pressed.
const PressedLinkLasts = time.Hour

// Before is the moment before an Event: what was changed in it is later, since Events take their time first.
func (e Event) Before() Moment {
	return Moment{Before: e.At.Add(-time.Microsecond), Keeps: e.Kind == SessionEnded}
}

// Detail spells a Moment.
func (m Moment) Detail() string {
	power := "undo"
	switch {
	case m.Before.IsZero():
		return "" // queued by a release that did not say
	case m.Keeps:
		power = "end"
	}
	return power + " " + strconv.FormatInt(m.Before.UnixMicro(), 10) + " " + m.Email
}

// readMoment reads a Detail. Links from before it was in them end everything, and undo nothing.
func readMoment(detail string) (m Moment, said bool) {
	power, rest, _ := strings.Cut(detail, " ")
	micros, email, ok := strings.Cut(rest, " ")
	at, err := strconv.ParseInt(micros, 10, 64)
	if !ok || err != nil {
		return Moment{Keeps: true}, false
	}
	return Moment{Before: time.UnixMicro(at).UTC(), Email: email, Keeps: power != "undo"}, true
}

// speaks reads what a link "It wasn't me" tells of. Refusal: NotFound, when it was mailed to an address that the account
// did not have then, as far as anybody but a thief has it.
func (m ByMail) speaks(ctx context.Context, link LinkFor) (Moment, error) {
	moment, said := readMoment(link.Detail)
	if !said {
		return moment, nil
	}
	email, err := m.Store.AddressAt(ctx, link.UserID, moment.Before)
	switch {
	case err != nil:
		return moment, err
	case email != moment.Email:
		return moment, errLinkOver
	case moment.Keeps:
		return moment, nil
	}
	moment.Keeps, err = m.Store.Undone(ctx, link.UserID, moment)
	return moment, err
}

// Told is what a link "It wasn't me" tells of.
type Told struct {
	User   User
	Moment Moment
}

// ChangedLately names what a reset takes back unless the person says that it was them. Consent is asked for anew anyway.
func (m ByMail) ChangedLately(ctx context.Context, user User) ([]Undoable, error) {
	changed, err := m.Store.Changed(ctx, user.ID, m.Now().Add(-UndoFor))
	return slices.DeleteFunc(changed, func(part Undoable) bool { return part == UndoConsent || !user.EmailVerified }), err
}

// ToldBy judges a link "It wasn't me" and spends nothing.
func (m ByMail) ToldBy(ctx context.Context, text string) (t Told, err error) {
	link, err := m.Links.Read(ctx, text, LinkNotMe)
	if err != nil {
		return t, err
	}
	if t.Moment, err = m.speaks(ctx, link); err != nil {
		return t, err
	}
	t.User, err = m.Store.UserByID(ctx, link.UserID)
	return t, err
}

// NotMe ends everything of whoever the link was mailed to, undoes what was done since the moment that it tells of, and
// voids the password, which somebody else may know: the mailbox alone leads back in. That is done once: for an hour the page can
// go on from there, and another press does nothing, or whoever copied the link kept the owner out by it. What was undone
// by one link is not undone again by another, since by then the account is its owner's.
func (m ByMail) NotMe(ctx context.Context, text string, seen Seen) (t Told, undone []Undoable, err error) {
	if t, err = m.ToldBy(ctx, text); err != nil {
		return t, nil, err
	}
	err = m.Store.InTx(ctx, func(ctx context.Context) error {
		first, err := m.Links.Press(ctx, text) // locks the user's row
		if err != nil {
			return err
		}
		if t, err = m.ToldBy(ctx, text); err != nil || !first {
			return err
		}
		if err := m.Devices.NotMe(ctx, t.User.ID, seen); err != nil || t.Moment.Keeps {
			return err
		}
		if undone, err = m.takeBack(ctx, t, seen); err != nil {
			return err
		}
		t.User, err = m.Store.UserByID(ctx, t.User.ID)
		return err
	})
	return t, undone, err
}

// takeBack voids the password and undoes what was done since the moment of a link. Who reads the mailbox that the account
// leaves by that hears of it: it may be theirs as well.
func (m ByMail) takeBack(ctx context.Context, t Told, seen Seen) ([]Undoable, error) {
	if err := m.Store.WritePassword(ctx, t.User.ID, ""); err != nil {
		return nil, err
	}
	undone, err := m.undo(ctx, Undoing{UserID: t.User.ID, Since: t.Moment.Before, Owner: t.Moment.Email}, seen)
	if err != nil || !slices.Contains(undone, UndoAddress) {
		return undone, err
	}
	return undone, m.Store.QueueLetter(ctx, Letter{
		Kind: LetterTakenBack, UserID: t.User.ID, To: t.User.Email, Detail: t.Moment.Email,
	})
}

// undo carries an Undoing out and tells of what it changed.
func (m ByMail) undo(ctx context.Context, u Undoing, seen Seen) ([]Undoable, error) {
	undone, err := m.Store.Undo(ctx, u)
	if err != nil || len(undone) == 0 {
		return undone, err
	}
	names := make([]string, len(undone))
	profile := false
	for i, part := range undone {
		names[i] = string(part)
		profile = profile || part == UndoAddress || part == UndoName
	}
	err = m.Store.AddEvent(ctx, Event{
		ID: NewID(), At: m.Now(), Kind: ChangesUndone, UserID: u.UserID, Detail: strings.Join(names, ", "), Address: seen.Address,
	})
	if err != nil || !profile {
		return undone, err
	}
	return undone, m.tell(ctx, u.UserID, seen, ProfileChanged)
}

// cleanStart is the Detail of the Event ChangesUndone of an account that starts clean.
const cleanStart = "everything"

// regain gives an account to the reader of its mailbox, who has just proved to be it. What was changed while its mails
// could still be answered is undone. Where nobody had proved it before, whoever made the account may be somebody else: all
// that hangs on it goes. The word of whoever reads it goes until the reset: it may be a thief who does, so the mail that
// tells of the reset keeps its worth.
func (m ByMail) regain(ctx context.Context, user User, p NewPassword, until time.Time) error {
	if user.EmailVerified {
		if p.Keep {
			return nil
		}
		_, err := m.undo(ctx, Undoing{
			UserID: user.ID, Since: m.Now().Add(-UndoFor), Owner: user.Email, KeepAddress: true, Until: until,
		}, p.Seen)
		return err
	}
	if err := m.Store.StartClean(ctx, user.ID); err != nil {
		return err
	}
	if err := m.Store.VerifyEmail(ctx, user.ID, user.Email); err != nil {
		return err
	}
	err := m.Store.AddEvent(ctx, Event{
		ID: NewID(), At: m.Now(), Kind: ChangesUndone, UserID: user.ID, Detail: cleanStart, Address: p.Seen.Address,
	})
	if err != nil {
		return err
	}
	return m.tell(ctx, user.ID, p.Seen, EmailVerified, ProfileChanged)
}
