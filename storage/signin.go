package storage

import (
	"context"
	"database/sql"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

const signInColumns = "id, user_id, secret_hash, code_secret_hash, epoch, amr, proved_at, created_at, last_used_at, " +
	"idle_ends_at, ends_at, ended_at, end_cause, address, user_agent, proved_for"

type signInRow struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	UserID         uuid.UUID
	SecretHash     []byte
	CodeSecretHash []byte
	Epoch          int
	AMR            identity.AMR
	ProvedAt       micros
	CreatedAt      micros
	LastUsedAt     micros
	IdleEndsAt     micros
	EndsAt         micros
	EndedAt        *micros
	EndCause       string
	Address        string
	UserAgent      string
	ProvedFor      uuid.UUID
}

// TableName is the table's name for GORM.
func (signInRow) TableName() string { return "sign_ins" }

// dest is where signInColumns go.
func (r *signInRow) dest() []any {
	return []any{
		&r.ID, &r.UserID, &r.SecretHash, &r.CodeSecretHash, &r.Epoch, &r.AMR, &r.ProvedAt, &r.CreatedAt, &r.LastUsedAt,
		&r.IdleEndsAt, &r.EndsAt, &r.EndedAt, &r.EndCause, &r.Address, &r.UserAgent, &r.ProvedFor,
	}
}

func (r signInRow) signIn() identity.SignIn {
	return identity.SignIn{
		ID: r.ID, UserID: r.UserID, SecretHash: r.SecretHash, CodeSecretHash: r.CodeSecretHash, Epoch: r.Epoch,
		AMR: r.AMR, ProvedAt: r.ProvedAt.time(), CreatedAt: r.CreatedAt.time(), LastUsedAt: r.LastUsedAt.time(),
		IdleEndsAt: r.IdleEndsAt.time(), EndsAt: r.EndsAt.time(), EndedAt: r.EndedAt.timeOrZero(),
		EndCause: identity.EndCause(r.EndCause), Address: r.Address, UserAgent: r.UserAgent,
		ProvedFor: r.ProvedFor,
	}
}

var standingOf = "SELECT " + under("s", signInColumns) + ", " + under("u", userColumns) + ", " + factorsOfUser + `
	FROM sign_ins s JOIN users u ON u.id = s.user_id WHERE s.id = ?`

// StandingOf returns a SignIn, over or not, with its user and their factors; the zero Standing for none.
func (d *DB) StandingOf(ctx context.Context, id identity.ID) (identity.Standing, error) {
	var signIn signInRow
	var user userRow
	var factors factorSet
	found, err := d.one(ctx, append(append(signIn.dest(), user.dest()...), &factors), standingOf, id)
	if err != nil || !found {
		return identity.Standing{}, d.fail("read sign-in", err)
	}
	return identity.Standing{SignIn: signIn.signIn(), User: user.user(), Factors: factors}, nil
}

const startSignIn = "INSERT INTO sign_ins (" + signInColumns + `)
	SELECT ?, u.id, ?, ?, u.epoch, ?, ?, ?, ?, ?, ?, NULL, '', ?, ?, ?
	FROM users u WHERE u.id = ? AND u.epoch = ? AND u.disabled_at IS NULL`

// StartSignIn writes a new SignIn. It refuses (SignInAgain) when the user was disabled, or a credential changed since the
// epoch that was proved.
func (d *DB) StartSignIn(ctx context.Context, s identity.SignIn) error {
	res := d.q(ctx).Exec(startSignIn+d.lock("FOR SHARE OF u"),
		s.ID, s.SecretHash, s.CodeSecretHash, s.AMR, fromTime(s.ProvedAt), fromTime(s.CreatedAt), fromTime(s.LastUsedAt),
		fromTime(s.IdleEndsAt), fromTime(s.EndsAt), s.Address, s.UserAgent, s.ProvedFor, s.UserID, s.Epoch)
	if res.Error == nil && res.RowsAffected == 0 {
		return signInAgain()
	}
	return d.fail("start sign-in", res.Error)
}

