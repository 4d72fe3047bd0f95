package templates_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/sojourn-auth/sojourn/templates"
)

// policy is the Content-Security-Policy that the pages must work under.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"

// site serves every golden page under its name and counts the forms it gets.
type site struct {
	posts atomic.Int32
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", policy)
	page, known := golden[strings.TrimPrefix(r.URL.Path, "/")]
	switch {
	case r.Method == http.MethodPost:
		s.posts.Add(1)
		w.WriteHeader(http.StatusNoContent) // the page stays, as when a redirect leads to an app
	case strings.HasPrefix(r.URL.Path, "/static/"):
		templates.Static().ServeHTTP(w, r)
	case !known:
		http.NotFound(w, r)
	default:
		if err := templates.Show(w, http.StatusOK, page); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// arrived waits for the one form that was sent.
func (s *site) arrived(t *testing.T) {
	t.Helper()
	for began := time.Now(); s.posts.Load() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 4*time.Minute {
			t.Fatal("no form arrived")
		}
	}
	if n := s.posts.Load(); n != 1 {
		t.Errorf("%d forms arrived, want 1", n)
	}
}

// browser is Chromium at a fresh site.
type browser struct {
	ctx  context.Context
	url  string
	site *site
}

func browse(t *testing.T) browser {
	t.Helper()
	path := os.Getenv("SOJOURN_TEST_CHROMIUM")
	if path == "" {
		t.Skip("SOJOURN_TEST_CHROMIUM names no Chromium: how pages behave in a browser was not tested")
	}
	s := new(site)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU)
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	return browser{ctx: ctx, url: server.URL + "/", site: s}
}

func (b browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func evaluate[T any](t *testing.T, b browser, expression string) T {
	t.Helper()
	answer, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

const (
	sideways = `document.documentElement.scrollWidth - document.documentElement.clientWidth`
	small    = `[...document.querySelectorAll("a, button, summary, input:not([type=hidden])")]
		.filter((e) => e.offsetParent && e.getBoundingClientRect().height < 48)
		.map((e) => e.outerHTML).join(" ")`
	tiny = `[...document.querySelectorAll("body *")].filter((e) => parseFloat(getComputedStyle(e).fontSize) < 16)
		.map((e) => e.outerHTML).join(" ")`
)

// glued are boxes that lay text and names out side by side: the space between them is lost there.
const glued = `[...document.querySelectorAll("body *")].filter((e) => getComputedStyle(e).display.includes("flex") && e.children.length &&
	[...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim())).map((e) => e.outerHTML).join(" ")`

// Many logos are words: as small squares, nobody could read them.
func TestBrowser_aWideLogoKeepsItsShapeAndASize(t *testing.T) {
	t.Parallel()
	b := browse(t)
	b.do(t, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile), chromedp.Navigate(b.url+"signin"))
	const wide = `(async () => {
		const logo = document.querySelector(".app img"), sheet = Object.assign(document.createElement("canvas"), { width: 500, height: 125 });
		logo.src = sheet.toDataURL();
		await logo.decode();
		const { width, height } = logo.getBoundingClientRect();
		return [width, height, innerWidth];
	})()`
	size, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]float64](wide, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if size[1] < 24 || size[0] != 4*size[1] || size[0] > size[2]*2/3 {
		t.Errorf("a logo of 500 to 125 is shown as %v to %v in %v", size[0], size[1], size[2])
	}
	if by := evaluate[int](t, b, sideways); by != 0 {
		t.Errorf("the page scrolls sideways by %d px", by)
	}
}

func TestBrowser_everyPageFitsAPhone(t *testing.T) {
	t.Parallel()
	b := browse(t)
	for _, width := range []int64{320, 390} {
		b.do(t, chromedp.EmulateViewport(width, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))
		for name := range golden {
			if name == "signedout-frames" || name == "handover" { // they go on by themselves
				continue
			}
			b.do(t, chromedp.Navigate(b.url+name))
			if by := evaluate[int](t, b, sideways); by != 0 {
				t.Errorf("%s at %d px scrolls sideways by %d px", name, width, by)
			}
			if found := evaluate[string](t, b, small); found != "" {
				t.Errorf("%s at %d px has targets under 48 px: %s", name, width, found)
			}
			if found := evaluate[string](t, b, glued); found != "" {
				t.Errorf("%s at %d px loses the space between words: %s", name, width, found)
			}
			if found := evaluate[string](t, b, tiny); found != "" {
				t.Errorf("%s at %d px has text under 16 px: %s", name, width, found)
			}
			evaluate[any](t, b, `document.documentElement.style.fontSize = "200%"; null`)
			if by := evaluate[int](t, b, sideways); by != 0 {
				t.Errorf("%s at %d px with text at 200%% scrolls sideways by %d px", name, width, by)
			}
		}
	}
}

func TestBrowser_aSecondPressIsNotSent(t *testing.T) {
	t.Parallel()
	b := browse(t)
	b.do(t, chromedp.Navigate(b.url+"consent"))
	const busy = `document.querySelectorAll("[aria-busy=true]").length`
	evaluate[any](t, b, `sent = 0; addEventListener("submit", (e) => { if (!e.defaultPrevented) sent++ });
		document.querySelector("[value=allow]").click(); null`)
	if evaluate[int](t, b, busy) != 1 {
		t.Error("the button does not show that it works")
	}
	evaluate[any](t, b, `document.querySelector("[value=allow]").click(); document.querySelector("[value=deny]").click(); null`)
	if n := evaluate[int](t, b, "sent"); n != 1 {
		t.Errorf("three presses sent %d forms, want 1", n)
	}
	b.site.arrived(t)
	evaluate[any](t, b, `dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true})); null`)
	if evaluate[int](t, b, busy) != 0 || evaluate[string](t, b, `document.querySelector("[value=allow]").textContent`) != "Allow" {
		t.Error("after coming back the button is still busy")
	}
}

func TestBrowser_aPastedCodeLosesItsSpaces(t *testing.T) {
	t.Parallel()
	b := browse(t)
	b.do(t, chromedp.Navigate(b.url+"totp"), chromedp.SendKeys("#totp", "123 456"))
	if got := evaluate[string](t, b, `document.getElementById("totp").value`); got != "123456" {
		t.Errorf("the field holds %q", got)
	}
}

func TestBrowser_aPasswordCanBeShown(t *testing.T) {
	t.Parallel()
	b := browse(t)
	b.do(t, chromedp.Navigate(b.url+"signin"))
	const state = `[document.getElementById("password").type, document.querySelector(".plain").textContent,
		document.querySelector(".plain").getAttribute("aria-label")].join(", ")`
	for _, want := range []string{"password, Show, Show password", "text, Hide, Hide password", "password, Show, Show password"} {
		if got := evaluate[string](t, b, state); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		b.do(t, chromedp.Click(".plain"))
	}
	evaluate[any](t, b, `document.querySelector(".button").click(); null`)
	if got := evaluate[string](t, b, state); !strings.HasPrefix(got, "password") {
		t.Errorf("a password is sent while shown: %s", got)
	}
}

func TestBrowser_pagesWorkWithoutScript(t *testing.T) {
	t.Parallel()
	b := browse(t)
	b.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}), chromedp.Navigate(b.url+"totp"), chromedp.SendKeys("#totp", "123456\r"))
	b.site.arrived(t)
}
