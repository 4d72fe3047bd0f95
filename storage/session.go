package storage

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
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
	{"claims", func(s *session) any { return &s.Claims }},
	{"device_name", func(s *session) any { return &s.Device.Name }},
	{"device_model", func(s *session) any { return &s.Device.Model }},
	{"app_version", func(s *session) any { return &s.Device.AppVersion }},
	{"install_id", func(s *session) any { return &s.Device.InstallID }},
	{"epoch", func(s *session) any { return &s.Epoch }},
	{"client_epoch", func(s *session) any { return &s.ClientEpoch }},
	{"platform", func(s *session) any { return &s.Platform }},
	{"active_day", func(s *session) any { return (*dayNumber)(&s.Active.Day) }},
	{"active_days", func(s *session) any { return &s.Active.Days }},
	{"used_before_at", func(s *session) any { return (*momentOrZero)(&s.UsedBeforeAt) }},
	{"told_at", func(s *session) any { return (*momentOrNull)(&s.ToldAt) }},
	{"told_why", func(s *session) any { return &s.ToldWhy }},
	{"refused_at", func(s *session) any { return (*momentOrNull)(&s.RefusedAt) }},
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
	return d.session(ctx, id, d.lock("FOR UPDATE OF s"))
}

// marks are what a Session is judged by besides its own row (DESIGN law 11): the epochs of its user and its client, and the
// end of the SignIn that it rests on.
type marks struct {
	user      *int
	userAt    *micros
	userCause *identity.EndCause
	client    *int64
	clientOff *micros
	signIn    *uuid.UUID
	signInAt  *micros
	signInBy  *identity.EndCause
}

const (
	markColumns = "u.epoch, u.ended_at, u.end_cause, c.epoch, c.disabled_at, i.id, i.ended_at, i.end_cause"
	markJoins   = ` LEFT JOIN users u ON u.id = s.user_id LEFT JOIN clients c ON c.id = s.client_id
		LEFT JOIN sign_ins i ON i.id = s.sign_in_id AND NOT s.offline`
)

// in is where markColumns go.
func (m *marks) in(more ...any) []any {
	return append([]any{&m.user, &m.userAt, &m.userCause, &m.client, &m.clientOff, &m.signIn, &m.signInAt, &m.signInBy}, more...)
}

// judge ends a Session whose row nobody ended yet but which is over by its marks, as Tidy will.
func (m *marks) judge(s *session, now time.Time) {
	if s.EndedAt.IsZero() {
		if cause, at := m.over(s); cause != "" {
			s.EndCause, s.EndedAt = cause, now
			if at != nil {
				s.EndedAt = at.time()
			}
		}
	}
}

// over says why and, where it is known, since when a Session is over by its marks.
func (m *marks) over(s *session) (identity.EndCause, *micros) {
	switch {
	case m.user == nil:
		return identity.EndDeleted, nil
	case *m.user != s.Epoch:
		return cmp.Or(*m.userCause, identity.EndPassword), m.userAt
	case m.client == nil:
		return identity.EndClientGone, nil
	case *m.client != s.ClientEpoch:
		return identity.EndClientOff, m.clientOff
	case s.Offline():
		return "", nil
	case m.signIn == nil: // swept, so long over
		return identity.EndExpired, nil
	case m.signInAt != nil:
		return *m.signInBy, m.signInAt
	}
	return "", nil
}

func (d *DB) session(ctx context.Context, id identity.ID, lock string) (identity.Session, error) {
	var s identity.Session
	var m marks
	found, err := d.one(ctx, sessionColumns.in(&s, m.in()...),
		"SELECT "+sessionColumns.names("s")+", "+markColumns+" FROM sessions s"+markJoins+" WHERE s.id = ?"+lock, id)
	switch {
	case err != nil:
		return identity.Session{}, d.fail("read session", err)
	case !found:
		return identity.Session{}, notFound("session")
	}
	m.judge(&s, d.Now())
	return s, nil
}

// judged is what the requests of an access token read of its Session.
var judged = sessionColumns.except("id", "offline", "created_at", "last_used_at", "address", "user_agent", "resources",
	"device_name", "device_model", "app_version", "install_id", "platform", "active_day", "active_days", "used_before_at",
	"told_at", "told_why", "refused_at")

var liveSession = hot("SELECT " + judged.names("s") + ", " + markColumns + `,
		u.sub, u.email, u.email_verified, u.name, u.disabled_at, u.updated_at, u.described,
		EXISTS (SELECT 1 FROM denied_tokens t WHERE t.jti = ?)
	FROM sessions s` + markJoins + `
	WHERE s.id = ? AND u.id IS NOT NULL AND c.id IS NOT NULL AND c.disabled_at IS NULL`)

