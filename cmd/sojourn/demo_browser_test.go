package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"
)

// chromium is a page in a browser of the size of a phone, which has nothing in common with other tests' but the program.
type chromium struct {
	t   *testing.T
	ctx context.Context
}

// sharing is what the tests in a browser share: starting both takes longer than most of what is tested in them.
type sharing struct {
	browser context.Context
	demo    demo
	cookies []*http.Cookie // of Ada's sign-in there
}

// TestDemo_inABrowser is one browser, which blocks cookies of third parties, and one demo for those that end nothing of their person.
func TestDemo_inABrowser(t *testing.T) {
	t.Parallel()
	s := sharing{browser: openBrowser(t), demo: startDemo(t, t.TempDir())}
	s.cookies = s.demo.person().signedIn(s.demo)
	for name, one := range map[string]func(*testing.T, sharing){
		"theSampleApp":                   testSampleApp,
		"theSampleAppLearnsThatItIsOver": testSampleAppOver,
		"notesInstallAndStartOffline":    testNotesOffline,
		"theNotesAPIRefusesAnEndedPhone": testAPIRefuses,
		"garbageAtItsOwnAddresses":       testGarbage,
		"twoTabsAndTheBackButton":        testTwoTabs,
		"theServerIsKilledInTheMiddle":   testServerKilled,
		"aKeyAndASecondApp":              testKeyAndSecondApp,
		"aSecondPressDoesNoHarm":         testSecondPress,
		"whatThePhonesKeptIsCleared":     testCleared,
		"twoPhonesAndABadDay/1440":       func(t *testing.T, s sharing) { testBadDay(t, s, 1440, 900) },
		"twoPhonesAndABadDay/390":        func(t *testing.T, s sharing) { testBadDay(t, s, 390, 844) },
		"isReadableByAll/1440":           func(t *testing.T, s sharing) { testReadable(t, s, 1440, 900) },
		"isReadableByAll/390":            func(t *testing.T, s sharing) { testReadable(t, s, 390, 844) },
		"byKeyboardAlone/1440":           func(t *testing.T, s sharing) { testKeyboard(t, s, 1440, 900) },
		"byKeyboardAlone/390":            func(t *testing.T, s sharing) { testKeyboard(t, s, 390, 844) },
		"saysWhatHappens":                testSaysWhatHappens,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one(t, s)
		})
	}
}

func openBrowser(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("SOJOURN_TEST_CHROMIUM")
	if path == "" {
		absent(t, "SOJOURN_TEST_CHROMIUM names no Chromium: the sample app was not tested")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("test-third-party-cookie-phaseout", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil { // which starts it
		t.Fatal(err)
	}
	return ctx
}

// open opens a page that shares nothing with the other ones.
func (s sharing) open(t *testing.T) chromium {
	t.Helper()
	ctx, stop := chromedp.NewContext(s.browser, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(stop)
	c := chromium{t, ctx}
	c.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))
	return c
}

// signedIn signs in by the server's pages, and returns the cookies of that.
func (p *person) signedIn(d demo) []*http.Cookie {
	p.t.Helper()
	p.follow(d.issuer + "/oauth2/authorize?" + url.Values{
		"client_id": {demoClient}, "redirect_uri": {d.app + "/callback"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"a-state-of-some-length"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier())}, "code_challenge_method": {"S256"},
	}.Encode())
	at, err := url.Parse(d.issuer)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.browser.Jar.Cookies(at)
}

func (c chromium) do(steps ...chromedp.Action[chromedp.Void]) {
	c.t.Helper()
	if err := chromedp.Do(c.ctx, steps...); err != nil {
		c.t.Fatal(err)
	}
}

// is waits until a JavaScript expression is true; while a page loads there is none to ask.
func (c chromium) is(expression string) {
	c.t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		if yes, err := chromedp.Run(c.ctx, chromedp.Evaluate[bool](expression)); err == nil && yes {
			return
		}
	}
	text, _ := chromedp.Run(c.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	c.t.Fatalf("never true: %s\n%s", expression, text)
}

