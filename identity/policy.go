package identity

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

// AsksAtRefresh reports whether a Session of c must have begun with a second factor to go on. Enrolling later does not
// end Sessions that began lawfully without; a policy of the server or of the client does.
func (p MFAPolicy) AsksAtRefresh(c Client) bool {
	return p == MFARequired || p == MFAOptional && c.RequireMFA
}
