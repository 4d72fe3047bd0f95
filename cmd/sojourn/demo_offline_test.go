package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// cut takes the network from the browser, its service workers too, or gives it back.
func (c chromium) cut(yes bool) {
	c.t.Helper()
	c.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		rules := network.EmulateNetworkConditionsByRuleParams{EmulateOfflineServiceWorker: &yes, MatchedNetworkConditions: []*network.Conditions{}}
		if yes {
			rules.MatchedNetworkConditions = append(rules.MatchedNetworkConditions, &network.Conditions{Offline: true, DownloadThroughput: -1, UploadThroughput: -1})
		}
		if _, err := chromedp.Call(ctx, network.EmulateNetworkConditionsByRule, rules); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: yes, DownloadThroughput: -1, UploadThroughput: -1})
		return err
	}))
}

func (c chromium) installable() {
	c.t.Helper()
	c.do(func(ctx context.Context, _ *chromedp.Target) (none chromedp.Void, err error) {
		manifest, err := chromedp.Call(ctx, page.GetAppManifest, page.GetAppManifestParams{})
		if err != nil {
			return none, err
		}
		if len(manifest.Errors) > 0 || !strings.HasSuffix(manifest.URL, "/manifest.webmanifest") {
			c.t.Errorf("the manifest %s: %+v", manifest.URL, manifest.Errors)
		}
		whole, err := chromedp.Call(ctx, page.GetInstallabilityErrors, cdp.Empty{})
		for _, one := range whole.InstallabilityErrors {
			if one.ErrorID != "in-incognito" { // as the pages of these tests are
				c.t.Errorf("not installable: %s %v", one.ErrorID, one.ErrorArguments)
			}
		}
		return none, err
	})
}

// Notes is an app that starts without a network, keeps what was written, and sends it afterwards.
func testNotesOffline(t *testing.T, s sharing) {
	c, d := s.open(t), startDemo(t, t.TempDir())
	c.do(chromedp.Navigate(d.app + "/phone.html"))
	c.installable()
	c.press("signin")
	c.send("username", demoUser, "password", d.password)
	c.send("totp", code(t, d.totp))
	c.is(`(document.querySelector("[name=consent][value=allow]")?.click(), location.origin === "` + d.app + `")`)
	c.is(`!!document.getElementById("text")?.offsetParent`)
	c.is(`(navigator.serviceWorker.ready.then(() => window.works = true), window.works === true)`)
	c.cut(true)
	c.do(chromedp.Navigate(d.app + "/phone.html"))
	c.is(`document.getElementById("net")?.textContent === "No network" && !!document.getElementById("text").offsetParent`)
	c.is(`((e) => (e.value = "On the train", e.form.requestSubmit(), true))(document.getElementById("text"))`)
	c.is(`document.getElementById("list").textContent.includes("On the train · not sent yet")`)
	c.do(chromedp.Reload())
	c.is(`document.getElementById("list")?.textContent.includes("On the train · not sent yet")`)
	c.cut(false)
	c.is(`document.getElementById("list").textContent.includes("On the train") && !document.getElementById("list").textContent.includes("not sent yet")`)

	// It reached the server: the browser forgets its copy, and has it again. What is kept may also be garbage.
	c.is(`(localStorage.setItem("notes-own-plain", "{garbage"), true)`)
	c.do(chromedp.Reload())
	c.is(`document.getElementById("list")?.textContent.includes("On the train")`)
	c.is(`navigator.serviceWorker.controller !== null`)
	d.kill()
	c.do(chromedp.Navigate(d.app + "/phone.html"))
	c.is(`document.getElementById("title")?.textContent === "Ada’s notes" && document.getElementById("list").textContent.includes("On the train")`)
	c.is(`document.getElementById("notice").textContent.includes("you stay signed in")`)
}

var secondsAfter = regexp.MustCompile(`(\d+\.\d) s after you pressed`)

// The notes API refuses an ended phone by the feed within the second in which that is pressed, by the clock of the one page that pressed and
// asks. A busy machine may be slower than any promise, so the quickest of a few counts.
func testAPIRefuses(t *testing.T, s sharing) {
	c, d := s.stage(t, 1440, 900)
	quickest := math.Inf(1)
	for try := 0; try < 8 && quickest >= 1; try++ {
		c.signInOn(d, "a")
		c.press("end")
		c.press("end") // a double click: the second is told why not, or changes nothing
		c.is(`/ s after you pressed/.test(document.querySelector("#card-a .api").textContent)`)
		said, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](`document.querySelector("#card-a .api").textContent`))
		if err != nil {
			t.Fatal(err)
		}
		took, err := strconv.ParseFloat(secondsAfter.FindStringSubmatch(said)[1], 64)
		if err != nil {
			t.Fatal(said, err)
		}
		t.Logf("refused by the notes API %.1f s after the press", took)
		quickest = min(quickest, took)
	}
	if quickest >= 1 {
		t.Errorf("an ended phone is refused after %.1f s at the soonest", quickest)
	}
	c.is(`document.getElementById("forced").textContent === "0"`)
}

