package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

type session = identity.Session

// sessionColumns is how a Session lies in its table: each column once. A statement says which of them it reads or writes.
var sessionColumns = columns[session]{
	{"id", func(s *session) any { return (*scannedID)(&s.ID) }},
	{"client_id", func(s *session) any { return &s.ClientID }},
	{"user_id", func(s *session) any { return (*scannedID)(&s.UserID) }},
	{"sub", func(s *session) any { return &s.Sub }},
	{"sign_in_id", func(s *session) any { return (*scannedID)(&s.SignInID) }},
	{"secret_hash", func(s *session) any { return &s.SecretHash }},
	{"generation", func(s *session) any { return &s.Line.Generation }},
	{"branch", func(s *session) any { return &s.Line.Branch }},
	{"previous", func(s *session) any { return &s.Line.Previous }},
	{"amr", func(s *session) any { return &s.AMR }},
	{"scope", func(s *session) any { return (*words)(&s.Scopes) }},
	{"offline", func(s *session) any { return (*offline)(s) }},
	{"auth_time", func(s *session) any { return (*moment)(&s.AuthTime) }},
	{"created_at", func(s *session) any { return (*moment)(&s.CreatedAt) }},
	{"last_used_at", func(s *session) any { return (*moment)(&s.LastUsedAt) }},
	{"idle_ends_at", func(s *session) any { return (*moment)(&s.IdleEndsAt) }},
	{"ends_at", func(s *session) any { return (*moment)(&s.EndsAt) }},
	{"ended_at", func(s *session) any { return (*momentOrNull)(&s.EndedAt) }},
	{"end_cause", func(s *session) any { return &s.EndCause }},
	{"address", func(s *session) any { return &s.Address }},
	{"user_agent", func(s *session) any { return &s.UserAgent }},
	{"key", func(s *session) any { return (*thumbprint)(&s.Key) }},
	{"resources", func(s *session) any { return (*words)(&s.Resources) }},
	{"device_name", func(s *session) any { return &s.Device.Name }},
	{"device_model", func(s *session) any { return &s.Device.Model }},
	{"app_version", func(s *session) any { return &s.Device.AppVersion }},
	{"install_id", func(s *session) any { return &s.Device.InstallID }},
}

// offline is a Session's column for statements that end what is not; what is read back says so by its scope.
type offline session

// Scan reads nothing.
func (o *offline) Scan(any) error { return nil }

// Value writes whether the Session outlives its SignIn.
func (o *offline) Value() (driver.Value, error) { return (*session)(o).Offline(), nil }

// SessionByID returns a Session, over or not, or NotFound.
func (d *DB) SessionByID(ctx context.Context, id identity.ID) (identity.Session, error) {
	return d.session(ctx, id, "")
}

// LockSession returns a Session that no one else can write until the transaction of ctx ends, or NotFound.
func (d *DB) LockSession(ctx context.Context, id identity.ID) (identity.Session, error) {
	return d.session(ctx, id, d.lock("FOR UPDATE"))
}

func (d *DB) session(ctx context.Context, id identity.ID, lock string) (identity.Session, error) {
	var s identity.Session
	found, err := d.one(ctx, sessionColumns.in(&s), "SELECT "+sessionColumns.names("")+" FROM sessions WHERE id = ?"+lock, id)
	switch {
	case err != nil:
		return identity.Session{}, d.fail("read session", err)
	case !found:
		return identity.Session{}, notFound("session")
	}
	return s, nil
}

// judged is what the requests of an access token read of its Session.
var judged = sessionColumns.except("id", "offline", "created_at", "last_used_at", "address", "user_agent", "resources",
	"device_name", "device_model", "app_version", "install_id")

var liveSession = hot("SELECT " + judged.names("s") + `,
		u.email, u.email_verified, u.name, u.disabled_at, u.updated_at,
		EXISTS (SELECT 1 FROM denied_tokens t WHERE t.jti = ?)
	FROM sessions s JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = s.client_id
	WHERE s.id = ? AND c.disabled_at IS NULL`)

var liveSessions = "SELECT " + sessionColumns.names("s") + ", " + under("u", userColumns) + `,
	a.jti, EXISTS (SELECT 1 FROM denied_tokens t WHERE t.jti = a.jti)
	FROM asked a JOIN sessions s ON s.id = a.id JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = s.client_id
	WHERE c.disabled_at IS NULL`

