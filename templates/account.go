package templates

// Account is where a person's own pages begin.
type Account struct {
	Frame
	Notice string
	// Username is the e-mail address, Name what the person is called, perhaps nothing.
	Username, Name string
	// SignOutAction is where the sign-out form posts.
	SignOutAction string
}

func (Account) template() string { return "account" }

// Name asks what a person is called (field "name").
type Name struct {
	Frame
	Form
	Name string
}

func (Name) template() string { return "name" }

// Inputs are the page's fields.
func (p Name) Inputs() inputs { return p.arrange(nameField(p.Name)) }

// Apps lists which apps may use the account (hidden field "client_id").
type Apps struct {
	Frame
	Form
	Notice string
	Apps   []Access
	// More is whether there are more than listed.
	More bool
}

func (Apps) template() string { return "apps" }

// Inputs are what the page has to say of a refusal.
func (p Apps) Inputs() inputs { return p.arrange() }

// Access is what an app may do.
type Access struct {
	App      App
	ClientID string
	// Scopes are scope names; their wording is the catalogue's.
	Scopes []string
	Since  Moment
	// Own is whether the app is part of the service: nobody allowed it, and nobody takes that back.
	Own bool
}
