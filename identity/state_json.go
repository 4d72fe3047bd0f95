package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

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
