package identity

import (
	"context"
	"time"
)

type mailedStore interface {
	throttleStore
	InTx(ctx context.Context, fn func(context.Context) error) error
	UserByID(ctx context.Context, id ID) (User, error)
	StandingOf(ctx context.Context, signInID ID) (Standing, error)
	// SetEmail gives an account another address, which counts as verified: Conflict when it is taken.
	SetEmail(ctx context.Context, userID ID, email string) error
	// VerifyEmail notes that the person reads mail that is sent to email: NotFound when the account has another by now.
	VerifyEmail(ctx context.Context, userID ID, email string) error
	// DropMailLinks voids the links that were mailed to the address so far, but for those of LinkNotMe.
	DropMailLinks(ctx context.Context, userID ID) error
	QueueLetter(ctx context.Context, l Letter) error
	AddEvent(ctx context.Context, e Event) error
}

// Mailed is what people do by way of their mail: ask for a link, and follow it. Whatever refuses a link says NotFound, by
// one sentence for all that can be wrong with it, and leaves the link as it was.
type Mailed struct {
	Store       mailedStore
	Links       MailLinks
	Credentials Credentials
	Devices     Devices
	Now         func() time.Time
}

// Holder returns whose link it is that a person holds, and its detail, and spends nothing.
func (m Mailed) Holder(ctx context.Context, text string, kind LinkKind) (User, string, error) {
	link, err := m.Links.Read(ctx, text, kind)
	if err != nil {
		return User{}, "", err
	}
	user, err := m.Store.UserByID(ctx, link.UserID)
	return user, link.Detail, err
}

// Reset spends a link to choose a new password, and ends everything that was signed in with the old one. A password that
// is refused (Invalid, field new_password) spends nothing.
func (m Mailed) Reset(ctx context.Context, text, password string, seen Seen) error {
	user, _, err := m.Holder(ctx, text, LinkReset) // strangers without a link make us hash nothing
	if err != nil {
		return err
	}
	if err := CheckNewPassword(password, user.Email, m.Credentials.Passwords.Service); err != nil {
		return err
	}
	hash, err := m.Credentials.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	return m.Store.InTx(ctx, func(ctx context.Context) error {
		if _, err := m.Links.Spend(ctx, text, LinkReset); err != nil {
			return err
		}
		if err := m.Credentials.ResetPassword(ctx, user.ID, hash, seen); err != nil {
			return err
		}
		return m.Store.ClearTries(ctx, ThrottleKey("password", user.Email)) // who forgot it guessed before
	})
}

// Verify spends a link that proves that the person reads mail sent to their address.
func (m Mailed) Verify(ctx context.Context, text string, seen Seen) (email string, err error) {
	err = m.Store.InTx(ctx, func(ctx context.Context) error {
		link, err := m.Links.Spend(ctx, text, LinkVerify)
		if err != nil {
			return err
		}
		email = link.Detail
		if err := m.Store.VerifyEmail(ctx, link.UserID, email); err != nil {
			return err
		}
		return m.tell(ctx, link.UserID, seen, EmailVerified, ProfileChanged)
	})
	return email, err
}

// NotMe ends everything of whoever the link was mailed to. It stays good, so that a second press does no harm and the
// page can go on from there.
func (m Mailed) NotMe(ctx context.Context, text string) (User, error) {
	user, _, err := m.Holder(ctx, text, LinkNotMe)
	if err != nil {
		return User{}, err
	}
	return user, m.Devices.NotMe(ctx, user.ID)
}

func (m Mailed) tell(ctx context.Context, userID ID, seen Seen, kinds ...EventKind) error {
	for _, kind := range kinds {
		err := m.Store.AddEvent(ctx, Event{ID: NewID(), At: m.Now(), Kind: kind, UserID: userID, Address: seen.Address})
		if err != nil {
			return err
		}
	}
	return nil
}
