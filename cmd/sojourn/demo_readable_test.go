package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// readable are what a screen reader and eyes need of a page as it stands, in its frames too: the rules of templates (after
// axe-core's) that a page made by script can break. It returns what breaks one.
const readable = `(() => {
	const found = [];
	const rgb = (text) => {
		const n = text.match(/[\d.e-]+/g).map(Number), unit = text.startsWith("color(") ? 1 : 255;
		return [n[0] / unit, n[1] / unit, n[2] / unit, n[3] ?? 1];
	};
	const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3])).concat(1);
	const behind = (e) => {
		if (!e) return [1, 1, 1, 1];
		const own = rgb(getComputedStyle(e).backgroundColor);
		return own[3] === 1 ? own : over(own, behind(e.parentElement));
	};
	const light = (c) => c.slice(0, 3).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const check = (d, where) => {
		const say = (rule, e) => found.push(where + " " + rule + ": " + (e.outerHTML ?? e).slice(0, 160));
		const all = [...d.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !["SCRIPT"].includes(e.tagName));
		if (!d.documentElement.lang || !d.title) say("says no language or title", d.documentElement);
		for (const tag of ["h1", "main"]) if (d.querySelectorAll(tag).length !== 1) say("has not one " + tag, d.body);
		const ids = [...d.querySelectorAll("[id]")].map((e) => e.id);
		for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) say("repeats an id", id);
		if (d.querySelector("[tabindex]:not([tabindex='-1'], [tabindex='0'])")) say("leaves the order of focus", d.body);
		for (const e of all) {
			const style = d.defaultView.getComputedStyle(e);
			const text = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
			if (e.matches("button, a, summary") && !(e.ariaLabel ?? e.textContent).trim()) say("has no words", e);
			if (e.matches("input") && e.labels.length !== 1) say("has no label", e);
			if (e.matches("iframe") && !e.title) say("has no title", e);
			if (e.matches("svg[role=img]") && !e.ariaLabel) say("has no words", e);
			const target = e.matches("[type=radio], [type=checkbox]") ? e.labels[0] : e;
			if (e.matches("button, a, input, summary") && target.getBoundingClientRect().height < 47.9) say("is under 48 px", e);
			if (!text || e.closest("svg")) continue;
			if (parseFloat(style.fontSize) < 16) say("has text under 16 px", e);
			if (e.closest("[aria-disabled=true], :disabled")) continue;
			const under = behind(e), a = light(over(rgb(style.color), under)), b = light(under);
			const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
			if (contrast < 4.5) say("has contrast " + contrast.toFixed(2), e);
		}
		for (const frame of d.querySelectorAll("iframe")) if (frame.checkVisibility()) check(frame.contentDocument, frame.title);
	};
	check(document, location.pathname);
	return found.join("\n");
})()`

// sideways says which page or frame scrolls sideways, and which button loses its words, with text twice as large.
const sideways = `(() => {
	const pages = [document, ...[...document.querySelectorAll("iframe")].filter((f) => f.checkVisibility()).map((f) => f.contentDocument)];
	for (const d of pages) d.documentElement.style.fontSize = "200%";
	const found = pages.filter((d) => d.documentElement.scrollWidth > d.documentElement.clientWidth).map((d) => d.title);
	for (const d of pages) for (const e of d.querySelectorAll("button, p, label, h1, h2"))
		if (e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && e.clientWidth) found.push(e.scrollWidth + " in " + e.clientWidth + ": " + e.outerHTML.slice(0, 160));
	for (const d of pages) d.documentElement.style.fontSize = "";
	return found.join("\n");
})()`

// asks evaluates what returns a list of faults.
func (c chromium) asks(what, expression string) {
	c.t.Helper()
	found, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		c.t.Fatal(err)
	}
	if found != "" {
		c.t.Errorf("%s:\n%s", what, found)
	}
}

func (c chromium) media(name, value string) {
	c.t.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: name, Value: value}}}
	c.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
		return err
	}))
}

