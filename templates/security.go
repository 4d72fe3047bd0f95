package templates

import (
	"html/template"
	"strings"
)

// Security is how an account is opened, and what happened to it lately (fields "current_password", "new_password").
type Security struct {
	Frame
	Form
	Notice      string
	PasswordSet Moment
	// MinPassword is the fewest characters a password may have.
	MinPassword   int
	Authenticator Authenticator
	Contact       Contact
	Name          string
	NameURL       string
	Activity      []Happening
}

func (Security) template() string { return "security" }

// Inputs are the page's fields. Without a problem nothing takes the focus: the page is read from the top.
func (p Security) Inputs() inputs {
	in := p.arrange(oldPasswordField(), otherPasswordField(p.MinPassword))
	for i := range in.Fields {
		in.Fields[i].Focus = in.Fields[i].Problem != ""
	}
	return in
}

// Authenticator is a person's second step. An address that is empty leaves what leads there out.
type Authenticator struct {
	On           bool
	EnrolURL     string
	RemoveAction string
	CodesLeft    int
	CodesURL     string
}

// FewCodes is whether it is time for new recovery codes.
func (a Authenticator) FewCodes() bool { return a.CodesLeft <= 2 }

// Contact is where mail reaches a person. An address that is empty leaves what leads there out.
type Contact struct {
	Email        string
	Verified     bool
	ChangeURL    string
	VerifyAction string
}

// Happening is one thing that happened to an account.
type Happening struct {
	// Kind and Detail are what the catalogue has a sentence for.
	Kind, Detail string
	App          string
	When         Moment
	// Operator is whether the people who run the service did it.
	Operator bool
}

// happened says what happened in plain words.
func happened(h Happening) (template.HTML, error) {
	why, err := cause(h.Detail)
	if err != nil {
		return "", err
	}
	for _, key := range []string{h.Kind + "." + strings.ReplaceAll(h.Detail, " ", "_"), h.Kind} {
		if _, known := english.sentences["event."+key]; known {
			return rich("event."+key, "app", App{Name: h.App}.Called(), "cause", why)
		}
	}
	return rich("event.other")
}

// cause says in plain words why something was signed out.
func cause(name string) (string, error) {
	if _, known := english.sentences["cause."+name]; known {
		return text("cause." + name)
	}
	return text("cause.other")
}
