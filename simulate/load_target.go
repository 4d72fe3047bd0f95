package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	requestTimeout = 15 * time.Second
	maxAnswer      = 1 << 20 // bytes
)

// target is the server under load, as its discovery document describes it.
type target struct {
	http        *http.Client
	clientID    string
	redirectURI string

	Issuer    string `json:"issuer"`
	Authorize string `json:"authorization_endpoint"`
	Token     string `json:"token_endpoint"`
	Revoke    string `json:"revocation_endpoint"`
}

// discover reads where everything is (OpenID Connect Discovery 1.0 §4). A document that leads away from the target is not
// followed: a password goes there.
func discover(ctx context.Context, o LoadOptions) (*target, error) {
	t := &target{clientID: o.ClientID, redirectURI: o.RedirectURI, http: &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{
			MaxIdleConnsPerHost: o.Devices, MaxIdleConns: o.Devices, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
	}}
	issuer := strings.TrimSuffix(o.Target, "/")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, err
	}
	resp, err := t.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(t); err != nil {
		return nil, fmt.Errorf("%s is no discovery document: %w", r.URL, err)
	}
	if t.Issuer != issuer {
		return nil, fmt.Errorf("--target: that server is called %q; say just that", t.Issuer)
	}
	for _, endpoint := range []string{t.Authorize, t.Token, t.Revoke} {
		if !strings.HasPrefix(endpoint, issuer+"/") {
			return nil, fmt.Errorf("the discovery document leads away from %s, to %q", issuer, endpoint)
		}
	}
	return t, nil
}

// refreshed is what an app learns from a refresh: a token, that it has to sign in, or to come again after a while. What it
// is told to stop for, somebody has to mend: it keeps its token and asks seldom.
type refreshed struct {
	token   string
	refused bool
	wait    time.Duration
}

func (t *target) refresh(ctx context.Context, token string) refreshed {
	status, header, a, err := t.post(ctx, t.Token, t.refreshing(token))
	switch {
	case err == nil && status == http.StatusOK && a.RefreshToken != "":
		return refreshed{token: a.RefreshToken}
	case err == nil && a.Action == "login":
		return refreshed{refused: true}
	case err == nil && a.Action == "stop":
		return refreshed{wait: time.Minute}
	}
	seconds, _ := strconv.Atoi(header.Get("Retry-After"))
	return refreshed{wait: min(time.Duration(max(0, seconds))*time.Second, time.Minute)}
}

// cut sends a refresh and hangs up before an answer can come.
func (t *target) cut(ctx context.Context, token string) {
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { hangUp() }})
	_, _, _, _ = t.post(ctx, t.Token, t.refreshing(token))
}

func (t *target) redeem(ctx context.Context, code string) (string, error) {
	status, _, a, err := t.post(ctx, t.Token, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {t.clientID}, "code": {code},
		"redirect_uri": {t.redirectURI}, "code_verifier": {verifier},
	})
	switch {
	case err != nil:
		return "", err
	case status != http.StatusOK:
		return "", fmt.Errorf("the code was answered %d %s %s", status, a.Error, a.Description)
	case a.RefreshToken == "":
		return "", fmt.Errorf("--client: %s gets no refresh tokens", t.clientID)
	}
	return a.RefreshToken, nil
}

func (t *target) revoke(ctx context.Context, token string) error {
	r, err := t.form(ctx, t.Revoke, url.Values{"client_id": {t.clientID}, "token": {token}})
	if err != nil {
		return err
	}
	resp, err := t.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("revocation was answered %d", resp.StatusCode)
	}
	return nil
}

func (t *target) refreshing(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {t.clientID}, "refresh_token": {token}}
}

// post sends a form to a token endpoint and reads what comes.
func (t *target) post(ctx context.Context, endpoint string, form url.Values) (int, http.Header, answer, error) {
	r, err := t.form(ctx, endpoint, form)
	if err != nil {
		return 0, nil, answer{}, err
	}
	resp, err := t.http.Do(r)
	if err != nil {
		return 0, nil, answer{}, err
	}
	defer resp.Body.Close()
	var a answer
	err = json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&a)
	return resp.StatusCode, resp.Header, a, err
}

func (t *target) form(ctx context.Context, endpoint string, form url.Values) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r, err
}
