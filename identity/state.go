package identity

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The limits of what an app may keep for a person.
const (
	MaxStateKey = 64
	MaxState    = 16 << 10 // bytes of one document
	MaxStates   = 64       // documents of one client for one person
)

// StateKey names a document: one person's, one client's.
type StateKey struct {
	UserID   ID
	ClientID string
	Key      string
}

// State is a small JSON document of an app that follows a person across devices.
type State struct {
	StateKey
	Value     string // JSON
	Version   int64  // grows with every write and never comes again, not even after a deletion; zero: there is none
	UpdatedAt time.Time
	Deleted   bool // only in a Change: the document is gone
}

// ETag spells the version as a strong entity tag (RFC 9110 §8.8.3).
func (s State) ETag() string { return `"` + strconv.FormatInt(s.Version, 36) + `"` }

// Exists reports whether there is such a document.
func (s State) Exists() bool { return s.Version != 0 && !s.Deleted }

// StateKeyOK reports whether a document may be called so: 1 to 64 letters, digits, dots, underscores and hyphens.
func StateKeyOK(key string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return key != "" && len(key) <= MaxStateKey && strings.Trim(key, letters) == ""
}

// Condition is what an app takes for granted about a document that it writes (RFC 9110 §13.1.1, §13.1.2).
type Condition struct {
	Match  []string // ETags one of which it must have; "*": any
	Absent bool     // If-None-Match: *, it must not be there yet
}

// Holds reports whether the document is as the condition wants it.
func (c Condition) Holds(s State) bool {
	if c.Absent && s.Exists() {
		return false
	}
	if c.Match == nil {
		return true
	}
	for _, tag := range c.Match {
		if s.Exists() && (tag == "*" || tag == s.ETag()) {
			return true
		}
	}
	return false
}

type stateStore interface {
	// StateOf returns a document; the zero Version when there is none.
	StateOf(ctx context.Context, at StateKey) (State, error)
	// WriteState makes next of a document that is still at the version of was, and returns it with its new version; false
	// when it is not any more. A next without a value deletes. Conflict when a new one would be one too many.
	WriteState(ctx context.Context, was, next State) (State, bool, error)
}

// States keeps documents.
type States struct{ Store stateStore }

var (
	// ErrStale says that a document is not, or not any more, what the app's Condition wants. What it is now comes with it.
	ErrStale = errors.New("the document is not what the condition wants")
	errBusy  = &Error{Kind: Throttled, Msg: "Too many devices write this document at once. Try again.", Wait: time.Second}
)

// Put makes a document what value says, and reports whether it was not there before. With ErrStale it returns what is
// there instead.
func (s States) Put(ctx context.Context, at StateKey, value string, c Condition) (next State, made bool, err error) {
	return s.change(ctx, at, c, func(State) (string, error) { return value, nil })
}

// Patch merges a patch into a document (RFC 7396) as Put writes one. A document that is not there counts as empty.
func (s States) Patch(ctx context.Context, at StateKey, patch string, c Condition) (next State, made bool, err error) {
	return s.change(ctx, at, c, func(now State) (string, error) {
		merged, err := MergePatch(now.Value, patch)
		if err == nil && len(merged) > MaxState {
			err = ErrStateTooLarge
		}
		return merged, err
	})
}

// Delete deletes a document; NotFound when there is none. With ErrStale it returns what is there instead.
func (s States) Delete(ctx context.Context, at StateKey, c Condition) (State, error) {
	next, _, err := s.change(ctx, at, c, func(now State) (string, error) {
		if !now.Exists() {
			return "", Refuse(NotFound, "There is no such document.")
		}
		return "", nil
	})
	return next, err
}

// ErrStateTooLarge refuses a document.
var ErrStateTooLarge = RefuseField("value", "A document may have 16,384 bytes.")

// stateTries is how often a write without a condition is tried anew. Of those that collide one always wins.
const stateTries = 64

// change reads, judges and writes; that nobody wrote in between, only the writing decides (DESIGN law 2).
func (s States) change(ctx context.Context, at StateKey, c Condition, to func(State) (string, error)) (State, bool, error) {
	for range stateTries {
		now, err := s.Store.StateOf(ctx, at)
		if err != nil {
			return State{}, false, err
		}
		if !c.Holds(now) {
			return now, false, ErrStale
		}
		value, err := to(now)
		if err != nil {
			return State{}, false, err
		}
		next, won, err := s.Store.WriteState(ctx, now, State{StateKey: at, Value: value, Deleted: value == ""})
		if err != nil || won {
			return next, !now.Exists(), err
		}
	}
	return State{}, false, errBusy
}
