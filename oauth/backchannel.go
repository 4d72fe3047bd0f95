package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// logoutTTL is at most two minutes (OpenID Connect Back-Channel Logout 1.0 §4); each try makes a token of its own.
	logoutTTL = 2 * time.Minute
	// logoutEvent says that a token is a logout token (§2.4).
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// maxLogoutAnswer bounds what is read of an app's answer, in bytes. Its status says all.
	maxLogoutAnswer = 1 << 10
)

// logoutClaims are what a logout token says (OpenID Connect Back-Channel Logout 1.0 §2.4). There is no nonce, so that it is
// never taken for an ID token.
type logoutClaims struct {
	Issuer    string              `json:"iss"`
	Subject   string              `json:"sub"`
	Audience  string              `json:"aud"`
	IssuedAt  int64               `json:"iat"`
	Expires   int64               `json:"exp"`
	ID        string              `json:"jti"`
	SessionID string              `json:"sid"`
	Events    map[string]struct{} `json:"events"`
}

// DeliverLogout tells a client's back channel that one of its Sessions is over (OpenID Connect Back-Channel Logout 1.0
// §2.5). Where the client is gone or has no back channel any more, it does nothing. The error says why the client was not
// reached, without its address, which may hold a secret; that of a notice that can't be read is identity.Permanent.
func (e *Endpoints) DeliverLogout(ctx context.Context, d identity.Delivery) error {
	var notice identity.LogoutNotice
	if json.Unmarshal(d.Body, &notice) != nil {
		return identity.Permanent(errors.New("the notice can't be read"))
	}
	c, err := e.store.ClientByID(ctx, notice.ClientID)
	gone := identity.KindOf(err) == identity.NotFound
	if gone || err == nil && c.BackchannelLogoutURI == "" {
		return nil
	}
	if err != nil {
		return err
	}
	if e.o.Fetch == nil {
		return errors.New("this server fetches nothing")
	}
	token, err := e.logoutToken(c, notice)
	if err != nil {
		return err
	}
	return e.postLogout(ctx, c.BackchannelLogoutURI, token)
}

// LogoutHost is the host and port that DeliverLogout would call now: the client may have changed it since the Session ended.
// Empty where there is nothing to call.
func (e *Endpoints) LogoutHost(ctx context.Context, d identity.Delivery) string {
	c, err := e.store.ClientByID(ctx, d.ClientID)
	if err != nil {
		return ""
	}
	u, err := url.Parse(c.BackchannelLogoutURI)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// logoutToken signs with the algorithm of the client's ID tokens (§2.6).
func (e *Endpoints) logoutToken(c identity.Client, n identity.LogoutNotice) (string, error) {
	key, err := e.keys.signerFor(c.IDTokenAlg)
	if err != nil {
		return "", err
	}
	now := e.o.Now()
	return sign(key.logout, logoutClaims{
		Issuer: e.o.Issuer, Subject: n.Sub, Audience: c.ID, IssuedAt: now.Unix(), Expires: now.Add(logoutTTL).Unix(),
		ID: newJTI(), SessionID: n.SessionID.String(), Events: map[string]struct{}{logoutEvent: {}},
	})
}

// postLogout succeeds when the client answers 200 or 204 (§2.8).
func (e *Endpoints) postLogout(ctx context.Context, uri, token string) error {
	form := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, form)
	if err != nil {
		return identity.Permanent(errors.New("backchannel_logout_uri is no address"))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := Unredirected(e.o.Fetch).Do(r)
	if err != nil {
		return OwnWords(err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxLogoutAnswer)) // so that the connection can be used again
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("it answered %d, not 200 or 204", answer.StatusCode)
	}
	return nil
}

// Unredirected is a client like guarded that follows no redirect: what was registered is told or asked, nobody else.
func Unredirected(guarded *http.Client) *http.Client {
	own := *guarded
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// OwnWords is what went wrong, without the address that http.Client names, and without what the other side said, which
// net/http quotes: that may be what we sent.
func OwnWords(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
		if wrapped.Timeout() { // which of several limits was first is chance
			return errors.New("deadline exceeded: it did not answer in time")
		}
	}
	if own, _, quotes := strings.Cut(err.Error(), `"`); quotes {
		return errors.New(strings.TrimSpace(own))
	}
	return err
}
