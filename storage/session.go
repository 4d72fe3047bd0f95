package storage

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

const sessionColumns = "id, client_id, user_id, sub, sign_in_id, secret_hash, generation, branch, previous, amr, scope, " +
	"offline, auth_time, created_at, last_used_at, idle_ends_at, ends_at, ended_at, end_cause, address, user_agent, key, " +
	"resources, device_name, device_model, app_version, install_id"

type sessionRow struct {
	ID         uuid.UUID `gorm:"primaryKey"`
	ClientID   string
	UserID     uuid.UUID
	Sub        string
	SignInID   uuid.UUID
	SecretHash []byte
	Generation uint32
	Branch     uint16
	Previous   uint16
	AMR        identity.AMR
	Scope      string
	Offline    bool
	AuthTime   micros
	CreatedAt  micros
	LastUsedAt micros
	IdleEndsAt micros
	EndsAt     micros
	EndedAt    *micros
	EndCause   string
	Address    string
	UserAgent  string
	Key        []byte // empty: bound to none
	Resources  string // with spaces between them

	DeviceName, DeviceModel, AppVersion, InstallID string
}

// TableName is the table's name for GORM.
func (sessionRow) TableName() string { return "sessions" }

// dest is where sessionColumns go.
func (r *sessionRow) dest() []any {
	return []any{
		&r.ID, &r.ClientID, &r.UserID, &r.Sub, &r.SignInID, &r.SecretHash, &r.Generation, &r.Branch, &r.Previous, &r.AMR,
		&r.Scope, &r.Offline, &r.AuthTime, &r.CreatedAt, &r.LastUsedAt, &r.IdleEndsAt, &r.EndsAt, &r.EndedAt, &r.EndCause,
		&r.Address, &r.UserAgent, &r.Key, &r.Resources, &r.DeviceName, &r.DeviceModel, &r.AppVersion, &r.InstallID,
	}
}

func (r sessionRow) session() identity.Session {
	return identity.Session{
		ID: r.ID, ClientID: r.ClientID, UserID: r.UserID, Sub: r.Sub, SignInID: r.SignInID, SecretHash: r.SecretHash,
		Line:   identity.Line{Generation: r.Generation, Branch: r.Branch, Previous: r.Previous},
		Scopes: identity.SplitScope(r.Scope), AMR: r.AMR, AuthTime: r.AuthTime.time(), CreatedAt: r.CreatedAt.time(),
		LastUsedAt: r.LastUsedAt.time(), IdleEndsAt: r.IdleEndsAt.time(), EndsAt: r.EndsAt.time(),
		EndedAt: r.EndedAt.timeOrZero(), EndCause: identity.EndCause(r.EndCause), Address: r.Address, UserAgent: r.UserAgent,
		Key: thumbprintOf(r.Key), Resources: identity.SplitScope(r.Resources),
		Device: identity.Device{Name: r.DeviceName, Model: r.DeviceModel, AppVersion: r.AppVersion, InstallID: r.InstallID},
	}
}

// keyBytes stores no key as an empty value.
func keyBytes(t identity.Thumbprint) []byte {
	if t == (identity.Thumbprint{}) {
		return []byte{}
	}
	return t[:]
}

// thumbprintOf is the way back.
func thumbprintOf(b []byte) (t identity.Thumbprint) {
	copy(t[:], b)
	return t
}

func joinScopes(scopes []string) string { return strings.Join(scopes, " ") }

// SessionByID returns a Session, over or not, or NotFound.
func (d *DB) SessionByID(ctx context.Context, id identity.ID) (identity.Session, error) {
	return d.session(ctx, id, "")
}

// LockSession returns a Session that no one else can write until the transaction of ctx ends, or NotFound.
func (d *DB) LockSession(ctx context.Context, id identity.ID) (identity.Session, error) {
	return d.session(ctx, id, d.lock("FOR UPDATE"))
}

func (d *DB) session(ctx context.Context, id identity.ID, lock string) (identity.Session, error) {
	var row sessionRow
	found, err := d.one(ctx, row.dest(), "SELECT "+sessionColumns+" FROM sessions WHERE id = ?"+lock, id)
	switch {
	case err != nil:
		return identity.Session{}, d.fail("read session", err)
	case !found:
		return identity.Session{}, notFound("session")
	}
	return row.session(), nil
}

var liveSession = hot(`SELECT s.client_id, s.user_id, s.sub, s.sign_in_id, s.secret_hash, s.generation, s.branch, s.previous,
		s.amr, s.scope, s.auth_time, s.idle_ends_at, s.ends_at, s.ended_at, s.end_cause, s.key,
		u.email, u.email_verified, u.name, u.disabled_at, u.updated_at,
		EXISTS (SELECT 1 FROM denied_tokens t WHERE t.jti = ?)
	FROM sessions s JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = s.client_id
	WHERE s.id = ? AND c.disabled_at IS NULL`)