var liveSessions = "SELECT " + sessionColumns.names("s") + ", " + markColumns + ", " + under("u", userColumns) + `,
	a.jti, EXISTS (SELECT 1 FROM denied_tokens t WHERE t.jti = a.jti)
	FROM asked a JOIN sessions s ON s.id = a.id` + markJoins + `
	WHERE u.id IS NOT NULL AND c.id IS NOT NULL AND c.disabled_at IS NULL`

// LiveSession returns what an access token's Session looks like now, in one read: the Session, over or not, its user, and
// whether the token named jti was revoked. What describes the app's device, when it was used, and the person's credentials
// are left out. NotFound when the Session, its user or its client is gone, or the client is disabled.
func (d *DB) LiveSession(ctx context.Context, id identity.ID, jti string) (identity.Live, error) {
	if !keepable(jti) {
		return identity.Live{}, notFound("session")
	}
	live := identity.Live{Session: identity.Session{ID: id}}
	u, m := &live.User, marks{}
	found, err := d.quickly(ctx, judged.in(&live.Session, m.in(&u.Sub, &u.Email, &u.EmailVerified, &u.Name,
		(*momentOrNull)(&u.DisabledAt), (*moment)(&u.UpdatedAt), (*described)(&u.Described), &live.Denied)...), liveSession, jti, id)
	switch {
	case err != nil:
		return identity.Live{}, d.fail("read live session", err)
	case !found:
		return identity.Live{}, notFound("session")
	}
	m.judge(&live.Session, d.Now())
	u.ID = live.Session.UserID
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
		var m marks
		var jti string
		dest := append(sessionColumns.in(&live.Session, m.in(user.dest()...)...), &jti, &live.Denied)
		if err := found.Scan(dest...); err != nil {
			return err
		}
		m.judge(&live.Session, d.Now())
		live.User = user.user()
		all[identity.Held{SessionID: live.Session.ID, JTI: jti}] = live
		return nil
	}, "WITH asked (id, jti) AS (VALUES "+strings.Join(rows, ", ")+") "+liveSessions, args...)
	return all, d.fail("read live sessions", err)
}

// redeemCode is the whole exchange of a code: the primary key makes it single-use, and what it selects from must be alive.
// A Session that is not offline never outlives its SignIn. User, client and SignIn are locked, whose marks endings move, and
// the code must be of the epochs that they are of now: one that was begun before a change of credentials is worth nothing,
// also where its SignIn goes on.
var redeemCode = "INSERT INTO sessions (" + sessionColumns.names("") + ") SELECT " + sessionColumns.inserted(map[string]string{
	"user_id": "u.id", "sub": "COALESCE(NULLIF(CAST(@sub AS text), ''), u.sub)", "sign_in_id": "s.id",
	"idle_ends_at": "CASE WHEN @offline OR @idle_ends_at < s.ends_at THEN @idle_ends_at ELSE s.ends_at END",
	"ends_at":      "CASE WHEN @offline OR @ends_at < s.ends_at THEN @ends_at ELSE s.ends_at END",
	"epoch":        "u.epoch", "client_epoch": "c.epoch",
}) + `
	FROM sign_ins s JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = @client_id
	WHERE s.id = @sign_in_id AND s.code_secret_hash = @code_secret_hash AND s.ended_at IS NULL AND s.ends_at > @now
		AND u.disabled_at IS NULL AND u.epoch = s.epoch AND u.epoch = @code_epoch AND u.codes_from <= @issued_at
		AND c.disabled_at IS NULL AND c.epoch = @code_client_epoch`

// crowded counts the others of the Session's person and client, no further than anyone needs to know.
var crowded = fmt.Sprintf(`(SELECT count(*) = %[1]d FROM (SELECT 1 FROM sessions o WHERE o.user_id = sessions.user_id
	AND o.client_id = sessions.client_id AND o.id <> sessions.id AND o.ended_at IS NULL AND o.idle_ends_at > @now AND o.ends_at > @now
	LIMIT %[1]d) AS others)`, identity.CrowdedFrom)

// surplusAtOnce bounds what one exchange ends of what was piled up before there was a bound.
const surplusAtOnce = 100

// Surplus returns which living Sessions of a person and a client are more than keep, those that were used longest ago, and
// locks the person until the transaction ends.
func (d *DB) Surplus(ctx context.Context, userID identity.ID, clientID string, keep int) (ids []identity.ID, err error) {
	if err := d.lockUser(ctx, userID); err != nil {
		if identity.KindOf(err) == identity.NotFound {
			return nil, nil
		}
		return nil, err
	}
	now := fromTime(d.Now())
	ids, err = d.ids(ctx, `SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id AND u.epoch = s.epoch
		WHERE s.user_id = ? AND s.client_id = ? AND s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ?
		ORDER BY s.last_used_at DESC, s.id DESC LIMIT ? OFFSET ?`, userID, clientID, now, now, surplusAtOnce, keep)
	inEndingOrder(ids)
	return ids, d.fail("read surplus sessions", err)
}

