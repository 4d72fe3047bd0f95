package server

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// visitor is a person at a browser that is none: it keeps cookies, follows redirects and fills in forms.
type visitor struct {
	http *http.Client
	seen []string // the paths of the pages that were shown
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{http: &http.Client{Jar: jar}}
}

// sight is what a visitor sees.
type sight struct {
	status int
	header http.Header
	at     *url.URL
	*goquery.Document
}

func (v *visitor) open(t *testing.T, address string) sight {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v.send(t, r)
}

// submit sends the form of a page, with its hidden fields and pairs of name and value.
func (v *visitor) submit(t *testing.T, from sight, pairs ...string) sight {
	t.Helper()
	form := url.Values{}
	from.Find("form[method=post]").First().Find("input").Each(func(_ int, input *goquery.Selection) {
		form.Set(input.AttrOr("name", ""), input.AttrOr("value", ""))
	})
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, from.at.String(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.send(t, r)
}

func (v *visitor) send(t *testing.T, r *http.Request) sight {
	t.Helper()
	resp, err := v.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := goquery.NewDocumentFromReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	v.seen = append(v.seen, resp.Request.URL.Path)
	return sight{resp.StatusCode, resp.Header, resp.Request.URL, page}
}

// signIn asks what an app asks and does what the pages want until the app has its answer. Pairs change the request.
func (v *visitor) signIn(t *testing.T, a *app, p *person, pairs ...string) url.Values {
	t.Helper()
	return v.carryOn(t, v.open(t, a.asking(pairs...)), a, p)
}

// carryOn does what the pages want until the app has its answer.
func (v *visitor) carryOn(t *testing.T, now sight, a *app, p *person) url.Values {
	t.Helper()
	for range 12 {
		if strings.HasPrefix(now.at.String(), a.home) {
			return a.arrival(t)
		}
		now = v.step(t, now, p)
	}
	t.Fatalf("the pages lead nowhere: %v", v.seen)
	return nil
}

// step does what one page wants.
func (v *visitor) step(t *testing.T, now sight, p *person) sight {
	t.Helper()
	switch now.at.Path {
	case "/signin":
		return v.submit(t, now, "username", p.email, "password", p.password)
	case "/signup":
		return v.submit(t, now, "username", p.email, "password", p.password)
	case "/signin/totp":
		return v.submit(t, now, "totp", p.code(t))
	case "/signin/recovery":
		return v.submit(t, now, "recovery_code", p.recoveryCode(t))
	case "/account/totp":
		p.got(now.key(), nil)
		return v.submit(t, now, "totp", p.code(t))
	case "/account/totp/codes":
		p.saved(now.codes())
		return v.submit(t, now)
	case "/account/totp/new": // the app is not lost
		to, _ := now.Find("main a.button.second").Attr("href")
		return v.open(t, now.at.ResolveReference(parsed(t, to)).String())
	case "/consent":
		return v.submit(t, now, "consent", "allow")
	}
	if to, ok := now.Find("main a.button").Attr("href"); ok {
		return v.open(t, now.at.ResolveReference(parsed(t, to)).String())
	}
	t.Fatalf("%s answers %d and leads nowhere: %s", now.at.Path, now.status, now.words())
	return now
}

// key is the secret on the page.
func (s sight) key() string { return strings.Join(s.listed(".key code"), "") }

// codes are the recovery codes on the page.
func (s sight) codes() []string { return s.listed(".codes code") }

func (s sight) listed(selector string) []string {
	return s.Find(selector).Map(func(_ int, s *goquery.Selection) string { return s.Text() })
}

func (s sight) words() string { return strings.Join(strings.Fields(s.Find("body").Text()), " ") }

// saw reports whether a page was shown.
func (v *visitor) saw(path string) bool { return slices.Contains(v.seen, path) }

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// blank is a page with nothing on it.
func blank(t *testing.T) *goquery.Document {
	t.Helper()
	page, err := goquery.NewDocumentFromReader(strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	return page
}
