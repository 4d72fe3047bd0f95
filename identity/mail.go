package identity

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const linkPrefix = "sj_ml_"

// LinkKind says what a mailed link lets its holder do.
type LinkKind string

// The kinds of link.
const (
	LinkReset  LinkKind = "reset"  // choose a new password
	LinkVerify LinkKind = "verify" // confirm the address that Detail holds: see ReadConfirmed
	LinkEmail  LinkKind = "email"  // move the account to another address: Detail is that of the Letter, as it is
	LinkWayIn  LinkKind = "way_in" // LinkReset from an operator: in a slot of its own, or whoever asks for a mail voided it
	LinkNotMe  LinkKind = "not_me" // end everything, and undo what was done since the Moment that Detail spells
)

// linkLives is how long each kind works: what opens or moves an account, for as long as a mail takes to be read.
var linkLives = map[LinkKind]time.Duration{
	LinkReset: 30 * time.Minute, LinkWayIn: 30 * time.Minute, LinkVerify: 7 * 24 * time.Hour, LinkEmail: time.Hour, LinkNotMe: UndoFor,
}

// LinkFor is whom a link is for and what it does.
type LinkFor struct {
	UserID ID
	Kind   LinkKind
	Detail string // kept in the row, never in the link
	Epoch  int    // of the user, when it was asked for: under another one it is void, but for LinkNotMe
}

// MailLink is what the database knows of a link that was mailed.
type MailLink struct {
	LinkFor
	Slot       string // what of a user's links another one replaces
	SecretHash []byte
	ExpiresAt  time.Time
}

type mailLinkStore interface {
	// WriteMailLink puts a link in the place of the one that its user had in the same slot.
	WriteMailLink(ctx context.Context, l MailLink) error
	// ReadMailLink returns the detail of a link that is alive; false when there is none with this secret.
	ReadMailLink(ctx context.Context, l MailLink) (detail string, alive bool, err error)
	// SpendMailLink is ReadMailLink and deletes it: of all who spend one link, one is told that it was alive. It locks the
	// user, so that no change of credentials comes between it and what the link is for.
	SpendMailLink(ctx context.Context, l MailLink) (detail string, alive bool, err error)
	// PressMailLink is ReadMailLink of a link that works once, though it can be read until l.ExpiresAt at most: of all who press
	// it, one is told that they are the first. It locks the user.
	PressMailLink(ctx context.Context, l MailLink) (first bool, err error)
}

// MailLinks makes the links that mails carry, and judges them. A link is a sealed pointer to a row that keeps the hash of
// its secret: neither our key nor the database alone makes one. It says under which of the user's epochs it was asked for, and
// is worth nothing under another (DESIGN law 12).
type MailLinks struct {
	Store mailLinkStore
	Keys  *Keyring
	Now   func() time.Time
}

// errLinkOver is the one answer to a link that is forged, of another kind, used, replaced or too old.
var errLinkOver = Refuse(NotFound, "This link was used, is too old, or a newer one took its place. Ask for a new one.")

// Make returns the text of a new link. It takes the place of an earlier one of the same user and kind, but for LinkNotMe:
// whoever acts in a person's name must not be able to void the way to stop them by causing another mail.
func (m MailLinks) Make(ctx context.Context, to LinkFor) (text string, err error) {
	secret := NewSecret()
	l := mailLink(to, secret)
	l.ExpiresAt = m.Now().Add(linkLives[to.Kind])
	return m.Keys.linkText(to, secret), m.Store.WriteMailLink(ctx, l)
}

// Read judges a link and spends nothing: what mail scanners fetch ahead of the person stays good. Refusal: NotFound.
func (m MailLinks) Read(ctx context.Context, text string, kind LinkKind) (LinkFor, error) {
	return m.judge(text, kind, func(l MailLink) (string, bool, error) { return m.Store.ReadMailLink(ctx, l) })
}

// Spend uses a link up; it belongs in the transaction of what the link is for. Refusal: NotFound, like Read.
func (m MailLinks) Spend(ctx context.Context, text string, kind LinkKind) (LinkFor, error) {
	return m.judge(text, kind, func(l MailLink) (string, bool, error) { return m.Store.SpendMailLink(ctx, l) })
}

