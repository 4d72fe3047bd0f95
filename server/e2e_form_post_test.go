package server

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sojourn-auth/sojourn/storage"
)

// The answer reaches the app by a form that goes by itself, or by a button where no script runs. Either way the app's server
// is told whose page it came from, which frameworks compare before they take a form from another site. Whatever state says, it is
// a text that comes back as it was sent.
func TestFormPost_reachesTheAppFromARealBrowser(t *testing.T) {
	t.Parallel()
	const hostile = "\"'></form><script>location='https://evil.example/'</script>{{.}}&amp;\u202e\r\n\t "
	c := startChromium(t)
	for name, scripts := range map[string]bool{"by itself": true, "by a button": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storage.SQLite)
			p, a, b := w.person(t), w.app(t), c.phone(t)
			b.script(t, scripts)
			b.visit(t, a.asking("response_mode", "form_post", "state", hostile))
			for b.path(t) != "/consent" {
				b.step(t, p)
			}
			b.do(t, chromedp.Tap(chromedp.CSS("button[value=allow]")))
			if !scripts {
				b.do(t, chromedp.Tap(chromedp.CSS("form[data-send] button")))
			}
			answer := a.came(t)
			if got := answer.Get("state"); got != hostile {
				t.Errorf("of the state %q came %q", hostile, got)
			}
			if !answer.Has("code") || answer.Get("origin") != w.issuer {
				t.Errorf("the app was sent %v", answer)
			}
			if now := b.look(t); now.At != a.client.RedirectURIs[0] {
				t.Errorf("the browser is at %s: nothing of the answer belongs into an address", now.At)
			}
			if got := a.redeem(t, answer); got.AccessToken == "" {
				t.Error("the code brings no token")
			}
		})
	}
}

// Before sign-in, the way back to an app that anyone may have registered is a button that says where it leads.
func TestFormPost_anErrorOfAStrangersAppWaitsForAPress(t *testing.T) {
	t.Parallel()
	c := startChromium(t)
	w := newWorld(t, storage.SQLite)
	a, b := w.app(t, selfMade), c.phone(t)
	b.visit(t, a.asking("response_mode", "form_post", "scope", "nonsense"))
	b.do(t, chromedp.Tap(chromedp.CSS("main form button")))
	if answer := a.arrival(t); answer.Get("error") != "invalid_scope" || !answer.Has("origin") {
		t.Errorf("the app was sent %v", answer)
	}
}
