package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sojourn-auth/sojourn/storage"
)

// TestAccount is what people do with their own account, phone in hand.
func TestAccount(t *testing.T) {
	t.Parallel()
	c := startChromium(t)
	for name, promise := range map[string]func(*testing.T, chromium, *world){
		"aLostPhoneIsSignedOutWithOneTap":          lostPhone,
		"withoutScriptToo":                         lostPhoneWithoutScript,
		"theListFitsWithOneThreeAndThirtyDevices":  devicesFit,
		"aNewPasswordKeepsThisBrowserAlone":        newPassword,
		"theAuthenticatorComesAndGoesOnFreshProof": authenticatorComesAndGoes,
		"accessIsTakenBack":                        accessTakenBack,
		"anExpiredSignInLeadsBackToThePage":        expiredSignIn,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promise(t, c, newWorld(t, storage.SQLite))
		})
	}
}

// goTo opens a page of the account and does what the pages want until it is there.
func (b tab) goTo(t *testing.T, p *person, path string) view {
	t.Helper()
	b.visit(t, p.w.issuer+path)
	for range 4 {
		if b.path(t) == path {
			return b.look(t)
		}
		b.step(t, p)
	}
	t.Fatalf("no page leads to %s: %s", path, b.look(t).At)
	return view{}
}

// lost is what an app on the lost phone says of it.
var lost = []string{"device_name", "Ada’s phone", "device_model", "Pixel 9", "app_version", "4.2.0"}

// uses signs p in to an app on a phone that gets lost.
func (w *world) uses(t *testing.T, p *person) (a *app, sid, refreshToken string) {
	t.Helper()
	a = w.app(t)
	got := a.redeem(t, newVisitor(t).signIn(t, a, p, lost...))
	return a, claimsOf(t, got.AccessToken)["sid"].(string), got.RefreshToken
}

func lostPhone(t *testing.T, c chromium, w *world) { endLostPhone(t, w, c.phone(t)) }

func lostPhoneWithoutScript(t *testing.T, c chromium, w *world) {
	b := c.phone(t)
	b.script(t, false)
	endLostPhone(t, w, b)
}

func endLostPhone(t *testing.T, w *world, b tab) {
	t.Helper()
	p := w.person(t)
	a, sid, refreshToken := w.uses(t, p)
	b.goTo(t, p, "/account/devices").says(t, "Ada’s phone, Pixel 9")
	entry := `li:has(input[value="` + sid + `"])`
	b.do(t, chromedp.Tap(chromedp.CSS(entry+" summary")))
	b.look(t).says(t, "To use Notes there again")
	b.look(t).says(t, "can’t be undone")
	b.look(t).says(t, "4.2.0")
	now := b.press(t, entry+" button")
	if now.says(t, "That is signed out."); strings.Contains(now.Words, "4.2.0") {
		t.Errorf("it is listed still: %s", now.Words)
	}
	if r := a.refresh(t, refreshToken); r.Error != "invalid_grant" {
		t.Errorf("the lost phone gets %d %s", r.status, r.body)
	}
	b.visit(t, w.issuer+"/account/security").says(t, "Notes was signed out: you ended it from your account")
}

func devicesFit(t *testing.T, c chromium, w *world) {
	p, a, b := w.person(t), w.app(t, trusted), c.phone(t)
	b.goTo(t, p, "/account/devices")
	for _, n := range []int{1, 3, 30} {
		for len(listed(t, b)) < n {
			a.redeem(t, newVisitor(t).signIn(t, a, p, lost...))
			w.pass(time.Hour / 4)
			if b.goTo(t, p, "/account/devices"); len(listed(t, b)) == 0 {
				t.Fatal("nothing is listed")
			}
		}
		b.showAccount(t, fmt.Sprintf("devices-%d", n))
	}
	b.evaluate(t, `document.querySelectorAll("details").forEach((e, i) => { e.open = i < 3 })`)
	b.showAccount(t, "devices-open")
}

// listed are the entries of the list.
func listed(t *testing.T, b tab) []string {
	t.Helper()
	return strings.Fields(b.text(t, `[...document.querySelectorAll(".list > li > details")].map(() => "x").join(" ")`))
}

