package templates

import (
	"cmp"
	"strings"
)

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
