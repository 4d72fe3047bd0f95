package identity_test

import (
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestDecision_saysWhatItWas(t *testing.T) {
	t.Parallel()
	d := identity.Decision{
		Rule: "new-country", Value: 1.256, Threshold: 1, Answer: identity.AnswerTell | identity.AnswerAsk, Held: true,
		About: "a version about=x\n<b>" + strings.Repeat("é", 200), UserID: identity.NewID(),
	}
	if want := "new-country value=1.26 threshold=1 answer=tell+ask held=yes about=a version about=x<b>é"; !strings.HasPrefix(d.Detail(), want) {
		t.Error(d.Detail())
	}
	got := identity.ReadDecision(d.Detail())
	if got.Rule != d.Rule || got.Value != 1.26 || got.Threshold != 1 || got.Answer != d.Answer || !got.Held || len(got.About) > 96 {
		t.Errorf("%+v", got)
	}
	if !d.Event().Mailed() || (identity.Event{Kind: identity.AnomalyFound, Detail: d.Detail()}).Mailed() {
		t.Error("who is told is the person")
	}
}

func FuzzDecision(f *testing.F) {
	f.Add("new-country value=1 threshold=1 answer=tell+ask about=DE")
	f.Add("x value=NaN threshold=1e999 answer=+++ held=no")
	f.Fuzz(func(t *testing.T, detail string) {
		d := identity.ReadDecision(detail)
		again := identity.ReadDecision(d.Detail())
		if d.Rule != "" && !strings.Contains(d.Rule, "=") && (again.Rule != d.Rule || again.Answer != d.Answer || again.Held != d.Held) {
			t.Errorf("%q is %+v, and then %+v", detail, d, again)
		}
	})
}

func TestFamily_aDesktopsPageIsNoOtherPlatform(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]identity.Family{
		"": identity.FamilyUnknown, "Notes/3 (x)": identity.FamilyUnknown, "okhttp/5.0": identity.FamilyLinux,
		"Mozilla/5.0 (X11; Linux x86_64)": identity.FamilyLinux, "Mozilla/5.0 (Linux; Android 10; K)": identity.FamilyLinux,
		"Mozilla/5.0 (X11; CrOS x86_64)": identity.FamilyLinux, `"Chrome OS"`: identity.FamilyLinux,
		"Notes/1 CFNetwork/1568 Darwin/24.0.0": identity.FamilyApple, "Mozilla/5.0 (Macintosh)": identity.FamilyApple,
		"Mozilla/5.0 (iPad)": identity.FamilyApple, `"iOS"`: identity.FamilyApple, `"macOS"`: identity.FamilyApple,
		"Mozilla/5.0 (Windows NT 10.0)": identity.FamilyWindows, "curl/8": identity.FamilyProgram, "python-requests/2": identity.FamilyProgram,
	} {
		if got := identity.FamilyOf(said); got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
	}
	seen := identity.Seen{UserAgent: "Mozilla/5.0 (Windows NT 10.0)"}.On(`"Android"` + strings.Repeat("x", 1000))
	if seen.Family() != identity.FamilyLinux || len(seen.Platform) > 32 {
		t.Errorf("%+v is %s", seen, seen.Family())
	}
}