// Press does once what a link "It wasn't me" is for, and reports whether this is the first time; for an hour it can still be
// read. It belongs in the transaction of what the link is for, and locks the user.
func (m MailLinks) Press(ctx context.Context, text string) (first bool, err error) {
	_, err = m.judge(text, LinkNotMe, func(l MailLink) (string, bool, error) {
		l.ExpiresAt = m.Now().Add(PressedLinkLasts)
		first, err = m.Store.PressMailLink(ctx, l)
		return "", true, err
	})
	return first, err
}

func (m MailLinks) judge(text string, kind LinkKind, ask func(MailLink) (string, bool, error)) (LinkFor, error) {
	link, secret, err := m.Keys.readLink(text)
	if err != nil || link.Kind != kind && (link.Kind != LinkWayIn || kind != LinkReset) {
		return LinkFor{}, errLinkOver
	}
	detail, alive, err := ask(mailLink(link, secret))
	if err != nil {
		return LinkFor{}, err
	}
	if !alive {
		return LinkFor{}, errLinkOver
	}
	link.Detail = detail
	return link, nil
}

func mailLink(to LinkFor, secret Secret) MailLink {
	l := MailLink{LinkFor: to, Slot: string(to.Kind), SecretHash: secret.Hash()}
	if to.Kind == LinkNotMe {
		l.Slot += " " + hex.EncodeToString(l.SecretHash[:8])
	}
	return l
}

// linkText seals user id, secret, kind and epoch.
func (k *Keyring) linkText(to LinkFor, secret Secret) string {
	body := append(append(append([]byte{}, to.UserID[:]...), secret[:]...), to.Kind...)
	body = fmt.Appendf(body, " %d", to.Epoch)
	return toText(linkPrefix, k.Seal(ForLink, body, nil))
}

// readLink returns what an authentic link says, or ErrForged. It asks no database.
func (k *Keyring) readLink(text string) (link LinkFor, secret Secret, err error) {
	raw, err := fromText(linkPrefix, text)
	if err != nil {
		return link, secret, err
	}
	body, err := k.Open(ForLink, raw, nil)
	if err != nil || len(body) < 32 {
		return LinkFor{}, Secret{}, ErrForged
	}
	kind, epoch, _ := strings.Cut(string(body[32:]), " ")
	if linkLives[LinkKind(kind)] == 0 {
		return LinkFor{}, Secret{}, ErrForged
	}
	copy(link.UserID[:], body)
	copy(secret[:], body[16:])
	link.Kind = LinkKind(kind)
	link.Epoch, _ = strconv.Atoi(epoch) // links of before this was in them are of accounts in which nothing has changed
	return link, secret, nil
}

type byMailStore interface {
	ledger
	readers
	outbox
	throttleStore
	undoStore
	secrets
	// SetEmail gives an account another address, which counts as verified: Conflict when it is taken.
	SetEmail(ctx context.Context, userID ID, email string) error
	// VerifyEmail notes that the person reads mail that is sent to email: NotFound when the account has another by now.
	VerifyEmail(ctx context.Context, userID ID, email string) error
}

// ByMail is what people do by way of their mail: ask for a link, and follow it. Whatever refuses a link says NotFound, by
// one sentence for all that can be wrong with it, and leaves the link as it was.
type ByMail struct {
	Store       byMailStore
	Links       MailLinks
	Credentials Credentials
	Devices     Devices
	Now         func() time.Time
}

// Holder returns whose link it is that a person holds, and its detail, and spends nothing.
func (m ByMail) Holder(ctx context.Context, text string, kind LinkKind) (User, string, error) {
	link, err := m.Links.Read(ctx, text, kind)
	if err != nil {
		return User{}, "", err
	}
	user, err := m.Store.UserByID(ctx, link.UserID)
	return user, link.Detail, err
}

// Reset spends a link to choose a new password, and ends everything that was signed in with the old one. A link that came by
// mail proves the mailbox: see regain. A password that is refused (Invalid, field new_password) spends nothing.
func (m ByMail) Reset(ctx context.Context, text string, p NewPassword) error {
	user, _, err := m.Holder(ctx, text, LinkReset) // strangers without a link make us hash nothing
	if err != nil {
		return err
	}
	if err := CheckNewPassword(p.New, user.Email, m.Credentials.Passwords.Service); err != nil {
		return err
	}
	hash, err := m.Credentials.Passwords.For(true).Hash(ctx, p.New)
	if err != nil {
		return err
	}
	return m.Store.InTx(ctx, func(ctx context.Context) error {
		link, err := m.Links.Spend(ctx, text, LinkReset)
		if err != nil {
			return err
		}
		until := m.Now().Add(-time.Microsecond)
		if err := m.Credentials.ResetPassword(ctx, user.ID, hash, p.Seen); err != nil {
			return err
		}
		if user, err = m.Store.UserByID(ctx, user.ID); err != nil {
			return err
		}
		if ProvesMailbox(link.Detail) {
			if err := m.regain(ctx, user, p, until); err != nil {
				return err
			}
		}
		return errors.Join( // who forgot it guessed before, and a thief may have
			m.Store.ClearTries(ctx, ThrottleKey("password", user.Email)), m.Store.ClearTries(ctx, ThrottleKey("known", user.Email)))
	})
}

