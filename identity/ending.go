package identity

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

// Ended is a Session that an ending ended.
type Ended struct {
	SessionID ID
	UserID    ID
	ClientID  string
}

// SignInEnding ends one SignIn and the Sessions that live only as long as it does.
type SignInEnding struct {
	ID      ID
	Cause   EndCause
	Offline bool // also the Sessions that began from it and would outlive it
	Session ID   // and this Session of the same user, whatever it rests on; zero: none
}

// UserEnding ends what a user has: every SignIn and every Session, unless it says otherwise.
type UserEnding struct {
	UserID       ID
	Cause        EndCause
	Keep         ID     // the SignIn that stays; zero: none
	KeepSessions bool   // the Sessions that began from the kept SignIn stay too
	ClientID     string // end only the Sessions of this client, and no SignIn; empty: those of all
}
