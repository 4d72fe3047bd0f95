package storage

import (
	"context"

	"github.com/sojourn-auth/sojourn/identity"
)

// advance is the ordinary refresh. None of the columns that it sets is in an index, so PostgreSQL makes it a HOT update.
// A client that does not rotate keeps its generation: the step is 0.
const advance = `UPDATE sessions SET generation = generation + ?, previous = previous * (1 - ?), last_used_at = ?,
		idle_ends_at = CASE WHEN ? < ends_at THEN ? ELSE ends_at END, address = ?
	WHERE id = ? AND generation = ? AND branch = 0 AND client_id = ? AND secret_hash = ?
		AND ended_at IS NULL AND ends_at > ? AND idle_ends_at > ? AND (amr & ?) = ? AND key = ?`

const advanced = `
	RETURNING user_id, sub, sign_in_id, generation, previous, amr, scope, auth_time, created_at, idle_ends_at, ends_at, user_agent,
		resources`

// unflushed lets the statement's own transaction commit without waiting for PostgreSQL's log to reach the disk or a standby.
// A crash may then take back rotations of the last moments, never half of one, and the rotation rule rolls those forward
// (DESIGN §2). It stands among the conditions since there it can't be skipped: what does not hold is not written.
const unflushed = ` AND set_config('synchronous_commit', 'off', true) = 'off'`

// The spellings of advance, ready to be sent.
var (
	advanceHere    = advance + advanced
	advanceFlushed = numbered(advance + advanced)
	advanceAtOnce  = numbered(advance + unflushed + advanced)
)

// advance is the statement of Advance. In somebody else's transaction it must not decide how that one commits.
func (d *DB) advance(ctx context.Context) string {
	switch {
	case d.kind != Postgres:
		return advanceHere
	case d.strict || d.carried(ctx) != nil:
		return advanceFlushed
	default:
		return advanceAtOnce
	}
}

// Advance makes the ordinary rotation in one statement: branch 0 of the Session's generation, of which no other branch
// exists, becomes the next generation. False, and nothing written, when anything is not ordinary.
func (d *DB) Advance(ctx context.Context, t identity.Turn) (identity.Session, bool, error) {
	now, idle, methods := fromTime(d.Now()), fromTime(t.IdleEndsAt), identity.AMR(0)
	if t.NeedMFA {
		methods = identity.MFA
	}
	r := sessionRow{
		ID: t.SessionID, ClientID: t.ClientID, SecretHash: t.SecretHash, LastUsedAt: now, Address: t.Address,
		Key: keyBytes(t.Key),
	}
	step := 1
	if t.Keep {
		step = 0
	}
	done, err := d.spelt(ctx, []any{
		&r.UserID, &r.Sub, &r.SignInID, &r.Generation, &r.Previous, &r.AMR, &r.Scope, &r.AuthTime, &r.CreatedAt,
		&r.IdleEndsAt, &r.EndsAt, &r.UserAgent, &r.Resources,
	}, d.advance(ctx), step, step, now, idle, idle, t.Address, t.SessionID, t.Generation, t.ClientID, t.SecretHash, now, now,
		methods, methods, r.Key)
	if err != nil || !done {
		return identity.Session{}, false, d.fail("rotate", err)
	}
	return r.session(), true, nil
}

// WriteLine writes where a locked Session's line stands, its last use, idle end and address. It refuses (SignInAgain) a
// Session that was ended.
func (d *DB) WriteLine(ctx context.Context, s identity.Session) error {
	res := d.q(ctx).Exec(`UPDATE sessions SET generation = ?, branch = ?, previous = ?, last_used_at = ?, idle_ends_at = ?,
		address = ? WHERE id = ? AND ended_at IS NULL`, s.Line.Generation, s.Line.Branch, s.Line.Previous,
		fromTime(s.LastUsedAt), fromTime(s.IdleEndsAt), s.Address, s.ID)
	if res.Error == nil && res.RowsAffected == 0 {
		return signInAgain()
	}
	return d.fail("write line", res.Error)
}
