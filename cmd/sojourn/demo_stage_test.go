package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// The bundle that is embedded is what sdk/ts builds today: go run ./cmd/sojourn demo needs Go alone.
func TestDemo_theBundleIsOfThisLibrary(t *testing.T) {
	t.Parallel()
	esbuild := filepath.Join("node_modules", ".bin", "esbuild")
	if _, err := os.Stat(filepath.Join("..", "..", "sdk", "ts", esbuild)); err != nil {
		absent(t, "sdk/ts has no esbuild (npm ci there brings it): the demo's bundle was not compared")
	}
	build := exec.Command(esbuild, "src/browser/index.ts", "--bundle", "--minify", "--format=esm", "--target=es2022", "--legal-comments=none")
	build.Dir = filepath.Join("..", "..", "sdk", "ts")
	built, err := build.Output()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join("demo", "sdk.js"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, kept) {
		t.Errorf("cmd/sojourn/demo/sdk.js is of another version. In sdk/ts: %s > ../../cmd/sojourn/demo/sdk.js", build)
	}
}

// The stage's own addresses are for its own page: another site can't end anything.
func TestDemo_theStageAnswersItsOwnPageAlone(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	for name, change := range map[string]func(*http.Request){
		"without the header":        func(r *http.Request) { r.Header.Del("X-Demo") },
		"by another name (rebound)": func(r *http.Request) { r.Host = "evil.example:80" },
	} {
		r, err := http.NewRequest(http.MethodPost, d.app+"/demo/password", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Demo", "1")
		change(r)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Body.Close(); answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
	if strings.Contains(d.out.String(), "The new password") {
		t.Error("a stranger changed the password")
	}
}

// in is an expression on an element of a phone's own page.
func in(phone, id, then string) string {
	return fmt.Sprintf(`(() => { const e = document.querySelector("#card-%s iframe")?.contentDocument?.getElementById(%q); return !!e && (%s) })()`, phone, id, then)
}

const seen = `!e.closest("[hidden]")` // on a narrow screen the others are behind a tab

// signInOn presses a phone's button, and "Continue as …" in the window that opens.
func (c chromium) signInOn(d demo, phone string) {
	c.t.Helper()
	c.is(in(phone, "signin", seen+` && (e.click(), true)`))
	c.signedInOn(d, phone)
}

// signedInOn waits until a phone whose button was pressed is signed in.
func (c chromium) signedInOn(d demo, phone string) {
	c.t.Helper()
	windows := map[target.ID]context.Context{}
	d.until(phone+" is signed in", func() bool {
		c.allow(d, windows)
		yes, err := chromedp.Run(c.ctx, chromedp.Evaluate[bool](in(phone, "in", seen)))
		return err == nil && yes
	})
}

// allow presses the one button of a window that the server's page is in.
func (c chromium) allow(d demo, windows map[target.ID]context.Context) {
	all, _ := chromedp.Targets(c.ctx)
	for _, one := range all {
		if one.Type != "page" || one.BrowserContextID != chromedp.FromContext(c.ctx).BrowserContextID || !strings.HasPrefix(one.URL, d.issuer) {
			continue
		}
		window, known := windows[one.TargetID]
		if !known {
			// Not stopped here: that would close it before the app has heard.
			window, _ = chromedp.NewContext(c.ctx, chromedp.WithTargetID(one.TargetID))
			windows[one.TargetID] = window
		}
		// The window may close meanwhile, so what this says is not asked.
		_, _ = chromedp.Run(window, chromedp.Evaluate[bool](`(document.querySelector("[name=consent][value=allow]")?.click(), true)`))
	}
}

// withDemo is the same browser with a demo of the test's own, whose person others don't use.
func (s sharing) withDemo(t *testing.T) sharing {
	t.Helper()
	s.demo = startDemo(t, t.TempDir())
	s.cookies = s.demo.person().signedIn(s.demo)
	return s
}

// stage opens the stage of the demo, whose person has signed in in that browser.
func (s sharing) stage(t *testing.T, width, height int64) (chromium, demo) {
	t.Helper()
	c, d := s.open(t), s.demo
	mine := *d.process
	mine.t, d.process = t, &mine // what is waited for fails this test
	c.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		for _, one := range s.cookies {
			if _, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{Name: one.Name, Value: one.Value, URL: d.issuer}); err != nil {
				return err
			}
		}
		return nil
	}))
	if width > 600 {
		c.do(chromedp.EmulateViewport(width, height))
	}
	c.do(chromedp.Navigate(d.app))
	return c, d
}

// choose selects a phone, which on a narrow screen shows it.
func (c chromium) choose(phone string) {
	c.t.Helper()
	c.is(fmt.Sprintf(`(() => { const r = document.querySelector("[name=phone][value=%s]"); if (!r?.offsetParent) return false; r.click(); return true })()`, phone))
}

func (c chromium) happens(text string) {
	c.t.Helper()
	c.is(fmt.Sprintf(`document.getElementById("said").textContent.includes(%q)`, text))
}

// happened waits until the newest step of a phone's line says so.
func (c chromium) happened(phone, text string) {
	c.t.Helper()
	c.is(fmt.Sprintf(`document.querySelector("#card-%s .happened").textContent.includes(%q)`, phone, text))
}

