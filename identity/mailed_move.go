package identity

import (
	"context"
	"strings"

	"github.com/google/uuid"
)

// Move spends a link that moves an account to the address that it was mailed to. Everything ends but the browser of s, if
// that is signed in to this account: its cookie gets the value returned. Refusals: NotFound, also when the sign-in that
// asked for the change is over; Conflict, when the address is another account's by now.
func (m Mailed) Move(ctx context.Context, s Standing, text string, seen Seen) (email, cookie string, err error) {
	err = m.Store.InTx(ctx, func(ctx context.Context) error {
		link, err := m.Links.Spend(ctx, text, LinkEmail)
		if err != nil {
			return err
		}
		if err := m.Store.DropMailLinks(ctx, link.UserID); err != nil {
			return err
		}
		email = NewAddress(link.Detail)
		write := func(ctx context.Context) error { return m.move(ctx, link, seen) }
		ch := CredentialChange{Cause: EndEmail, Event: EmailChanged, Detail: email, Seen: seen}
		if s.User.ID == link.UserID {
			cookie, err = m.Credentials.Change(ctx, s, ch, write)
			return err
		}
		return m.Credentials.ChangeAway(ctx, link.UserID, ch, write)
	})
	return email, cookie, err
}

// move changes the address once the user's row is locked and the epoch raised. The sign-in that asked must have lived
// until then: a thief who is thrown out by a new password or by "It wasn't me" could take the account by it yet.
func (m Mailed) move(ctx context.Context, link LinkFor, seen Seen) error {
	asking, err := m.Store.StandingOf(ctx, askedFrom(link.Detail))
	if err != nil {
		return err
	}
	user := asking.User
	over := !asking.SignIn.EndedAt.IsZero() || asking.SignIn.Epoch+1 != user.Epoch || !user.DisabledAt.IsZero()
	if user.ID != link.UserID || over {
		return errLinkOver
	}
	email := NewAddress(link.Detail)
	if err := m.Store.SetEmail(ctx, user.ID, email); err != nil {
		return err
	}
	old := Letter{Kind: LetterOldEmail, UserID: user.ID, To: user.Email, Detail: email}
	if err := m.Store.QueueLetter(ctx, old); err != nil {
		return err
	}
	return m.tell(ctx, user.ID, seen, ProfileChanged)
}

// moveDetail is what a Letter and a link to another address carry: the sign-in that asked, and the address.
func moveDetail(signInID ID, email string) string { return signInID.String() + " " + email }

// NewAddress returns the address of moveDetail.
func NewAddress(detail string) string {
	_, email, _ := strings.Cut(detail, " ")
	return email
}

func askedFrom(detail string) ID {
	text, _, _ := strings.Cut(detail, " ")
	id, _ := uuid.Parse(text)
	return id
}
