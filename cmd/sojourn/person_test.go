package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// person is someone with a browser, without JavaScript, who fills in whatever page comes.
type person struct {
	t        *testing.T
	browser  *http.Client
	email    string
	password string
	totp     string // Base32; empty: no authenticator
}

func newPerson(t *testing.T, email, password, totp string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t, &http.Client{Jar: jar, Timeout: patience}, email, password, totp}
}

// follow opens an address and goes through the server's pages until one leads to another origin, the app's: that
// address is returned, unopened.
func (p *person) follow(address string) *url.URL {
	p.t.Helper()
	home, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	var app *url.URL
	p.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == home.Host {
			return nil
		}
		app = r.URL
		return http.ErrUseLastResponse
	}
	response, err := p.browser.Get(address)
	for range 10 {
		if err != nil {
			p.t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if app != nil {
			return app
		}
		if response.StatusCode != http.StatusOK {
			p.t.Fatalf("%s answers %s: %s", response.Request.URL.Path, response.Status, body)
		}
		action, fields := p.fill(string(body))
		response, err = p.browser.PostForm(response.Request.URL.ResolveReference(action).String(), fields)
	}
	p.t.Fatal("ten pages and no way back to the app")
	return nil
}

// fill answers the first form of a page that asks something.
func (p *person) fill(page string) (action *url.URL, fields url.Values) {
	p.t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		p.t.Fatal(err)
	}
	for form := range doc.Descendants() {
		if form.Data != "form" || attr(form, "method") == "get" {
			continue
		}
		fields, asks := p.answers(form)
		if action, err := url.Parse(attr(form, "action")); err == nil && asks {
			return action, fields
		}
	}
	p.t.Fatalf("nothing to fill in: %s", page)
	return nil, nil
}

func (p *person) answers(form *html.Node) (fields url.Values, asks bool) {
	fields = url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		switch {
		case name == "":
			continue
		case attr(n, "type") == "hidden":
			fields.Set(name, attr(n, "value"))
			continue
		case name == "username":
			fields.Set(name, p.email)
		case name == "password":
			fields.Set(name, p.password)
		case name == "totp":
			fields.Set(name, code(p.t, p.totp))
		case name == "consent":
			fields.Set(name, "allow")
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

// code is what an authenticator shows now (RFC 6238, RFC 4226 §5.3).
func code(t *testing.T, secret string) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}
