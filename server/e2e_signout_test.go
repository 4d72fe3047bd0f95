package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
)

// TestSignOut is what people and their apps do to leave.
func TestSignOut(t *testing.T) {
	t.Parallel()
	c := startChromium(t)
	for name, promise := range map[string]func(*testing.T, chromium, *world){
		"anAppThatShowsItsIDTokenSignsOutAtOnce": signsOutByHint,
		"anAppWithoutOneLetsThePersonDecide":     signsOutByButton,
		"anAppOfTheBrowserIsToldByItsFrame":      signsOutByFrame,
		"anAppOnTheDeviceIsOpenedByATap":         signsOutToTheDevice,
		"anAppThatDoesNotAnswerKeepsNobody":      signsOutThoughAFrameHangs,
		"itWorksWithoutScript":                   signsOutWithoutScript,
		"anotherAppHearsThatTheDocumentChanged":  hearsOfSignOut,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promise(t, c, newWorld(t, storage.SQLite))
		})
	}
	t.Run("anAppThatShowsItsIDTokenSignsOutAtOnce_postgres", func(t *testing.T) {
		t.Parallel()
		signsOutByHint(t, c, newWorld(t, storage.Postgres))
	})
}

// leaves is an app of the operator's that people come back to when they signed out.
func leaves(a *app) {
	a.client.Trusted = true
	a.client.PostLogoutRedirectURIs = []string{a.home}
}

// leaving is the address that signs out, with pairs of name and value.
func (a *app) leaving(pairs ...string) string {
	q := url.Values{"post_logout_redirect_uri": {a.home}, "state": {"bye"}}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return a.w.issuer + "/oauth2/logout?" + q.Encode()
}

// enter signs a person in to an app in a tab.
func (b tab) enter(t *testing.T, a *app, p *person, pairs ...string) (tokens, url.Values) {
	t.Helper()
	b.visit(t, a.asking(pairs...))
	answer := b.carryOn(t, a, p)
	return a.redeem(t, answer), answer
}

// out checks that the tab is back in the app, and that nobody is signed in any more.
func (b tab) out(t *testing.T, a *app, back string) {
	t.Helper()
	for began := time.Now(); b.look(t).At != back && time.Since(began) < patience; {
		time.Sleep(50 * time.Millisecond)
	}
	if now := b.look(t); now.At != back {
		t.Fatalf("the tab is at %s: %s", now.At, now.Words)
	}
	b.visit(t, a.asking("prompt", "none"))
	if answer := a.arrival(t); answer.Get("error") != "login_required" {
		t.Errorf("someone is still signed in: %v", answer)
	}
}

func signsOutByHint(t *testing.T, c chromium, w *world) {
	p, a, b := w.person(t), w.app(t, leaves), c.phone(t)
	got, _ := b.enter(t, a, p)
	sibling := w.app(t, trusted)
	other, _ := b.enter(t, sibling, p)
	w.pass(3 * time.Hour) // the ID token is over
	b.visit(t, a.leaving("id_token_hint", got.IDToken))
	b.out(t, a, a.home+"?state=bye")
	if r := a.refresh(t, got.RefreshToken); r.status != http.StatusBadRequest || !strings.Contains(r.body, "invalid_grant") {
		t.Errorf("the app's own session goes on: %d %s", r.status, r.body)
	}
	sibling.tokens(t, sibling.refresh(t, other.RefreshToken)) // one that people stay signed in to
}

func signsOutByButton(t *testing.T, c chromium, w *world) {
	p, a, b := w.person(t), w.app(t, leaves), c.phone(t)
	b.enter(t, a, p)
	now := b.visit(t, a.leaving("client_id", a.client.ID))
	if !strings.Contains(now.Words, "Sign out "+p.email+"?") || !strings.Contains(now.Words, "Notes asks") {
		t.Fatalf("the page says: %s", now.Words)
	}
	b.show(t, "signout")
	b = b.back(t) // thought better of it
	b.visit(t, a.leaving("client_id", a.client.ID))
	b.press(t, submit)
	b.out(t, a, a.home+"?state=bye")
}

// An app on the device is opened by a tap, and never by itself.
func signsOutToTheDevice(t *testing.T, c chromium, w *world) {
	p, a, b := w.person(t), w.app(t, leaves), c.phone(t)
	const back = "com.example.notes:/bye"
	onDevice := w.app(t, leaves, func(a *app) { a.client.PostLogoutRedirectURIs = []string{back} })
	got, _ := b.enter(t, onDevice, p)
	now := b.visit(t, a.leaving("id_token_hint", got.IDToken, "post_logout_redirect_uri", back))
	if !strings.Contains(now.Words, "You are signed out") || !strings.Contains(now.Words, "Back to Notes") {
		t.Fatalf("the page says: %s", now.Words)
	}
	if to := b.text(t, `document.querySelector("main a.button").href`); to != back+"?state=bye" {
		t.Errorf("the button leads to %s", to)
	}
	b.show(t, "signedout")
	b.out(t, a, now.At)
}

func signsOutWithoutScript(t *testing.T, c chromium, w *world) {
	site := newFrameSite(t)
	p, a, b := w.person(t), w.app(t, leaves, site.told), c.phone(t)
	got, _ := b.enter(t, a, p, "scope", "openid")
	b.script(t, false)
	b.visit(t, a.leaving("id_token_hint", got.IDToken))
	site.called(t, w, got)
	b.press(t, "main a.button")
	b.script(t, true)
	b.out(t, a, a.home+"?state=bye")
}

