package server

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// chromium is one process for all tabs of a test.
type chromium struct{ ctx context.Context }

// startChromium starts the browser that SOJOURN_TEST_CHROMIUM names, or the one on the PATH.
func startChromium(t *testing.T) chromium {
	t.Helper()
	path := os.Getenv("SOJOURN_TEST_CHROMIUM")
	if path == "" {
		path, _ = exec.LookPath("chromium")
	}
	switch {
	case path == "" && os.Getenv("CI") != "":
		t.Fatal("there is no Chromium; CI must exercise it")
	case path == "":
		t.Skip("SOJOURN_TEST_CHROMIUM names no Chromium and none is on the PATH: the pages were not tried in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-component-update", true))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return chromium{ctx}
}

// tab is one tab of a phone.
type tab struct{ ctx context.Context }

// phone is a tab of a browser that has no cookies yet, 390 pixels wide and touched with fingers.
func (c chromium) phone(t *testing.T) tab {
	t.Helper()
	return open(t, c.ctx, chromedp.WithNewBrowserContext())
}

// second is another tab of the same browser.
func (b tab) second(t *testing.T) tab {
	t.Helper()
	return open(t, b.ctx)
}

func open(t *testing.T, in context.Context, options ...chromedp.ContextOption) tab {
	t.Helper()
	ctx, stop := context.WithTimeout(in, 5*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx, options...)
	t.Cleanup(stop)
	b := tab{ctx}
	b.do(t, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))
	return b
}

func (b tab) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatalf("%v (at %s)", err, b.look(t).At)
	}
}

// script turns JavaScript on or off, as far as pages are concerned.
func (b tab) script(t *testing.T, on bool) {
	t.Helper()
	b.do(t, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		off := emulation.SetScriptExecutionDisabledParams{Value: !on}
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, off)
		return err
	}))
}

// forget takes all cookies from the browser.
func (b tab) forget(t *testing.T) {
	t.Helper()
	b.do(t, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, network.ClearBrowserCookies, cdp.Empty{})
		return err
	}))
}

// view is what is on the screen.
type view struct {
	At    string `json:"at"`
	Words string `json:"words"`
	Busy  bool   `json:"busy"` // loading, or the page of before
}

const looking = `JSON.stringify({
	at: location.href, words: document.body ? document.body.innerText : "",
	busy: document.readyState !== "complete" || Boolean(window.left),
})`

// look waits until nothing loads any more and says what is there.
func (b tab) look(t *testing.T) (v view) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(15 * time.Millisecond) {
		text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](looking))
		if err == nil && json.Unmarshal([]byte(text), &v) == nil && !v.Busy {
			return v
		}
		if b.ctx.Err() != nil {
			break
		}
	}
	t.Fatalf("the page never came: %+v", v)
	return v
}

// path is where the tab is, once it has come to rest.
func (b tab) path(t *testing.T) string {
	t.Helper()
	return parsed(t, b.look(t).At).Path
}

// evaluate runs a script of ours in the page.
func (b tab) evaluate(t *testing.T, script string) {
	t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[any]("{"+script+"}; null")); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

func (b tab) text(t *testing.T, script string) string {
	t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return text
}

// focused checks that a field has the focus; a page gets it with its first frame, a moment after it has loaded.
func (b tab) focused(t *testing.T, field string) {
	t.Helper()
	var has string
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		if has = b.text(t, `document.activeElement && document.activeElement.name || ""`); has == field {
			return
		}
	}
	t.Errorf("the focus is on %q, want %q", has, field)
}

// away marks the page, so that look can tell it from the next one.
func (b tab) away(t *testing.T) {
	t.Helper()
	b.evaluate(t, `window.left = true; addEventListener("pageshow", () => { window.left = false })`) // Back may bring it again
}

