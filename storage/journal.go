package storage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/sojourn-auth/sojourn/identity"
)

// journal is the ending journal: a line for each ending that was committed, which is the identity.Ending itself. It lies
// outside the database, so that it outlives what a restored backup or a promoted replica forgets.
//
// The file is opened for each: endings are rare, and a file that was moved away is made anew. The zero value keeps nothing.
type journal struct {
	path   string
	log    *slog.Logger
	mu     sync.Mutex // one line at a time, whole
	failed atomic.Int64
}

// JournalFailures is how many endings could not be written into the journal since the database was opened. They hold in
// the database.
func (d *DB) JournalFailures() int64 { return d.journal.failed.Load() }

// record puts an ending into the journal once it is committed. That never fails an ending: it is logged and counted.
func (d *DB) record(ctx context.Context, e identity.Ending) {
	if d.journal.path == "" {
		return
	}
	d.afterCommit(ctx, func() {
		if err := d.journal.append(e); err != nil {
			d.journal.failed.Add(1)
			d.journal.tell(ctx, e, err)
		}
	})
}

func (j *journal) tell(ctx context.Context, e identity.Ending, err error) {
	if j.log != nil {
		j.log.ErrorContext(ctx, "an ending is missing from the journal", "ending", e, "error", err)
	}
}

// check tries to open the file, so that a wrong path is noticed at the start.
func (j *journal) check() error {
	if j.path == "" {
		return nil
	}
	file, err := j.open()
	if err != nil {
		return err
	}
	return file.Close()
}

// append writes one line to the disk.
func (j *journal) append(e identity.Ending) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	file, err := j.open()
	if err != nil {
		return err
	}
	torn, err := isTorn(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if torn {
		line = append([]byte("\n"), line...)
	}
	_, err = file.Write(append(line, '\n')) // one write: other processes append too
	return errors.Join(err, file.Sync(), file.Close())
}

// open returns the file, made where it is missing, for its owner's eyes only: it says who ended what.
func (j *journal) open() (*os.File, error) {
	const appending = os.O_RDWR | os.O_APPEND
	file, err := os.OpenFile(j.path, appending, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if file, err = os.OpenFile(j.path, appending|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := syncFolder(filepath.Dir(j.path)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// isTorn reports whether the last line has no end: a power cut or a full disk came in between. The next one must not be
// written onto it.
func isTorn(file *os.File) (bool, error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = file.ReadAt(last, size-1)
	return last[0] != '\n', err
}

// syncFolder makes the new file's name outlive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if runtime.GOOS == "windows" {
		err = nil // cannot
	}
	return errors.Join(err, folder.Close())
}

const (
	maxEnding = 4 << 10 // bytes of a line; those that we write have about 150
	maxCause  = 64
	maxClient = identity.MaxClientURL
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
func ReadEndings(r io.Reader) iter.Seq2[identity.Ending, error] {
	return func(yield func(identity.Ending, error) bool) {
		lines := bufio.NewReaderSize(r, maxEnding)
		for number := 1; ; number++ {
			line, end := readLine(lines)
			if end != nil && !errors.Is(end, io.EOF) {
				yield(identity.Ending{}, end)
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
func parseEnding(line []byte) (e identity.Ending, wrong string) {
	if err := json.Unmarshal(line, &e); err != nil {
		return identity.Ending{}, `is not JSON like {"at":"2026-01-02T15:04:05Z","session":"…","cause":"revoked"}`
	}
	switch {
	case e.Named() != 1:
		wrong = "names none or several of session, sign_in, user and client; one is right"
	case e.At.IsZero():
		wrong = `has no time "at"`
	case e.Cause == "" || len(e.Cause) > maxCause || !keepable(string(e.Cause)):
		wrong = `has no "cause" of 1 to 64 bytes`
	case max(len(e.Client), len(e.Of)) > maxClient || !keepable(e.Client) || !keepable(e.Of):
		wrong = "names a client that can't be: its id is too long or no text"
	}
	if wrong != "" {
		return identity.Ending{}, wrong
	}
	return e, ""
}