// SurplusSignIns returns which living SignIns of a person are more than keep, those that were used longest ago and at most a
// hundred, in the order of all endings.
func (d *DB) SurplusSignIns(ctx context.Context, userID identity.ID, keep int) (ids []identity.ID, err error) {
	now := fromTime(d.Now())
	ids, err = d.ids(ctx, `SELECT id FROM sign_ins WHERE user_id = ? AND ended_at IS NULL AND idle_ends_at > ? AND ends_at > ?
		ORDER BY last_used_at DESC, id DESC LIMIT ? OFFSET ?`, userID, now, now, surplusAtOnce, keep)
	inEndingOrder(ids)
	return ids, d.fail("read surplus sign-ins", err)
}

// ProveSignIn writes secret hash, epoch, methods and times of a SignIn that lives and still has the secret hash old. Else
// it refuses (SignInAgain): it ended, or another tab was quicker.
func (d *DB) ProveSignIn(ctx context.Context, s identity.SignIn, old []byte) error {
	now := fromTime(d.Now())
	res := d.q(ctx).Exec(`UPDATE sign_ins SET secret_hash = ?, epoch = ?, amr = ?, proved_at = ?, proved_for = ?,
		last_used_at = ?, idle_ends_at = ? WHERE id = ? AND secret_hash = ? AND ended_at IS NULL AND idle_ends_at > ? AND ends_at > ?`,
		s.SecretHash, s.Epoch, s.AMR, fromTime(s.ProvedAt), s.ProvedFor, fromTime(s.LastUsedAt), fromTime(s.IdleEndsAt),
		s.ID, old, now, now)
	if res.Error == nil && res.RowsAffected == 0 {
		return signInAgain()
	}
	return d.fail("prove sign-in", res.Error)
}

// TouchSignIn slides last use and idle end of a SignIn that lives, never backwards.
func (d *DB) TouchSignIn(ctx context.Context, s identity.SignIn) error {
	last := fromTime(s.LastUsedAt)
	return d.fail("touch sign-in", d.q(ctx).Exec(
		"UPDATE sign_ins SET last_used_at = ?, idle_ends_at = ? WHERE id = ? AND ended_at IS NULL AND last_used_at < ?",
		last, fromTime(s.IdleEndsAt), s.ID, last).Error)
}

// SignedInBefore reports whether a user has ever signed in, as far back as Events are kept.
func (d *DB) SignedInBefore(ctx context.Context, userID identity.ID) (before bool, err error) {
	_, err = d.one(ctx, []any{&before}, "SELECT EXISTS (SELECT 1 FROM events WHERE user_id = ? AND kind = ?)",
		userID, string(identity.SignedIn))
	return before, d.fail("look for earlier sign-ins", err)
}

var bareSignIns = "SELECT " + under("s", signInColumns) + `
	FROM sign_ins s JOIN users u ON u.id = s.user_id AND u.epoch = s.epoch
	WHERE s.user_id = ? AND s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ? AND NOT EXISTS (
		SELECT 1 FROM sessions a WHERE a.sign_in_id = s.id AND a.epoch = u.epoch AND a.ended_at IS NULL AND a.idle_ends_at > ? AND a.ends_at > ?)
	ORDER BY s.id DESC LIMIT ?`

// BareSignIns returns a user's SignIns that live and that no living Session began from, the newest first and at most
// limit of them: browsers in which the account is open and no app.
func (d *DB) BareSignIns(ctx context.Context, userID identity.ID, limit int) (all []identity.SignIn, err error) {
	now := fromTime(d.Now())
	err = d.each(ctx, func(rows *sql.Rows) error {
		var row signInRow
		if err := rows.Scan(row.dest()...); err != nil {
			return err
		}
		all = append(all, row.signIn())
		return nil
	}, bareSignIns, userID, now, now, now, now, limit)
	return all, d.fail("list sign-ins", err)
}