// text is what an element of the page says.
func (c chromium) text(id string) string {
	c.t.Helper()
	text, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.getElementById(%q).textContent`, id)))
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

// press waits until a button can be seen and pressed, and presses it.
func (c chromium) press(id string) {
	c.t.Helper()
	c.is(fmt.Sprintf(`(() => { const b = document.getElementById(%q); if (!b?.offsetParent || b.disabled || b.ariaDisabled === "true") return false; b.click(); return true })()`, id))
}

// send fills in fields of the form that has them and sends it.
func (c chromium) send(fields ...string) {
	c.t.Helper()
	steps := ""
	for i := 0; i < len(fields); i += 2 {
		steps += fmt.Sprintf(`f.elements[%q].value = %q; `, fields[i], fields[i+1])
	}
	c.is(fmt.Sprintf(`(() => { const f = document.querySelector('[name=%q]')?.form; if (!f) return false;
		%s f.querySelector("button[type=submit], button:not([type])").click(); return true })()`, fields[0], steps))
}

// signIn goes from the sample app through the server's pages and back.
func (c chromium) signIn(d demo) {
	c.t.Helper()
	c.press("signin")
	c.send("username", demoUser, "password", d.password)
	c.send("totp", code(c.t, d.totp))
	c.comesBack(d)
}

// comesBack presses the button that an app needs, and waits until the app has its tokens.
func (c chromium) comesBack(d demo) {
	c.t.Helper()
	c.is(`(document.querySelector("[name=consent][value=allow]")?.click(), location.origin === "` + d.app + `" &&
		document.getElementById("title")?.textContent === "You are signed in")`)
}

func testSampleApp(t *testing.T, s sharing) {
	c, d := s.open(t), startDemo(t, t.TempDir())
	c.do(chromedp.Navigate(d.app + "/tokens/"))
	c.signIn(d)
	if said := c.text("sentence"); !strings.Contains(said, "Ada Lovelace") {
		t.Error("the app does not know whom it greets:", said)
	}
	if claims := c.text("id-claims"); !strings.Contains(claims, `"otp"`) || !strings.Contains(claims, d.issuer) {
		t.Error("the ID token is not shown:", claims)
	}
	if !strings.HasPrefix(c.text("left"), "good for ") || !strings.Contains(c.text("access-header"), "at+jwt") {
		t.Error("the access token is not shown:", c.text("left"), c.text("access-header"))
	}
	c.is(`location.pathname === "/tokens/" && location.search === ""`) // the code is out of the history

	c.press("userinfo")
	c.is(`document.getElementById("answer-claims").textContent.includes("ada@example.com")`)
	c.do(chromedp.Reload())
	c.is(`document.getElementById("title").textContent === "You are signed in"`)

	// Many callers at once are one request.
	c.is(`(window.done ??= (async () => {
		const { Session } = await import("./session.js");
		const tabs = await Promise.all([1, 2, 3].map(() => Session.open()));
		performance.clearResourceTimings();
		await Promise.all([...tabs, ...tabs].map((tab) => tab.refresh()));
		window.requests = performance.getEntriesByType("resource").filter((e) => e.name.endsWith("/oauth2/token")).length;
	})(), window.requests === 1)`)

	// No network is no reason to be signed out.
	c.offline(true)
	c.press("refresh")
	c.is(`document.getElementById("notice").textContent.includes("can't be reached")`)
	c.is(`!document.getElementById("in").hidden`)
	c.offline(false)
	c.press("refresh")
	c.is(`document.getElementById("notice").textContent === "New tokens have arrived."`)

	// Signing out ends the browser's sign-in too: the next one asks for the password.
	c.press("signout")
	c.is(`!!document.getElementById("signin")?.offsetParent && location.origin === "` + d.app + `"`)
	c.press("signin")
	c.is(`!!document.querySelector("[name=password]")`)
}

func testSampleAppOver(t *testing.T, s sharing) {
	dir := t.TempDir()
	c, d := s.open(t), startDemo(t, dir)
	c.do(chromedp.Navigate(d.app + "/tokens/"))
	c.signIn(d)
	command(t, dir, nil, "another long password", "user", "set-password", demoUser, "--password-stdin",
		"--database", "sqlite:"+demoFolder+"/sojourn.db")
	c.press("refresh")
	c.is(`!!document.getElementById("signin").offsetParent && !document.getElementById("notice").hidden`)
}

// offline lets every request of the page fail as without a network.
func (c chromium) offline(yes bool) {
	c.t.Helper()
	if yes {
		c.is(`(window.online = window.fetch, window.fetch = () => Promise.reject(new TypeError("Failed to fetch")), true)`)
		return
	}
	c.is(`(window.fetch = window.online, true)`)
}
