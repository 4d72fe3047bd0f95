package identity

import "time"

// SignIn is what a browser has proved to us: who, how and when. The SSO cookie points to it.
type SignIn struct {
	ID             ID
	UserID         ID
	SecretHash     []byte // SHA-256 of the cookie's secret; new at every change of privilege (session fixation)
	CodeSecretHash []byte // SHA-256 of the secret that codes carry; the same for the SignIn's whole life
	Epoch          int    // the user's credential epoch when it was proved
	AMR            AMR
	ProvedAt       time.Time // when the password was last proved: auth_time
	CreatedAt      time.Time
	LastUsedAt     time.Time
	IdleEndsAt     time.Time
	EndsAt         time.Time
	EndedAt        time.Time // zero while it lives
	EndCause       EndCause
	Address        string
	UserAgent      string
}

// Standing is a browser's SignIn with what decides about it: whose it is, and whether that person has a second factor.
// The zero Standing is a browser that nobody is signed in with.
type Standing struct {
	SignIn   SignIn
	User     User
	Enrolled bool // a confirmed second factor exists
	Pointer  Pointer
	Over     EndCause // in an otherwise zero Standing: why the SignIn is over that the browser still has the cookie of
}

// SignedIn reports whether anybody is.
func (s Standing) SignedIn() bool { return s.SignIn.ID != ID{} }

// judge returns a row that was read for pointer p as what it is worth: itself, or a Standing that says at most why it is
// over. A cookie that another one has replaced says nothing.
func (s Standing) judge(p Pointer, now time.Time) Standing {
	switch {
	case !s.SignedIn():
		return Standing{Over: EndExpired} // the row is gone, as is swept what has long been over
	case !p.Secret.Matches(s.SignIn.SecretHash):
		return Standing{}
	}
	if cause := s.ending(now); cause != "" {
		return Standing{Over: cause}
	}
	s.Pointer = p
	return s
}

// ending says why the SignIn is over, or nothing.
func (s Standing) ending(now time.Time) EndCause {
	switch {
	case !s.SignIn.EndedAt.IsZero():
		return s.SignIn.EndCause
	case !now.Before(s.SignIn.EndsAt):
		return EndExpired
	case !now.Before(s.SignIn.IdleEndsAt):
		return EndIdle
	case !s.User.DisabledAt.IsZero():
		return EndLocked
	case s.User.Epoch != s.SignIn.Epoch:
		return EndPassword
	}
	return ""
}
