package templates

// field is one labelled input. Its attributes are what password managers, one-time-code
// autofill and phone keyboards go by; see the table in the HTML standard, "Autofill".
type field struct {
	Name, Label  string
	Type         string
	Autocomplete string
	InputMode    string
	EnterKeyHint string
	Value        string
	// Hint is the catalogue's key of a sentence about MinLength.
	Hint      string
	MinLength int
	Problem   string
	Focus     bool
	// Fixed is whether the value only tells whose form it is.
	Fixed bool
}

// Describers are the ids of what explains the input, for aria-describedby.
func (f field) Describers() string {
	switch {
	case f.Problem != "" && f.Hint != "":
		return f.Name + "-problem " + f.Name + "-hint"
	case f.Problem != "":
		return f.Name + "-problem"
	case f.Hint != "":
		return f.Name + "-hint"
	}
	return ""
}

// Secret is whether the input hides what is typed. Such a field is never filled in by us.
func (f field) Secret() bool { return f.Type == "password" }

// Code is whether spaces in the input mean nothing.
func (f field) Code() bool { return f.Name == "totp" || f.Name == "recovery_code" }

func usernameField(value, autocomplete string) field {
	return field{
		Name: "username", Label: "field.username", Type: "email", InputMode: "email",
		Autocomplete: autocomplete, EnterKeyHint: "next", Value: value,
	}
}

func nameField(value string) field {
	return field{Name: "name", Label: "field.name", Type: "text", Autocomplete: "name", EnterKeyHint: "next", Value: value}
}

func currentPasswordField() field {
	return field{Name: "password", Label: "field.password", Type: "password", Autocomplete: "current-password", EnterKeyHint: "go"}
}

func newPasswordField(minLength int) field {
	f := field{Name: "password", Label: "field.new_password", Type: "password", Autocomplete: "new-password", EnterKeyHint: "go"}
	if minLength > 0 {
		f.MinLength, f.Hint = minLength, "signup.password_hint"
	}
	return f
}

// oldPasswordField is for a change. A password manager fills it in and keeps what stands in otherPasswordField.
func oldPasswordField() field {
	return field{
		Name: "current_password", Label: "field.current_password", Type: "password", Autocomplete: "current-password",
		EnterKeyHint: "next",
	}
}

func otherPasswordField(minLength int) field {
	f := newPasswordField(minLength)
	f.Name, f.Label = "new_password", "field.other_password"
	return f
}

func totpField() field {
	return field{
		Name: "totp", Label: "field.totp", Type: "text", InputMode: "numeric",
		Autocomplete: "one-time-code", EnterKeyHint: "go",
	}
}

// recoveryField is not one-time-code: phones would offer the authenticator's code for it.
func recoveryField() field {
	return field{Name: "recovery_code", Label: "field.recovery_code", Type: "text", Autocomplete: "off", EnterKeyHint: "go"}
}
