package identity

import "time"

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
	EndFactor     EndCause = "factor_changed"    // a second factor was removed or replaced
	EndEmail      EndCause = "email_changed"     // the login name was changed
	EndConsent    EndCause = "consent_withdrawn" // the person does not allow the app any more
	EndClientGone EndCause = "client_deleted"    // the client was deleted
	EndClientOff  EndCause = "client_disabled"   // the client was disabled

	EndClientChanged EndCause = "client_changed"    // the client is trusted no more, or knows people by other subjects
	EndLocked        EndCause = "user_disabled"     // the account was locked
	EndDeleted       EndCause = "user_deleted"      // the account was deleted
	EndCrowded       EndCause = "too_many_sessions" // the person has MaxSessions newer ones of the same app
	EndOperator      EndCause = "ended_by_operator" // an operator ended it
	EndUnusual       EndCause = "unusual"           // a rule found that somebody else uses it (docs/anomalies.md)
	EndIdle          EndCause = "idle"              // no one used it for too long; judged when read, never written
	EndExpired       EndCause = "expired"           // it reached its absolute end; judged when read, never written
)

// Ending ends Sessions, and the SignIns that they rest on. Exactly one of Session, SignIn, User and Client is named. It is
// also a line of the ending journal.
//
// Everything that it strikes is refused everywhere from the commit on, however much that is: the marks that every check
// reads are moved first. Events, notices and the rows' own ends may follow.
type Ending struct {
	At      time.Time `json:"at"` // zero: now. An ending of the past strikes what began until then, and moves no marks
	Session ID        `json:"session,omitzero"`
	SignIn  ID        `json:"sign_in,omitzero"` // with the Sessions that live only as long as it does
	User    ID        `json:"user,omitzero"`    // every SignIn and every Session, and all that was begun under their epoch
	Client  string    `json:"client,omitempty"` // every Session of it
	Cause   EndCause  `json:"cause"`

	With    ID   `json:"with,omitzero"`     // of a SignIn: also this Session of the same user, whatever it rests on
	Offline bool `json:"offline,omitempty"` // of a SignIn: also the Sessions that began from it and would outlive it

	Keep         ID     `json:"keep,omitzero"`           // of a user: but this SignIn
	KeepSessions bool   `json:"keep_sessions,omitempty"` // and the Sessions that began from it
	Of           string `json:"of,omitempty"`            // of a user: only the Sessions of this client, and no SignIn

	Address string `json:"address,omitempty"` // where whoever caused it was
	Actor   string `json:"actor,omitempty"`   // the operator who did it
	Browser string `json:"browser,omitempty"` // in which browser
}

// Named counts what of Session, SignIn, User and Client is named: one is right.
func (e Ending) Named() (n int) {
	for _, is := range []bool{e.Session != ID{}, e.SignIn != ID{}, e.User != ID{}, e.Client != ""} {
		if is {
			n++
		}
	}
	return n
}

// Struck is what an ending ended by the time it was committed.
type Struck struct {
	Sessions []Ended
	SignIns  int
	More     bool  // there were too many to write them all: they are refused, and told of within minutes
	Mark     int64 // the epoch that begins with it, of the user or the client
}

// Ended is a Session that an ending ended.
type Ended struct {
	SessionID ID
	UserID    ID
	ClientID  string
}
