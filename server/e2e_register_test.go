package server

import (
	"io"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sojourn-auth/sojourn/storage"
)

// A developer fills in the form, copies the client id, and the first person signs in with it.
func TestRegister_aDeveloperRegistersByTheFormAndItsAppSignsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	p, a, b := w.person(t), w.app(t), startChromium(t).phone(t)
	b.visit(t, w.issuer+"/register")
	b.fill(t, "client_name", "Wege", "redirect_uris", a.client.RedirectURIs[0]+" javascript:alert(1)")
	if now := b.press(t, submit); !strings.Contains(now.Words, "Left out") || !strings.Contains(now.Words, "javascript:alert(1)") {
		t.Fatalf("after the form: %+v", now)
	}
	said := b.text(t, `[...document.querySelectorAll("dd [data-copy]")].filter((e) => e.checkVisibility()).map((e) => e.dataset.copy).join(" ")`)
	if want := " " + w.issuer + " " + w.issuer + "/.well-known/openid-configuration"; !strings.HasSuffix(said, want) {
		t.Errorf("a developer can copy %q, and needs%s", said, want)
	}
	b.show(t, "registered")
	id := b.text(t, `document.querySelector("main code").textContent`)
	b.visit(t, a.asking("client_id", id))
	for b.path(t) != "/consent" {
		b.step(t, p)
	}
	if words := b.look(t).Words; !strings.Contains(words, "Wege") {
		t.Errorf("the consent page says %s", words)
	}
	b.do(t, chromedp.Tap(chromedp.CSS("button[value=allow]")))
	answer := a.arrival(t)
	mine := *a
	mine.client.ID = id
	if mine.redeem(t, answer).AccessToken == "" {
		t.Error("the code brings no token")
	}
}

// Initiating User Registration via OpenID Connect 1.0 §4.1: whoever makes the account signs in to it and comes back to the app,
// and so does whoever finds that they have one.
func TestPromptCreate_leadsBackToTheAppThroughSignIn(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		a, newcomer, known := w.app(t), w.stranger(), w.person(t)
		v := newVisitor(t)
		answer := v.signIn(t, a, newcomer, "prompt", "create")
		if answer.Get("code") == "" || !slices.Contains(v.seen, "/signup") {
			t.Errorf("by %v the app gets %v", v.seen, answer)
		}
		v = newVisitor(t)
		page := v.open(t, a.asking("prompt", "create"))
		to, _ := page.Find(`a[href^="/signin"]`).Attr("href")
		answer = v.carryOn(t, v.open(t, page.at.ResolveReference(parsed(t, to)).String()), a, known)
		if answer.Get("code") == "" {
			t.Errorf("who has an account comes by %v to %v", v.seen, answer)
		}
	})
}

// Each field of the form, in each shape that may be wrong about it.
func TestRegister_everyFieldOfTheFormInEveryBadShape(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	good := url.Values{"client_name": {"Wege"}, "redirect_uris": {"https://a.example/cb"}, "secret": {"yes"}, "initial_token": {""}}
	long := strings.Repeat("x", 9000)
	for field, shapes := range map[string]map[string]int{
		"client_name": {"absent": 200, "": 200, "doubled": 200, "a\x00b": 400, "\xff": 400, "a\u202eb": 400, long: 400},
		"redirect_uris": {
			"absent": 400, "": 400, "doubled": 200, "x": 400, "http://a.example/": 400, "javascript:x": 400, "https://a.example/\x00": 400, "https://a.example/" + long: 400,
			strings.Repeat("https://a.example/cb ", 21): 400,
		},
		"secret":        {"absent": 200, "": 200, "doubled": 200, "\x00": 200, long: 200},
		"initial_token": {"absent": 200, "doubled": 200, "x": 200, long: 200, "\x00": 200}, // who needs none may send any
		"unheard_of":    {"x": 200, long: 200},
	} {
		for value, want := range shapes {
			form := url.Values{}
			for name, values := range good {
				form[name] = slices.Clone(values)
			}
			switch value {
			case "absent":
				form.Del(field)
			case "doubled":
				form[field] = []string{good.Get(field), long}
			default:
				form.Set(field, value)
			}
			if got := w.submits(t, form); got != want {
				t.Errorf("%s %.20q is answered %d, want %d", field, value, got, want)
			}
		}
	}
}

// submits sends the form from a network that never did, and returns the status.
func (w *world) submits(t *testing.T, form url.Values) int {
	t.Helper()
	r := httptest.NewRequest("POST", w.issuer+"/register", strings.NewReader(form.Encode()))
	r.RequestURI = ""
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	got, err := newVisitor(t).http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if _, err := io.Copy(io.Discard, got.Body); err != nil {
		t.Fatal(err)
	}
	return got.StatusCode
}
