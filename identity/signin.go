package identity

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// SignIn is what a browser has proved to us: who, how and when. The SSO cookie points to it.
type SignIn struct {
	ID             ID
	UserID         ID
	SecretHash     []byte // SHA-256 of the cookie's secret; new at every change of privilege (session fixation)
	CodeSecretHash []byte // SHA-256 of the secret that codes carry; the same for the SignIn's whole life
	Epoch          int    // the user's credential epoch when it was proved
	AMR            AMR
	ProvedAt       time.Time // when the password was last proved: auth_time
	ProvedFor      ID        // and for which request of an app; zero for none
	CreatedAt      time.Time
	LastUsedAt     time.Time
	IdleEndsAt     time.Time
	EndsAt         time.Time
	EndedAt        time.Time // zero while it lives
	EndCause       EndCause
	Address        string
	UserAgent      string
}

// Standing is a browser's SignIn with what decides about it: whose it is, and which second factors that person has.
// The zero Standing is a browser that nobody is signed in with.
type Standing struct {
	SignIn  SignIn
	User    User
	Factors []Factor // the kinds that they have and that count, the one to ask for first ahead
	Pointer Pointer
	Over    EndCause // in an otherwise zero Standing: why the SignIn is over that the browser still has the cookie of
}

// SignedIn reports whether anybody is.
func (s Standing) SignedIn() bool { return s.SignIn.ID != ID{} }

// judge returns a row that was read for pointer p as what it is worth: itself, or a Standing that says at most why it is
// over. A cookie that another one has replaced says nothing.
func (s Standing) judge(p Pointer, now time.Time) Standing {
	switch {
	case !s.SignedIn():
		return Standing{Over: EndExpired} // the row is gone, as is swept what has long been over
	case !p.Secret.Matches(s.SignIn.SecretHash):
		return Standing{}
	}
	if cause := s.ending(now); cause != "" {
		return Standing{Over: cause}
	}
	s.Pointer = p
	return s
}

// ending says why the SignIn is over, or nothing.
func (s Standing) ending(now time.Time) EndCause {
	switch {
	case !s.SignIn.EndedAt.IsZero():
		return s.SignIn.EndCause
	case !now.Before(s.SignIn.EndsAt):
		return EndExpired
	case !now.Before(s.SignIn.IdleEndsAt):
		return EndIdle
	case !s.User.DisabledAt.IsZero():
		return EndLocked
	case s.User.Epoch != s.SignIn.Epoch:
		return EndPassword
	}
	return ""
}

type signInStore interface {
	ledger
	readers
	ender
	secrets
	throttleStore
	// StartSignIn writes a new SignIn, unless its user was disabled or changed a credential meanwhile: SignInAgain.
	StartSignIn(ctx context.Context, s SignIn) error
	// SurplusSignIns returns which living SignIns of a person are more than keep, those that were used longest ago.
	SurplusSignIns(ctx context.Context, userID ID, keep int) ([]ID, error)
	TouchSignIn(ctx context.Context, s SignIn) error
	// RenewHash writes the same password's hash at another cost, unless the password was changed meanwhile.
	RenewHash(ctx context.Context, userID ID, old, hash string) error
	// LetIn notes that an account needs no confirmation any more.
	LetIn(ctx context.Context, userID ID) error
	// SignedInBefore reports whether the user has ever signed in.
	SignedInBefore(ctx context.Context, userID ID) (bool, error)
}

// SignIns begins, strengthens and ends sign-ins.
type SignIns struct {
	Store     signInStore
	Keys      *Keyring
	Passwords *Passwords
	Now       func() time.Time
	Lives     Lifetimes

	ConfirmFirst bool // whether who made an account confirms the address before the first sign-in: where mail can be sent
}

// touchEvery bounds how often a SignIn's last use is written (DESIGN §9).
const touchEvery = 10 * time.Minute

// Current returns who is signed in by the cookie's value: the zero Standing for none or a forged one, and one that says
// why, for one that is over.
// It costs one read, and at most every ten minutes a write that slides the idle end.
func (s SignIns) Current(ctx context.Context, cookie string) (Standing, error) {
	pointer, err := s.Keys.ReadCookie(cookie)
	if err != nil {
		return Standing{}, nil
	}
	standing, err := s.Store.StandingOf(ctx, pointer.SignInID)
	if err != nil {
		return Standing{}, err
	}
	now := s.Now()
	if standing = standing.judge(pointer, now); !standing.SignedIn() {
		return standing, nil
	}
	if now.Sub(standing.SignIn.LastUsedAt) >= touchEvery {
		standing.SignIn.LastUsedAt = now
		standing.SignIn.IdleEndsAt = s.Lives.IdleFrom(now, standing.SignIn.EndsAt)
		return standing, s.Store.TouchSignIn(ctx, standing.SignIn)
	}
	return standing, nil
}