// Garbage at the demo's own addresses is refused and harms nothing.
func testGarbage(t *testing.T, s sharing) {
	c, d := s.stage(t, 390, 844)
	for name, body := range map[string]string{
		"nothing": "", "no UUID": "sid=x", "unknown": "sid=0199c3c4-7d6a-7000-8000-000000000000",
		"large": "sid=" + strings.Repeat("a", 1<<20), "bad escapes": "sid=%zz&%",
	} {
		r, err := http.NewRequest(http.MethodPost, d.app+"/demo/end", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Demo", "1")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Body.Close(); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
	// A page that is opened with garbage is Notes; one that is sent garbage does nothing.
	for _, phone := range []string{"thief", "__proto__", "zzz"} {
		c.do(chromedp.Navigate(d.app + "/phone.html?" + url.Values{"phone": {phone}}.Encode()))
		c.is(`document.getElementById("title")?.textContent === "Welcome" && document.getElementById("net").textContent === "This browser"`)
	}
	c.do(chromedp.Navigate(d.app))
	c.is(in("a", "signin", seen))
	c.is(fmt.Sprintf(`([null, 7, {}, {phone: "a", refresh: {}}, {phone: "__proto__", loot: {}}].forEach((m) => postMessage(m, %q)), true)`, d.app))
	c.is(in("a", "signin", seen))
	c.is(`document.querySelectorAll(".card").length === 2`)
}

// Two tabs show the same phones: what a person ends in one is no forced sign-in in the other; and going back leaves the stage
// rather than a phone.
func testTwoTabs(t *testing.T, s sharing) {
	c, d := s.stage(t, 1440, 900)
	c.signInOn(d, "a")
	other, stop := chromedp.NewContext(c.ctx)
	t.Cleanup(stop)
	second := chromium{t, other}
	second.do(chromedp.EmulateViewport(1440, 900), chromedp.Navigate(d.app))
	second.is(in("a", "in", seen))
	c.press("end")
	second.is(in("a", "out", seen))
	second.is(`document.getElementById("forced").textContent === "0"`)
	before, err := chromedp.Run(second.ctx, chromedp.Evaluate[int](`history.length`))
	if err != nil {
		t.Fatal(err)
	}
	second.is(`(document.querySelector("#card-b .lists").click(), true)`)
	second.is(in("b", "app", `e.textContent === "Lists"`))
	second.is(fmt.Sprintf(`history.length === %d`, before))
}

// What people clear in the middle of it is signed out, and forces nobody to anything: the next press signs in.
func testCleared(t *testing.T, s sharing) {
	c, d := s.stage(t, 390, 844)
	c.signInOn(d, "a")
	c.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, storage.ClearDataForOrigin, storage.ClearDataForOriginParams{Origin: d.app, StorageTypes: "local_storage,indexeddb,service_workers,cache_storage"})
		return err
	}))
	c.is(`(document.getElementById("refresh").click(), true)`)
	c.is(in("a", "signin", seen))
	c.is(`document.getElementById("forced").textContent === "0"`)
	c.do(chromedp.Reload())
	c.is(in("a", "signin", seen))
	c.signInOn(d, "a")
	c.is(in("a", "text", `(e.value = "After the clearing", e.form.requestSubmit(), true)`))
	c.is(in("a", "list", `e.textContent.includes("After the clearing") && !e.textContent.includes("not sent yet")`))
}

// The stage goes on when its server was away; a press meanwhile says so.
func testServerKilled(t *testing.T, s sharing) {
	c, d := s.withDemo(t).stage(t, 390, 844)
	c.signInOn(d, "a")
	d.kill()
	c.press("refresh")
	c.press("end")
	c.happens("server is away")
	c.is(in("a", "in", seen)) // no answer is no reason to be signed out
	c.is(`document.getElementById("forced").textContent === "0"`)
}

// A demo has a known person: on an address that others reach it does not start.
func TestDemo_refusesAnIssuerThatIsNotThisMachine(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), []string{"SOJOURN_ISSUER=https://id.example.com"}, "sojourn", "demo")
	if err := p.wait(); err == nil || !strings.Contains(p.out.String(), "is not this machine") {
		t.Errorf("%v: %s", err, p.out)
	}
}
