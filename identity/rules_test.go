package identity_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestThrottle_waitGrowsAfterTheFreeMisses(t *testing.T) {
	t.Parallel()
	rule := identity.Throttle{Free: 5, First: 30 * time.Second, Max: 10 * time.Minute}
	for misses, want := range map[int]time.Duration{
		1: 0, 4: 0, 5: 30 * time.Second, 6: time.Minute, 7: 2 * time.Minute, 10: 10 * time.Minute, 90: 10 * time.Minute,
	} {
		if got := rule.Wait(misses); got != want {
			t.Errorf("after miss %d: %v, want %v", misses, got, want)
		}
	}
}

func TestNetwork_isWhatOneCustomerHas(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "": "",
	} {
		if got := identity.Network(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

func TestSeen_namesABrowserInWordsOfOurs(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Linux",
		"okhttp/4.12.0": "Android", "Safari/1": "Safari", "curl/8.0 <b>you won</b>": "", "": "",
	} {
		if got := (identity.Seen{UserAgent: agent}).Browser(); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}

func TestSeenFrom_takesOnlyWhatADatabaseTakes(t *testing.T) {
	t.Parallel()
	got := identity.SeenFrom("[2001:db8::1%eth0]:443", "app\x00/1 \xff"+strings.Repeat("é", 300))
	if got.Address != "2001:db8::1" || strings.Contains(got.UserAgent, "\x00") || !utf8.ValidString(got.UserAgent) || len(got.UserAgent) > 256 {
		t.Errorf("%+v", got)
	}
}

func TestPolicy_whoIsAsked(t *testing.T) {
	t.Parallel()
	strict := identity.Client{Metadata: identity.Metadata{RequireMFA: true}}
	var got []string
	for _, p := range []identity.MFAPolicy{identity.MFAOff, identity.MFAOptional, identity.MFARequired} {
		for _, enrolled := range []bool{false, true} {
			got = append(got, fmt.Sprintf("%s enrolled=%t: %t, strict client %t", p, enrolled,
				p.Asks(enrolled, identity.Client{}), p.Asks(enrolled, strict)))
		}
		got = append(got, fmt.Sprintf("%s refresh: %t, strict client %t", p, p.AsksAtRefresh(identity.Client{}), p.AsksAtRefresh(strict)))
	}
	want := []string{
		"off enrolled=false: false, strict client false", "off enrolled=true: false, strict client false",
		"off refresh: false, strict client false",
		"optional enrolled=false: false, strict client true", "optional enrolled=true: true, strict client true",
		"optional refresh: false, strict client true",
		"required enrolled=false: true, strict client true", "required enrolled=true: true, strict client true",
		"required refresh: true, strict client true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAMR_namesAndACR(t *testing.T) {
	t.Parallel()
	both := identity.PWD | identity.OTP | identity.MFA
	if diff := cmp.Diff([]string{"pwd", "otp", "mfa"}, both.Names()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"pwd", "mfa", "hwk"}, (identity.PWD | identity.HWK | identity.MFA).Names()); diff != "" {
		t.Error(diff)
	}
	if both.ACR() != "mfa" || identity.PWD.ACR() != "pwd" {
		t.Error("acr does not say what was done")
	}
}

func TestCleanName(t *testing.T) {
	t.Parallel()
	if got, err := identity.CleanName(" Ada Lovelace "); err != nil || got != "Ada Lovelace" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := identity.CleanName("Ada\nLovelace"); identity.KindOf(err) != identity.Invalid {
		t.Error("a name of two lines is taken")
	}
}

func TestSecret_neverPrintsItself(t *testing.T) {
	t.Parallel()
	s := identity.NewSecret()
	for _, verb := range []string{"%v", "%s", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, struct{ S identity.Secret }{s}); !strings.Contains(text, "[secret]") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	if !s.Matches(s.Hash()) || identity.NewSecret().Matches(s.Hash()) {
		t.Error("a secret does not know its hash")
	}
}
