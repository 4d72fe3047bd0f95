package app

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what an [Error] means to the app.
type Kind string

// The kinds. All but SignedOut, Refused, StartAgain and Invalid leave the app signed in as it was.
const (
	SignedOut   Kind = "signed_out"   // nobody is signed in: offer SignIn
	Offline     Kind = "offline"      // no usable answer yet: show what is cached, ask again later
	Stop        Kind = "stop"         // the app or the server is set up wrongly: nothing that a person can do
	Store       Kind = "store"        // the store can't be read or written now
	NotMine     Kind = "not_mine"     // a redirect that no sign-in of this app waits for
	WrongIssuer Kind = "wrong_issuer" // a redirect from another server (RFC 9207)
	Refused     Kind = "refused"      // the sign-in was refused: the person pressed no, say
	StartAgain  Kind = "start_again"  // the code is worth nothing any more: sign in again
	Invalid     Kind = "invalid"      // what the server sent is not what was asked for
	Closed      Kind = "closed"       // App.Close was called: a mistake in the app
)

// Error is why something could not be done. The session goes on.
type Error struct {
	Kind Kind
	Code string        // the server's own word, where it said one
	Wait time.Duration // when to ask again, where the server said it
	Err  error
}

// Error says it to a developer.
func (e *Error) Error() string {
	text := string(e.Kind)
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the cause is that it took too long (net.Error): net/http asks it of errors of Client.
func (e *Error) Timeout() bool {
	slow, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.Err)
	return ok && slow.Timeout()
}

// KindOf returns the kind of an error of this package, empty for others and for an [*Ended].
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// fail makes an error of a kind.
func fail(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// again is an attempt that brought no verdict.
type again struct {
	after time.Duration // not before; zero: nobody said
	err   error
}

// Error says why.
func (a *again) Error() string { return a.err.Error() }

// Unwrap returns the cause.
func (a *again) Unwrap() error { return a.err }