// redeemed is what the database adds to the Session of a code.
var redeemed = sessionColumns.only("user_id", "sub", "idle_ends_at", "ends_at", "epoch", "client_epoch")

// RedeemCode inserts the Session of a promise and returns the row as it was written, with user, sub and the ends that its
// SignIn allows. It does not win, and writes nothing, when a code of the same request won before or when SignIn, user or
// client are not alive any more. An ending that committed first is always seen.
func (d *DB) RedeemCode(ctx context.Context, p identity.Promise, s identity.Session) (identity.Session, bool, error) {
	s.SignInID, s.Line, s.Active = p.SignInID, identity.Line{}, identity.ActiveOn(d.calendar.DayOf(s.CreatedAt))
	dest, returning := append(redeemed.in(&s), &s.Crowded), redeemed.names("")+", "+crowded
	if s.Person != nil {
		s.Person = &identity.User{}
		dest, returning = append(dest, toldInto(s.Person)...), returning+toldOf
	}
	won, err := d.one(ctx, dest,
		redeemCode+d.lock("FOR SHARE OF u, c, s")+" ON CONFLICT (id) DO NOTHING RETURNING "+returning,
		sessionColumns.args(&s, map[string]any{
			"code_secret_hash": p.SignInSecret.Hash(), "now": fromTime(d.Now()), "issued_at": fromTime(p.IssuedAt),
			"code_epoch": p.Epoch, "code_client_epoch": p.ClientEpoch,
		}))
	if err != nil || !won {
		return identity.Session{}, false, d.fail("redeem code", err)
	}
	d.afterCommit(ctx, func() { d.tellNews(s.UserID, news{client: s.ClientID}) })
	return s, true, nil
}

// The ordinary refresh, by identity.Turn.Keep: a client that does not rotate keeps its generation. None of the columns that
// they set is in an index, so PostgreSQL makes them HOT updates.
var advance = map[bool]hotStatement{
	false: hot(`UPDATE sessions SET generation = generation + 1, previous = 0, ` + ordinary + advanced.names("")),
	true:  hot(`UPDATE sessions SET ` + ordinary + advanced.names("")),
}

// advanceTelling is the same by identity.Turn.Keep for those whose answer says more of the person: what it says comes with
// the row.
var advanceTelling = map[bool]hotStatement{
	false: hot(`UPDATE sessions SET generation = generation + 1, previous = 0, ` + ordinary + advanced.names("") + toldOf),
	true:  hot(`UPDATE sessions SET ` + ordinary + advanced.names("") + toldOf),
}

// toldOf is what apps are told of a person, behind what a statement returns of their Session. SQLite's RETURNING sees no
// joined table.
var toldOf = ofPerson("id", "sub", "email", "email_verified", "name", "updated_at", "described")

func ofPerson(columns ...string) (returned string) {
	for _, column := range columns {
		returned += ", (SELECT u." + column + " FROM users u WHERE u.id = sessions.user_id)"
	}
	return returned
}

// toldInto is where toldOf goes.
func toldInto(u *identity.User) []any {
	return []any{
		(*scannedID)(&u.ID), &u.Sub, &u.Email, &u.EmailVerified, &u.Name, (*moment)(&u.UpdatedAt), (*described)(&u.Described),
	}
}

// Whatever a Session is used for marks the day: what was marked moves along with it (identity.Active.Used).
const ordinary = `active_days = ((active_days << LEAST(GREATEST(? - active_day, 0), 63)) & 9223372036854775807) | 1,
		active_day = GREATEST(active_day, ?), used_before_at = last_used_at, last_used_at = ?, idle_ends_at = LEAST(?, ends_at), address = ?,
		device_name = COALESCE(NULLIF(?, ''), device_name), device_model = COALESCE(NULLIF(?, ''), device_model),
		app_version = COALESCE(NULLIF(?, ''), app_version), install_id = COALESCE(NULLIF(?, ''), install_id)
	WHERE id = ? AND generation = ? AND branch = 0 AND client_id = ? AND secret_hash = ?
		AND ended_at IS NULL AND LEAST(idle_ends_at, ends_at) > ? AND (amr | ?) = amr AND key = ?
		AND (strpos(' ' || resources || ' ', ?) > 0 OR strpos(?, '|' || resources || '|') > 0
			OR (amr | ?) = amr AND strpos(?, '|' || resources || '|') > 0)
		AND client_epoch = ? AND epoch = (SELECT u.epoch FROM users u WHERE u.id = sessions.user_id)
		AND (offline OR EXISTS (SELECT 1 FROM sign_ins i WHERE i.id = sessions.sign_in_id AND i.ended_at IS NULL))
	RETURNING `

