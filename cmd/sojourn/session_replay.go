package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// replayed is what came of a journal.
type replayed struct {
	Lines    int `json:"endings"` // read, and not before --since
	Sessions int `json:"sessions_ended"`
	SignIns  int `json:"sign_ins_ended"`
	// What the journal knows of and endings alone don't bring back.
	Passwords []string `json:"passwords_changed"` // ids of users
	Clients   []string `json:"clients_deleted"`

	malformed []error
}

// maxMalformed bounds how many lines are complained about by number.
const maxMalformed = 20

func (p *program) replay(ctx context.Context, o opened, path, since string) error {
	var from time.Time
	if since != "" {
		var err error
		if from, err = time.Parse(time.RFC3339, since); err != nil {
			return fmt.Errorf("--since: %q is not a time like 2026-01-02T15:04:05Z", since)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer file.Close()
	r := replayed{Passwords: []string{}, Clients: []string{}}
	if err := r.read(ctx, o, from, file); err != nil {
		return fmt.Errorf("%s: after %d endings: %w", path, r.Lines, err)
	}
	if err := p.print(r, r.sentence()); err != nil {
		return err
	}
	return r.complaint(path)
}

// complaint names the lines that told no ending.
func (r *replayed) complaint(path string) error {
	first := errors.Join(r.malformed[:min(len(r.malformed), maxMalformed)]...)
	switch len(r.malformed) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s: 1 line tells no ending; the others were replayed:\n%w", path, first)
	}
	return fmt.Errorf("%s: %d lines tell no ending; the others were replayed:\n%w", path, len(r.malformed), first)
}

func (r *replayed) read(ctx context.Context, o opened, from time.Time, journal io.Reader) error {
	for e, err := range storage.ReadEndings(journal) {
		if wrong, ok := errors.AsType[*storage.MalformedEnding](err); ok {
			r.malformed = append(r.malformed, wrong)
			continue
		}
		if err != nil {
			return err
		}
		if e.At.Before(from) {
			continue
		}
		ended, err := o.db.Replay(ctx, e)
		if err != nil {
			return err
		}
		r.count(e, ended)
	}
	return nil
}

func (r *replayed) count(e storage.Ending, ended storage.Replayed) {
	r.Lines++
	r.Sessions += ended.Sessions
	r.SignIns += ended.SignIns
	if e.Cause == identity.EndPassword {
		r.Passwords = append(r.Passwords, e.User.String())
	}
	if e.Cause == identity.EndClientGone {
		r.Clients = append(r.Clients, e.Client)
	}
}

func (r *replayed) sentence() string {
	lines := []string{fmt.Sprintf("Endings read: %d. Lived and were ended now: %d sessions, %d sign-ins.",
		r.Lines, r.Sessions, r.SignIns)}
	for _, id := range r.Passwords {
		lines = append(lines, "User "+id+" changed their password; a restored database may have the old one.")
	}
	for _, id := range r.Clients {
		lines = append(lines, "Client "+id+" was deleted; a restored database may have it again.")
	}
	return strings.Join(lines, "\n")
}
