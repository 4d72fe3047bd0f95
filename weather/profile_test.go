package weather

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// fates are what befalls the first n requests of a device that sends one every so often.
func fates(t *testing.T, profile string, seed uint64, device string, n int, every time.Duration) []Fault {
	t.Helper()
	l, err := newPlan(Options{Profile: profile, Seed: seed, Speed: 1})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Unix(1_800_000_000, 0)
	l.begin(began)
	all := make([]Fault, n)
	for i := range all {
		// Others are under way too, and change nothing.
		l.fate("other "+device, "/oauth2/token", began.Add(time.Duration(i)*every))
		all[i] = l.fate(device, "/oauth2/token", began.Add(time.Duration(i)*every))
	}
	return all
}

func TestProfiles_aSeedIsOneWeatherForEachDevice(t *testing.T) {
	t.Parallel()
	for _, profile := range Names() {
		first := fates(t, profile, 7, "phone", 500, 10*time.Second)
		if !slices.Equal(first, fates(t, profile, 7, "phone", 500, 10*time.Second)) {
			t.Errorf("%s: the same seed brings other weather", profile)
		}
		for name, other := range map[string][]Fault{
			"seed":   fates(t, profile, 8, "phone", 500, 10*time.Second),
			"device": fates(t, profile, 7, "tablet", 500, 10*time.Second),
		} {
			if slices.Equal(first, other) {
				t.Errorf("%s: another %s brings the same weather", profile, name)
			}
		}
	}
}

// Each profile does all that it says, and nothing that it does not.
func TestProfiles_doWhatTheySay(t *testing.T) {
	t.Parallel()
	for _, profile := range Profiles {
		says, did := map[Do]bool{}, map[Do]bool{}
		for _, phase := range profile.Phases {
			percent := 0
			for _, odd := range phase.Odds {
				percent += odd.Percent
				says[odd.Do] = true
				if err := (Fault{Do: odd.Do, After: odd.Most}).problem(); err != nil || odd.Least > odd.Most {
					t.Errorf("%s, %s: %v: %v", profile.Name, phase.Name, odd, err)
				}
			}
			if percent > 100 || phase.Most < phase.Least || phase.Most == 0 && len(profile.Phases) > 1 {
				t.Errorf("%s, %s: %d %%, %v to %v", profile.Name, phase.Name, percent, phase.Least, phase.Most)
			}
		}
		for _, f := range fates(t, profile.Name, 1, "phone", 20_000, 5*time.Second) {
			did[f.Do] = true
			if f.Do != Pass && !says[f.Do] {
				t.Fatalf("%s does %s", profile.Name, f.Do)
			}
		}
		for do := range says {
			if !did[do] {
				t.Errorf("%s never does %s", profile.Name, do)
			}
		}
	}
}

func TestPlan_thePortalLetsThroughWhoPressedItsButton(t *testing.T) {
	t.Parallel()
	l, err := newPlan(Options{Profile: "portal", Speed: 1})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	l.begin(now)
	if f := l.fate("phone", "/", now); f.Do == Pass {
		t.Error("nobody pressed, and it passes")
	}
	l.logIn("phone", now)
	for range 50 {
		if f := l.fate("phone", "/", now); f.Do != Pass {
			t.Fatalf("pressed, and still %s", f.Do)
		}
	}
	if f := l.fate("tablet", "/", now); f.Do == Pass {
		t.Error("another device passes")
	}
	captive := 0
	for i := range 500 {
		if f := l.fate("phone", "/", now.Add(time.Duration(i)*10*time.Second)); f.Do == PortalRedirect {
			captive++
		}
	}
	if captive == 0 {
		t.Error("the portal never came back")
	}
}

func TestPlan_leavesOtherPathsAlone(t *testing.T) {
	t.Parallel()
	l, err := newPlan(Options{Profile: "portal", Speed: 1, Only: []string{"/oauth2/token", "/me*"}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	l.begin(now)
	for path, spared := range map[string]bool{"/oauth2/token": false, "/me/events": false, "/oauth2/tokens": true, "/signin": true} {
		if f := l.fate("phone", path, now); (f.Do == Pass) != spared {
			t.Errorf("%s: %s", path, f.Do)
		}
		if calm := l.calm("phone", path, now); (calm == 0) != spared {
			t.Errorf("%s: streams live for %v", path, calm)
		}
	}
}

func TestPlan_endlessDevicesShareOneWeather(t *testing.T) {
	t.Parallel()
	l, err := newPlan(Options{Profile: "train", Speed: 1})
	if err != nil {
		t.Fatal(err)
	}
	l.begin(time.Unix(1_800_000_000, 0))
	for i := range maxDevices + 100 {
		l.fate(fmt.Sprint(i), "/", time.Unix(1_800_000_000, 0))
	}
	if len(l.devices) > maxDevices+1 {
		t.Errorf("it remembers %d devices", len(l.devices))
	}
}

// The document says the numbers that the code has.
func TestProfiles_areDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/weather.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := described(); !strings.Contains(string(doc), want) {
		t.Errorf("docs/weather.md does not have:\n%s", want)
	}
}

func described() string {
	var b strings.Builder
	b.WriteString("| Profile | Phase | Lasts | Of a hundred requests |\n|---|---|---|---|\n")
	for _, profile := range Profiles {
		for i, phase := range profile.Phases {
			name, odds := "", []string{}
			if i == 0 {
				name = "`" + profile.Name + "`"
			}
			for _, odd := range phase.Odds {
				odds = append(odds, oddWords(odd))
			}
			if len(odds) == 0 {
				odds = []string{"—"}
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, phase.Name, spanWords(phase.Least, phase.Most), strings.Join(odds, ", "))
		}
	}
	return b.String()
}

func oddWords(o Odd) string {
	text := fmt.Sprintf("%d `%s`", o.Percent, o.Do)
	if o.Most > 0 {
		text += " " + spanWords(o.Least, o.Most)
	}
	if o.AfterNext {
		text += " after the next"
	}
	return text
}

func spanWords(least, most time.Duration) string {
	unit, name := time.Second, "s"
	switch {
	case most == 0:
		return "for ever"
	case most >= time.Hour:
		unit, name = time.Hour, "h"
	case most > 5*time.Minute:
		unit, name = time.Minute, "min"
	}
	return fmt.Sprintf("%.4g–%.4g %s", float64(least)/float64(unit), float64(most)/float64(unit), name)
}
