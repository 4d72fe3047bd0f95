package storage

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// Replayed counts what a replay ended.
type Replayed struct{ Sessions, SignIns int }

// Replay ends what an ending of the journal ended and lives again, since the database was put back to before it. What
// began afterwards is left alone, so a journal may be replayed at any time, and again. It ends as any ending does, with
// Events and the ending's own cause, but the journal is not told what it knows.
func (d *DB) Replay(ctx context.Context, e Ending) (r Replayed, err error) {
	err = d.InTx(ctx, func(ctx context.Context) error {
		switch {
		case e.Session != uuid.Nil:
			r.Sessions, err = d.endSessions(ctx, e.Cause, "id = ?", e.Session)
			return err
		case e.SignIn != uuid.Nil:
			return d.replaySignIn(ctx, e, &r)
		case e.User != uuid.Nil:
			return d.replayUser(ctx, e, &r)
		case e.Client != "":
			r.Sessions, err = d.endSessions(ctx, e.Cause, "client_id = ? AND created_at <= ?", e.Client, fromTime(e.At))
			return err
		}
		return errors.New("an ending that names nothing")
	})
	return r, err
}

func (d *DB) replaySignIn(ctx context.Context, e Ending, r *Replayed) (err error) {
	if r.SignIns, err = d.endSignIns(ctx, e.Cause, "id = ?", e.SignIn); err != nil {
		return err
	}
	r.Sessions, err = d.endSessions(ctx, e.Cause, "sign_in_id = ? AND NOT offline", e.SignIn)
	return err
}

// replayUser locks the user's row first, as every user-wide ending does (DESIGN §2).
func (d *DB) replayUser(ctx context.Context, e Ending, r *Replayed) error {
	var id uuid.UUID
	_, err := d.one(ctx, []any{&id}, "SELECT id FROM users WHERE id = ?"+d.lock("FOR UPDATE"), e.User)
	if err != nil {
		return d.fail("lock user", err)
	}
	const before = "user_id = ? AND created_at <= ?"
	if r.SignIns, err = d.endSignIns(ctx, e.Cause, before, e.User, fromTime(e.At)); err != nil {
		return err
	}
	r.Sessions, err = d.endSessions(ctx, e.Cause, before, e.User, fromTime(e.At))
	return err
}
