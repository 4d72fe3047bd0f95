package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/sojourn-auth/sojourn/identity"
)

// channel is a relying party's back channel: it keeps the logout tokens that it is sent.
type channel struct {
	*app
	tokens chan string
	tries  atomic.Int64
	answer func(w http.ResponseWriter, try int64) // nil: 200
	site   *httptest.Server
}

// channel registers an app with a back channel that answers as answer says.
func (w *world) channel(t *testing.T, answer func(http.ResponseWriter, int64), changes ...func(*app)) *channel {
	t.Helper()
	c := &channel{tokens: make(chan string, 64), answer: answer}
	c.site = httptest.NewServer(http.HandlerFunc(c.hear))
	t.Cleanup(c.site.Close)
	listening := func(a *app) { a.client.BackchannelLogoutURI = c.site.URL + "/logout?key=rp-secret-in-address" }
	c.app = w.app(t, append([]func(*app){listening}, changes...)...)
	w.journal.hide("rp-secret-in-address")
	return c
}

// hear is OpenID Connect Back-Channel Logout 1.0 §2.5: a form with one parameter.
func (c *channel) hear(w http.ResponseWriter, r *http.Request) {
	try := c.tries.Add(1)
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != formType || r.URL.Query().Get("key") == "" {
		http.Error(w, "not a logout request", http.StatusBadRequest)
		return
	}
	text := r.PostFormValue("logout_token")
	c.w.journal.hide(text)
	c.tokens <- text
	if c.answer != nil {
		c.answer(w, try)
	}
}

// session begins a Session of the app for a person.
func (c *channel) session(t *testing.T, p *person) (tokens, identity.Session) {
	t.Helper()
	got := c.redeem(t, newVisitor(t).signIn(t, c.app, p))
	s, err := c.w.db.SessionByID(t.Context(), sidOf(t, got))
	if err != nil {
		t.Fatal(err)
	}
	return got, s
}

// row begins a Session of the app without the pages: for tests of what follows its end.
func (c *channel) row(t *testing.T, p *person) identity.Session {
	t.Helper()
	now, code := c.w.now(), identity.NewSecret()
	signIn := identity.SignIn{
		ID: identity.NewID(), UserID: p.user.ID, Epoch: p.user.Epoch, AMR: identity.PWD, SecretHash: identity.NewSecret().Hash(),
		CodeSecretHash: code.Hash(), ProvedAt: now, CreatedAt: now, LastUsedAt: now,
		IdleEndsAt: now.Add(time.Hour), EndsAt: now.Add(time.Hour),
	}
	if err := c.w.db.StartSignIn(t.Context(), signIn); err != nil {
		t.Fatal(err)
	}
	promise := identity.Promise{SessionID: identity.NewID(), SignInID: signIn.ID, SignInSecret: code, IssuedAt: now}
	s, won, err := c.w.db.RedeemCode(t.Context(), promise, identity.Session{
		ID: promise.SessionID, ClientID: c.client.ID, SecretHash: identity.NewSecret().Hash(), Scopes: []string{"offline_access"},
		AMR: identity.PWD, AuthTime: now, CreatedAt: now, LastUsedAt: now,
		IdleEndsAt: now.Add(time.Hour), EndsAt: now.Add(time.Hour),
	})
	if err != nil || !won {
		t.Fatal("no session began:", err)
	}
	return s
}

// end ends a Session as an operator does.
func (c *channel) end(t *testing.T, s identity.Session) {
	t.Helper()
	if struck, err := (identity.Operators{Store: c.w.db, Now: c.w.now}).EndSession(t.Context(), s.ID, false); err != nil || len(struck.Sessions) != 1 {
		t.Fatalf("%d ended: %v", len(struck.Sessions), err)
	}
}

// heard is the logout token that comes.
func (c *channel) heard(t *testing.T) string {
	t.Helper()
	select {
	case token := <-c.tokens:
		return token
	case <-time.After(patience):
		t.Fatal("nobody told the app")
		return ""
	}
}

// verified does what a relying party has to do with a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6);
// signature, iss, aud and exp are go-oidc's to check.
func (c *channel) verified(t *testing.T, text string) identity.ID {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), c.w.issuer)
	if err != nil {
		t.Fatal(err)
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: c.client.ID, Now: c.w.now}).Verify(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		SessionID identity.ID                `json:"sid"`
		JTI       string                     `json:"jti"`
		Nonce     *string                    `json:"nonce"`
		Events    map[string]json.RawMessage `json:"events"`
	}
	if err := token.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	event := string(claims.Events["http://schemas.openid.net/event/backchannel-logout"])
	if event != "{}" || claims.Nonce != nil || claims.JTI == "" {
		t.Errorf("no logout token: %+v", claims)
	}
	if life := token.Expiry.Sub(token.IssuedAt); life <= 0 || life > 2*time.Minute || token.Subject == "" {
		t.Errorf("it lives for %v and is about %q", life, token.Subject)
	}
	if header := headerOf(t, text); header["typ"] != "logout+jwt" {
		t.Errorf("the header says %v", header)
	}
	return claims.SessionID
}

// sidOf is the Session that an ID token belongs to.
func sidOf(t *testing.T, got tokens) (id identity.ID) {
	t.Helper()
	sid, _ := claimsOf(t, got.IDToken)["sid"].(string)
	if err := id.UnmarshalText([]byte(sid)); err != nil {
		t.Fatal(err)
	}
	return id
}
