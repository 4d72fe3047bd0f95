package server

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sojourn-auth/sojourn/storage"
)

// TestPhone is what people do with a phone in their hand.
func TestPhone(t *testing.T) {
	t.Parallel()
	c := startChromium(t)
	for name, promise := range map[string]func(*testing.T, chromium, *world){
		"fromSignUpByEnrolmentToTokens":         fromSignUpToTokens,
		"withoutScriptToo":                      withoutScript,
		"signsInWithACode":                      signsInWithACode,
		"signsInWithARecoveryCodeOnce":          signsInWithARecoveryCode,
		"wrongCodesAreToldAndThenCostAWait":     wrongCodes,
		"deniedConsentIsTheAppsAnswer":          deniedConsent,
		"theSecondAppAsksForNoPassword":         secondApp,
		"promptNoneNeverShowsAPage":             promptNone,
		"anotherPersonInTheSameBrowser":         anotherPerson,
		"anEmptyFormIsToldBesideItsFields":      emptyForm,
		"everyPageFitsAndWorksUnderItsPolicy":   everyPageFits,
		"aTakenAddressIsNotToldAndSignsNoOneIn": takenAddress,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promise(t, c, newWorld(t, storage.SQLite))
		})
	}
	t.Run("fromSignUpByEnrolmentToTokens_postgres", func(t *testing.T) {
		t.Parallel()
		fromSignUpToTokens(t, c, newWorld(t, storage.Postgres))
	})
}

func fromSignUpToTokens(t *testing.T, c chromium, w *world) {
	throughEverything(t, c.phone(t), w)
}

func withoutScript(t *testing.T, c chromium, w *world) {
	b := c.phone(t)
	b.script(t, false)
	throughEverything(t, b, w)
}

func throughEverything(t *testing.T, b tab, w *world) {
	t.Helper()
	p, a := w.stranger(), w.app(t, needsMFA)
	b.reach(t, a, p, "/signup")
	b.fill(t, "username", p.email, "name", "Ada Lovelace", "password", p.password)
	if now := b.press(t, submit); !strings.Contains(now.At, "/signin?") || !strings.Contains(now.Words, "Continue to Notes") {
		t.Fatalf("after sign-up comes %s: %s", now.At, now.Words)
	}
	if email := b.text(t, `document.querySelector("[name=username]").value`); email != p.email {
		t.Errorf("the sign-in page knows the address %q", email)
	}
	for _, page := range []string{"/signin", "/account/totp", "/account/totp/codes", "/consent"} {
		if now := b.path(t); now != page {
			t.Fatalf("got to %s, want %s", now, page)
		}
		b.step(t, p)
	}
	if now := b.look(t); !strings.Contains(now.Words, "Back in the app") {
		t.Fatalf("got to %s: %s", now.At, now.Words)
	}
	got := a.redeem(t, a.arrival(t))
	about := claimsOf(t, got.IDToken)
	if about["nonce"] != "n-0S6" || about["acr"] != "mfa" || got.RefreshToken == "" {
		t.Errorf("the ID token says %v, refresh token %q", about, got.RefreshToken)
	}
	if r := a.userinfo(t, got.AccessToken); !strings.Contains(r.body, p.email) || !strings.Contains(r.body, "Ada Lovelace") {
		t.Errorf("userinfo: %d %s", r.status, r.body)
	}
}

func signsInWithACode(t *testing.T, c chromium, w *world) {
	p, a, b := w.enrolled(t), w.app(t, trusted), c.phone(t)
	b.reach(t, a, p, "/signin/totp")
	b.focused(t, "totp")
	if now := b.look(t); !strings.Contains(now.Words, p.email) {
		t.Errorf("the code page does not say for whom: %s", now.Words)
	}
	code := p.code(t)
	b.do(t, chromedp.SendKeys(chromedp.CSS("#totp"), code[:3]+" "+code[3:])) // as it is read
	b.press(t, submit)
	if acr := claimsOf(t, a.redeem(t, a.arrival(t)).AccessToken)["acr"]; acr != "mfa" {
		t.Errorf("acr is %v", acr)
	}
}

func signsInWithARecoveryCode(t *testing.T, c chromium, w *world) {
	p, a, b := w.enrolled(t), w.app(t, trusted), c.phone(t)
	code := p.codes[0]
	b.reach(t, a, p, "/signin/recovery")
	b.step(t, p).says(t, "New phone? Set up your authenticator")
	b.show(t, "new-phone")
	b.step(t, p)
	a.redeem(t, a.arrival(t))

	again := c.phone(t)
	again.reach(t, a, p, "/signin/recovery")
	again.fill(t, "recovery_code", code)
	if now := again.press(t, submit); !strings.Contains(now.Words, "used before") {
		t.Errorf("a used code: %s", now.Words)
	}
	again.focused(t, "recovery_code")
	a.redeem(t, again.carryOn(t, a, p)) // with the next one
}

