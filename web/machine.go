package web

import (
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// sign is what a part of a User-Agent tells. It is a rough guess, for people to recognise what they use: nothing is
// decided by it.
type sign struct {
	part, name string
	kind       templates.DeviceKind
}

// The first that is found counts: newer browsers name older ones too.
var (
	platforms = []sign{
		{"iPhone", "iPhone", templates.Phone},
		{"iPad", "iPad", templates.Phone},
		{"Android", "Android", templates.Phone},
		{"okhttp", "Android", templates.Phone},
		{"CrOS", "ChromeOS", templates.Computer},
		{"Windows", "Windows", templates.Computer},
		{"Macintosh", "Mac", templates.Computer},
		{"Linux", "Linux", templates.Computer},
	}
	browsers = []sign{
		{part: "Edg", name: "Edge"},
		{part: "OPR/", name: "Opera"},
		{part: "SamsungBrowser", name: "Samsung Internet"},
		{part: "Firefox", name: "Firefox"},
		{part: "FxiOS", name: "Firefox"},
		{part: "CriOS", name: "Chrome"},
		{part: "Chrome", name: "Chrome"},
		{part: "Safari", name: "Safari"},
	}
)

// machine is what people may know a device by: what its app says of it, and what the User-Agent lets guess.
func machine(d identity.Device, userAgent string) templates.Machine {
	platform := find(platforms, userAgent)
	m := templates.Machine{
		Kind: platform.kind, Name: d.Name, Model: d.Model, Browser: find(browsers, userAgent).name, Platform: platform.name,
	}
	if m.Kind == "" && d.Model != "" { // only apps on phones say so
		m.Kind = templates.Phone
	}
	return m
}

func find(signs []sign, userAgent string) sign {
	for _, s := range signs {
		if strings.Contains(userAgent, s.part) {
			return s
		}
	}
	return sign{}
}
