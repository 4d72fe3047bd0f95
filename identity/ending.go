package identity

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
