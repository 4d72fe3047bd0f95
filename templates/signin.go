package templates

// SignIn asks for e-mail address and password (fields "username", "password", hidden "next").
type SignIn struct {
	Frame
	Form
	// Username is what was typed before, or the request's login_hint.
	Username string
	// Notice is a calm sentence above the form that is not a problem; see Say.
	Notice string
	// Person is who may go on without the form, by ContinueURL. Empty: the link is left out.
	Person      string
	ContinueURL string
	// SignUpURL leads to SignUp. Empty: the link is left out.
	SignUpURL string
	// ForgotURL leads to Forgot. Empty: the link is left out.
	ForgotURL string
}

func (SignIn) template() string { return "signin" }

// Inputs are the page's fields.
func (p SignIn) Inputs() inputs {
	return p.arrange(usernameField(p.Username, "username webauthn"), currentPasswordField())
}

// SignUp makes an account (fields "username", "name", "password", hidden "next").
type SignUp struct {
	Frame
	Form
	Username string
	Name     string
	// MinPassword is the fewest characters a password may have. Zero: no hint.
	MinPassword int
	// SignInURL leads back to SignIn. Empty: the link is left out.
	SignInURL string
}

func (SignUp) template() string { return "signup" }

// Inputs are the page's fields.
func (p SignUp) Inputs() inputs {
	return p.arrange(usernameField(p.Username, "username"), nameField(p.Name), newPasswordField(p.MinPassword))
}