// advanced is what a refresh reads back: neither what its Turn says itself, nor what a Session that lives can't have, nor of the
// device, which no answer to a refresh tells, what is not counted either.
var advanced = sessionColumns.except("id", "client_id", "secret_hash", "key", "address", "last_used_at", "branch", "offline",
	"ended_at", "end_cause", "device_name", "device_model", "install_id", "active_day", "active_days", "told_at", "told_why",
	"refused_at")

// fenced is where a statement looks for one of several texts that hold no |, as no URI does.
func fenced(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return "|" + strings.Join(texts, "|") + "|"
}

// Advance makes the ordinary rotation in one statement: branch 0 of the Session's generation, of which no other branch
// exists, becomes the next generation. False, and nothing written, when anything is not ordinary. On PostgreSQL its commit
// does not wait for the disk, unless StrictRefresh says so or a transaction is under way.
func (d *DB) Advance(ctx context.Context, t identity.Turn) (identity.Session, bool, error) {
	now, methods := fromTime(d.Now()), identity.AMR(0)
	today := int(d.calendar.DayOf(now.time()))
	if t.NeedMFA {
		methods = identity.MFA
	}
	s := identity.Session{
		ID: t.SessionID, ClientID: t.ClientID, SecretHash: t.SecretHash, LastUsedAt: now.time(), Address: t.Address, Key: t.Key,
	}
	dest, statement := advanced.in(&s), advance[t.Keep]
	if t.Person {
		s.Person, statement = &identity.User{}, advanceTelling[t.Keep]
		dest = append(dest, toldInto(s.Person)...)
	}
	done, err := d.quickly(ctx, dest, statement, today, today, now, fromTime(t.IdleEndsAt), t.Address,
		t.Device.Name, t.Device.Model, t.Device.AppVersion, t.Device.InstallID, t.SessionID, t.Generation,
		t.ClientID, t.SecretHash, now, methods, thumbprint(t.Key).bytes(), " "+cmp.Or(t.Reach.Named, "|")+" ",
		fenced(t.Reach.Only()), identity.MFA, fenced(t.Reach.Twice), t.ClientEpoch)
	if err != nil || !done {
		return identity.Session{}, false, d.fail("rotate", err)
	}
	return s, true, nil
}

// WriteLine writes where a locked Session's line stands, its last use and the one before, idle end, address and Device. It refuses (SignInAgain) a
// Session that was ended.
func (d *DB) WriteLine(ctx context.Context, s identity.Session) error {
	active := s.Active.Used(d.calendar.DayOf(s.LastUsedAt))
	res := d.q(ctx).Exec(`UPDATE sessions SET generation = ?, branch = ?, previous = ?, last_used_at = ?, used_before_at = ?,
		active_day = ?, active_days = ?, idle_ends_at = ?, address = ?, device_name = ?, device_model = ?, app_version = ?,
		install_id = ? WHERE id = ? AND ended_at IS NULL`,
		s.Line.Generation, s.Line.Branch, s.Line.Previous, fromTime(s.LastUsedAt), (*momentOrZero)(&s.UsedBeforeAt),
		int(active.Day), active.Days, fromTime(s.IdleEndsAt), s.Address, s.Device.Name,
		s.Device.Model, s.Device.AppVersion, s.Device.InstallID, s.ID)
	if res.Error == nil && res.RowsAffected == 0 {
		return signInAgain()
	}
	return d.fail("write line", res.Error)
}

// NoteTold writes that the app of a locked Session was told at a time to sign the person in: why is of the first time.
func (d *DB) NoteTold(ctx context.Context, id identity.ID, why string, at time.Time) error {
	return d.fail("note refusal", d.q(ctx).Exec(`UPDATE sessions SET told_why = CASE WHEN told_at IS NULL THEN ? ELSE told_why END,
		told_at = COALESCE(told_at, ?), refused_at = ? WHERE id = ?`, why, fromTime(at), fromTime(at), id).Error)
}

var listedSessions = "SELECT " + sessionColumns.names("s") + ", " + under("u", userColumns) + `
	FROM sessions s JOIN users u ON u.id = s.user_id AND u.epoch = s.epoch
		JOIN clients c ON c.id = s.client_id AND c.epoch = s.client_epoch
	WHERE s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ?
		AND (s.offline OR EXISTS (SELECT 1 FROM sign_ins i WHERE i.id = s.sign_in_id AND i.ended_at IS NULL))`

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
