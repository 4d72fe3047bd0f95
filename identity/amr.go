package identity

// AMR is the set of methods by which a person was authenticated, one bit each (RFC 8176).
type AMR uint16

// The methods. MFA is said beside the two that make it up.
const (
	PWD AMR = 1 << iota // a password
	OTP                 // a one-time code: TOTP, or a recovery code in its stead
	MFA                 // more than one factor
)

var amrNames = []string{"pwd", "otp", "mfa"}

// Has reports whether every method of m is in a.
func (a AMR) Has(m AMR) bool { return a&m == m }

// Names returns the methods as the amr claim spells them, never nil.
func (a AMR) Names() []string {
	names := []string{}
	for i, name := range amrNames {
		if a.Has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

// ACR is the authentication context class: "mfa" when a second factor took part, else "pwd".
func (a AMR) ACR() string {
	if a.Has(MFA) {
		return "mfa"
	}
	return "pwd"
}
