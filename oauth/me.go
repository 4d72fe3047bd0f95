package oauth

import (
	"context"
	"net/http"
	"path"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// maxSiblings bounds the list of a person's other Sessions: the newest are told.
const maxSiblings = 200

// appStore keeps what apps are told while they hold an access token.
type appStore interface {
	FindSessions(ctx context.Context, q identity.SessionQuery) ([]identity.Live, error)
	End(ctx context.Context, e identity.Ending) (identity.Struck, error)
	// Subscribe returns a channel that is written to when there may be changes about a user.
	Subscribe(f identity.Feed) (wake <-chan struct{}, cancel func())
	LiveSessions(ctx context.Context, asked []identity.Held) (map[identity.Held]identity.Live, error)
	// ChangesSince returns what happened since a little before a time, the oldest first.
	ChangesSince(ctx context.Context, f identity.Feed) ([]identity.Change, error)
	Document(ctx context.Context, at identity.DocumentKey) (identity.Document, error)
	Documents(ctx context.Context, userID identity.ID, clientID string) ([]identity.Document, error)
}

// aboutMe is the answer of /me.
type aboutMe struct {
	Subject  string       `json:"sub"`
	Session  appSession   `json:"session"`
	Siblings []appSession `json:"siblings"`
}

// appSession is a Session as apps are told of it. When it was last used they learn to the day, and its idle end not at
// all: either would tell whoever shadows the app when it refreshes (DESIGN §2).
type appSession struct {
	ID         string   `json:"sid"`
	ClientID   string   `json:"client_id"`
	ClientName string   `json:"client_name,omitempty"`
	DeviceName string   `json:"device_name,omitempty"`
	Model      string   `json:"device_model,omitempty"`
	AppVersion string   `json:"app_version,omitempty"`
	InstallID  string   `json:"install_id,omitempty"` // its own only
	SignedInAt int64    `json:"signed_in_at"`
	LastSeen   string   `json:"last_seen"` // YYYY-MM-DD
	EndsAt     int64    `json:"ends_at"`   // at the latest
	AMR        []string `json:"amr"`
	Offline    bool     `json:"offline"`      // it outlives the browser's sign-in
	SameSignIn bool     `json:"same_sign_in"` // it began from the same sign-in as the caller's
	Current    bool     `json:"current"`
}

// me serves GET /me: the Session of the access token and its siblings.
func (e *Endpoints) me(w http.ResponseWriter, r *http.Request, c caller) error {
	all, err := e.siblings(r.Context(), c)
	if err != nil {
		return err
	}
	own, err := e.store.SessionByID(r.Context(), c.live.Session.ID) // with what describes its device
	if identity.KindOf(err) == identity.NotFound || err == nil && !own.Alive(e.o.Now()) {
		return errToken
	}
	if err != nil {
		return err
	}
	answer := aboutMe{Subject: own.Sub, Session: e.tellSession(r.Context(), c, own), Siblings: []appSession{}}
	for _, other := range all {
		if other.Session.ID != own.ID {
			answer.Siblings = append(answer.Siblings, e.tellSession(r.Context(), c, other.Session))
		}
	}
	e.writeJSON(w, http.StatusOK, answer)
	return nil
}

// manages reports whether an app may know of Sessions of the person's beside its own, and end them.
func (e *Endpoints) manages(ctx context.Context, c caller) (bool, error) {
	client, err := e.clientByID(ctx, c.token.ClientID)
	if identity.KindOf(err) == identity.NotFound {
		return false, errToken
	}
	return err == nil && client.ManagesDevices(identity.SplitScope(c.token.Scope)), err
}

// siblings returns the Sessions that an app may know of, its own among them; none where that is the only one.
func (e *Endpoints) siblings(ctx context.Context, c caller) ([]identity.Live, error) {
	if may, err := e.manages(ctx, c); err != nil || !may {
		return nil, err
	}
	return e.store.FindSessions(ctx, identity.SessionQuery{UserID: c.live.User.ID, Limit: maxSiblings + 1})
}

func (e *Endpoints) tellSession(ctx context.Context, c caller, s identity.Session) appSession {
	own := c.live.Session
	told := appSession{
		ID: s.ID.String(), ClientID: s.ClientID, ClientName: e.nameOf(ctx, s.ClientID),
		DeviceName: s.Device.Name, Model: s.Device.Model, AppVersion: s.Device.AppVersion,
		SignedInAt: s.CreatedAt.Unix(), LastSeen: s.LastUsedAt.UTC().Format(time.DateOnly), EndsAt: s.EndsAt.Unix(),
		AMR: s.AMR.Names(), Offline: s.Offline(), SameSignIn: s.SignInID == own.SignInID, Current: s.ID == own.ID,
	}
	if told.Current {
		told.InstallID = s.Device.InstallID
	}
	return told
}

// nameOf is what a client calls itself; empty where it cannot be read.
func (e *Endpoints) nameOf(ctx context.Context, clientID string) string {
	client, err := e.clientByID(ctx, clientID)
	if err != nil {
		return ""
	}
	return client.Name
}

var errNoSibling = identity.Refuse(identity.NotFound, "There is no such session of yours, or it is over already.")

// endMine serves DELETE /me/sessions/{id}: the app signs itself out, or another device of the person's.
func (e *Endpoints) endMine(w http.ResponseWriter, r *http.Request, c caller) error {
	id, err := uuid.Parse(path.Base(r.URL.Path))
	if err != nil {
		return errNoSibling
	}
	if id == c.live.Session.ID {
		_, err = e.store.End(r.Context(), identity.Ending{Session: id, Cause: identity.EndSignedOut, Address: addressOf(r)})
	} else {
		err = e.endSibling(r, c, id)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endSibling ends another Session, for an app that may know of it.
func (e *Endpoints) endSibling(r *http.Request, c caller, id identity.ID) error {
	may, err := e.manages(r.Context(), c)
	if err != nil {
		return err
	}
	if !may {
		return errNoSibling
	}
	from := identity.From{UserID: c.live.User.ID, SignInID: c.live.Session.SignInID, Address: addressOf(r)}
	return e.o.Devices.End(r.Context(), from, id)
}
