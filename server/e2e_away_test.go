package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// TestDatabaseAway_everyoneIsToldToRetryAndNothingIsLost cuts a running server off from its database.
func TestDatabaseAway_everyoneIsToldToRetryAndNothingIsLost(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.Postgres)
	host := parsed(t, dsn).Host
	line := newWire(t, host)
	w := newWorldAt(t, strings.Replace(dsn, host, line.Addr().String(), 1))
	w.journal.expectFaults()
	p, a, v := w.person(t), w.app(t, confidential, serviceToo, trusted), newVisitor(t)
	got := a.redeem(t, v.signIn(t, a, p))
	code := v.signIn(t, a, p).Get("code")
	spare := w.app(t) // which no cache knows

	line.cut()
	for name, r := range map[string]reply{
		"refresh":            a.refresh(t, got.RefreshToken),
		"code":               a.spend(t, code),
		"client credentials": spare.form(t, "/oauth2/token", "grant_type", "client_credentials"),
		"userinfo":           a.userinfo(t, got.AccessToken),
		"introspect":         a.form(t, "/oauth2/introspect", "token", got.AccessToken),
		"introspect refresh": a.form(t, "/oauth2/introspect", "token", got.RefreshToken),
		"revoke":             a.form(t, "/oauth2/revoke", "token", got.AccessToken),
		"revoke refresh":     a.form(t, "/oauth2/revoke", "token", got.RefreshToken),
		"sign out":           a.form(t, "/oauth2/signout", "refresh_token", got.RefreshToken),
		"register":           w.post(t, w.issuer+"/oauth2/register", "application/json", `{"redirect_uris":["https://app.example/cb"]}`),
		"manage":             w.bearing(t, http.MethodGet, w.issuer+"/oauth2/register/"+spare.client.ID, "sj_xx_whatever"),
	} {
		if r.status != http.StatusServiceUnavailable || r.Action != "retry" || r.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d, Retry-After %q, %s", name, r.status, r.header.Get("Retry-After"), r.body)
		}
	}
	w.checkPagesWhileAway(t, v, p, a, spare)
	if n := w.counted(t, "sojourn_refreshes")[`sojourn_refreshes_total{outcome="unavailable"}`]; n != "1" {
		t.Errorf("refreshes that nobody could decide: %s", n)
	}
	if forced := w.counted(t, "sojourn_forced"); len(forced) > 0 {
		t.Error("somebody was sent to sign in: ", forced)
	}

	line.mend()
	a.tokens(t, a.spend(t, code))
	got = a.tokens(t, a.refresh(t, got.RefreshToken))
	if r := a.userinfo(t, got.AccessToken); r.status != http.StatusOK {
		t.Errorf("userinfo afterwards: %d %s", r.status, r.body)
	}
	a.redeem(t, v.signIn(t, a, p)) // the browser is signed in as before
	if r := w.get(t, w.admin+"/readyz"); r.status != http.StatusOK {
		t.Errorf("readyz afterwards: %d %s", r.status, r.body)
	}
}

func (w *world) checkPagesWhileAway(t *testing.T, v *visitor, p *person, a, spare *app) {
	t.Helper()
	for name, now := range map[string]sight{
		"authorize": v.open(t, spare.asking()),
		"sign-in":   v.submit(t, sight{at: parsed(t, w.issuer+"/signin"), Document: blank(t)}, "username", p.email, "password", p.password),
		"sign-up":   v.submit(t, sight{at: parsed(t, w.issuer+"/signup"), Document: blank(t)}, "username", "x@example.com", "password", p.password),
	} {
		if now.status != http.StatusServiceUnavailable || now.header.Get("Retry-After") == "" || now.Find("a.button").Length() == 0 {
			t.Errorf("%s: %d, Retry-After %q, %s", name, now.status, now.header.Get("Retry-After"), now.words())
		}
	}
	// The app that a cache still knows may be told itself (RFC 6749 §4.1.2.1).
	if now := v.open(t, a.asking()); now.status != http.StatusServiceUnavailable {
		if answer := a.arrival(t); answer.Get("error") != "temporarily_unavailable" {
			t.Errorf("authorize: %v", answer)
		}
	}
	for path, want := range map[string]int{
		w.issuer + "/.well-known/openid-configuration": 200, w.issuer + "/oauth2/jwks": 200,
		w.admin + "/healthz": 200, w.admin + "/readyz": 503,
	} {
		if r := w.get(t, path); r.status != want {
			t.Errorf("%s: %d, want %d", path, r.status, want)
		}
	}
}

// TestRestoredPage_leadsBackToTheAppWeeksLater opens what a browser kept when every sign-in has long ended.
func TestRestoredPage_leadsBackToTheAppWeeksLater(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		p, a, v := w.enrolled(t), w.app(t), newVisitor(t)
		now := v.open(t, a.asking())
		var pages []sight
		for !strings.HasPrefix(now.at.String(), a.home) {
			pages = append(pages, now)
			now = v.step(t, now, p)
		}
		a.redeem(t, a.arrival(t))
		w.pass(5 * 7 * 24 * time.Hour)
		for _, page := range pages {
			a.redeem(t, v.carryOn(t, v.open(t, page.at.String()), a, p)) // reloaded
			w.pass(5 * 7 * 24 * time.Hour)
			a.redeem(t, v.carryOn(t, v.step(t, page, p), a, p)) // its old form is sent
			w.pass(5 * 7 * 24 * time.Hour)
		}
	})
}