// Attempt is someone who types a name and a password into a browser.
type Attempt struct {
	Email    string
	Password string
	Seen     Seen
	Request  ID       // of an app, that asks for it; zero for none
	Before   Standing // who is signed in there already
	Browser  Browser  // who has signed in there before
	SignUp   string   // the cookie value of a sign-up that was sent from there, or empty
}

// Begin checks a password and returns the new value of the cookie. The same person's SignIn goes on under a new secret;
// another's is ended, since nothing would hold its cookie any more. Refusals: BadLogin, Throttled, Forbidden
// (locked), ErrUnconfirmed (in the browser that the account was made in).
func (s SignIns) Begin(ctx context.Context, a Attempt) (cookie string, err error) {
	user, err := s.checkPassword(ctx, a)
	if err != nil {
		return "", err
	}
	pointer := Pointer{SignInID: NewID(), Secret: NewSecret(), CodeSecret: NewSecret()}
	now := s.Now()
	next := SignIn{
		ID: pointer.SignInID, UserID: user.ID, CodeSecretHash: pointer.CodeSecret.Hash(),
		CreatedAt: now, EndsAt: now.Add(s.Lives.Absolute), Address: a.Seen.Address, UserAgent: a.Seen.UserAgent,
	}
	again := a.Before.SignedIn() && a.Before.User.ID == user.ID
	if again {
		next, pointer = a.Before.SignIn, Pointer{a.Before.SignIn.ID, pointer.Secret, a.Before.Pointer.CodeSecret}
	}
	next.SecretHash, next.Epoch, next.AMR = pointer.Secret.Hash(), user.Epoch, PWD
	next.ProvedFor = a.Request
	next.ProvedAt, next.LastUsedAt, next.IdleEndsAt = now, now, s.Lives.IdleFrom(now, next.EndsAt)
	err = s.Store.InTx(ctx, func(ctx context.Context) error {
		if err := s.write(ctx, next, a.Before, again); err != nil {
			return err
		}
		if user.Unconfirmed() { // and no mail can be sent: who has signed in once is never asked
			if err := s.Store.LetIn(ctx, user.ID); err != nil {
				return err
			}
		}
		if !again && !a.Browser.Knows(user) {
			if err := s.tellOfBrowser(ctx, user, a, now); err != nil {
				return err
			}
		}
		return s.Store.AddEvent(ctx, Event{
			ID: NewID(), At: now, Kind: SignedIn, UserID: user.ID, Detail: "pwd", Address: a.Seen.Address,
		})
	})
	return s.Keys.CookieText(pointer), err
}

func (s SignIns) write(ctx context.Context, next SignIn, before Standing, again bool) error {
	if again {
		return s.Store.ProveSignIn(ctx, next, before.SignIn.SecretHash)
	}
	if before.SignedIn() {
		_, err := s.Store.End(ctx, Ending{SignIn: before.SignIn.ID, Cause: EndReplaced, Address: next.Address})
		if err != nil {
			return err
		}
	}
	if err := s.Store.StartSignIn(ctx, next); err != nil {
		return err
	}
	return s.makeRoom(ctx, next)
}

// MaxSignIns is how many living SignIns a person has, give or take those that begin at the same moment. Beyond it the one
// that was used longest ago ends. No honest person has as many browsers; whoever knows the password and signs in for ever does.
const MaxSignIns = 200

// makeRoom ends what a SignIn that begins is too many of.
func (s SignIns) makeRoom(ctx context.Context, begins SignIn) error {
	surplus, err := s.Store.SurplusSignIns(ctx, begins.UserID, MaxSignIns)
	if err != nil {
		return err
	}
	for _, id := range surplus {
		if _, err := s.Store.End(ctx, Ending{SignIn: id, Cause: EndCrowded, Address: begins.Address}); err != nil {
			return err
		}
	}
	return nil
}

// tellOfBrowser writes that a browser is new to the person, unless all of it is: everyone's first browser is new.
func (s SignIns) tellOfBrowser(ctx context.Context, user User, a Attempt, now time.Time) error {
	before, err := s.Store.SignedInBefore(ctx, user.ID)
	if err != nil || !before {
		return err
	}
	return s.Store.AddEvent(ctx, Event{
		ID: NewID(), At: now, Kind: NewBrowser, UserID: user.ID, Detail: a.Seen.Browser(), Address: a.Seen.Address,
	})
}

const (
	badLogin = "That e-mail address and password do not belong together. Check both and try again."
	// mayWait is said of the right password of an account that waits to be confirmed, too.
	mayWait = badLogin + " If you have just made the account, open the link in our mail first."
)

