package simulate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"github.com/PuerkitoBio/goquery"
)

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
	page *goquery.Document
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
	form, fields := from.page.Find("form[method=post]").First(), url.Values{}
	form.Find("input").Each(func(_ int, input *goquery.Selection) {
		fields.Set(input.AttrOr("name", ""), input.AttrOr("value", ""))
	})
	maps.Copy(fields, filled)
	to, err := from.at.Parse(form.AttrOr("action", ""))
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
	page, err := goquery.NewDocumentFromReader(io.LimitReader(resp.Body, maxAnswer))
	return sight{at: resp.Request.URL, page: page}, err
}

// words are what a page says went wrong, or its heading.
func (s sight) words() string {
	if problem := strings.TrimSpace(s.page.Find("[role=alert], .problem").First().Text()); problem != "" {
		return problem
	}
	return strings.TrimSpace(s.page.Find("h1").First().Text())
}
