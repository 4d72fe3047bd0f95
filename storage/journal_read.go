package storage

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/google/uuid"
)

const (
	maxEnding = 4 << 10 // bytes of a line; those that we write have about 150
	maxCause  = 64
	maxClient = 64
)

// MalformedEnding is a line of a journal that tells no ending.
type MalformedEnding struct {
	Line int // from 1
	Why  string
}

// Error names the line, never its content.
func (e *MalformedEnding) Error() string { return fmt.Sprintf("line %d %s", e.Line, e.Why) }

// ReadEndings returns the endings of a journal one by one, or in place of one a *MalformedEnding, after which it goes on.
// Another error is the reader's, and the last. Empty lines are left out, and so is a last line that was cut short, by a
// power cut or in a copy made while it was written.
func ReadEndings(r io.Reader) iter.Seq2[Ending, error] {
	return func(yield func(Ending, error) bool) {
		lines := bufio.NewReaderSize(r, maxEnding)
		for number := 1; ; number++ {
			line, end := readLine(lines)
			if end != nil && !errors.Is(end, io.EOF) {
				yield(Ending{}, end)
				return
			}
			e, why := parseEnding(line)
			empty, torn := len(bytes.TrimSpace(line)) == 0, why != "" && end != nil
			var err error
			if why != "" {
				err = &MalformedEnding{number, why}
			}
			if !empty && !torn && !yield(e, err) || end != nil {
				return
			}
		}
	}
}

// readLine returns the next line, of a longer one than maxEnding only the beginning, and io.EOF with the last.
func readLine(lines *bufio.Reader) ([]byte, error) {
	part, err := lines.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return part, err
	}
	line := bytes.Clone(part)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = lines.ReadSlice('\n')
	}
	return line, err
}

// parseEnding reads one line. In place of an ending it returns what is wrong, as the end of a sentence. Names that it does
// not know are passed over: a later version may tell more.
func parseEnding(line []byte) (e Ending, wrong string) {
	if err := json.Unmarshal(line, &e); err != nil {
		return Ending{}, `is not JSON like {"at":"2026-01-02T15:04:05Z","session":"…","cause":"revoked"}`
	}
	named := 0
	for _, is := range []bool{e.Session != uuid.Nil, e.SignIn != uuid.Nil, e.User != uuid.Nil, e.Client != ""} {
		if is {
			named++
		}
	}
	switch {
	case named != 1:
		wrong = "names none or several of session, sign_in, user and client; one is right"
	case e.At.IsZero():
		wrong = `has no time "at"`
	case e.Cause == "" || len(e.Cause) > maxCause || !keepable(string(e.Cause)):
		wrong = `has no "cause" of 1 to 64 bytes`
	case max(len(e.Client), len(e.Of)) > maxClient || !keepable(e.Client) || !keepable(e.Of):
		wrong = "names a client that can't be: its id is too long or no text"
	}
	if wrong != "" {
		return Ending{}, wrong
	}
	return e, ""
}
