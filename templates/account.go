package templates

import (
	"cmp"
	"html/template"
	"strings"
)

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
	// Places are where else it may act for the person.
	Places []Place
	Since  Moment
	// OpenURL is where a sign-in to the app begins (OpenID Connect Core 1.0 §4). Empty: the link is left out.
	OpenURL string
	// Own is whether the app is part of the service: nobody allowed it, and nobody takes that back.
	Own bool
}

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
	ReplaceURL   string
	CodesLeft    int
	CodesURL     string
	// SaveURL leads to recovery codes that were handed out and not said to be saved.
	SaveURL string
}

// FewCodes is how many recovery codes are too few: time for new ones.
const FewCodes = 2

// FewCodes is whether it is time for new recovery codes.
func (a Authenticator) FewCodes() bool { return a.CodesLeft <= FewCodes }

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
	// Place is where the network says it came from, and Network which that is. Empty: nobody knows.
	Place, Network string
	// Browser is which one it was, or empty.
	Browser string
	// Times is how often it happened within that hour.
	Times int
	// Operator is whether the people who run the service did it.
	Operator bool
}

// Where says where it came from, as far as anybody knows.
func (h Happening) Where() (string, error) {
	switch {
	case h.Operator || h.Network == "":
		return "", nil
	case h.Place != "":
		return text("security.from.place", "place", h.Place, "network", h.Network)
	}
	return text("security.from.network", "network", h.Network)
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

// CauseSaid is why something ended, as the pages of the person's account say it.
func CauseSaid(name string) string {
	said, _ := cause(name) // every cause has a sentence: the others have one together
	return said
}

// Devices lists where a person is signed in (hidden field "sid" or "signin", button "others").
type Devices struct {
	Frame
	Form
	Notice  string
	Devices []Device
	// More is whether there are more than listed.
	More bool
	// Past are the ones that ended lately.
	Past []PastDevice
	// SignOutAction is where the form of this very browser posts.
	SignOutAction string
}

func (Devices) template() string { return "devices" }

// Inputs are what the page has to say of a refusal.
func (p Devices) Inputs() inputs { return p.arrange() }

// Others is whether there is anything to sign out elsewhere.
func (p Devices) Others() bool {
	for _, d := range p.Devices {
		if !d.This {
			return true
		}
	}
	return p.More
}

// DeviceKind chooses the picture.
type DeviceKind string

// The kinds of device that can be told apart.
const (
	Phone    DeviceKind = "phone"
	Computer DeviceKind = "computer"
	Program  DeviceKind = "program" // an app that does not say on what it runs
)

// Machine is what is known of a device. All of it is what apps and browsers say of themselves.
type Machine struct {
	Kind     DeviceKind
	Name     string // as its owner calls it
	Model    string
	Browser  string // of its browser or, where the device has no name, of its app
	Platform string
}

// Device is one app on one device, or a browser in which no app was opened.
type Device struct {
	Machine
	// App is the app's name; empty: a browser.
	App     string
	Browser bool
	Version string
	Address string
	// Place is where the network says it is. Empty: nobody knows.
	Place string
	First Moment
	Last  Moment
	// Authenticator is whether the sign-in took a second step.
	Authenticator bool
	// Connected is whether the app registered itself, as agents do; Scopes and Places are what such a one may do.
	Connected bool
	Scopes    []string
	Places    []Place
	// This is whether it is what the person looks at.
	This bool
	// Field and ID are what the form that ends it sends.
	Field, ID string
}

// PastDevice is one that was signed in lately.
type PastDevice struct {
	Machine
	App   string
	Cause string
	Ended Moment
}

// Called is the device in the words that are known of it, or nothing.
func (m Machine) Called() (string, error) {
	switch {
	case m.Name != "" && m.Model != "" && !strings.Contains(m.Name, m.Model):
		return text("device.name", "name", m.Name, "model", m.Model)
	case m.Name != "" || m.Model != "":
		return cmp.Or(m.Name, m.Model), nil
	case m.Browser != "" && m.Platform != "":
		return text("device.browser", "browser", m.Browser, "platform", m.Platform)
	}
	return m.Browser + m.Platform, nil
}