// LiveSession returns what an access token's Session looks like now, in one read: the Session, over or not, its user, and
// whether the token named jti was revoked. What describes the app's device, when it was used, and the person's credentials
// are left out. NotFound when the Session, its user or its client is gone, or the client is disabled.
func (d *DB) LiveSession(ctx context.Context, id identity.ID, jti string) (identity.Live, error) {
	if !keepable(jti) {
		return identity.Live{}, notFound("session")
	}
	live := identity.Live{Session: identity.Session{ID: id}}
	u := &live.User
	found, err := d.quickly(ctx, judged.in(&live.Session, &u.Email, &u.EmailVerified, &u.Name, (*momentOrNull)(&u.DisabledAt),
		(*moment)(&u.UpdatedAt), &live.Denied), liveSession, jti, id)
	switch {
	case err != nil:
		return identity.Live{}, d.fail("read live session", err)
	case !found:
		return identity.Live{}, notFound("session")
	}
	u.ID, u.Sub = live.Session.UserID, live.Session.Sub
	return live, nil
}

// LiveSessions is LiveSession for several access tokens in one read. What is not in the answer is NotFound.
func (d *DB) LiveSessions(ctx context.Context, asked []identity.Held) (map[identity.Held]identity.Live, error) {
	all := make(map[identity.Held]identity.Live, len(asked))
	var rows []string
	var args []any
	row := "(?, ?)"
	if d.kind == Postgres {
		row = "(CAST(? AS uuid), CAST(? AS text))"
	}
	for _, h := range asked {
		if keepable(h.JTI) {
			rows, args = append(rows, row), append(args, h.SessionID.String(), h.JTI)
		}
	}
	if len(rows) == 0 {
		return all, nil
	}
	err := d.each(ctx, func(found *sql.Rows) error {
		var live identity.Live
		var user userRow
		var jti string
		if err := found.Scan(append(sessionColumns.in(&live.Session, user.dest()...), &jti, &live.Denied)...); err != nil {
			return err
		}
		live.User = user.user()
		all[identity.Held{SessionID: live.Session.ID, JTI: jti}] = live
		return nil
	}, "WITH asked (id, jti) AS (VALUES "+strings.Join(rows, ", ")+") "+liveSessions, args...)
	return all, d.fail("read live sessions", err)
}

// redeemCode is the whole exchange of a code: the primary key makes it single-use, and what it selects from must be alive.
// A Session that is not offline never outlives its SignIn. The user's row is locked first, as user-wide endings do.
var redeemCode = "INSERT INTO sessions (" + sessionColumns.names("") + ") SELECT " + sessionColumns.inserted(map[string]string{
	"user_id": "u.id", "sub": "u.sub", "sign_in_id": "s.id",
	"idle_ends_at": "CASE WHEN @offline OR @idle_ends_at < s.ends_at THEN @idle_ends_at ELSE s.ends_at END",
	"ends_at":      "CASE WHEN @offline OR @ends_at < s.ends_at THEN @ends_at ELSE s.ends_at END",
}) + `
	FROM sign_ins s JOIN users u ON u.id = s.user_id
	WHERE s.id = @sign_in_id AND s.code_secret_hash = @code_secret_hash AND s.ended_at IS NULL AND s.ends_at > @now
		AND u.disabled_at IS NULL AND u.epoch = s.epoch AND u.codes_from <= @issued_at
		AND EXISTS (SELECT 1 FROM clients c WHERE c.id = @client_id AND c.disabled_at IS NULL)`

// redeemed is what the database adds to the Session of a code.
var redeemed = sessionColumns.only("user_id", "sub", "idle_ends_at", "ends_at")

// RedeemCode inserts the Session of a promise and returns the row as it was written, with user, sub and the ends that its
// SignIn allows. It does not win, and writes nothing, when a code of the same request won before or when SignIn, user or
// client are not alive any more. An ending that committed first is always seen.
func (d *DB) RedeemCode(ctx context.Context, p identity.Promise, s identity.Session) (identity.Session, bool, error) {
	s.SignInID, s.Line = p.SignInID, identity.Line{}
	won, err := d.one(ctx, redeemed.in(&s),
		redeemCode+d.lock("FOR SHARE OF u, s")+" ON CONFLICT (id) DO NOTHING RETURNING "+redeemed.names(""),
		sessionColumns.args(&s, map[string]any{
			"code_secret_hash": p.SignInSecret.Hash(), "now": fromTime(d.Now()), "issued_at": fromTime(p.IssuedAt),
		}))
	if err != nil || !won {
		return identity.Session{}, false, d.fail("redeem code", err)
	}
	d.afterCommit(ctx, func() { d.hub.ring(s.UserID, news{client: s.ClientID}) })
	return s, true, nil
}

// The ordinary refresh, by identity.Turn.Keep: a client that does not rotate keeps its generation. None of the columns that
// they set is in an index, so PostgreSQL makes them HOT updates.
var advance = map[bool]hotStatement{
	false: hot(`UPDATE sessions SET generation = generation + 1, previous = 0, ` + ordinary + advanced.names("")),
	true:  hot(`UPDATE sessions SET ` + ordinary + advanced.names("")),
}

