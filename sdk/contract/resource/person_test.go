package resource

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// person is someone with a browser, without JavaScript, who fills in whatever page comes.
type person struct {
	browser *http.Client
	email   string
	back    *url.URL
}

func newPerson(t testing.TB, email string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{email: email}
	p.browser = &http.Client{Jar: jar, Timeout: patience, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), callback) {
			return nil
		}
		p.back = r.URL
		return http.ErrUseLastResponse
	}}
	return p
}

// follow opens an address and goes through the server's pages until one leads to the app.
func (p *person) follow(t testing.TB, address string) *url.URL {
	t.Helper()
	p.back = nil
	response, err := p.browser.Get(address)
	for range 10 {
		if err != nil {
			t.Fatal(err)
		}
		body := drain(response)
		if p.back != nil {
			return p.back
		}
		action, fields := p.fill(body)
		if fields == nil {
			t.Fatalf("%s answers %s: %s", response.Request.URL.Path, response.Status, body)
		}
		response, err = p.browser.PostForm(response.Request.URL.ResolveReference(action).String(), fields)
	}
	t.Fatal("ten pages and no way back to the app")
	return nil
}

// fill answers the first form of a page that asks something; nil fields: there is none.
func (p *person) fill(page string) (action *url.URL, fields url.Values) {
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return nil, nil
	}
	for form := range doc.Descendants() {
		if form.Data != "form" || attr(form, "method") == "get" {
			continue
		}
		fields, asks := url.Values{}, false
		for n := range form.Descendants() {
			name, said := attr(n, "name"), map[string]string{"username": p.email, "password": password, "consent": "allow"}
			switch {
			case name == "":
			case attr(n, "type") == "hidden":
				fields.Set(name, attr(n, "value"))
			case said[name] != "":
				fields.Set(name, said[name])
				asks = true
			}
		}
		if to, err := url.Parse(attr(form, "action")); err == nil && asks {
			return to, fields
		}
	}
	return nil, nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// post presses a button of a page.
func (p *person) post(t testing.TB, address string, fields url.Values) {
	t.Helper()
	response, err := p.browser.PostForm(address, fields)
	if err != nil {
		t.Fatal(err)
	}
	if body := drain(response); response.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %s: %s", address, response.Status, body)
	}
}
