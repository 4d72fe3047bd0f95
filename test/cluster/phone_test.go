//go:build unix

package cluster_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

const (
	email    = "ada@example.com"
	visitor  = "bob@example.com" // who comes with another browser each time
	password = "a rather long password"
	callback = "https://app.example/cb"
	patience = 4 * time.Minute
)

// phone is a browser and an app, which does not try again: whatever fails is told.
type phone struct {
	issuer  string
	person  string // an address; empty: email
	http    *http.Client
	browser *http.Client
	access  string
	refresh string
}

func newPhone(c *cluster.Cluster) *phone {
	jar, _ := cookiejar.New(nil) // it never fails
	p := &phone{issuer: c.Issuer, http: c.Client(), browser: c.Client()}
	p.browser.Jar = jar
	p.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return p
}

// close hangs up.
func (p *phone) close() {
	p.http.CloseIdleConnections()
	p.browser.CloseIdleConnections()
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)

// signIn is an authorization code flow with PKCE, through the pages where the browser is not signed in.
func (p *phone) signIn(ctx context.Context) error {
	verifier := oauth2.GenerateVerifier()
	ask := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {callback}, "state": {"a-state-of-some-length"},
		"scope": {"openid offline_access"}, "code_challenge_method": {"S256"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)},
	}
	resp, body, err := send(ctx, p.browser, http.MethodGet, p.issuer+"/oauth2/authorize?"+ask.Encode(), nil, "")
	if err == nil && resp.StatusCode == http.StatusOK { // the page that asks for a password
		form := url.Values{"username": {cmp.Or(p.person, email)}, "password": {password}}
		for _, field := range hiddenField.FindAllStringSubmatch(body, -1) {
			form.Set(field[1], html.UnescapeString(field[2]))
		}
		resp, body, err = send(ctx, p.browser, http.MethodPost, p.issuer+"/signin", form, "")
	}
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		return fmt.Errorf("sign in: %s leads to %q: %s", resp.Status, back, body)
	}
	return p.token(ctx, p.issuer, url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier},
	})
}

// renew refreshes at a server, or through the balancer.
func (p *phone) renew(ctx context.Context, at string) error {
	return p.token(ctx, at, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {p.refresh}})
}

func (p *phone) token(ctx context.Context, at string, form url.Values) error {
	form.Set("client_id", "app")
	resp, body, err := send(ctx, p.http, http.MethodPost, at+"/oauth2/token", form, "")
	if err != nil {
		return err
	}
	var got struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != http.StatusOK || got.Refresh == "" {
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	p.access, p.refresh = got.Access, got.Refresh
	return nil
}

// me is the status that a server gives for the access token, whose signature and Session it looks at.
func (p *phone) me(ctx context.Context, at string) (int, error) {
	resp, _, err := send(ctx, p.http, http.MethodGet, at+"/oauth2/userinfo", nil, p.access)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}

// leave signs the app out.
func (p *phone) leave(ctx context.Context, at string) error {
	resp, body, err := send(ctx, p.http, http.MethodPost, at+"/oauth2/revoke", url.Values{"client_id": {"app"}, "token": {p.refresh}}, "")
	if err == nil && resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}

// listen holds /me/events open until it ends; a stream that is cut off in the middle of a line is an error.
func (p *phone) listen(ctx context.Context, ready func()) error {
	return p.hears(ctx, func(line string) bool {
		if line == "event: ready" {
			ready()
		}
		return false
	})
}

// hears is listen until a line is what was waited for.
func (p *phone) hears(ctx context.Context, enough func(line string) bool) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.issuer+"/me/events", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.access)
	client := *p.http
	client.Timeout = 0
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if enough(lines.Text()) {
			return nil
		}
	}
	return lines.Err()
}

func send(ctx context.Context, by *http.Client, method, to string, form url.Values, bearer string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := by.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// load is what goes on meanwhile: each does its part again and again, and nothing may fail.
type load struct {
	t    *testing.T
	stop context.CancelFunc
	done sync.WaitGroup
	n    atomic.Int64
}

// meanwhile begins to do these things over and over, each one by itself.
func meanwhile(t *testing.T, parts ...func(context.Context) error) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{t: t, stop: stop}
	for _, part := range parts {
		l.done.Go(func() {
			for ctx.Err() == nil {
				if err := part(context.WithoutCancel(ctx)); err != nil {
					t.Errorf("after %d that did not fail: %v", l.n.Load(), err)
				}
				l.n.Add(1)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

// goesOn waits until n more were done.
func (l *load) goesOn(n int64) {
	l.t.Helper()
	before := l.n.Load()
	for began := time.Now(); l.n.Load() < before+n; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > patience {
			l.t.Fatalf("only %d of %d within %v", l.n.Load()-before, n, patience)
		}
	}
}

func (l *load) end() {
	l.stop()
	l.done.Wait()
}
