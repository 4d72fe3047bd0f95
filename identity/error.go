package identity

import (
	"errors"
	"strconv"
	"time"
)

// Kind says what sort of refusal an error is. Every surface has one table from Kind to its own answer.
type Kind int

// The kinds of refusal. Internal is the zero value: any error that is not a refusal is a fault of ours.
const (
	Internal    Kind = iota
	Invalid          // the request itself is wrong; Field names the part
	BadLogin         // a password, code or token did not prove what it should
	SignInAgain      // the sign-in or session is over, or no longer enough
	Forbidden        // known, but not allowed
	NotFound         // no such thing
	Conflict         // it exists already, or changed meanwhile
	Throttled        // too many tries; Wait says how long to wait
	Unavailable      // the database is away; the same request works when it is back
	Busy             // more is asked than this server does at once; nothing was judged, and Wait says when to try again
	NoProof          // a Session that is bound to a key came without a good proof of that key
)

// Kinds lists every kind, so that a surface's table can be tested for completeness.
var Kinds = []Kind{Internal, Invalid, BadLogin, SignInAgain, Forbidden, NotFound, Conflict, Throttled, Unavailable, Busy, NoProof}

// ErrUnavailable marks, by errors.Is, a failure to reach the database: never the caller's fault, always worth a retry.
var ErrUnavailable = errors.New("the database is away")

// Error is a refusal: Msg may be shown to a person or an app, so it never holds a secret or a cause.
type Error struct {
	Kind  Kind
	Msg   string
	Field string        // the form or metadata field that was wrong, or empty
	Wait  time.Duration // for Throttled and Busy: how long until another try can succeed
}

// Error returns the sentence that may be shown.
func (e *Error) Error() string { return e.Msg }

// Refuse makes a refusal of kind k that says msg.
func Refuse(k Kind, msg string) *Error { return &Error{Kind: k, Msg: msg} }

// RefuseField makes an Invalid refusal about one field.
func RefuseField(field, msg string) *Error { return &Error{Kind: Invalid, Field: field, Msg: msg} }

// RetryAfter tells a wait as the header of that name does, in whole seconds (RFC 9110 §10.2.3): rounded up, so that who
// waits as long as told is not sent away again.
func RetryAfter(wait time.Duration) string {
	return strconv.Itoa(int((wait + time.Second - 1) / time.Second))
}

// KindOf tells what kind of refusal err is: Unavailable when the database is away, Internal when it is no refusal.
func KindOf(err error) Kind {
	if refusal, ok := errors.AsType[*Error](err); ok && refusal != nil {
		return refusal.Kind
	}
	if errors.Is(err, ErrUnavailable) {
		return Unavailable
	}
	return Internal
}
