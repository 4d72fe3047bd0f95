package storage

import (
	"context"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
)

// redeemCode is the whole exchange of a code: the primary key makes it single-use, and what it selects from must be alive.
// A Session that is not offline never outlives its SignIn. The user's row is locked first, as user-wide endings do.
const redeemCode = "INSERT INTO sessions (" + sessionColumns + `)
	SELECT ?, ?, u.id, u.sub, s.id, ?, 0, 0, 0, ?, ?, ?, ?, ?, ?,
		CASE WHEN ? OR ? < s.ends_at THEN ? ELSE s.ends_at END,
		CASE WHEN ? OR ? < s.ends_at THEN ? ELSE s.ends_at END, NULL, '', ?, ?, ?, ?, ?, ?, ?, ?
	FROM sign_ins s JOIN users u ON u.id = s.user_id
	WHERE s.id = ? AND s.code_secret_hash = ? AND s.ended_at IS NULL AND s.ends_at > ?
		AND u.disabled_at IS NULL AND u.epoch = s.epoch AND u.codes_from <= ?
		AND EXISTS (SELECT 1 FROM clients c WHERE c.id = ? AND c.disabled_at IS NULL)`

// RedeemCode inserts the Session of a promise and returns the row as it was written, with user, sub and the ends that its
// SignIn allows. It does not win, and writes nothing, when a code of the same request won before or when SignIn, user or
// client are not alive any more. An ending that committed first is always seen.
func (d *DB) RedeemCode(ctx context.Context, p identity.Promise, s identity.Session) (identity.Session, bool, error) {
	offline, idle, ends := s.Offline(), fromTime(s.IdleEndsAt), fromTime(s.EndsAt)
	row := sessionRow{}
	won, err := d.one(ctx, []any{&row.UserID, &row.Sub, &row.IdleEndsAt, &row.EndsAt},
		redeemCode+d.lock("FOR SHARE OF u, s")+` ON CONFLICT (id) DO NOTHING RETURNING user_id, sub, idle_ends_at, ends_at`,
		s.ID, s.ClientID, s.SecretHash, s.AMR, joinScopes(s.Scopes), offline, fromTime(s.AuthTime), fromTime(s.CreatedAt),
		fromTime(s.LastUsedAt), offline, idle, idle, offline, ends, ends, s.Address, s.UserAgent, keyBytes(s.Key), strings.Join(s.Resources, " "),
		s.Device.Name, s.Device.Model, s.Device.AppVersion, s.Device.InstallID,
		p.SignInID, p.SignInSecret.Hash(), fromTime(d.Now()), fromTime(p.IssuedAt), s.ClientID)
	if err != nil || !won {
		return identity.Session{}, false, d.fail("redeem code", err)
	}
	s.UserID, s.Sub, s.SignInID, s.Line = row.UserID, row.Sub, p.SignInID, identity.Line{}
	s.IdleEndsAt, s.EndsAt = row.IdleEndsAt.time(), row.EndsAt.time()
	d.afterCommit(ctx, func() { d.hub.ring(s.UserID) })
	return s, true, nil
}
