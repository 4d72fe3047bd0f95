package templates

// Consent asks whether the app may have what it asked for
// (buttons name=consent value=allow|deny, hidden "next" and "binding").
type Consent struct {
	Frame
	Form
	Person
	// Binding ties the answer to cookie, user and request.
	Binding string
	// Scopes are scope names; their wording is the catalogue's.
	Scopes []string
	// ClientURL, PolicyURL and TermsURL are the client's own pages
	// (RFC 7591 §2: client_uri, policy_uri, tos_uri). What is not http(s) is left out.
	ClientURL, PolicyURL, TermsURL string
	// SelfRegistered is whether the app registered itself, so that its name proves nothing.
	SelfRegistered bool
}

func (Consent) template() string { return "consent" }
