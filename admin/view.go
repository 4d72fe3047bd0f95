package admin

import (
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// User is a person as operators see them.
type User struct {
	ID            identity.ID `json:"id"`
	Sub           string      `json:"sub"`
	Email         string      `json:"email"`
	EmailVerified bool        `json:"email_verified"`
	Name          string      `json:"name,omitempty"`
	Locked        bool        `json:"locked"`
	LockedAt      time.Time   `json:"locked_at,omitzero"`
	Factors       []string    `json:"factors"` // totp
	CodesLeft     int         `json:"recovery_codes_left"`
	Sessions      int         `json:"sessions"` // that live
	CreatedAt     time.Time   `json:"created_at"`
	PasswordSetAt time.Time   `json:"password_set_at"`
	identity.Described
}

// NewUser shows an account.
func NewUser(a identity.Account) User {
	u := User{
		ID: a.ID, Sub: a.Sub, Email: a.Email, EmailVerified: a.EmailVerified, Name: a.Name,
		Locked: !a.DisabledAt.IsZero(), LockedAt: a.DisabledAt, Factors: []string{}, CodesLeft: a.CodesLeft,
		Sessions: a.Sessions, CreatedAt: a.CreatedAt, PasswordSetAt: a.PasswordSetAt, Described: a.Described,
	}
	for _, f := range a.Factors {
		u.Factors = append(u.Factors, f.Name)
	}
	return u
}

// Client is an app as operators see it.
type Client struct {
	ID             string    `json:"client_id"`
	Trusted        bool      `json:"trusted"`
	TrustedNative  bool      `json:"trusted_native,omitempty"`
	SelfRegistered bool      `json:"self_registered"`
	Disabled       bool      `json:"disabled"`
	DisabledAt     time.Time `json:"disabled_at,omitzero"`
	CreatedAt      time.Time `json:"created_at"`
	FirstUsedAt    time.Time `json:"first_used_at,omitzero"`
	DocumentReadAt time.Time `json:"document_read_at,omitzero"` // of one whose id is the address of a document that says what it is
	DocumentGone   time.Time `json:"document_gone_since,omitzero"`
	Idle           int64     `json:"session_idle_seconds,omitempty"` // 0: the server's
	Absolute       int64     `json:"session_absolute_seconds,omitempty"`
	identity.Metadata
}

// NewClient shows a client without its secrets.
func NewClient(c identity.Client) Client {
	return Client{
		ID: c.ID, Trusted: c.Trusted, TrustedNative: c.TrustedNative, SelfRegistered: c.SelfRegistered, Disabled: !c.DisabledAt.IsZero(),
		DisabledAt: c.DisabledAt, CreatedAt: c.CreatedAt, FirstUsedAt: c.FirstUsedAt,
		DocumentReadAt: c.Published.ReadAt, DocumentGone: c.Published.GoneSince,
		Idle: int64(c.Lives.Idle / time.Second), Absolute: int64(c.Lives.Absolute / time.Second), Metadata: c.Metadata,
	}
}

// Session is an app on a device as operators see it.
type Session struct {
	ID         identity.ID `json:"sid"`
	User       string      `json:"user"` // the address
	UserID     identity.ID `json:"user_id"`
	Sub        string      `json:"sub"`
	Client     string      `json:"client_id"`
	Scope      string      `json:"scope"`
	AMR        []string    `json:"amr"`
	CreatedAt  time.Time   `json:"created_at"`
	LastUsedAt time.Time   `json:"last_used_at"`
	IdleEndsAt time.Time   `json:"idle_ends_at"`
	EndsAt     time.Time   `json:"ends_at"`
	Address    string      `json:"address,omitempty"`
	UserAgent  string      `json:"user_agent,omitempty"`
	identity.Device
}

// NewSession shows a Session in a list.
func NewSession(l identity.Live) Session {
	s := l.Session
	return Session{
		ID: s.ID, User: l.User.Email, UserID: s.UserID, Sub: s.Sub, Client: s.ClientID, Scope: strings.Join(s.Scopes, " "),
		AMR: s.AMR.Names(), CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt, IdleEndsAt: s.IdleEndsAt, EndsAt: s.EndsAt,
		Address: s.Address, UserAgent: s.UserAgent, Device: s.Device,
	}
}

// Event is something that happened.
type Event struct {
	ID        identity.ID        `json:"id"`
	At        time.Time          `json:"at"`
	Kind      identity.EventKind `json:"kind"`
	UserID    identity.ID        `json:"user_id,omitzero"`
	SessionID identity.ID        `json:"sid,omitzero"`
	ClientID  string             `json:"client_id,omitempty"`
	Detail    string             `json:"detail,omitempty"`
	Address   string             `json:"address,omitempty"`
	Actor     string             `json:"actor,omitempty"` // empty: the person, their app or the server itself
	Browser   string             `json:"browser,omitempty"`
	Repeats   int                `json:"repeats,omitempty"`
	Erased    bool               `json:"erased,omitempty"` // whom it was about is gone, and what it said of them
}

// NewEvent shows an Event.
func NewEvent(e identity.Event) Event {
	return Event{
		ID: e.ID, At: e.At, Kind: e.Kind, UserID: e.UserID, SessionID: e.SessionID, ClientID: e.ClientID, Detail: e.Detail,
		Address: e.Address, Actor: e.Actor, Browser: e.Browser, Repeats: e.Repeats, Erased: len(e.Erased) > 0,
	}
}

// Dossier is everything about one Session.
type Dossier struct {
	Session
	Alive     bool              `json:"alive"`
	EndedAt   time.Time         `json:"ended_at,omitzero"`
	EndCause  identity.EndCause `json:"end_cause,omitempty"`
	SignInID  identity.ID       `json:"sign_in_id"` // what it began from
	AuthTime  time.Time         `json:"auth_time"`
	Offline   bool              `json:"offline"` // it outlives that
	Line      Line              `json:"line"`
	Resources []string          `json:"resources,omitempty"`
	JKT       string            `json:"jkt,omitempty"` // of the key that it is bound to
	Events    []Event           `json:"events"`
}

// Line is where the succession of refresh tokens stands.
type Line struct {
	Generation uint32 `json:"generation"`
	Branch     uint16 `json:"branch"`
	Previous   uint16 `json:"previous"`
}

// NewDossier shows everything about a Session, over or not, as it stands at a time.
func NewDossier(d identity.Dossier, now time.Time) Dossier {
	s := d.Session
	cause, at, over := s.Ending(now)
	shown := Dossier{
		Session: NewSession(d.Live), Alive: !over, EndedAt: at, EndCause: cause, SignInID: s.SignInID, AuthTime: s.AuthTime,
		Offline: s.Offline(), Line: Line(s.Line), Resources: identity.UnmarkResources(s.Resources), Events: make([]Event, len(d.Events)),
	}
	if s.Key != (identity.Thumbprint{}) {
		shown.JKT = s.Key.String()
	}
	for i, e := range d.Events {
		shown.Events[i] = NewEvent(e)
	}
	return shown
}
