package identity

import (
	"context"
	"time"
)

// What most of the domain asks of the database. Each part embeds what it needs of these and names only what is its own.

// ledger makes changes that stand or fall together, and tells of them.
type ledger interface {
	// InTx commits when fn returns nil.
	InTx(ctx context.Context, fn func(context.Context) error) error
	// AddEvent writes what happened, in the transaction that did it, and queues the mail that it asks for.
	AddEvent(ctx context.Context, e Event) error
	// AddRepeat does so for what somebody may do in a loop: the same within an hour is one Event with a count.
	AddRepeat(ctx context.Context, e Event) error
}

// readers know people, what their browsers proved, and their apps' Sessions; NotFound where there is none.
type readers interface {
	UserByID(ctx context.Context, id ID) (User, error)
	UserByEmail(ctx context.Context, email string) (User, error)
	// StandingOf reads a SignIn, its user and their factors, in one statement; zero when there is none.
	StandingOf(ctx context.Context, signInID ID) (Standing, error)
	SessionByID(ctx context.Context, id ID) (Session, error)
}

// ender ends what lives, with an Event for each.
type ender interface {
	// End ends what an Ending names; NotFound where its user or client is not there.
	End(ctx context.Context, e Ending) (Struck, error)
}

// secrets writes what a person proves themselves with.
type secrets interface {
	WritePassword(ctx context.Context, userID ID, hash string) error
	// ProveSignIn writes secret hash, epoch, methods, times of a SignIn that lives and still has the hash old: else SignInAgain.
	ProveSignIn(ctx context.Context, s SignIn, old []byte) error
}

// outbox has mails sent, where mail can be sent.
type outbox interface {
	QueueLetter(ctx context.Context, l Letter) error
}

// throttleStore counts tries that may be misses.
type tryCounter interface {
	// CountTry counts one try against key as a miss before it is judged, so that parallel guesses count one by one.
	// It returns the remaining wait, and counts nothing, while the key is blocked.
	CountTry(ctx context.Context, key string, t Throttle) (wait time.Duration, err error)
}

type throttleStore interface {
	tryCounter
	// ForgiveTry takes one counted try back.
	ForgiveTry(ctx context.Context, key string) error
	// ClearTries forgets all misses of key.
	ClearTries(ctx context.Context, key string) error
}
