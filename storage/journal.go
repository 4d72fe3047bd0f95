package storage

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Ending is one line of the ending journal: what ended, of which exactly one is named, when and why. The journal lies
// outside the database, so that it outlives what a restored backup or a promoted replica forgets.
type Ending struct {
	At      time.Time         `json:"at"`
	Session identity.ID       `json:"session,omitzero"`
	SignIn  identity.ID       `json:"sign_in,omitzero"` // with the Sessions that live only as long as it does
	User    identity.ID       `json:"user,omitzero"`    // everything of theirs
	Client  string            `json:"client,omitempty"` // all Sessions of it
	Cause   identity.EndCause `json:"cause"`

	Offline      bool        `json:"offline,omitempty"`       // of a SignIn: also those that would outlive it
	Keep         identity.ID `json:"keep,omitzero"`           // of a user: but this SignIn
	KeepSessions bool        `json:"keep_sessions,omitempty"` // and the Sessions that began from it
	Of           string      `json:"of,omitempty"`            // of a user: only the Sessions of this client
}

// journal appends endings to a file, which is opened for each: endings are rare, and a file that was moved away is made
// anew. The zero value keeps nothing.
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
func (d *DB) record(ctx context.Context, e Ending) {
	if d.journal.path == "" {
		return
	}
	d.afterCommit(ctx, func() {
		e.At = d.Now()
		if err := d.journal.append(e); err != nil {
			d.journal.failed.Add(1)
			d.journal.tell(ctx, e, err)
		}
	})
}

func (j *journal) tell(ctx context.Context, e Ending, err error) {
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
func (j *journal) append(e Ending) error {
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