// Verify spends a link that proves that the person reads mail sent to their address. Of a new account that more than one sign-up
// made, nobody knows whose the password is: it is void, and the person chooses one.
func (m ByMail) Verify(ctx context.Context, text string, seen Seen) (c Confirmed, err error) {
	err = m.Store.InTx(ctx, func(ctx context.Context) error {
		link, err := m.Links.Spend(ctx, text, LinkVerify)
		if err != nil {
			return err
		}
		user, err := m.Store.UserByID(ctx, link.UserID)
		if err != nil {
			return err
		}
		c = ReadConfirmed(link.Detail)
		if err := m.Store.VerifyEmail(ctx, link.UserID, c.Email); err != nil {
			return err
		}
		if c.First && user.Unconfirmed() {
			if c.Choose, err = m.settle(ctx, link, c); err != nil {
				return err
			}
		}
		return m.tell(ctx, link.UserID, seen, EmailVerified, ProfileChanged)
	})
	return c, err
}

func (m ByMail) tell(ctx context.Context, userID ID, seen Seen, kinds ...EventKind) error {
	for _, kind := range kinds {
		err := m.Store.AddEvent(ctx, Event{ID: NewID(), At: m.Now(), Kind: kind, UserID: userID, Address: seen.Address})
		if err != nil {
			return err
		}
	}
	return nil
}

// Asker is who asks for a mail: what strangers ask for never uses up what the owner may.
type Asker struct {
	Seen    Seen
	Browser Browser  // who has signed in there before
	Before  Standing // who is signed in there now
}

// AskReset asks for a link to choose a new password. It does the same for an address that has an account and for one that
// has none: only whoever sends the mail looks, and a browser that knows anybody. Refusals: Invalid (field username), Throttled.
func (m ByMail) AskReset(ctx context.Context, email string, by Asker) error {
	email, err := KnownEmail(email)
	if err != nil {
		return err
	}
	l := Letter{Kind: LetterForgot, To: email}
	owner, err := m.owner(ctx, by, email)
	if err != nil {
		return err
	}
	if owner != (ID{}) {
		return m.askAs(ctx, l, owner)
	}
	return m.ask(ctx, l, email, by.Seen)
}

// AskResetBy asks for it as whoever holds a link "It wasn't me", who reads the mailbox. Refusals: NotFound, Throttled.
func (m ByMail) AskResetBy(ctx context.Context, text string) error {
	told, err := m.ToldBy(ctx, text)
	if err != nil {
		return err
	}
	return m.askAs(ctx, Letter{Kind: LetterForgot, To: told.User.Email}, told.User.ID)
}

// owner returns whose address it is, if they have signed in in the asker's browser.
func (m ByMail) owner(ctx context.Context, by Asker, email string) (owner ID, err error) {
	if by.Before.SignedIn() && !by.Before.Halfway(MFAOptional) {
		by.Browser = by.Browser.With(by.Before.User)
	}
	if len(by.Browser.known) == 0 {
		return owner, nil
	}
	user, err := m.Store.UserByEmail(ctx, email)
	switch {
	case KindOf(err) == NotFound || err == nil && !by.Browser.Knows(user):
		return owner, nil
	case err != nil:
		return owner, err
	}
	return user.ID, nil
}

// AskVerify asks for another link to confirm the person's address, unless that was done already. Refusal: Throttled.
func (m ByMail) AskVerify(ctx context.Context, s Standing) error {
	if s.User.EmailVerified {
		return nil
	}
	return m.askAs(ctx, Letter{Kind: LetterVerify, UserID: s.User.ID, Epoch: s.SignIn.Epoch}, s.User.ID)
}

