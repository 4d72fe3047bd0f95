package identity

import (
	"context"
	"errors"
	"strings"
)

// ErrUnconfirmed refuses a password that was sent to sign-up from this browser, where the address must be confirmed first.
var ErrUnconfirmed = Refuse(Forbidden, "Confirm your address first: open the link in the mail that we sent you.")

// KeepUnconfirmed is how long an account waits to be confirmed: as long as the link in the mail works.
var KeepUnconfirmed = linkLives[LinkVerify]

// Begin makes an account that its owner confirms by a mail before the first sign-in. It tells nobody who has an account: for
// an address that is free, taken, locked or not confirmed yet it costs the same, writes as much and returns the same, and
// what a mail says only the postman finds out. Nobody has proved anything of an account that was not confirmed, so whoever
// signs up next makes it anew, and earlier links are void. request is the app's, sealed, or empty: it comes back with the
// link. Refusals: Invalid, Throttled (mails to that address).
func (u Users) Begin(ctx context.Context, n NewUser, request string) error {
	user, err := u.make(ctx, n)
	if err != nil {
		return err
	}
	user.ConfirmFirst = true
	if err := TryOrWait(ctx, u.Store, letterKey(LetterSignUp, user.Email), LetterThrottle); err != nil {
		return err
	}
	err = u.Store.InTx(ctx, func(ctx context.Context) error {
		owner, held, err := u.Store.BeginUser(ctx, user)
		if err != nil {
			return err
		}
		event := Event{ID: NewID(), At: user.CreatedAt, Kind: SignUpTried, UserID: owner, Address: n.Address}
		if owner == user.ID {
			event.Kind = UserCreated
		}
		if err := u.Store.AddEvent(ctx, event); err != nil {
			return err
		}
		if err := u.Store.QueueLetter(ctx, Letter{Kind: LetterSignUp, To: user.Email, Detail: request}); err != nil || !held {
			return err
		}
		return errHeld
	})
	if errors.Is(err, errHeld) {
		return nil
	}
	return err
}

// errHeld takes back an account with an address that another account may go back to, which nobody is told.
var errHeld = errors.New("the address is held for another account")

// AskConfirm asks for the mail of Begin once more. It looks nobody up: where nothing waits to be confirmed, no mail comes.
// Refusals: Invalid (field username), Throttled.
func (m ByMail) AskConfirm(ctx context.Context, email, request string, seen Seen) error {
	email, err := CleanEmail(email)
	if err != nil {
		return err
	}
	return m.ask(ctx, Letter{Kind: LetterConfirm, To: email, Detail: request}, email, seen)
}

// ConfirmDetail is the detail of a link that confirms a new account: its address, and the app's request, sealed, or nothing.
func ConfirmDetail(email, request string) string { return email + " " + request }

// Confirmed is an address that a link confirmed.
type Confirmed struct {
	Email   string
	First   bool   // of a new account: nobody has signed in yet
	Request string // of the app that it was made for, sealed, or empty
	Choose  string // the link to choose a password by, since the account's may be somebody else's; or empty
}

// contested is the Detail of a link to choose the password of an account that was confirmed; the app's request follows.
const contested = "signed up twice "

// Contested reports whether a link to choose a new password with that detail is of an account that more than one sign-up made,
// and returns the app's request that it was made for, sealed, or nothing.
func Contested(detail string) (request string, is bool) { return strings.CutPrefix(detail, contested) }

// settle is the rest of the confirmation of a new account: guesses from before count no more. Where it was made anew, the last
// sign-up need not be that of who opens the mail; its name goes, its password is void, and it returns the link to choose one by.
func (m ByMail) settle(ctx context.Context, link LinkFor, c Confirmed) (choose string, err error) {
	if err := m.Store.ClearTries(ctx, ThrottleKey("password", c.Email)); err != nil || link.Epoch == 0 {
		return "", err
	}
	if err := m.Store.StartClean(ctx, link.UserID); err != nil {
		return "", err
	}
	if err := m.Store.WritePassword(ctx, link.UserID, ""); err != nil {
		return "", err
	}
	link.Kind, link.Detail = LinkReset, contested+c.Request
	return m.Links.Make(ctx, link)
}

// ReadConfirmed reads the detail of a link that confirms an address.
func ReadConfirmed(detail string) (c Confirmed) {
	c.Email, c.Request, c.First = strings.Cut(detail, " ")
	return c
}