// testBadDay presses every button, and looks for what it promised. One phone is in the tunnel while the other has its bad day.
func testBadDay(t *testing.T, s sharing, width, height int64) {
	c, d := s.withDemo(t).stage(t, width, height)
	c.is(in("a", "signin", seen))
	c.shot("begin")
	c.signInOn(d, "a")
	c.happens("Ada’s phone is signed in") // and no longer that somebody should sign in
	c.choose("b")
	c.signInOn(d, "b")
	c.is(in("a", "text", `(e.value = "Buy milk", e.form.requestSubmit(), true)`))
	c.is(in("b", "list", `e.textContent.includes("Buy milk")`))
	c.press("tunnel")
	c.is(in("b", "text", `(e.value = "Written in the tunnel", e.form.requestSubmit(), true)`))
	c.is(in("b", "list", `e.textContent.includes("not sent yet")`))
	c.shot("tunnel")

	c.choose("a")
	c.press("drop")
	c.happened("a", "got 2b beside it")
	c.press("kill")
	c.happened("a", "got 3b beside it")
	c.is(in("a", "in", seen))
	c.press("lift")
	c.happened("a", "got 4b beside it")
	c.press("lift")
	c.press("refresh")
	c.happened("a", "turned in ticket 4b for 5")
	c.is(in("a", "list", `e.textContent.includes("Written in the tunnel")`))
	c.is(in("b", "list", `!e.textContent.includes("not sent yet")`))
	c.is(`document.getElementById("forced").textContent === "0"`)
	c.press("usual")
	c.is(`document.getElementById("usual-forced").textContent === "1"`) // the killed app, a minute later
	c.shot("bad-day")

	c.press("steal")
	c.is(`!!document.getElementById("card-thief")`)
	c.is(in("thief", "in", seen))
	c.press("refresh") // the phone forks beside the thief
	c.happened("a", "got 6b beside it")
	c.press("refresh") // and uses its branch first
	c.happened("a", "turned in ticket 6b for 7")
	c.shot("thief")
	c.choose("thief")
	c.press("refresh")
	c.is(in("thief", "out", seen))
	c.is(`!document.getElementById("theft").hidden && document.getElementById("forced").textContent === "0"`)
	c.is(`document.querySelector("#card-a .api").textContent.includes("refuses")`)
	c.shot("thrown-out")

	c.choose("b")
	c.is(`(document.getElementById("password").scrollIntoView({block: "end"}), true)`) // on a small screen the phones are out of sight then
	c.press("end")
	c.is(`(r => r.top >= 0 && r.bottom <= innerHeight)(document.getElementById("said").getBoundingClientRect())`)
	c.is(in("b", "out", seen))
	c.happened("b", "worth nothing any more")
	c.is(`document.querySelector("#card-b .api").textContent.includes("refuses")`)
	c.choose("a")
	c.signInOn(d, "a")
	c.twice("password")
	c.is(in("a", "out", seen))
	d.says("The new password of")
	c.is(`document.getElementById("forced").textContent === "0"`)
	c.shot("ended")
}

// twice presses a button as people do who take it for an icon.
func (c chromium) twice(id string) {
	c.t.Helper()
	c.press(id)
	c.is(fmt.Sprintf(`(document.getElementById(%q).click(), true)`, id))
}

// A double click on any button leaves the phone signed in, the page usable and the count at 0.
func testSecondPress(t *testing.T, s sharing) {
	c, d := s.stage(t, 1440, 900)
	c.is(in("a", "signin", seen+` && (e.click(), e.click(), true)`))
	c.signedInOn(d, "a")
	for _, id := range []string{"refresh", "drop", "lift", "kill", "tunnel", "usual", "steal"} {
		c.twice(id)
		c.is(in("a", "in", seen))
		c.is(in("a", "title", `e.textContent === "Ada’s notes"`))
	}
	c.is(in("thief", "in", seen))
	c.is(`document.querySelectorAll(".card").length === 3 && document.getElementById("forced").textContent === "0"`)
	c.twice("key") // and the phones begin anew, as they were
	c.is(in("a", "in", seen))
	c.is(`document.querySelectorAll(".card").length === 2 && document.getElementById("forced").textContent === "0"`)
	c.twice("end")
	c.is(in("a", "out", seen))
	c.is(`document.getElementById("forced").textContent === "0"`)
}

// With a key in the phone a copied ticket is worth nothing; and a second app of the same device needs one tap.
func testKeyAndSecondApp(t *testing.T, s sharing) {
	c, d := s.stage(t, 1440, 900)
	c.press("key")
	c.is(in("a", "signin", `e.ownerDocument.location.search.includes("key") && `+seen)) // the phones begin anew
	c.signInOn(d, "a")
	c.press("steal")
	c.happens("refused")
	c.press("refresh")
	c.happens("turned in")
	c.is(in("a", "in", seen)) // the theft did the owner no harm
	c.is(`(document.querySelector("#card-b .lists").click(), true)`)
	c.is(in("b", "app", `e.textContent === "Lists"`))
	c.signInOn(d, "b")
}

// shot keeps a picture for whoever wants to look: SOJOURN_TEST_SHOTS names the folder.
func (c chromium) shot(name string) {
	c.t.Helper()
	dir := os.Getenv("SOJOURN_TEST_SHOTS")
	if dir == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		c.media("prefers-color-scheme", scheme)
		picture, err := chromedp.Run(c.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			c.t.Fatal(err)
		}
		file := filepath.Join(dir, strings.ReplaceAll(c.t.Name()[strings.LastIndex(c.t.Name(), "/")+1:], " ", "")+"-"+name+"-"+scheme+".png")
		if err := os.WriteFile(file, picture, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
}