// frameSite is where an app is told of sign-outs by a page that browsers load.
type frameSite struct {
	url   string
	calls chan url.Values
}

func newFrameSite(t *testing.T) frameSite {
	t.Helper()
	calls := make(chan url.Values, 4)
	site := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { calls <- r.URL.Query() }))
	t.Cleanup(site.Close)
	return frameSite{site.URL + "/out?from=door", calls}
}

func (s frameSite) told(a *app) { a.client.FrontchannelLogoutURI = s.url }

// called checks that the browser told of just that session.
func (s frameSite) called(t *testing.T, w *world, got tokens) {
	t.Helper()
	select {
	case q := <-s.calls:
		if q.Get("iss") != w.issuer || q.Get("sid") != claimsOf(t, got.IDToken)["sid"] || q.Get("from") != "door" {
			t.Errorf("the frame was called with %v", q)
		}
	case <-time.After(patience):
		t.Fatal("the frame was never loaded")
	}
}

func signsOutByFrame(t *testing.T, c chromium, w *world) {
	site := newFrameSite(t)
	p, a, b := w.person(t), w.app(t, leaves), c.phone(t)
	other := w.app(t, trusted, site.told)
	got, _ := b.enter(t, a, p)
	theirs, _ := b.enter(t, other, p, "scope", "openid")
	b.visit(t, a.leaving("id_token_hint", got.IDToken))
	site.called(t, w, theirs)
	b.out(t, a, a.home+"?state=bye") // the page went on by itself
}

// One app that does not answer keeps nobody waiting.
func signsOutThoughAFrameHangs(t *testing.T, c chromium, w *world) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	p, b := w.person(t), c.phone(t)
	a := w.app(t, leaves, func(a *app) { a.client.FrontchannelLogoutURI = silent.URL })
	got, _ := b.enter(t, a, p, "scope", "openid")
	began := time.Now()
	b.visit(t, a.leaving("id_token_hint", got.IDToken))
	b.out(t, a, a.home+"?state=bye")
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("the page went on after %v, before the frame had its time", took)
	}
}

// sameSite puts an app on the issuer's site, where Chromium gives frames their cookies over http too.
func sameSite(a *app) {
	a.home = strings.Replace(a.home, "127.0.0.1", "localhost", 1)
	a.client.RedirectURIs = []string{a.home + "callback"}
}

const watching = `window.heard = "";
	addEventListener("message", (e) => { heard += e.data + " from " + e.origin + ";" });
	window.frame = document.createElement("iframe");
	frame.src = %q;
	frame.onload = () => { frame.ready = true };
	document.body.append(frame)`

func hearsOfSignOut(t *testing.T, c chromium, w *world) {
	p, a, b := w.person(t), w.app(t, sameSite, leaves), c.phone(t)
	got, answer := b.enter(t, a, p)
	if !strings.Contains(answer.Get("session_state"), ".") {
		t.Fatalf("the answer has no session_state: %v", answer)
	}
	b.look(t)
	b.evaluate(t, fmt.Sprintf(watching, w.issuer+"/oauth2/check_session"))
	b.hears(t, w, a.client.ID+" "+answer.Get("session_state"), "unchanged")
	b.hears(t, w, a.client.ID+" "+answer.Get("session_state")[1:], "error")
	b.hears(t, w, "other "+answer.Get("session_state"), "changed")
	elsewhere := b.second(t)
	elsewhere.visit(t, a.leaving("id_token_hint", got.IDToken))
	elsewhere.out(t, a, a.home+"?state=bye")
	b.hears(t, w, a.client.ID+" "+answer.Get("session_state"), "changed")
	// What a browser keeps from frames of another site looks to the frame as if it were not there.
	b.evaluate(t, `document.cookie = "sojourn_state=; path=/; max-age=0"`)
	b.hears(t, w, a.client.ID+" "+answer.Get("session_state"), "error")
}

// hears asks the frame and waits for what it says.
func (b tab) hears(t *testing.T, w *world, message, want string) {
	t.Helper()
	want += " from " + w.issuer + ";"
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if b.text(t, `String(Boolean(frame.ready))`) == "true" {
			break
		}
	}
	b.evaluate(t, fmt.Sprintf(`heard = ""; frame.contentWindow.postMessage(%q, %q)`, message, w.issuer))
	heard := ""
	for end := time.Now().Add(patience); heard == "" && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		heard = b.text(t, "heard")
	}
	if heard != want {
		t.Errorf("%q: heard %q, want %q", message, heard, want)
	}
}

// The app's developer finds in the log why nobody comes back.
func TestSignOut_anUnregisteredWayBackIsNamedInTheLog(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		p, a, v := w.person(t), w.app(t, leaves), newVisitor(t)
		got := a.redeem(t, v.signIn(t, a, p))
		now := v.open(t, a.leaving("id_token_hint", got.IDToken, "post_logout_redirect_uri", "https://evil.example/"))
		if now.at.Path != "/signout" || now.status != http.StatusOK || now.Find(`a[href*="evil"]`).Length() > 0 {
			t.Errorf("got to %s, %d", now.at, now.status)
		}
		line := "" // written once the answer is out
		for end := time.Now().Add(patience); line == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			line = w.journal.line(`"refusal":"unregistered_post_logout_redirect_uri"`)
		}
		if !strings.Contains(line, a.client.ID) {
			t.Errorf("the log says %q", line)
		}
	})
}
