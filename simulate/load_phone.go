package simulate

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238 is made of it
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Phones in a hurry: what takes minutes in life takes a second here.
const (
	restAtLeast = 200 * time.Millisecond // between an answer and the next refresh
	soonAgain   = time.Second            // after an answer that did not come, at most
)

// loadPhone is one phone with one token store.
type loadPhone struct {
	*load
	dice
	held string
}

// signIn gets tokens by the browser in which the person is signed in.
func (p *loadPhone) signIn(ctx context.Context) error {
	code, err := p.browser.code(ctx, p.LoadOptions)
	if err != nil {
		return err
	}
	p.held, err = p.target.redeem(ctx, code)
	return err
}

// live refreshes until over is closed.
func (p *loadPhone) live(ctx context.Context, over <-chan struct{}) error {
	mean := time.Duration(float64(p.Devices)/p.Rate*float64(time.Second)) - restAtLeast
	wait := p.between(0, mean)
	for {
		select {
		case <-over:
			return nil
		case <-time.After(wait):
		}
		if p.chance(p.Loss) {
			p.note(func(c *counts) { c.cut++ })
			p.target.cut(ctx, p.held)
			wait = p.between(soonAgain/20, soonAgain)
			continue
		}
		got := p.ask(ctx)
		if got.refused {
			p.note(func(c *counts) { c.forcedLogins++ })
			if err := p.signIn(ctx); err != nil {
				return err
			}
		}
		wait = restAtLeast + p.about(mean)
		if got.token == "" && !got.refused {
			wait = max(got.wait, soonAgain)
			continue
		}
		if got.token != "" {
			p.held = got.token
		}
	}
}

// ask refreshes, once or twice at once, and returns what the app ends up with.
func (p *loadPhone) ask(ctx context.Context) refreshed {
	if !p.chance(p.Parallel) {
		return p.one(ctx)
	}
	p.note(func(c *counts) { c.pairs++ })
	other := make(chan refreshed, 1)
	go func() { other <- p.one(ctx) }()
	first, second := p.one(ctx), <-other
	if p.chance(.5) {
		first, second = second, first
	}
	switch {
	case first.refused || second.refused:
		return refreshed{refused: true}
	case first.token == "":
		return second
	}
	return first
}

// one is one refresh and its time.
func (p *loadPhone) one(ctx context.Context) refreshed {
	began := p.Wall()
	got := p.target.refresh(ctx, p.held)
	took := p.Wall().Sub(began)
	p.note(func(c *counts) {
		switch {
		case got.token != "":
			c.took = append(c.took, took)
		case !got.refused:
			c.unanswered++
		}
	})
	return got
}

// browser is the one in which the person signs in: it keeps cookies, follows redirects and fills in forms.
type browser struct {
	target *target
	http   *http.Client
}

func (t *target) browser() (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &browser{target: t}
	b.http = &http.Client{Jar: jar, Timeout: requestTimeout, Transport: t.http.Transport, CheckRedirect: b.follow}
	return b, nil
}

// maxHops bounds redirects in a row, and pages until there is a code.
const maxHops = 10

// follow stops where the redirect leads to the app, and refuses to go anywhere else but on the target.
func (b *browser) follow(r *http.Request, before []*http.Request) error {
	switch address := r.URL.String(); {
	case strings.HasPrefix(address, b.target.redirectURI):
		return http.ErrUseLastResponse
	case !strings.HasPrefix(address, b.target.Issuer+"/") || len(before) > maxHops:
		return fmt.Errorf("the pages lead to %s", r.URL.Host)
	}
	return nil
}

// sight is a page, or the address that leads back to the app.
type sight struct {
	at   *url.URL
	page *html.Node
	back *url.URL
}