func wrongCodes(t *testing.T, c chromium, w *world) {
	p, a, b := w.enrolled(t), w.app(t, trusted), c.phone(t)
	b.reach(t, a, p, "/signin/totp")
	const beside = `(document.getElementById("totp-problem") || {textContent: ""}).textContent`
	for range 5 {
		b.fill(t, "totp", p.wrongCode(t))
		b.press(t, submit)
		if said := b.text(t, beside); !strings.Contains(said, "not right") {
			t.Fatalf("beside the field stands %q", said)
		}
		b.focused(t, "totp")
	}
	b.fill(t, "totp", p.code(t))
	if now := b.press(t, submit); !strings.Contains(now.Words, "Too many tries") || !strings.Contains(now.Words, "seconds") {
		t.Fatalf("the sixth try: %s", now.Words)
	}
	w.pass(31e9)
	a.redeem(t, b.carryOn(t, a, p)) // the form is still there and leads on
}

func deniedConsent(t *testing.T, c chromium, w *world) {
	p, a, b := w.person(t), w.app(t), c.phone(t)
	b.reach(t, a, p, "/consent")
	b.press(t, "button[value=deny]")
	if answer := a.arrival(t); answer.Get("error") != "access_denied" {
		t.Errorf("the app gets %v", answer)
	}
	b.reach(t, a, p, "/consent") // asked again, not remembered as a no
	a.redeem(t, b.carryOn(t, a, p))
}

func secondApp(t *testing.T, c chromium, w *world) {
	p, a, b := w.enrolled(t), w.app(t, trusted), c.phone(t)
	b.visit(t, a.asking())
	first := a.redeem(t, b.carryOn(t, a, p))
	work := w.app(t, namesWork, vouched)
	b.visit(t, work.home)
	if now := b.press(t, "#start"); !strings.Contains(now.At, "/consent") || !strings.Contains(now.Words, "Work") {
		t.Fatalf("the second app leads to %s: %s", now.At, now.Words)
	}
	second := work.redeem(t, b.carryOn(t, work, p))
	if claimsOf(t, first.AccessToken)["sid"] == claimsOf(t, second.AccessToken)["sid"] {
		t.Error("two apps share one session")
	}
	b.visit(t, work.home)
	b.press(t, "#start") // what was allowed is remembered
	work.redeem(t, work.arrival(t))
}

func promptNone(t *testing.T, c chromium, w *world) {
	p, a, b := w.person(t), w.app(t, vouched), c.phone(t)
	for _, want := range []string{"login_required", "consent_required", ""} {
		b.visit(t, a.asking("prompt", "none"))
		answer := a.arrival(t)
		if answer.Get("error") != want {
			t.Fatalf("prompt=none brings %v, want %q", answer, want)
		}
		switch want {
		case "login_required":
			b.reach(t, a, p, "/consent")
		case "consent_required":
			b.visit(t, a.asking())
			a.redeem(t, b.carryOn(t, a, p))
		default:
			a.redeem(t, answer)
		}
	}
}

func anotherPerson(t *testing.T, c chromium, w *world) {
	ada, bob, a, b := w.person(t), w.person(t), w.app(t), c.phone(t)
	b.visit(t, a.asking())
	first := a.redeem(t, b.carryOn(t, a, ada))
	w.pass(1e9)
	b.visit(t, a.asking("prompt", "consent"))
	if now := b.press(t, `a[href*="switch=1"]`); !strings.Contains(now.At, "/signin") {
		t.Fatalf("who is not %s is led to %s", ada.email, now.At)
	}
	second := a.redeem(t, b.carryOn(t, a, bob)) // Ada's consent is not Bob's
	if claimsOf(t, second.IDToken)["sub"] != bob.user.Sub || claimsOf(t, first.IDToken)["sub"] != ada.user.Sub {
		t.Error("the tokens are somebody else's")
	}
	a.tokens(t, a.refresh(t, first.RefreshToken)) // what Ada's app has is hers still
}

func emptyForm(t *testing.T, c chromium, w *world) {
	p, a, b := w.person(t), w.app(t, trusted), c.phone(t)
	b.reach(t, a, p, "/signin")
	b.press(t, submit)
	b.focused(t, "username")
	b.fill(t, "username", p.email, "password", "not the password")
	b.press(t, submit)
	b.focused(t, "password")
	if email := b.text(t, `document.querySelector("[name=username]").value`); email != p.email {
		t.Errorf("after a wrong password the page knows the address %q", email)
	}
	if shown := b.text(t, `document.querySelector("[name=password]").value`); shown != "" {
		t.Errorf("the page repeats the password %q", shown)
	}
	b.do(t, chromedp.Reload()) // which sends the form again
	a.redeem(t, b.carryOn(t, a, p))
}

func takenAddress(t *testing.T, c chromium, w *world) {
	p, a, b := w.person(t), w.app(t, trusted), c.phone(t)
	b.reach(t, a, p, "/signup")
	b.fill(t, "username", p.email, "password", "another password of mine")
	if now := b.press(t, submit); parsed(t, now.At).Path != "/signin" || !strings.Contains(now.Words, "If there was an account") {
		t.Errorf("a taken address leads to %s: %s", now.At, now.Words)
	}
	a.redeem(t, b.carryOn(t, a, p)) // with the password that it had
}
