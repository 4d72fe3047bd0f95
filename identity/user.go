package identity

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// User is a person with an account. The e-mail address is the login name.
type User struct {
	ID            ID
	Sub           string // 22 random base64url characters: what apps know the person by
	Email         string // as CleanEmail returns it
	EmailVerified bool
	Name          string
	PasswordHash  string
	Epoch         int // grows when a credential changes: sign-ins of an older epoch are over
	DisabledAt    time.Time
	CreatedAt     time.Time
	UpdatedAt     time.Time
	PasswordSetAt time.Time // when the password was chosen
	ConfirmFirst  bool      // the address must be confirmed before the first sign-in, where mail can be sent

	Described // by operators, for claims
}

// Described is what operators say of a person, of which claims are made.
type Described struct {
	Attributes map[string]any `json:"attributes,omitempty"` // text, lists of text, numbers (float64), true and false
	Groups     []string       `json:"groups,omitempty"`
}

const maxName = 100

// CleanName trims a person's name; it refuses one that is too long or holds control characters.
func CleanName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if utf8.RuneCountInString(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", RefuseField("name", "Enter a name of at most 100 characters, on one line.")
	}
	return name, nil
}

// Unconfirmed reports whether the address must still be confirmed before the first sign-in.
func (u User) Unconfirmed() bool { return u.ConfirmFirst && !u.EmailVerified }

type userStore interface {
	ledger
	readers
	ender
	secrets
	outbox
	throttleStore
	CreateUser(ctx context.Context, u User) error
	// BeginUser makes an account that is to be confirmed, anew over one that was not, and returns whose the address is, and
	// whether it is held for another account, so that this one must not stay.
	BeginUser(ctx context.Context, u User) (owner ID, held bool, err error)
	SetName(ctx context.Context, userID ID, name string) error
	LockUser(ctx context.Context, userID ID) error
}

// Users makes accounts.
type Users struct {
	Store     userStore
	Passwords *Passwords
	Now       func() time.Time
}

// NewUser is what is known of someone who gets an account.
type NewUser struct {
	Email         string
	EmailVerified bool
	Name          string
	Password      string
	Address       string // where the request came from, empty for an operator
}

// Add makes an account. It refuses bad fields (Invalid) and an address that is taken (Conflict), and takes equally
// long in both cases, so that a sign-up page that says the same for both tells nothing. An address that is not verified
// gets a mail, be it a new account's or taken.
func (u Users) Add(ctx context.Context, n NewUser) (User, error) {
	user, err := u.make(ctx, n)
	if err != nil {
		return User{}, err
	}
	err = u.Store.InTx(ctx, func(ctx context.Context) error {
		if err := u.Store.CreateUser(ctx, user); err != nil {
			return err
		}
		event := Event{ID: NewID(), At: u.Now(), Kind: UserCreated, UserID: user.ID, Address: n.Address}
		if err := u.Store.AddEvent(ctx, event); err != nil || user.EmailVerified {
			return err
		}
		return u.Store.QueueLetter(ctx, Letter{Kind: LetterVerify, UserID: user.ID})
	})
	if KindOf(err) == Conflict && !n.EmailVerified {
		if failed := u.tellOwner(ctx, user.Email); failed != nil {
			return User{}, failed
		}
	}
	return user, err
}

// make judges what is known of someone and returns the account, which is written nowhere yet. It costs a hash.
func (u Users) make(ctx context.Context, n NewUser) (User, error) {
	email, err := CleanEmail(n.Email)
	if err != nil {
		return User{}, err
	}
	name, err := CleanName(n.Name)
	if err != nil {
		return User{}, err
	}
	if err := CheckPassword(n.Password, email, u.Passwords.Service); err != nil {
		return User{}, err
	}
	hash, err := u.Passwords.Hash(ctx, n.Password)
	now := u.Now()
	return User{
		ID: NewID(), Sub: RandomText(16), Email: email, EmailVerified: n.EmailVerified, Name: name,
		PasswordHash: hash, CreatedAt: now, UpdatedAt: now, PasswordSetAt: now,
	}, err
}

// tellOwner tells whoever has the account of an address that somebody tried to sign up with it, be it themselves.
func (u Users) tellOwner(ctx context.Context, email string) error {
	wait, err := u.Store.CountTry(ctx, letterKey(LetterHave, email), LetterThrottle)
	if err != nil || wait > 0 {
		return err
	}
	return u.Store.QueueLetter(ctx, Letter{Kind: LetterHave, To: email})
}

// SetPassword gives the account of email a new password, as an operator does, and ends everything that was signed in
// with the old one. Refusals: NotFound, and Invalid for a password that is none.
func (u Users) SetPassword(ctx context.Context, email, password string) error {
	email, err := KnownEmail(email)
	if err != nil {
		return err
	}
	if err := CheckPassword(password, email, u.Passwords.Service); err != nil {
		return err
	}
	user, err := u.Store.UserByEmail(ctx, email)
	if err != nil {
		return err
	}
	hash, err := u.Passwords.For(true).Hash(ctx, password)
	if err != nil {
		return err
	}
	return u.Store.InTx(ctx, func(ctx context.Context) error {
		if _, err := u.Store.End(ctx, Ending{User: user.ID, Cause: EndPassword}); err != nil {
			return err
		}
		if err := u.Store.WritePassword(ctx, user.ID, hash); err != nil {
			return err
		}
		return u.Store.AddEvent(ctx, Event{ID: NewID(), At: u.Now(), Kind: PasswordChanged, UserID: user.ID})
	})
}

// Rename changes what a person is called. It refuses (Invalid, field name) what is no name; the name that they have
// already changes nothing. SignInAgain, where what opens the account has changed, or the sign-in is over.
func (u Users) Rename(ctx context.Context, s Standing, name string, seen Seen) error {
	name, err := CleanName(name)
	if err != nil || name == s.User.Name {
		return err
	}
	return u.Store.InTx(ctx, func(ctx context.Context) error {
		if err := u.Store.LockUser(ctx, s.User.ID); err != nil {
			return err
		}
		now, err := u.Store.StandingOf(ctx, s.SignIn.ID)
		if err != nil {
			return err
		}
		if now.ending(u.Now()) != "" || now.SignIn.Epoch != s.SignIn.Epoch {
			return Refuse(SignInAgain, "You were signed out meanwhile. Sign in again.")
		}
		if err := u.Store.SetName(ctx, s.User.ID, name); err != nil {
			return err
		}
		return u.Store.AddRepeat(ctx, Event{
			ID: NewID(), At: u.Now(), Kind: ProfileChanged, UserID: s.User.ID, Detail: "name", Address: seen.Address,
		})
	})
}
