package app

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Identity is who is signed in, as it was last confirmed. It can be shown without a network.
type Identity struct {
	Subject string `json:"sub"`
	Name    string `json:"name,omitempty"`
	Email   string `json:"email,omitempty"`
	// Claims are all that the ID token and userinfo said.
	Claims map[string]any `json:"claims"`
	// Since is when the server last confirmed it, by the server's time.
	Since time.Time `json:"since"`
	// Ends is when the session ends whatever the app does, by the server's time; zero where the server doesn't say.
	Ends time.Time `json:"ends,omitzero"`
	// EndsIn is how long that is from now; zero where the server doesn't say.
	EndsIn time.Duration `json:"-"`
	// SignInSoon says that the session ends within a day: offer to sign in again at a good moment.
	SignInSoon bool `json:"-"`
}

// signInSoon is how long before a session's end people should be asked.
const signInSoon = 24 * time.Hour

// Identity returns who is signed in, or was when the session ended: false when nobody was, or they signed out. It asks
// nobody.
func (a *App) Identity() (Identity, bool) {
	r, err := a.current()
	if err != nil || r.Identity == nil {
		return Identity{}, false
	}
	who := *r.Identity
	if r.Tokens != nil {
		who.Ends = r.Tokens.Ends
	}
	if r.Tokens != nil && !who.Ends.IsZero() {
		who.EndsIn = max(0, who.Ends.Sub(a.serverTime()))
		who.SignInSoon = who.EndsIn < signInSoon
	}
	return who, true
}

// verify checks the ID token of a sign-in (OpenID Connect Core §3.1.3.7) by the server's time, and returns who it is about.
// iat is not looked at. An again says that the keys can't be had now.
func (a *App) verify(ctx context.Context, r *record, arrived *arrived) (*Identity, error) {
	keys := &remembering{keySet: keySet{a, r}}
	verifier := oidc.NewVerifier(a.cfg.Issuer, keys, &oidc.Config{
		ClientID: a.cfg.ClientID, SupportedSigningAlgs: names(signatureAlgs(r.Provider.IDTokenAlgs)), Now: a.serverTime,
	})
	token, err := verifier.Verify(ctx, arrived.IDToken)
	if keys.away != nil {
		return nil, keys.away
	}
	if err != nil {
		return nil, &Error{Kind: Invalid, Err: err}
	}
	who := &Identity{Subject: token.Subject, Since: a.serverTime()}
	if err := token.Claims(&who.Claims); err != nil {
		return nil, &Error{Kind: Invalid, Err: err}
	}
	party, _ := who.Claims["azp"].(string)
	switch {
	case who.Subject == "":
		return nil, fail(Invalid, "the ID token does not say whom it is about")
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(arrived.Nonce)) != 1:
		return nil, fail(Invalid, "the ID token answers another request: its nonce is not ours")
	case party != "" && party != a.cfg.ClientID, party == "" && len(token.Audience) > 1:
		return nil, fail(Invalid, "the ID token was made for another app (azp %q)", party)
	case token.AccessTokenHash != "" && token.VerifyAccessToken(arrived.Tokens.Access) != nil:
		return nil, fail(Invalid, "the ID token came with another access token (at_hash)")
	}
	arrived.Tokens.SessionID, _ = who.Claims["sid"].(string)
	who.take(who.Claims)
	return who, nil
}

// remembering keeps why keys could not be had, which go-oidc folds into its own words.
type remembering struct {
	keySet
	away *again
}

// VerifySignature returns what was signed.
func (s *remembering) VerifySignature(ctx context.Context, text string) ([]byte, error) {
	payload, err := s.keySet.VerifySignature(ctx, text)
	if lost, ok := errors.AsType[*again](err); ok {
		s.away = lost
	}
	return payload, err
}

// sameAs fails where an ID token that came with a refresh is for another app or about another person (OpenID Connect Core §12.2). Its
// signature and its end are nobody's business: it came from the token endpoint by TLS (§3.1.3.7), and nothing is taken from it.
func (a *App) sameAs(ctx context.Context, who *Identity, text string) error {
	verifier := oidc.NewVerifier(a.cfg.Issuer, nil, &oidc.Config{
		ClientID: a.cfg.ClientID, SupportedSigningAlgs: names(asymmetric), SkipExpiryCheck: true, InsecureSkipSignatureCheck: true,
	})
	token, err := verifier.Verify(ctx, text)
	switch {
	case err != nil:
		return &Error{Kind: Invalid, Err: err}
	case token.Subject != who.Subject:
		return fail(Invalid, "the ID token is about another person")
	}
	return nil
}

// take takes over what claims say.
func (i *Identity) take(claims map[string]any) {
	for name, value := range claims {
		i.Claims[name] = value
	}
	if name, ok := claims["name"].(string); ok {
		i.Name = name
	}
	if email, ok := claims["email"].(string); ok {
		i.Email = email
	}
}

// greet asks userinfo once where the ID token has no name to greet the person with.
func (a *App) greet(ctx context.Context) {
	if who, ok := a.Identity(); ok && who.Name == "" && who.Email == "" {
		brief, cancel := context.WithTimeout(ctx, greeting)
		defer cancel()
		_ = a.askUserInfo(brief) // it says more of the person, and nothing that the app needs
	}
}

const greeting = 5 * time.Second

// askUserInfo reads what userinfo says of the person and keeps it. It is tried once: the app works without.
func (a *App) askUserInfo(ctx context.Context) error {
	r, err := a.current()
	if err != nil || r.Tokens == nil || r.Identity == nil {
		return err
	}
	p, err := a.served(ctx)
	if err != nil || p.UserInfo == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.UserInfo, nil)
	if err != nil {
		return err
	}
	response, err := (&transport{a, endpoints{a}}).carry(request) // a token that is refused is renewed, once
	if err != nil {
		return err
	}
	got, err := read(response)
	if err != nil {
		return err
	}
	claims := map[string]any{}
	if got.status != http.StatusOK || !got.isJSON() || json.Unmarshal(got.body, &claims) != nil {
		return fmt.Errorf("userinfo answers %d", got.status)
	}
	return a.change(ctx, func(r *record) error {
		if r.Identity == nil || claims["sub"] != r.Identity.Subject { // OpenID Connect Core §5.3.2
			return errors.New("userinfo is about someone else")
		}
		fresh := *r.Identity
		fresh.Claims = map[string]any{}
		fresh.take(r.Identity.Claims)
		fresh.take(claims)
		fresh.Since = a.serverTime()
		r.Identity = &fresh
		return a.save(r)
	})
}