var liveSessions = "SELECT " + under("s", sessionColumns) + ", " + under("u", userColumns) + `,
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
	s, u, denied := sessionRow{ID: id}, userRow{}, false
	found, err := d.quickly(ctx, []any{
		&s.ClientID, &s.UserID, &s.Sub, &s.SignInID, &s.SecretHash, &s.Generation, &s.Branch, &s.Previous,
		&s.AMR, &s.Scope, &s.AuthTime, &s.IdleEndsAt, &s.EndsAt, &s.EndedAt, &s.EndCause, &s.Key,
		&u.Email, &u.EmailVerified, &u.Name, &u.DisabledAt, &u.UpdatedAt, &denied,
	}, liveSession, jti, id)
	switch {
	case err != nil:
		return identity.Live{}, d.fail("read live session", err)
	case !found:
		return identity.Live{}, notFound("session")
	}
	live := identity.Live{Session: s.session(), Denied: denied, User: identity.User{
		ID: s.UserID, Sub: s.Sub, Email: u.Email, EmailVerified: u.EmailVerified, Name: u.Name,
		DisabledAt: u.DisabledAt.timeOrZero(), UpdatedAt: u.UpdatedAt.time(),
	}}
	live.Session.CreatedAt, live.Session.LastUsedAt = time.Time{}, time.Time{} // were not read
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
		var session sessionRow
		var user userRow
		var jti string
		var denied bool
		if err := found.Scan(append(append(session.dest(), user.dest()...), &jti, &denied)...); err != nil {
			return err
		}
		all[identity.Held{SessionID: session.ID, JTI: jti}] = identity.Live{
			Session: session.session(), User: user.user(), Denied: denied,
		}
		return nil
	}, "WITH asked (id, jti) AS (VALUES "+strings.Join(rows, ", ")+") "+liveSessions, args...)
	return all, d.fail("read live sessions", err)
}

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
	d.afterCommit(ctx, func() { d.hub.ring(s.UserID, news{client: s.ClientID}) })
	return s, true, nil
}

// The ordinary refresh, by identity.Turn.Keep: a client that does not rotate keeps its generation. None of the columns that
// they set is in an index, so PostgreSQL makes them HOT updates.
var advance = map[bool]hotStatement{
	false: hot(`UPDATE sessions SET generation = generation + 1, previous = 0, ` + advanced),
	true:  hot(`UPDATE sessions SET ` + advanced),
}

const advanced = `last_used_at = ?, idle_ends_at = LEAST(?, ends_at), address = ?
	WHERE id = ? AND generation = ? AND branch = 0 AND client_id = ? AND secret_hash = ?
		AND ended_at IS NULL AND LEAST(idle_ends_at, ends_at) > ? AND (amr | ?) = amr AND key = ?
	RETURNING user_id, sub, sign_in_id, generation, previous, amr, scope, auth_time, created_at, idle_ends_at, ends_at,
		user_agent, resources`

// Advance makes the ordinary rotation in one statement: branch 0 of the Session's generation, of which no other branch
// exists, becomes the next generation. False, and nothing written, when anything is not ordinary. On PostgreSQL its commit
// does not wait for the disk, unless StrictRefresh says so or a transaction is under way.
func (d *DB) Advance(ctx context.Context, t identity.Turn) (identity.Session, bool, error) {
	now, methods := fromTime(d.Now()), identity.AMR(0)
	if t.NeedMFA {
		methods = identity.MFA
	}
	r := sessionRow{
		ID: t.SessionID, ClientID: t.ClientID, SecretHash: t.SecretHash, LastUsedAt: now, Address: t.Address,
		Key: keyBytes(t.Key),
	}
	done, err := d.quickly(ctx, []any{
		&r.UserID, &r.Sub, &r.SignInID, &r.Generation, &r.Previous, &r.AMR, &r.Scope, &r.AuthTime, &r.CreatedAt,
		&r.IdleEndsAt, &r.EndsAt, &r.UserAgent, &r.Resources,
	}, advance[t.Keep], now, fromTime(t.IdleEndsAt), t.Address, t.SessionID, t.Generation, t.ClientID, t.SecretHash, now, methods,
		r.Key)
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

var listedSessions = "SELECT " + under("s", sessionColumns) + ", " + under("u", userColumns) + `
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
		var session sessionRow
		var user userRow
		if err := rows.Scan(append(session.dest(), user.dest()...)...); err != nil {
			return err
		}
		all = append(all, identity.Live{Session: session.session(), User: user.user()})
		return nil
	}, c.where+" ORDER BY s.id DESC LIMIT ?", append(c.args, q.Limit)...)
	return all, d.fail("list sessions", err)
}

// An idle end is never after the absolute one, so it is when a Session that nobody ended was over.
const sessionsPast = "SELECT " + sessionColumns + ` FROM sessions
	WHERE user_id = ? AND COALESCE(ended_at, idle_ends_at) BETWEEN ? AND ?
	ORDER BY COALESCE(ended_at, idle_ends_at) DESC, id DESC LIMIT ?`

// SessionsPast returns a user's Sessions that were over after since, the last one first and at most limit of them.
func (d *DB) SessionsPast(ctx context.Context, userID identity.ID, since time.Time, limit int) ([]identity.Session, error) {
	var all []identity.Session
	err := d.each(ctx, func(rows *sql.Rows) error {
		var row sessionRow
		if err := rows.Scan(row.dest()...); err != nil {
			return err
		}
		all = append(all, row.session())
		return nil
	}, sessionsPast, userID, fromTime(since), fromTime(d.Now()), limit)
	return all, d.fail("list past sessions", err)
}
