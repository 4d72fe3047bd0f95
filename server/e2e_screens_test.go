package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// broken is what of a page does not work under the policy it is served with, or does not fit.
const broken = `[
	document.styleSheets.length === 0 && "no style",
	[...document.images].some((e) => !e.naturalWidth && e.checkVisibility()) && "an image is missing",
	document.querySelector("[data-reveal][hidden]") && "the script does not run",
	// A name may break where it has a space or a hyphen.
	[...document.querySelectorAll(".whole, td time")].some((e) => innerWidth > 900 && e.getClientRects().length > 1 && !/[ -]/.test(e.textContent)) && "a word is broken",
	[...document.querySelectorAll("svg text")].some((e) => e.getBoundingClientRect().height > 24) && "letters of a picture are large",
	document.documentElement.scrollWidth > document.documentElement.clientWidth && "it scrolls sideways",
].filter(Boolean).join(", ")`

// show checks a page at the size of a phone and of a desk, in light and in dark. SOJOURN_TEST_SCREENSHOTS names a folder
// that gets a picture of each.
func (b tab) show(t *testing.T, name string) {
	t.Helper()
	b.look(t)
	for _, scheme := range []string{"light", "dark"} {
		b.prefer(t, scheme)
		for _, size := range [][2]int64{{1280, 800}, {390, 844}} {
			b.resize(t, size)
			if what := b.text(t, broken); what != "" {
				t.Errorf("%s at %d px, %s: %s", name, size[0], scheme, what)
			}
			b.shoot(t, fmt.Sprintf("%s-%d-%s.png", name, size[0], scheme))
		}
	}
}

// checkPicture opens the enrolment page at a desk, where the picture for the phone is what one needs first.
func (b tab) checkPicture(t *testing.T) {
	t.Helper()
	b.resize(t, [2]int64{1280, 800})
	b.do(t, chromedp.Reload())
	b.look(t)
	if shown := b.text(t, `String(document.querySelector("img.qr").checkVisibility() && document.querySelector("img.qr").naturalWidth > 99)`); shown != "true" {
		t.Error("at a desk the picture is not shown")
	}
	b.shoot(t, "enrol-desk.png")
	b.resize(t, [2]int64{390, 844})
}

func (b tab) resize(t *testing.T, size [2]int64) {
	t.Helper()
	options := []chromedp.EmulateViewportOption{}
	if size[0] < 600 {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	b.do(t, chromedp.EmulateViewport(size[0], size[1], options...))
}

func (b tab) prefer(t *testing.T, scheme string) {
	t.Helper()
	b.do(t, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
		return err
	}))
}

func (b tab) shoot(t *testing.T, name string) {
	t.Helper()
	folder := os.Getenv("SOJOURN_TEST_SCREENSHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(folder, 0o750)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name), picture, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}

// everyPageFits walks by every page there is.
func everyPageFits(t *testing.T, c chromium, w *world) {
	p, a, b := w.stranger(), w.app(t, needsMFA, selfMade), c.phone(t)
	b.reach(t, a, p, "/signin")
	b.show(t, "signin")
	b.press(t, `a[href^="/signup"]`)
	b.show(t, "signup")
	b.fill(t, "username", "nobody", "password", "short")
	b.press(t, submit)
	b.show(t, "signup-refused")
	b.step(t, p)
	b.show(t, "signin-after-signup")
	b.fill(t, "username", p.email, "password", "wrong password")
	b.press(t, submit)
	b.show(t, "signin-refused")
	b.step(t, p)
	b.show(t, "enrol")
	b.checkPicture(t)
	b.fill(t, "totp", "12345")
	b.press(t, submit)
	b.show(t, "enrol-refused")
	b.step(t, p)
	b.show(t, "consent")
	b.carryOn(t, a, p)
	b.visit(t, w.issuer+"/signin")
	b.show(t, "signed-in")
	b.press(t, "main button")
	b.show(t, "signed-out")
	b.reach(t, a, p, "/signin/totp")
	b.show(t, "totp")
	for range 5 {
		b.fill(t, "totp", p.wrongCode(t))
		b.press(t, submit)
	}
	b.show(t, "totp-refused")
	b.fill(t, "totp", p.wrongCode(t))
	b.press(t, submit)
	b.show(t, "totp-throttled")
	b.press(t, `a[href^="/signin/recovery"]`)
	b.show(t, "recovery")
	b.visit(t, w.issuer+"/nothing-here")
	b.show(t, "nothing-here")
	b.visit(t, w.issuer+"/consent?next=broken")
	b.show(t, "broken-link")
	b.forget(t)
	b.visit(t, a.asking("scope", "openid nonsense")) // of an app that registered itself, before the person is known
	b.show(t, "app-problem")
	b.visit(t, w.issuer+"/oauth2/authorize?client_id=nobody")
	b.show(t, "unknown-app")
}
