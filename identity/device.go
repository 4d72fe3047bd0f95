package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Device is what an app says of where it runs, so that people find it in their list. All of it is untrusted.
type Device struct {
	Name       string `json:"device_name,omitempty"`  // as its owner calls it: Ada's phone
	Model      string `json:"device_model,omitempty"` // Pixel 9
	AppVersion string `json:"app_version,omitempty"`
	InstallID  string `json:"install_id,omitempty"` // the same as long as the app stays installed
}

// MaxDevice is how many bytes are kept of each part of a Device.
const MaxDevice = 64

// DeviceFrom reads the parameters device_name, device_model, app_version and install_id. What is too long is cut, and
// what cannot be shown is left out: a device that describes itself badly may still sign in.
func DeviceFrom(get func(name string) string) Device {
	return Device{
		Name: cleanFact(get("device_name")), Model: cleanFact(get("device_model")),
		AppVersion: cleanFact(get("app_version")), InstallID: cleanFact(get("install_id")),
	}
}

// DeviceParams are the names of the parameters that DeviceFrom reads.
var DeviceParams = []string{"device_name", "device_model", "app_version", "install_id"}

// Clean returns the Device with every part cut and cleaned as DeviceFrom does.
func (d Device) Clean() Device {
	return Device{cleanFact(d.Name), cleanFact(d.Model), cleanFact(d.AppVersion), cleanFact(d.InstallID)}
}

// Or returns the Device with what it does not say taken from other.
func (d Device) Or(other Device) Device {
	for _, part := range []struct{ own, other *string }{
		{&d.Name, &other.Name}, {&d.Model, &other.Model}, {&d.AppVersion, &other.AppVersion}, {&d.InstallID, &other.InstallID},
	} {
		if *part.own == "" {
			*part.own = *part.other
		}
	}
	return d
}

func cleanFact(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) { // direction marks too: a name must not reorder the page
			return -1
		}
		return r
	}, s)
	if len(s) > MaxDevice {
		s = s[:MaxDevice]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimSpace(s)
}
