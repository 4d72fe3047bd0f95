package identity

import "slices"

// Factor is a kind of second proof: what it is called, and what showing it proves. Whoever asks for one, or asks whether
// somebody has one, needs no more; how a kind is added, judged and removed is the business of package mfa.
type Factor struct {
	Name string // as Events and operators' views spell it
	AMR  AMR
}

// The kinds. A recovery code stands in for whichever a person has and is none of its own: who has only codes is not
// enrolled. RFC 8176 §2 has no name for it, so it says what it stands in for.
var (
	TOTP         = Factor{Name: "totp", AMR: OTP}
	RecoveryCode = Factor{Name: "recovery code", AMR: OTP}
)

// Enrolled reports whether the person has a second factor, of whatever kind.
func (s Standing) Enrolled() bool { return len(s.Factors) > 0 }

// Has reports whether the person has a factor of kind f.
func (s Standing) Has(f Factor) bool { return slices.Contains(s.Factors, f) }

// AMR is the set of methods by which a person was authenticated, one bit each (RFC 8176).
type AMR uint16

// The methods. MFA is said beside the two that make it up. Rows keep the bits: a new one goes to the end.
const (
	PWD AMR = 1 << iota // a password
	OTP                 // a one-time code: TOTP, or a recovery code in its stead
	MFA                 // more than one factor
	HWK                 // a key that its device does not give away
)

var amrNames = []string{"pwd", "otp", "mfa", "hwk"}

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

// MFAPolicy says whom the server asks for a second factor.
type MFAPolicy string

// The policies of SOJOURN_MFA.
const (
	MFAOff      MFAPolicy = "off"      // no one is challenged
	MFAOptional MFAPolicy = "optional" // those who enrolled are
	MFARequired MFAPolicy = "required" // everyone is; enrolling counts as the second factor
)

// Asks reports whether a person signing in to c must show a second factor.
// Off challenges no one, whatever a client asks for.
func (p MFAPolicy) Asks(enrolled bool, c Client) bool {
	switch p {
	case MFARequired:
		return true
	case MFAOptional:
		return enrolled || c.RequireMFA
	default:
		return false
	}
}

// Halfway reports whether somebody has shown a password and has yet to show a second factor that they have: that may be who
// has the password alone, so it gives nothing that knowing the person does.
func (s Standing) Halfway(policy MFAPolicy) bool {
	return s.SignedIn() && policy.Asks(s.Enrolled(), Client{}) && s.Enrolled() && !s.SignIn.AMR.Has(MFA)
}

// ACRValues are the values of acr that tokens can be asked to say (acr_values, OpenID Connect Core 1.0 §3.1.2.1). Asking
// changes nothing, since whoever can show a second factor is asked for it anyway, unless the operator switched it off.
func (p MFAPolicy) ACRValues() []string {
	switch p {
	case MFARequired:
		return []string{"mfa"}
	case MFAOptional:
		return []string{"pwd", "mfa"}
	default:
		return []string{"pwd"}
	}
}

// AsksAtRefresh reports whether a Session of c must have begun with a second factor to go on. Enrolling later does not
// end Sessions that began lawfully without; a policy of the server or of the client does.
func (p MFAPolicy) AsksAtRefresh(c Client) bool {
	return p == MFARequired || p == MFAOptional && c.RequireMFA
}