// code asks for a code as an app does (RFC 7636, RFC 8252), and does what the pages want until there is one.
func (b *browser) code(ctx context.Context, o LoadOptions) (string, error) {
	challenge := sha256.Sum256([]byte(verifier))
	asked := url.Values{
		"response_type": {"code"}, "client_id": {o.ClientID}, "redirect_uri": {o.RedirectURI}, "scope": {"openid offline_access"},
		"state": {"load"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	now, err := b.send(ctx, http.MethodGet, b.target.Authorize+"?"+asked.Encode(), nil)
	for seen := map[string]bool{}; err == nil && now.back == nil; {
		if seen[now.at.Path] {
			return "", fmt.Errorf("%s did not let anyone in: %s", now.at.Path, now.words())
		}
		seen[now.at.Path] = true
		now, err = b.step(ctx, now, o)
	}
	if err != nil {
		return "", err
	}
	if code := now.back.Query().Get("code"); code != "" {
		return code, nil
	}
	return "", fmt.Errorf("the answer to the app is %s %s", now.back.Query().Get("error"), now.back.Query().Get("error_description"))
}

// step fills in one page.
func (b *browser) step(ctx context.Context, now sight, o LoadOptions) (sight, error) {
	switch now.at.Path {
	case "/signin":
		return b.submit(ctx, now, url.Values{"username": {o.Email}, "password": {o.Password}})
	case "/signin/totp":
		if len(o.TOTP) == 0 {
			return sight{}, errors.New("this person has an authenticator: give its --totp-secret")
		}
		return b.submit(ctx, now, url.Values{"totp": {totpCode(o.TOTP, o.Wall())}})
	case "/consent":
		return b.submit(ctx, now, url.Values{"consent": {"allow"}})
	}
	return sight{}, fmt.Errorf("%s says: %s", now.at.Path, now.words())
}

// submit sends the form of a page, with its hidden fields and what was filled in.
func (b *browser) submit(ctx context.Context, from sight, filled url.Values) (sight, error) {
	form, fields := find(from.page, func(n *html.Node) bool { return n.Data == "form" && attr(n, "method") == "post" }), url.Values{}
	for n := range form.Descendants() {
		if n.Data == "input" {
			fields.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	maps.Copy(fields, filled)
	to, err := from.at.Parse(attr(form, "action"))
	if err != nil {
		return sight{}, err
	}
	if !strings.HasPrefix(to.String(), b.target.Issuer+"/") {
		return sight{}, fmt.Errorf("the form of %s leads to %s", from.at.Path, to.Host)
	}
	return b.send(ctx, http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
}

func (b *browser) send(ctx context.Context, method, address string, body io.Reader) (sight, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return sight{}, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.http.Do(r)
	if err != nil {
		return sight{}, err
	}
	defer resp.Body.Close()
	if back, err := resp.Location(); err == nil {
		return sight{back: back}, nil
	}
	page, err := html.Parse(io.LimitReader(resp.Body, maxAnswer))
	return sight{at: resp.Request.URL, page: page}, err
}

// words are what a page says went wrong, or its heading.
func (s sight) words() string {
	problem := find(s.page, func(n *html.Node) bool {
		return attr(n, "role") == "alert" || strings.Contains(" "+attr(n, "class")+" ", " problem ")
	})
	if said := text(problem); said != "" {
		return said
	}
	return text(find(s.page, func(n *html.Node) bool { return n.Data == "h1" }))
}

// find returns the first element of a page that is meant; an empty one where there is none.
func find(page *html.Node, meant func(*html.Node) bool) *html.Node {
	for n := range page.Descendants() {
		if n.Type == html.ElementNode && meant(n) {
			return n
		}
	}
	return new(html.Node)
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var said strings.Builder
	for part := range n.Descendants() {
		if part.Type == html.TextNode {
			said.WriteString(part.Data)
		}
	}
	return strings.TrimSpace(said.String())
}

// totpCode is what the person's authenticator shows (RFC 6238 §4 with the 30 s and 6 digits that everyone has).
func totpCode(secret []byte, now time.Time) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(now.Unix()/30)))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf // RFC 4226 §5.3
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}
