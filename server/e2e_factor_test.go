package server

import (
	"net/http"
	"testing"

	"github.com/sojourn-auth/sojourn/storage"
)

func TestNoTokenBeforeTheSecondStep_code(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			who  *person
			app  *app
			page string
		}{
			"enrolled":                            {w.enrolled(t), w.app(t, trusted), "/signin/totp"},
			"not enrolled, but the app asks":      {w.person(t), w.app(t, trusted, needsMFA), "/account/totp"},
			"enrolled, and consent is asked":      {w.enrolled(t), w.app(t), "/signin/totp"},
			"enrolled, the app registered itself": {w.enrolled(t), w.app(t, selfMade, confidential), "/signin/totp"},
		} {
			t.Run(name, func(t *testing.T) {
				v := newVisitor(t)
				now := v.step(t, v.open(t, c.app.asking()), c.who) // the password
				if now.at.Path != c.page {
					t.Fatalf("after the password comes %s, want %s", now.at, c.page)
				}
				for range 2 { // however often the app asks again
					if again := v.open(t, c.app.asking()); again.at.Path != c.page {
						t.Fatalf("asked again, it leads to %s, want %s", again.at, c.page)
					}
				}
				silent := v.open(t, c.app.asking("prompt", "none"))
				if answer := c.app.arrival(t); answer.Get("error") != "interaction_required" {
					t.Errorf("prompt=none brings %v (%s)", answer, silent.at)
				}
				got := c.app.redeem(t, v.carryOn(t, now, c.app, c.who))
				if amr := claimsOf(t, got.IDToken)["amr"]; !has(amr, "mfa") || !has(amr, "otp") || !has(amr, "pwd") {
					t.Errorf("amr is %v", amr)
				}
				if acr := claimsOf(t, got.AccessToken)["acr"]; acr != "mfa" {
					t.Errorf("acr is %v", acr)
				}
			})
		}
	})
}

func TestNoTokenBeforeTheSecondStep_consentPageIsNoWayAround(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	p, a, v := w.enrolled(t), w.app(t), newVisitor(t)
	now := v.step(t, v.open(t, a.asking()), p)
	next := now.at.Query().Get("next")
	page := v.open(t, w.issuer+"/consent?next="+next)
	if page.at.Path == "/consent" { // it may show: allowing is not proving
		page = v.step(t, page, p)
	}
	if page.at.Path != "/signin/totp" {
		t.Errorf("consent without the second step leads to %s", page.at)
	}
}

func TestNoTokenBeforeTheSecondStep_rememberedSignIn(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		p, first, second, strict := w.person(t), w.app(t, trusted), w.app(t, trusted, namesWork), w.app(t, trusted, needsMFA)
		v := newVisitor(t)
		first.redeem(t, v.signIn(t, first, p)) // by password alone: p has no authenticator yet
		p.enrol(t)
		v.open(t, second.asking("prompt", "none"))
		if answer := second.arrival(t); answer.Get("error") != "interaction_required" {
			t.Errorf("the remembered sign-in of someone who enrolled since brings %v", answer)
		}
		if now := v.open(t, second.asking()); now.at.Path != "/signin/totp" {
			t.Errorf("the second app leads to %s", now.at)
		}
		if now := v.open(t, strict.asking()); now.at.Path != "/signin/totp" {
			t.Errorf("the app that asks for it leads to %s", now.at)
		}
		second.redeem(t, v.signIn(t, second, p))
		before := len(v.seen)
		strict.redeem(t, v.signIn(t, strict, p))
		if len(v.seen) != before+1 {
			t.Errorf("once the step was made, pages come again: %v", v.seen[before:])
		}
	})
}

func TestNoTokenBeforeTheSecondStep_refreshOfASessionFromBeforeThePolicy(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		p, a, v := w.person(t), w.app(t, trusted), newVisitor(t)
		got := a.redeem(t, v.signIn(t, a, p))
		r := a.at(w.replica(t, "mfa", "required")).refresh(t, got.RefreshToken)
		if r.status != http.StatusBadRequest || r.Error != "invalid_grant" || r.Action != "login" {
			t.Errorf("a refresh without the step: %d %s", r.status, r.body)
		}
		a.tokens(t, a.refresh(t, got.RefreshToken)) // nothing was touched
	})
}

func TestNoTokenBeforeTheSecondStep_codeFromBeforeThePolicy(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		p, a, v := w.person(t), w.app(t, trusted), newVisitor(t)
		answer := v.signIn(t, a, p)
		r := a.at(w.replica(t, "mfa", "required")).form(t, "/oauth2/token", "grant_type", "authorization_code", "code", answer.Get("code"),
			"redirect_uri", a.client.RedirectURIs[0], "code_verifier", verifier)
		if r.status != http.StatusBadRequest || r.Error != "invalid_grant" {
			t.Errorf("a code without the step: %d %s", r.status, r.body)
		}
	})
}

func TestRequiredMFA_everyoneEnrolsAndThenGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite, "mfa", "required")
	p, a, v := w.stranger(), w.app(t), newVisitor(t)
	now := v.open(t, a.asking())
	signUp, ok := now.Find(`a[href^="/signup"]`).Attr("href")
	if !ok {
		t.Fatal("the sign-in page has no way to sign up")
	}
	got := a.redeem(t, v.carryOn(t, v.open(t, w.issuer+signUp), a, p))
	if !v.saw("/account/totp") || claimsOf(t, got.AccessToken)["acr"] != "mfa" {
		t.Errorf("pages %v", v.seen)
	}
}