const ordinary = `last_used_at = ?, idle_ends_at = LEAST(?, ends_at), address = ?
	WHERE id = ? AND generation = ? AND branch = 0 AND client_id = ? AND secret_hash = ?
		AND ended_at IS NULL AND LEAST(idle_ends_at, ends_at) > ? AND (amr | ?) = amr AND key = ?
	RETURNING `

// advanced is what a refresh reads back: neither what its Turn says itself, nor what a Session that lives can't have, nor the
// device, which no answer to a refresh tells.
var advanced = sessionColumns.except("id", "client_id", "secret_hash", "key", "address", "last_used_at", "branch", "offline",
	"ended_at", "end_cause", "device_name", "device_model", "app_version", "install_id")

// Advance makes the ordinary rotation in one statement: branch 0 of the Session's generation, of which no other branch
// exists, becomes the next generation. False, and nothing written, when anything is not ordinary. On PostgreSQL its commit
// does not wait for the disk, unless StrictRefresh says so or a transaction is under way.
func (d *DB) Advance(ctx context.Context, t identity.Turn) (identity.Session, bool, error) {
	now, methods := fromTime(d.Now()), identity.AMR(0)
	if t.NeedMFA {
		methods = identity.MFA
	}
	s := identity.Session{
		ID: t.SessionID, ClientID: t.ClientID, SecretHash: t.SecretHash, LastUsedAt: now.time(), Address: t.Address, Key: t.Key,
	}
	done, err := d.quickly(ctx, advanced.in(&s), advance[t.Keep], now, fromTime(t.IdleEndsAt), t.Address, t.SessionID, t.Generation,
		t.ClientID, t.SecretHash, now, methods, thumbprint(t.Key).bytes())
	if err != nil || !done {
		return identity.Session{}, false, d.fail("rotate", err)
	}
	return s, true, nil
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

// describeSession writes only where something differs: an app may send the same description with every refresh.
const describeSession = `UPDATE sessions SET device_name = ?, device_model = ?, app_version = ?, install_id = ?
	WHERE id = ? AND (device_name <> ? OR device_model <> ? OR app_version <> ? OR install_id <> ?)`

// DescribeSession writes how an app describes its device now. What the description leaves out stays as it was.
func (d *DB) DescribeSession(ctx context.Context, id identity.ID, device identity.Device) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		s, err := d.LockSession(ctx, id)
		if err != nil {
			return err
		}
		n := device.Or(s.Device)
		return d.fail("describe session", d.q(ctx).Exec(describeSession, n.Name, n.Model, n.AppVersion, n.InstallID,
			id, n.Name, n.Model, n.AppVersion, n.InstallID).Error)
	})
}

var listedSessions = "SELECT " + sessionColumns.names("s") + ", " + under("u", userColumns) + `
	FROM sessions s JOIN users u ON u.id = s.user_id
	WHERE s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ?`

// FindSessions returns Sessions that live, the newest first, each with its user.
func (d *DB) FindSessions(ctx context.Context, q identity.SessionQuery) (all []identity.Live, err error) {
	if !keepable(q.ClientID) {
		return nil, nil
	}
	now := fromTime(d.Now())
	c := conditions{listedSessions, []any{now, now}}
	c.and(q.UserID != uuid.Nil, "s.user_id = ?", q.UserID)
	c.and(q.ClientID != "", "s.client_id = ?", q.ClientID)
	c.and(q.After != uuid.Nil, "s.id < ?", q.After)
	err = d.each(ctx, func(rows *sql.Rows) error {
		var live identity.Live
		var user userRow
		if err := rows.Scan(sessionColumns.in(&live.Session, user.dest()...)...); err != nil {
			return err
		}
		live.User = user.user()
		all = append(all, live)
		return nil
	}, c.where+" ORDER BY s.id DESC LIMIT ?", append(c.args, q.Limit)...)
	return all, d.fail("list sessions", err)
}

// An idle end is never after the absolute one, so it is when a Session that nobody ended was over.
var sessionsPast = "SELECT " + sessionColumns.names("") + ` FROM sessions
	WHERE user_id = ? AND COALESCE(ended_at, idle_ends_at) BETWEEN ? AND ?
	ORDER BY COALESCE(ended_at, idle_ends_at) DESC, id DESC LIMIT ?`

// SessionsPast returns a user's Sessions that were over after since, the last one first and at most limit of them.
func (d *DB) SessionsPast(ctx context.Context, userID identity.ID, since time.Time, limit int) ([]identity.Session, error) {
	var all []identity.Session
	err := d.each(ctx, func(rows *sql.Rows) error {
		var s identity.Session
		if err := rows.Scan(sessionColumns.in(&s)...); err != nil {
			return err
		}
		all = append(all, s)
		return nil
	}, sessionsPast, userID, fromTime(since), fromTime(d.Now()), limit)
	return all, d.fail("list past sessions", err)
}
