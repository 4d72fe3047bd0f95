package storage

import (
	"context"
	"strings"

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

var liveSession = "SELECT " + under("s", sessionColumns) + ", " + under("u", userColumns) + `,
	EXISTS (SELECT 1 FROM denied_tokens t WHERE t.jti = ?)
	FROM sessions s JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = s.client_id
	WHERE s.id = ? AND c.disabled_at IS NULL`

// LiveSession returns what an access token's Session looks like now, in one read: the Session, over or not, its user, and
// whether the token named jti was revoked. NotFound when the Session, its user or its client is
// gone, or the client is disabled.
func (d *DB) LiveSession(ctx context.Context, id identity.ID, jti string) (identity.Live, error) {
	var session sessionRow
	var user userRow
	var denied bool
	if !keepable(jti) {
		return identity.Live{}, notFound("session")
	}
	found, err := d.one(ctx, append(append(session.dest(), user.dest()...), &denied), liveSession, jti, id)
	switch {
	case err != nil:
		return identity.Live{}, d.fail("read live session", err)
	case !found:
		return identity.Live{}, notFound("session")
	}
	return identity.Live{Session: session.session(), User: user.user(), Denied: denied}, nil
}
