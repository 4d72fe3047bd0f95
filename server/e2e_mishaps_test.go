package server

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sojourn-auth/sojourn/storage"
)

// mishap is one cell of the matrix: a page, and something that happens to it.
type mishap struct {
	c   chromium
	b   tab
	app *app
	who *person
	at  string // the page's path
}

// mishaps are what happens to people (DESIGN law 6). Each continues or leads back to the app.
var mishaps = map[string]func(*testing.T, mishap){
	"back":                             afterBack,
	"reload":                           afterReload,
	"double click":                     afterDoubleClick,
	"double click without script":      afterDoubleClickWithoutScript,
	"second tab":                       afterSecondTab,
	"no cookie":                        afterNoCookie,
	"restored tab with an old request": afterRestoring,
}

// TestMishaps_everyPageContinuesOrLeadsBackToTheApp tries each with every page.
func TestMishaps_everyPageContinuesOrLeadsBackToTheApp(t *testing.T) {
	t.Parallel()
	c := startChromium(t)
	for _, at := range []string{"/signin", "/signup", "/signin/totp", "/signin/recovery", "/account/totp", "/account/totp/codes", "/consent"} {
		t.Run(at[1:], func(t *testing.T) {
			t.Parallel()
			w, b := newWorld(t, storage.SQLite), c.phone(t) // one after the other: a tab is what costs most here
			for name, happen := range mishaps {
				t.Run(name, func(t *testing.T) {
					b.forget(t)
					b.script(t, true)
					m := mishap{c: c, b: b, at: at}
					m.who, m.app = w.cast(t, at)
					happen(t, m)
				})
			}
		})
	}
}

// cast makes the person and the app that meet a page.
func (w *world) cast(t *testing.T, at string) (*person, *app) {
	t.Helper()
	switch at {
	case "/signup":
		return w.stranger(), w.app(t, trusted)
	case "/signin/totp", "/signin/recovery":
		return w.enrolled(t), w.app(t, trusted)
	case "/account/totp", "/account/totp/codes":
		return w.person(t), w.app(t, trusted, needsMFA)
	case "/consent":
		return w.person(t), w.app(t)
	}
	return w.person(t), w.app(t, trusted)
}

// home carries on in a tab until its app has tokens of the right person.
func (m mishap) home(t *testing.T, b tab) {
	t.Helper()
	got := m.app.redeem(t, b.carryOn(t, m.app, m.who))
	about := m.app.userinfo(t, got.AccessToken)
	if !strings.Contains(about.body, m.who.email) {
		t.Errorf("the tokens are somebody else's: %s", about.body)
	}
}

func afterBack(t *testing.T, m mishap) {
	m.b = m.c.phone(t) // whose history is its own
	m.b.reach(t, m.app, m.who, m.at)
	now := m.b.step(t, m.who)
	if m.at == "/account/totp" { // Back leads from the codes to the codes, until they are saved
		now = m.b.step(t, m.who)
	}
	if strings.HasPrefix(now.At, m.app.home) {
		m.app.redeem(t, m.app.arrival(t))
	}
	m.home(t, m.b.back(t))
}

func afterReload(t *testing.T, m mishap) {
	m.b.reach(t, m.app, m.who, m.at)
	m.b.do(t, chromedp.Reload())
	m.b.press(t, button(m.at)) // filled in or not: what is missing is told
	if now := m.b.look(t); strings.HasPrefix(now.At, m.app.home) {
		m.app.redeem(t, m.app.arrival(t))
		return
	}
	m.b.do(t, chromedp.Reload()) // of what a form answered: it is sent again
	m.home(t, m.b)
}

func afterDoubleClick(t *testing.T, m mishap) {
	m.b.reach(t, m.app, m.who, m.at)
	m.b.answer(t, m.who)
	m.b.away(t)
	m.b.do(t, chromedp.DoubleClick(chromedp.CSS(button(m.at))))
	time.Sleep(200 * time.Millisecond) // for a second answer that replaces the first
	m.home(t, m.b)
}

func afterDoubleClickWithoutScript(t *testing.T, m mishap) {
	m.b.script(t, false)
	afterDoubleClick(t, m)
}

func afterSecondTab(t *testing.T, m mishap) {
	m.b.reach(t, m.app, m.who, m.at)
	other := m.b.second(t)
	other.visit(t, m.b.look(t).At)
	m.home(t, other)
	m.home(t, m.b)
}

func afterNoCookie(t *testing.T, m mishap) {
	m.b.reach(t, m.app, m.who, m.at)
	m.b.answer(t, m.who)
	m.b.forget(t)
	m.b.press(t, button(m.at))
	m.home(t, m.b)
}

func afterRestoring(t *testing.T, m mishap) {
	m.b.reach(t, m.app, m.who, m.at)
	address := m.b.look(t).At
	m.home(t, m.b)
	m.b.visit(t, address) // still signed in
	m.home(t, m.b)
	restored := m.c.phone(t) // long since signed out
	restored.visit(t, address)
	m.home(t, restored)
}
