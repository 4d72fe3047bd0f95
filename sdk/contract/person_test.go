package contract

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// person is someone with a browser, without JavaScript, who fills in whatever page comes.
type person struct {
	cast
	browser *http.Client
	home    string // the provider's host
	back    *url.URL
}

func newPerson(t testing.TB, c cast, at *network) *person {
	t.Helper()
	p := newVisitor(t, c, strings.TrimPrefix(at.issuer(), "https://"))
	secure := http.DefaultTransport.(*http.Transport).Clone()
	secure.TLSClientConfig = &tls.Config{RootCAs: at.ca.pool()}
	p.browser.Transport = byThePerson{secure}
	return p
}

// newVisitor is a person at a server by its host.
func newVisitor(t testing.TB, c cast, host string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{cast: c, home: host}
	p.browser = &http.Client{Jar: jar, Timeout: patience, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == p.home {
			return nil
		}
		p.back = r.URL
		return http.ErrUseLastResponse
	}}
	return p
}

// byThePerson marks what a browser sends.
type byThePerson struct{ http.RoundTripper }

// RoundTrip sends it.
func (b byThePerson) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(personHeader, "1")
	return b.RoundTripper.RoundTrip(r)
}

// follow opens an address and goes through the server's pages until one leads to the app: that address is returned. What
// the person does on the consent page is said by consent, allow or deny.
func (p *person) follow(t testing.TB, address, consent string) string {
	t.Helper()
	p.back = nil
	response, err := p.browser.Get(address)
	for range 10 {
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if p.back != nil {
			return p.back.String()
		}
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s answers %s: %s", response.Request.URL.Path, response.Status, body)
		}
		action, fields := p.fill(t, string(body), consent)
		response, err = p.browser.PostForm(response.Request.URL.ResolveReference(action).String(), fields)
	}
	t.Fatal("ten pages and no way back to the app")
	return ""
}

// fill answers the first form of a page that asks something.
func (p *person) fill(t testing.TB, page, consent string) (action *url.URL, fields url.Values) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for form := range doc.Descendants() {
		if form.Data != "form" || attr(form, "method") == "get" {
			continue
		}
		fields, asks := p.answers(form, consent)
		if action, err := url.Parse(attr(form, "action")); err == nil && asks {
			return action, fields
		}
	}
	t.Fatalf("nothing to fill in: %s", page)
	return nil, nil
}

func (p *person) answers(form *html.Node, consent string) (fields url.Values, asks bool) {
	fields = url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		switch {
		case name == "":
			continue
		case attr(n, "type") == "hidden":
			fields.Set(name, attr(n, "value"))
			asks = asks || name == "prompt" // node-oidc-provider's page of consent has no more than that
			continue
		case name == "username", name == "login":
			fields.Set(name, p.email)
		case name == "password":
			fields.Set(name, password)
		case name == "consent":
			fields.Set(name, consent)
		default:
			continue
		}
		asks = true
	}
	return fields, asks
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// endApp ends the only app of the person in Your devices.
func (p *person) endApp(t testing.TB, issuer string) {
	t.Helper()
	response, err := p.browser.Get(issuer + "/account/devices")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	doc, err := html.Parse(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for form := range doc.Descendants() {
		fields := url.Values{}
		for n := range form.Descendants() {
			if name := attr(n, "name"); form.Data == "form" && name != "" {
				fields.Set(name, attr(n, "value"))
			}
		}
		if !fields.Has("sid") {
			continue
		}
		action, err := url.Parse(attr(form, "action"))
		if err != nil {
			t.Fatal(err)
		}
		ended, err := p.browser.PostForm(response.Request.URL.ResolveReference(action).String(), fields)
		if err != nil {
			t.Fatal(err)
		}
		ended.Body.Close()
		if ended.StatusCode != http.StatusOK {
			t.Fatalf("Your devices answers %s", ended.Status)
		}
		return
	}
	t.Fatal("Your devices shows no app")
}
