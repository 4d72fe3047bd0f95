package templates_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// colour is sRGB, red, green, blue from 0 to 1.
type colour [3]float64

var (
	hexes = regexp.MustCompile(`--([a-z]+): #([0-9a-f]{6});`)
	mixes = regexp.MustCompile(`--([a-z]+): color-mix\(in srgb, var\(--([a-z]+)\) (\d+)%, var\(--([a-z]+)\)\);`)
)

// WCAG 2.2 §1.4.3 asks 4.5 for text, §1.4.11 asks 3 for the outline of an input.
func TestStyle_contrastIsEnoughInLightAndDark(t *testing.T) {
	t.Parallel()
	pairs := []struct {
		front, back string
		least       float64
	}{
		{"ink", "paper", 4.5},
		{"ink", "soft", 4.5},
		{"quiet", "paper", 4.5},
		{"accent", "paper", 4.5}, // links
		{"paper", "accent", 4.5}, // the button
		{"accent", "soft", 4.5},  // a second button under the mouse
		{"paper", "pressed", 4.5},
		{"danger", "paper", 4.5},
		{"danger", "soft", 4.5}, // its button under the mouse
		{"ok", "paper", 4.5},
		{"line", "paper", 3},
	}
	for theme, palette := range palettes(t) {
		for _, p := range pairs {
			front, knownFront := palette[p.front]
			back, knownBack := palette[p.back]
			if ratio := contrast(front, back); !knownFront || !knownBack || ratio < p.least {
				t.Errorf("%s: --%s on --%s is %.2f, want %.1f", theme, p.front, p.back, ratio, p.least)
			}
		}
	}
}

func TestContrast_measuresAsWCAGDoes(t *testing.T) {
	t.Parallel()
	white, black, grey := colour{1, 1, 1}, colour{}, hex("767676")
	if got := contrast(white, black); math.Abs(got-21) > 0.01 {
		t.Errorf("white on black is %.2f, want 21", got)
	}
	if got := contrast(grey, white); math.Abs(got-4.54) > 0.01 {
		t.Errorf("#767676 on white is %.2f, want 4.54", got)
	}
}

// palettes are the custom properties of app.css: those before the dark block, those in it,
// and the mixtures of both.
func palettes(t *testing.T) map[string]map[string]colour {
	t.Helper()
	css, err := os.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, split := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !split {
		t.Fatal("app.css has no dark colours")
	}
	found := map[string]map[string]colour{"light": plain(light), "dark": plain(dark)}
	for _, palette := range found {
		for _, m := range mixes.FindAllStringSubmatch(string(css), -1) {
			palette[m[1]] = mix(palette[m[2]], palette[m[4]], m[3])
		}
	}
	return found
}

func plain(css string) map[string]colour {
	palette := map[string]colour{}
	for _, m := range hexes.FindAllStringSubmatch(css, -1) {
		palette[m[1]] = hex(m[2])
	}
	return palette
}

func hex(digits string) colour {
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		return colour{}
	}
	return colour{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}
}

func mix(a, b colour, percent string) colour {
	share, err := strconv.ParseFloat(percent, 64)
	if err != nil {
		return colour{}
	}
	for i := range a {
		a[i] = a[i]*share/100 + b[i]*(1-share/100)
	}
	return a
}

// contrast is WCAG 2.2's contrast ratio, 1 to 21.
func contrast(a, b colour) float64 {
	light, dark := luminance(a), luminance(b)
	return (max(light, dark) + 0.05) / (min(light, dark) + 0.05)
}

func luminance(c colour) float64 {
	for i, v := range c {
		if v <= 0.04045 {
			c[i] = v / 12.92
			continue
		}
		c[i] = math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
}
