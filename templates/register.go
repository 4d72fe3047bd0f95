package templates

// Register lets a developer register an app by hand (fields "client_name", "redirect_uris", the box "secret", and
// "initial_token" where one is needed).
type Register struct {
	Frame
	Form
	Name string
	// RedirectURIs are separated by spaces, as they were typed.
	RedirectURIs string
	// Confidential is whether the app keeps a secret.
	Confidential bool
	NeedsToken   bool
}

func (Register) template() string { return "register" }

// Inputs are the page's fields.
func (p Register) Inputs() inputs {
	fields := []field{
		developersField("client_name", "field.client_name", p.Name),
		developersField("redirect_uris", "field.redirect_uris", p.RedirectURIs),
	}
	fields[1].InputMode, fields[1].Hint, fields[1].MinLength = "url", "register.redirect_hint", 1
	if p.NeedsToken {
		fields = append(fields, developersField("initial_token", "field.initial_token", ""))
	}
	return p.arrange(fields...)
}

// developersField is one that no password manager and no memory of forms knows what to do with.
func developersField(name, label, value string) field {
	return field{Name: name, Label: label, Type: "text", Autocomplete: "off", EnterKeyHint: "next", Value: value}
}

// Registered shows once what an app was registered as. What is empty is left out.
type Registered struct {
	Frame
	ClientID     string
	Secret       string
	RedirectURIs []string
	LeftOut      []LeftOut
	// Issuer and Discovery are what the app's library asks for: who signs people in, and where that says how.
	Issuer, Discovery string
	// URI and Access are where the registration is changed, and by what token (RFC 7592).
	URI, Access string
}

func (Registered) template() string { return "registered" }

// copied is a text that a press copies, and the sentence that names it.
type copied struct{ ID, Label, Text string }

// Copied are what the app's settings need.
func (p Registered) Copied() (all []copied) {
	for _, c := range []copied{
		{"id", "registered.id", p.ClientID},
		{"secret", "registered.secret", p.Secret},
		{"issuer", "registered.issuer", p.Issuer},
		{"discovery", "registered.discovery", p.Discovery},
	} {
		if c.Text != "" {
			all = append(all, c)
		}
	}
	return all
}

// LeftOut is a redirect URI that was not taken, and what would be right.
type LeftOut struct{ URI, Reason string }
