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
	MaxDocumentKey = 64
	MaxDocument    = 16 << 10 // bytes of one document
	MaxDocuments   = 64       // documents of one client for one person
)

// DocumentKey names a document: one person's, one client's.
type DocumentKey struct {
	UserID   ID
	ClientID string
	Key      string
}

// Document is a small JSON document of an app that follows a person across devices.
type Document struct {
	DocumentKey
	Value     string // JSON
	Version   int64  // grows with every write and never comes again, not even after a deletion; zero: there is none
	UpdatedAt time.Time
	Deleted   bool // only in a Change: the document is gone
}

// ETag spells the version as a strong entity tag (RFC 9110 §8.8.3).
func (d Document) ETag() string { return `"` + strconv.FormatInt(d.Version, 36) + `"` }

// Exists reports whether there is such a document.
func (d Document) Exists() bool { return d.Version != 0 && !d.Deleted }

// DocumentKeyOK reports whether a document may be called so: 1 to 64 letters, digits, dots, underscores and hyphens.
func DocumentKeyOK(key string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return key != "" && len(key) <= MaxDocumentKey && strings.Trim(key, letters) == ""
}

// Condition is what an app takes for granted about a document that it writes (RFC 9110 §13.1.1, §13.1.2).
type Condition struct {
	Match  []string // ETags one of which it must have; "*": any
	Absent bool     // If-None-Match: *, it must not be there yet
}

// Holds reports whether the document is as the condition wants it.
func (c Condition) Holds(d Document) bool {
	if c.Absent && d.Exists() {
		return false
	}
	if c.Match == nil {
		return true
	}
	for _, tag := range c.Match {
		if d.Exists() && (tag == "*" || tag == d.ETag()) {
			return true
		}
	}
	return false
}

type documentStore interface {
	// Document returns a document; the zero Version when there is none.
	Document(ctx context.Context, at DocumentKey) (Document, error)
	// WriteDocument makes next of a document that is still at the version of was, and returns it with its new version; false
	// when it is not any more. A next without a value deletes. Conflict when a new one would be one too many.
	WriteDocument(ctx context.Context, was, next Document) (Document, bool, error)
}

// Documents keeps documents.
type Documents struct{ Store documentStore }

var (
	// ErrStale says that a document is not, or not any more, what the app's Condition wants. What it is now comes with it.
	ErrStale = errors.New("the document is not what the condition wants")
	errBusy  = &Error{Kind: Throttled, Msg: "Too many devices write this document at once. Try again.", Wait: time.Second}
)

// Put makes a document what value says, and reports whether it was not there before. With ErrStale it returns what is
// there instead.
func (s Documents) Put(ctx context.Context, at DocumentKey, value string, c Condition) (next Document, made bool, err error) {
	return s.change(ctx, at, c, func(Document) (string, error) { return value, nil })
}

// Patch merges a patch into a document (RFC 7396) as Put writes one. A document that is not there counts as empty.
func (s Documents) Patch(ctx context.Context, at DocumentKey, patch string, c Condition) (next Document, made bool, err error) {
	return s.change(ctx, at, c, func(now Document) (string, error) {
		merged, err := MergePatch(now.Value, patch)
		if err == nil && len(merged) > MaxDocument {
			err = ErrDocumentTooLarge
		}
		return merged, err
	})
}

// Delete deletes a document; NotFound when there is none. With ErrStale it returns what is there instead.
func (s Documents) Delete(ctx context.Context, at DocumentKey, c Condition) (Document, error) {
	next, _, err := s.change(ctx, at, c, func(now Document) (string, error) {
		if !now.Exists() {
			return "", Refuse(NotFound, "There is no such document.")
		}
		return "", nil
	})
	return next, err
}

// ErrDocumentTooLarge refuses a document.
var ErrDocumentTooLarge = RefuseField("value", "A document may have 16,384 bytes.")

// documentTries is how often a write without a condition is tried anew. Of those that collide one always wins.
const documentTries = 64

// change reads, judges and writes; that nobody wrote in between, only the writing decides (DESIGN law 2).
func (s Documents) change(ctx context.Context, at DocumentKey, c Condition, to func(Document) (string, error)) (
	Document, bool, error,
) {
	for range documentTries {
		now, err := s.Store.Document(ctx, at)
		if err != nil {
			return Document{}, false, err
		}
		if !c.Holds(now) {
			return now, false, ErrStale
		}
		value, err := to(now)
		if err != nil {
			return Document{}, false, err
		}
		next, won, err := s.Store.WriteDocument(ctx, now, Document{DocumentKey: at, Value: value, Deleted: value == ""})
		if err != nil || won {
			return next, !now.Exists(), err
		}
	}
	return Document{}, false, errBusy
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