// back presses the browser's own button and returns the tab anew: a page that comes as it was left does not load, and
// what watched it then waits for ever.
func (b tab) back(t *testing.T) tab {
	t.Helper()
	before := b.look(t).At
	b.do(t, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		history, err := chromedp.Call(ctx, page.GetNavigationHistory, cdp.Empty{})
		if err != nil {
			return err
		}
		from := history.CurrentIndex
		to := page.NavigateToHistoryEntryParams{EntryID: history.Entries[from-1].ID}
		_, err = chromedp.Call(ctx, page.NavigateToHistoryEntry, to)
		for left := err; left == nil && history.CurrentIndex == from; { // or the page that is left does not answer any more
			time.Sleep(10 * time.Millisecond)
			history, left = chromedp.Call(ctx, page.GetNavigationHistory, cdp.Empty{})
		}
		return err
	}))
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithTargetID(chromedp.FromContext(b.ctx).Target.TargetID))
	t.Cleanup(stop)
	again := tab{ctx}
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		if again.look(t).At != before {
			return again
		}
	}
	t.Fatalf("no way back from %s", before)
	return again
}

// visit goes to an address.
func (b tab) visit(t *testing.T, address string) view {
	t.Helper()
	b.do(t, chromedp.Navigate(address))
	return b.look(t)
}

// press taps a button or a link and waits for the page it leads to.
func (b tab) press(t *testing.T, selector string) view {
	t.Helper()
	b.look(t)
	b.away(t)
	b.do(t, chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Tap(chromedp.CSS(selector)))
	return b.look(t)
}

// fill puts values into fields, as a password manager does: pairs of name and value.
func (b tab) fill(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		b.do(t, chromedp.SetValue(chromedp.CSS("input[name="+pairs[i]+"]"), pairs[i+1]))
	}
}

const submit = "form:not([action]) button:not([type=button])"

// button is what sends the form of a page.
func button(path string) string {
	if path == "/consent" {
		return "button[value=allow]"
	}
	return submit
}

// answer fills in what the page asks for.
func (b tab) answer(t *testing.T, p *person) {
	t.Helper()
	switch b.path(t) {
	case "/signin", "/signup":
		b.fill(t, "username", p.email, "password", p.password)
	case "/signin/totp":
		b.fill(t, "totp", p.code(t))
	case "/signin/recovery":
		b.fill(t, "recovery_code", p.recoveryCode(t))
	case "/account/totp":
		p.got(b.text(t, `[...document.querySelectorAll(".key code")].map((e) => e.textContent).join("")`), nil)
		b.fill(t, "totp", p.code(t))
	case "/account/totp/codes":
		p.saved(strings.Fields(b.text(t, `[...document.querySelectorAll(".codes code")].map((e) => e.textContent).join(" ")`)))
	}
}

// step does what one page wants.
func (b tab) step(t *testing.T, p *person) view {
	t.Helper()
	path := b.path(t)
	switch path {
	case "/signin", "/signup", "/signin/totp", "/signin/recovery", "/account/totp", "/account/totp/codes", "/consent":
		b.answer(t, p)
		return b.press(t, button(path))
	case "/account/totp/new": // the app is not lost
		return b.press(t, "main a.button.second")
	}
	return b.press(t, "main a.button, #start")
}

// carryOn does what the pages want until the tab is back in the app, and returns what it brought along.
func (b tab) carryOn(t *testing.T, a *app, p *person) url.Values {
	t.Helper()
	var way []string
	for range 12 {
		now := b.look(t)
		if strings.HasPrefix(now.At, a.home+"callback") {
			return a.arrival(t)
		}
		way = append(way, parsed(t, now.At).Path)
		b.step(t, p)
	}
	t.Fatalf("the pages lead nowhere: %v, %s", way, b.look(t).Words)
	return nil
}

// reach does what the pages want until one of them is there.
func (b tab) reach(t *testing.T, a *app, p *person, path string) {
	t.Helper()
	b.visit(t, a.home)
	b.press(t, "#start")
	for range 6 {
		switch here := b.path(t); {
		case here == path:
			return
		case here == "/signin" && path == "/signup":
			b.press(t, `a[href^="/signup"]`)
		case here == "/signin/totp" && path == "/signin/recovery":
			b.press(t, `a[href^="/signin/recovery"]`)
		default:
			b.step(t, p)
		}
	}
	t.Fatalf("no page leads to %s: %s", path, b.look(t).At)
}