// AskAddressChange asks for a link that moves the account to another address. Whether that has an account already, it doesn't
// tell: whoever reads the mail sent there learns it. Refusals: Invalid (field new_email), Throttled.
func (m ByMail) AskAddressChange(ctx context.Context, s Standing, email string, seen Seen) error {
	email, err := CleanEmail(email)
	if err != nil {
		return RefuseField("new_email", err.Error())
	}
	if email == s.User.Email {
		return RefuseField("new_email", "This is the address of your account already. Enter another one.")
	}
	detail := s.SignIn.ID.String() + " " + email
	letter := Letter{Kind: LetterNewEmail, UserID: s.User.ID, To: email, Detail: detail, Epoch: s.SignIn.Epoch}
	if s.User.EmailVerified {
		return m.askAs(ctx, letter, s.User.ID)
	}
	return m.ask(ctx, letter, email, seen) // an account costs nothing, and the mailbox may be anybody's
}

// askAs queues a letter that somebody asks for who is known to be a user, unless they asked for too many.
func (m ByMail) askAs(ctx context.Context, l Letter, user ID) error {
	key := ThrottleKey("letter of the known", string(l.Kind)+"\n"+user.String())
	if err := TryOrWait(ctx, m.Store, key, LetterThrottle); err != nil {
		return err
	}
	return m.Store.QueueLetter(ctx, l)
}

// ask queues a letter to an address, unless too many were asked for to it or from the person's network.
func (m ByMail) ask(ctx context.Context, l Letter, to string, seen Seen) error {
	place := ThrottleKey("letters", Network(seen.Address))
	if err := TryOrWait(ctx, m.Store, place, AddressThrottle); err != nil {
		return err
	}
	if err := TryOrWait(ctx, m.Store, letterKey(l.Kind, to), LetterThrottle); err != nil {
		return err
	}
	return m.Store.QueueLetter(ctx, l)
}

// letterKey counts what strangers can make us send to an address, each kind by itself: who signs up with it in a loop keeps
// nobody from choosing a new password.
func letterKey(kind LetterKind, to string) string { return ThrottleKey("letter", string(kind)+"\n"+to) }

// ChangeAddress spends a link that moves an account to the address that it was mailed to. Everything ends but the browser of s, if
// that is signed in to this account: its cookie gets the value returned. Refusals: NotFound, also when the sign-in that
// asked for the change is over or what opens the account has changed since; Conflict, when the address is another
// account's by now.
func (m ByMail) ChangeAddress(ctx context.Context, s Standing, text string, seen Seen) (email, cookie string, err error) {
	err = m.Store.InTx(ctx, func(ctx context.Context) error {
		link, err := m.Links.Spend(ctx, text, LinkEmail)
		if err != nil {
			return err
		}
		asking, err := m.Store.StandingOf(ctx, askedFrom(link.Detail))
		if err != nil {
			return err
		}
		if asking.User.ID != link.UserID || asking.ending(m.Now()) != "" {
			return errLinkOver
		}
		email = NewAddress(link.Detail)
		write := func(ctx context.Context) error { return m.changeAddress(ctx, link, seen) }
		ch := CredentialChange{Cause: EndEmail, Event: EmailChanged, Detail: email, Seen: seen}
		if s.User.ID == link.UserID {
			cookie, err = m.Credentials.Change(ctx, s, ch, write)
			return err
		}
		if err := CountChange(ctx, m.Store, link.UserID); err != nil {
			return err
		}
		return m.Credentials.ChangeAway(ctx, link.UserID, ch, write)
	})
	return email, cookie, err
}

// changeAddress changes the address once the user's row is locked.
func (m ByMail) changeAddress(ctx context.Context, link LinkFor, seen Seen) error {
	user, err := m.Store.UserByID(ctx, link.UserID)
	if err != nil {
		return err
	}
	email := NewAddress(link.Detail)
	old := Letter{
		Kind: LetterOldEmail, UserID: user.ID, To: user.Email, Detail: email, Before: m.Now().Add(-time.Microsecond),
	}
	if err := m.Store.SetEmail(ctx, user.ID, email); err != nil {
		return err
	}
	if err := m.Store.QueueLetter(ctx, old); err != nil {
		return err
	}
	return m.tell(ctx, user.ID, seen, ProfileChanged)
}

// NewAddress returns the address of the detail of a Letter or link to another address, which names the sign-in that asked
// first.
func NewAddress(detail string) string { return detail[strings.LastIndexByte(detail, ' ')+1:] }

func askedFrom(detail string) ID {
	text, _, _ := strings.Cut(detail, " ")
	id, _ := uuid.Parse(text)
	return id
}