// showAccount shows a page as show does, and checks that it fits the narrowest phone with the largest text too.
func (b tab) showAccount(t *testing.T, name string) {
	t.Helper()
	b.show(t, name)
	b.resize(t, [2]int64{320, 640})
	b.evaluate(t, `document.documentElement.style.fontSize = "200%"`)
	if what := b.text(t, broken); what != "" {
		t.Errorf("%s at 320 px with text at 200 %%: %s", name, what)
	}
	b.shoot(t, name+"-320-large.png")
	b.evaluate(t, `document.documentElement.style.fontSize = ""`)
	b.resize(t, [2]int64{390, 844})
}

func newPassword(t *testing.T, c chromium, w *world) {
	p, b := w.person(t), c.phone(t)
	a, _, refreshToken := w.uses(t, p)
	other := c.phone(t)
	other.goTo(t, p, "/account")
	b.goTo(t, p, "/account/security")
	b.fill(t, "current_password", "not it", "new_password", "a new long password")
	b.press(t, submit)
	b.focused(t, "current_password")
	b.showAccount(t, "security-refused")
	b.fill(t, "current_password", p.password, "new_password", "a new long password")
	b.press(t, submit).says(t, "Your password is changed.")
	b.showAccount(t, "security")
	if r := a.refresh(t, refreshToken); r.Error != "invalid_grant" {
		t.Errorf("an app of before gets %d %s", r.status, r.body)
	}
	other.visit(t, w.issuer+"/account").says(t, "This browser was signed out.")
	other.showAccount(t, "signin-ended")
	p.password = "a new long password"
	w.journal.hide(p.password)
	other.goTo(t, p, "/account")
	other.showAccount(t, "account")
}

func authenticatorComesAndGoes(t *testing.T, c chromium, w *world) {
	p, b := w.person(t), c.phone(t)
	b.goTo(t, p, "/account/security")
	w.pass(11 * time.Minute)
	b.press(t, `a[href="/account/totp"]`).says(t, "To change this, sign in once more.")
	b.showAccount(t, "step-up")
	b.step(t, p)
	b.step(t, p).says(t, "Your authenticator app is added")
	b.showAccount(t, "save")
	b.step(t, p).says(t, "On: signing in takes a code")
	b.showAccount(t, "security-on")
	b.press(t, `a[href="/account/totp/replace"]`)
	b.showAccount(t, "replace")
	p.got(b.text(t, `[...document.querySelectorAll(".key code")].map((e) => e.textContent).join("")`), p.codes)
	b.fill(t, "totp", p.code(t))
	b.press(t, submit).says(t, "Your authenticator app is set up")
	b.showAccount(t, "replaced")
	b.press(t, "main a.button")
	b.press(t, `a[href="/account/codes"]`)
	b.showAccount(t, "codes")
	b.press(t, submit).says(t, "Your new recovery codes count from now on.")
	b.do(t, chromedp.Tap(chromedp.CSS("details summary")))
	b.press(t, `[action="/account/totp/remove"] button`).says(t, "Your authenticator app is removed.")
}

func accessTakenBack(t *testing.T, c chromium, w *world) {
	p, b := w.person(t), c.phone(t)
	a, _, refreshToken := w.uses(t, p)
	b.goTo(t, p, "/account")
	b.press(t, `a[href="/account/apps"]`)
	b.do(t, chromedp.Tap(chromedp.CSS("summary")))
	b.showAccount(t, "apps")
	b.press(t, "li button").says(t, "has no access any more")
	b.showAccount(t, "apps-none")
	if r := a.refresh(t, refreshToken); r.Error != "invalid_grant" {
		t.Errorf("the app gets %d %s", r.status, r.body)
	}
	b.visit(t, w.issuer+"/account/name")
	b.showAccount(t, "name")
	b.fill(t, "name", "Augusta Ada King")
	b.press(t, submit).says(t, "Your name is changed.")
	b.look(t).says(t, "Augusta Ada King")
}

func expiredSignIn(t *testing.T, c chromium, w *world) {
	p, b := w.person(t), c.phone(t)
	b.goTo(t, p, "/account/name")
	w.pass(13 * time.Hour)
	b.fill(t, "name", "Augusta")
	b.press(t, submit).says(t, "It has been a while, so sign in again; you go on where you were.")
	b.showAccount(t, "signin-over")
	if now := b.step(t, p); parsed(t, now.At).Path != "/account/name" {
		t.Errorf("after signing in comes %s", now.At)
	}
}
