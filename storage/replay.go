package storage

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
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
			r.Sessions, err = counted(d.endSessions(ctx, e.Cause, "id = ?", e.Session))
			return err
		case e.SignIn != uuid.Nil:
			return d.replaySignIn(ctx, e, &r)
		case e.User != uuid.Nil:
			return d.replayUser(ctx, e, &r)
		case e.Client != "":
			r.Sessions, err = counted(d.endSessions(ctx, e.Cause, "client_id = ? AND created_at <= ?", e.Client, fromTime(e.At)))
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
	where, args := sessionsUnder(identity.SignInEnding{ID: e.SignIn, Offline: e.Offline})
	r.Sessions, err = counted(d.endSessions(ctx, e.Cause, where, args...))
	return err
}

// replayUser locks the user's row first, as every user-wide ending does (DESIGN §2). A user who is gone has nothing left.
func (d *DB) replayUser(ctx context.Context, e Ending, r *Replayed) error {
	if err := d.lockUser(ctx, e.User); err != nil && identity.KindOf(err) != identity.NotFound {
		return err
	}
	ending := identity.UserEnding{
		UserID: e.User, Cause: e.Cause, Keep: e.Keep, KeepSessions: e.KeepSessions, ClientID: e.Of,
	}
	const before = " AND created_at <= ?"
	at := fromTime(e.At)
	var err error
	if r.SignIns, err = d.endSignInsOf(ctx, ending, before, []any{at}); err != nil {
		return err
	}
	where, args := sessionsOf(ending)
	r.Sessions, err = counted(d.endSessions(ctx, e.Cause, where+before, append(args, at)...))
	return err
}

func counted(ended []identity.Ended, err error) (int, error) { return len(ended), err }