func testReadable(t *testing.T, s sharing, width, height int64) {
	c, d := s.stage(t, width, height)
	c.signInOn(d, "a")
	c.is(in("a", "text", `(e.value = "Buy milk", e.form.requestSubmit(), true)`))
	c.press("steal")
	c.is(in("thief", "in", seen))
	c.press("usual")
	c.readableEverywhere("the stage")
	c.choose("thief")
	c.readableEverywhere("the thief")
	for _, page := range []string{"/tokens/", "/phone.html", "/callback"} {
		c.do(chromedp.Navigate(d.app + page))
		c.is(`document.getElementById("title")?.textContent !== "One moment"`)
		if page == "/tokens/" {
			c.press("signin")
			c.comesBack(d)
		}
		c.readableEverywhere(page)
	}
}

func (c chromium) readableEverywhere(where string) {
	c.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		c.media("prefers-color-scheme", scheme)
		c.asks(where+" in "+scheme, readable)
	}
	c.asks(where+" with text at 200 %", sideways)
	c.media("prefers-reduced-motion", "reduce")
	c.asks(where+" moves", `document.getAnimations().map((a) => String(a.effect?.target?.outerHTML)).join("\n")`)
}

// The focus, inside a phone too.
const focus = `((e) => { while (e?.contentDocument) e = e.contentDocument.activeElement; return e })(document.activeElement)`

// tabTo presses Tab until the element of that id has the focus, which must be seen on each thing on the way.
func (c chromium) tabTo(inside, id string) {
	c.t.Helper()
	there := fmt.Sprintf(`((e) => e.id === %q && (e.ownerDocument.defaultView.frameElement?.closest(".card").id ?? "") === %q)(%s)`, id, inside, focus)
	for range 60 {
		c.do(chromedp.KeyEvent(kb.Tab))
		c.asks("focus that is not seen", `((e) => {
			if (e.matches("body, iframe")) return "";
			const s = e.ownerDocument.defaultView.getComputedStyle(e);
			return s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 2 ? e.outerHTML : "";
		})(`+focus+`)`)
		if yes, err := chromedp.Run(c.ctx, chromedp.Evaluate[bool](there)); err == nil && yes {
			return
		}
	}
	c.t.Fatalf("Tab never reaches %s %s", inside, id)
}

// The whole promise with the keyboard alone; the server's own pages have their tests in templates.
func testKeyboard(t *testing.T, s sharing, width, height int64) {
	c, d := s.stage(t, width, height)
	c.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	}))
	c.is(in("a", "signin", seen))
	c.tabTo("", "drop")
	c.do(chromedp.KeyEvent(kb.Enter))
	c.happens("is not signed in") // a button that can't be used says why
	c.tabTo("card-a", "signin")
	c.do(chromedp.KeyEvent(kb.Enter))
	c.signedInOn(d, "a")
	c.is(focus + `.id === "title"`) // not lost with the button
	c.tabTo("card-a", "text")
	c.do(chromedp.KeyEvent("By hand" + kb.Enter))
	c.is(in("a", "list", `e.textContent.includes("By hand")`))
	c.is(focus + `.id === "text"`)
	c.tabTo("", "drop")
	c.do(chromedp.KeyEvent(kb.Enter))
	c.happens("asked again")
	c.is(focus + `.id === "drop"`)
	c.tabTo("", "refresh")
	c.do(chromedp.KeyEvent(" "))
	c.happens("turned in")
	c.tabTo("", "steal")
	c.do(chromedp.KeyEvent(kb.Enter))
	c.is(in("thief", "in", seen))
	c.tabTo("", "end")
	c.do(chromedp.KeyEvent(kb.Enter))
	c.happens("ended from the other device")
	c.is(in("a", "out", seen))
	c.is(focus + `.id === "end"`)
	c.is(`(document.querySelector("[name=phone]:checked").focus(), true)`)
	c.do(chromedp.KeyEvent(kb.ArrowRight))
	c.is(`document.getElementById("chosen").textContent === "Ada’s other phone"`)
	c.tabTo("card-b", "signin") // on the other phone, round the page: nothing traps the focus
}

// What happens is said to those who don't see it.
func testSaysWhatHappens(t *testing.T, s sharing) {
	c, _ := s.stage(t, 390, 844)
	for _, id := range []string{"said", "forced"} {
		c.is(fmt.Sprintf(`!!document.getElementById(%q).closest("[role=status]")`, id))
	}
	c.is(in("a", "notice", `e.getAttribute("role") === "status" && !e.closest("[hidden]")`))
	if strings.TrimSpace(c.text("said")) == "" {
		t.Error("the panel says nothing to a newcomer")
	}
}