// checkPassword tells whose password it is. It hashes outside of any transaction.
func (s SignIns) checkPassword(ctx context.Context, a Attempt) (User, error) {
	email, err := KnownEmail(a.Email)
	if err != nil {
		return User{}, err
	}
	user, err := s.Store.UserByEmail(ctx, email)
	if err != nil && KindOf(err) != NotFound {
		return User{}, err
	}
	known := err == nil && a.known(user)
	lane := s.Passwords.For(known)
	if err := lane.Crowded(); err != nil {
		return User{}, err
	}
	proved, err := a.tries(email, known).judge(ctx, s.Store, func() (bool, error) {
		right, err := lane.Matches(ctx, a.Password, user.PasswordHash)
		return right && !(s.ConfirmFirst && user.Unconfirmed()), err
	})
	if err != nil {
		return User{}, err
	}
	if !proved {
		return User{}, cmp.Or(s.tellOfGuess(ctx, user.ID, a.Seen), s.notProved(email, a))
	}
	if err := s.renewHash(ctx, user, a.Password); err != nil {
		return User{}, err
	}
	if !user.DisabledAt.IsZero() {
		return User{}, Refuse(Forbidden, "This account is locked. Ask the people who run this service to unlock it.")
	}
	return user, nil
}

// notProved is the refusal of a password. Of an account that waits to be confirmed the right one counts as a wrong one, and is
// answered as one, or whoever signs up with an address and then signs in learned whether it had an account. Only the browser
// in which the very two were sent to sign-up hears to confirm them, whatever became of that.
func (s SignIns) notProved(email string, a Attempt) error {
	refusal := &Error{Kind: BadLogin, Field: "password", Msg: badLogin}
	switch {
	case s.ConfirmFirst && s.Keys.signedUp(a.SignUp, email, a.Password):
		return ErrUnconfirmed
	case s.ConfirmFirst:
		refusal.Msg = mayWait
	}
	return refusal
}

// errNobody takes back what was written for an address that nobody has.
var errNobody = errors.New("nobody has this address")

// tellOfGuess writes that a wrong password was typed. For an address that nobody has, the database is asked the same and
// keeps nothing: how long an answer takes must not tell who has an account.
func (s SignIns) tellOfGuess(ctx context.Context, userID ID, seen Seen) error {
	known := userID != ID{}
	if !known {
		userID = NewID()
	}
	err := s.Store.InTx(ctx, func(ctx context.Context) error {
		err := s.Store.AddRepeat(ctx, guessed(userID, s.Now(), "sign-in", seen))
		if err == nil && !known {
			return errNobody
		}
		return err
	})
	if errors.Is(err, errNobody) {
		return nil
	}
	return err
}

// guessed is the Event of a wrong password.
func guessed(userID ID, now time.Time, where string, seen Seen) Event {
	return Event{ID: NewID(), At: now, Kind: PasswordRefused, UserID: userID, Detail: where, Address: seen.Address}
}

// known reports whether the browser knows the person: they signed in there before, or are signed in now, with all that they have.
func (a Attempt) known(u User) bool {
	return a.Browser.Knows(u) || a.Before.SignedIn() && a.Before.User.ID == u.ID && !a.Before.Halfway(MFAOptional)
}

// tries are what an attempt counts against. Guesses from browsers that do not know the person never use up the budget of
// those that do, or anyone could lock them out (OWASP, Slow Down Online Guessing Attacks with Device Cookies).
func (a Attempt) tries(email string, known bool) tries {
	if known {
		return tries{person: ThrottleKey("known", email)}
	}
	return tries{person: ThrottleKey("password", email), place: ThrottleKey("address", Network(a.Seen.Address))}
}

// renewHash hashes a password that was just proved anew, where its hash was made at another cost than today's.
func (s SignIns) renewHash(ctx context.Context, user User, password string) error {
	if !s.Passwords.Outdated(user.PasswordHash) {
		return nil
	}
	hash, err := s.Passwords.For(true).Hash(ctx, password)
	if err != nil {
		return err
	}
	return s.Store.RenewHash(ctx, user.ID, user.PasswordHash, hash)
}

// Strengthen adds the second factor that was just shown, under a new cookie value.
func (s SignIns) Strengthen(ctx context.Context, before Standing, shown Factor) (cookie string, err error) {
	pointer := before.Pointer
	pointer.Secret = NewSecret()
	next, now := before.SignIn, s.Now()
	next.SecretHash, next.AMR = pointer.Secret.Hash(), next.AMR|shown.AMR|MFA
	next.LastUsedAt, next.IdleEndsAt = now, s.Lives.IdleFrom(now, next.EndsAt)
	err = s.Store.InTx(ctx, func(ctx context.Context) error {
		if err := s.Store.ProveSignIn(ctx, next, before.SignIn.SecretHash); err != nil {
			return err
		}
		return s.Store.AddEvent(ctx, Event{
			ID: NewID(), At: now, Kind: SignedIn, UserID: next.UserID, Detail: shown.Name, Address: next.Address,
		})
	})
	return s.Keys.CookieText(pointer), err
}
