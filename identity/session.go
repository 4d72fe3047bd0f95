package identity

import (
	"encoding/base64"
	"time"
)

// Session is one app on one device, signed in for one user: one row, and the whole family of its refresh tokens.
type Session struct {
	ID         ID // the sid claim; it may be public
	ClientID   string
	UserID     ID
	Sub        string // the user's sub, kept here so that a refresh reads one row
	SignInID   ID
	SecretHash []byte     // SHA-256 of the Session's secret
	Key        Thumbprint // the key that its refresh tokens are bound to (RFC 9449 §5); zero: none
	Resources  []string   // the resource servers that were asked for (RFC 8707); empty: this server alone
	Line       Line
	Scopes     []string
	AMR        AMR
	AuthTime   time.Time
	CreatedAt  time.Time
	LastUsedAt time.Time
	IdleEndsAt time.Time // sliding
	EndsAt     time.Time // absolute
	EndedAt    time.Time // zero while it lives
	EndCause   EndCause
	Address    string // where it was last seen, as an IP address
	UserAgent  string // what the app called itself, untrusted, at most 256 bytes
	Device     Device
}

// Thumbprint is the RFC 7638 SHA-256 thumbprint of a public key; zero where there is none.
type Thumbprint [32]byte

// String spells a thumbprint as jkt does: base64url.
func (t Thumbprint) String() string { return base64.RawURLEncoding.EncodeToString(t[:]) }

// Alive judges by the Session's own row; expiry is judged when read, never by a sweeper.
func (s Session) Alive(now time.Time) bool {
	return s.EndedAt.IsZero() && now.Before(s.IdleEndsAt) && now.Before(s.EndsAt)
}

// Offline reports whether the Session outlives its SignIn (OIDC Back-Channel Logout §2.7).
func (s Session) Offline() bool { return HasScope(s.Scopes, "offline_access") }

// EndCause says why a Session or SignIn ended.
type EndCause string

// The causes that exist so far.
const (
	EndReuse      EndCause = "reuse"             // a superseded refresh token came back
	EndForks      EndCause = "forks"             // 1,000 branches in one generation
	EndReplay     EndCause = "code_replayed"     // an authorization code came back
	EndRevoked    EndCause = "revoked"           // the app revoked its refresh token
	EndSignedOut  EndCause = "signed_out"        // the person signed out
	EndReplaced   EndCause = "replaced"          // another person signed in in the same browser
	EndDevice     EndCause = "ended_by_user"     // the person ended it from another device
	EndNotMe      EndCause = "not_me"            // the person said that it wasn't them
	EndPassword   EndCause = "password_changed"  // the password was changed
	EndReset      EndCause = "password_reset"    // the password was forgotten and chosen anew
	EndFactor     EndCause = "factor_changed"    // a second factor was removed
	EndEmail      EndCause = "email_changed"     // the login name was changed
	EndConsent    EndCause = "consent_withdrawn" // the person does not allow the app any more
	EndClientGone EndCause = "client_deleted"    // the client was deleted
	EndClientOff  EndCause = "client_disabled"   // the client was disabled
	EndLocked     EndCause = "user_disabled"     // the account was locked
	EndDeleted    EndCause = "user_deleted"      // the account was deleted
	EndOperator   EndCause = "ended_by_operator" // an operator ended it
	EndIdle       EndCause = "idle"              // no one used it for too long; judged when read, never written
	EndExpired    EndCause = "expired"           // it reached its absolute end; judged when read, never written
)

// Ending says why a Session is over at a time, and since when; false while it lives.
func (s Session) Ending(now time.Time) (cause EndCause, at time.Time, over bool) {
	switch {
	case !s.EndedAt.IsZero():
		return s.EndCause, s.EndedAt, true
	case !now.Before(s.EndsAt):
		return EndExpired, s.EndsAt, true
	case !now.Before(s.IdleEndsAt):
		return EndIdle, s.IdleEndsAt, true
	}
	return "", time.Time{}, false
}

// Lifetimes are the idle and absolute lives of something that slides.
type Lifetimes struct {
	Idle, Absolute time.Duration
}

// IdleFrom returns when something used now goes idle: never after its absolute end.
func (l Lifetimes) IdleFrom(now, endsAt time.Time) time.Time {
	if idle := now.Add(l.Idle); idle.Before(endsAt) {
		return idle
	}
	return endsAt
}
