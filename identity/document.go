package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
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

var errJSON = RefuseField("value",
	"Send one JSON value in UTF-8: no member twice, no half of a surrogate pair, at most 64 levels.")

// maxDepth bounds how deep a document nests: what merges and reads it recurses.
const maxDepth = 64

// CleanJSON returns a JSON value without the space around its parts. It refuses what two readers could take for two things
// (RFC 7493 §2.1, §2.3): broken UTF-8, lone surrogates and members that come twice.
func CleanJSON(text []byte) (string, error) {
	if !utf8.Valid(text) || loneSurrogate(text) {
		return "", errJSON
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := readValue(d, 0); err != nil {
		return "", errJSON
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errJSON
	}
	var compact bytes.Buffer
	if json.Compact(&compact, text) != nil {
		return "", errJSON
	}
	return compact.String(), nil
}

// readValue walks over one value and refuses an object that names a member twice.
func readValue(d *json.Decoder, depth int) error {
	token, err := d.Token()
	open, nests := token.(json.Delim)
	if err != nil || !nests {
		return err
	}
	if depth >= maxDepth {
		return errJSON
	}
	known := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil || known[name.(string)] {
				return errJSON
			}
			known[name.(string)] = true
		}
		if err := readValue(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing one
	return err
}

// loneSurrogate reports whether an escape in the text is half a pair. A backslash outside of a string is refused by others.
func loneSurrogate(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		first := escaped(text[i:])
		switch {
		case first < 0xD800 || first > 0xDFFF:
			i++ // what is escaped is no backslash of its own
		case first > 0xDBFF:
			return true
		default:
			if second := escaped(text[min(i+6, len(text)):]); second < 0xDC00 || second > 0xDFFF {
				return true
			}
			i += 11
		}
	}
	return false
}

// escaped returns the code unit of a \uXXXX at the start of text, or -1.
func escaped(text []byte) int {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int(unit)
}

// MergePatch applies a merge patch to a document and returns the result (RFC 7396 §2). An empty document is none. Both must
// have come through CleanJSON; members come out in alphabetical order, numbers as they were written.
func MergePatch(document, patch string) (string, error) {
	var target any
	if document != "" {
		if err := decode(document, &target); err != nil {
			return "", err
		}
	}
	var change any
	if err := decode(patch, &change); err != nil {
		return "", err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(merge(target, change)); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

func decode(text string, into *any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	return d.Decode(into)
}

// merge is MergePatch of RFC 7396 §2, line by line.
func merge(target, patch any) any {
	changes, object := patch.(map[string]any)
	if !object {
		return patch
	}
	members, object := target.(map[string]any)
	if !object {
		members = map[string]any{}
	}
	for name, value := range changes {
		if value == nil {
			delete(members, name)
			continue
		}
		members[name] = merge(members[name], value)
	}
	return members
}
