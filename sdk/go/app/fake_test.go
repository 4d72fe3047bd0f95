package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// fake is a small OpenID provider and an API behind it: whoever comes is Ada. What is hard is played by the contract against real
// ones; this one is for what needs no server's judgement.
type fake struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu      sync.Mutex
	asked   url.Values // the last authorization request
	calls   []*http.Request
	bodies  []string
	tokens  int
	refuses map[string]bool // access tokens
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{refuses: map[string]bool{}}
	var err error
	if f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// app is an app at the fake with a store of its own.
func (f *fake) app(t testing.TB, changes ...func(*Config)) *App {
	t.Helper()
	store, err := NewFileFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Issuer: f.URL, ClientID: "notes", Storage: store, Browser: browse}
	for _, change := range changes {
		change(&cfg)
	}
	a, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// browse is a browser in which nobody has to do anything.
func browse(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	go func() {
		if response, err := http.DefaultClient.Do(r); err == nil {
			_ = response.Body.Close()
		}
	}()
	return nil
}

// ServeHTTP is all of it.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		f.say(w, http.StatusOK, map[string]any{
			"issuer": f.URL, "authorization_endpoint": f.URL + "/authorize", "token_endpoint": f.URL + "/token", "jwks_uri": f.URL + "/keys",
			"userinfo_endpoint": f.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"ES256"},
			"authorization_response_iss_parameter_supported": true, "dpop_signing_alg_values_supported": []string{"ES256"},
		})
	case "/keys":
		f.say(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: f.key.Public(), KeyID: "one", Use: "sig"}}})
	case "/authorize":
		f.asked = r.URL.Query()
		back := url.Values{"code": {"code"}, "state": f.asked["state"], "iss": {f.URL}}
		http.Redirect(w, r, f.asked.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
	case "/token":
		form, _ := url.ParseQuery(string(body))
		f.tokens++
		f.say(w, http.StatusOK, map[string]any{
			"access_token": "access-" + strings.Repeat("x", f.tokens), "token_type": tokenType(r), "expires_in": 600,
			"refresh_token": "refresh", "id_token": f.idToken(form.Get("client_id")),
		})
	default:
		f.calls, f.bodies = append(f.calls, r), append(f.bodies, string(body))
		if _, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); token == "" || f.refuses[token] {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.say(w, http.StatusOK, map[string]any{"sub": "ada"})
	}
}

// tokenType is bound to a key where a proof came.
func tokenType(r *http.Request) string {
	if r.Header.Get("DPoP") != "" {
		return "DPoP"
	}
	return "Bearer"
}

func (f *fake) say(w http.ResponseWriter, status int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(what)
}

func (f *fake) idToken(audience string) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: f.key, KeyID: "one"}}, nil)
	if err != nil {
		return err.Error()
	}
	claims, _ := json.Marshal(map[string]any{
		"iss": f.URL, "sub": "ada", "aud": audience, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
		"nonce": f.asked.Get("nonce"), "name": "Ada Lovelace",
	})
	signed, err := signer.Sign(claims)
	if err != nil {
		return err.Error()
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return err.Error()
	}
	return text
}

// refuse has the API refuse a token from now on.
func (f *fake) refuse(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuses[token] = true
}

// heard is what the API was sent.
func (f *fake) heard() ([]*http.Request, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls, f.bodies
}

// signedIn is an app with somebody signed in.
func (f *fake) signedIn(t testing.TB, changes ...func(*Config)) *App {
	t.Helper()
	a := f.app(t, changes...)
	if _, err := a.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}
