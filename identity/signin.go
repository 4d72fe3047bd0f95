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
}

// SignedIn reports whether anybody is.
func (s Standing) SignedIn() bool { return s.SignIn.ID != ID{} }

// holds judges a row that was read for pointer p.
func (s Standing) holds(p Pointer, now time.Time) bool {
	return s.SignedIn() && p.Secret.Matches(s.SignIn.SecretHash) && s.SignIn.EndedAt.IsZero() &&
		now.Before(s.SignIn.IdleEndsAt) && now.Before(s.SignIn.EndsAt) &&
		s.User.DisabledAt.IsZero() && s.User.Epoch == s.SignIn.Epoch
}
