package admin

import (
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

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
		Offline: s.Offline(), Line: Line(s.Line), Resources: s.Resources, Events: make([]Event, len(d.Events)),
	}
	if s.Key != (identity.Thumbprint{}) {
		shown.JKT = s.Key.String()
	}
	for i, e := range d.Events {
		shown.Events[i] = NewEvent(e)
	}
	return shown
}
