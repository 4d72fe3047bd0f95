package web

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

func TestMachine_isWhatPeopleKnowItBy(t *testing.T) {
	t.Parallel()
	const webKit = " AppleWebKit/537.36 (KHTML, like Gecko) "
	for userAgent, want := range map[string]templates.Machine{
		"Mozilla/5.0 (Linux; Android 15; Pixel 9)" + webKit + "Chrome/137.0 Mobile Safari/537.36": {
			Kind: templates.Phone, Browser: "Chrome", Platform: "Android",
		},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)" + webKit + "Version/18.5 Mobile/15E148 Safari/604.1": {
			Kind: templates.Phone, Browser: "Safari", Platform: "iPhone",
		},
		"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X)" + webKit + "CriOS/137.0 Mobile/15E148 Safari/604.1": {
			Kind: templates.Phone, Browser: "Chrome", Platform: "iPad",
		},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + webKit + "Chrome/137.0 Safari/537.36 Edg/137.0": {
			Kind: templates.Computer, Browser: "Edge", Platform: "Windows",
		},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:139.0) Gecko/20100101 Firefox/139.0": {
			Kind: templates.Computer, Browser: "Firefox", Platform: "Mac",
		},
		"okhttp/4.12.0": {Kind: templates.Phone, Platform: "Android"},
		"curl/8.5.0":    {},
		"":              {},
	} {
		if got := machine(identity.Device{}, userAgent); got != want {
			t.Errorf("%q is taken for %+v, want %+v", userAgent, got, want)
		}
	}
	told := machine(identity.Device{Name: "Ada’s phone", Model: "Pixel 9"}, "")
	if want := (templates.Machine{Kind: templates.Phone, Name: "Ada’s phone", Model: "Pixel 9"}); told != want {
		t.Errorf("what an app says gives %+v", told)
	}
}
