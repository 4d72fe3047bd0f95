package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// prover is an app with a key, on a phone whose clock may be off.
type prover struct {
	*app
	off    time.Duration
	nonce  string
	signer jose.Signer
}

func (a *app) prover(t *testing.T, off time.Duration) *prover {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	return &prover{app: a, off: off, signer: signer}
}

// prove makes a proof for one request.
func (p *prover) prove(t *testing.T, method, path, token string) string {
	t.Helper()
	claims := map[string]any{
		"jti": identity.RandomText(12), "htm": method, "htu": p.w.issuer + path, "iat": p.w.now().Add(p.off).Unix(),
	}
	if p.nonce != "" {
		claims["nonce"] = p.nonce
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := p.signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// token sends a token request with a proof, made of pairs of name and value.
func (p *prover) token(t *testing.T, pairs ...string) reply {
	t.Helper()
	form := p.credentials()
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.base+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", formType)
	r.Header.Set("DPoP", p.prove(t, http.MethodPost, "/oauth2/token", ""))
	return send(t, r)
}

func (p *prover) redeemCode(t *testing.T, code string) reply {
	t.Helper()
	return p.token(t, "grant_type", "authorization_code", "code", code, "redirect_uri", p.client.RedirectURIs[0],
		"code_verifier", verifier)
}

func (p *prover) refreshWith(t *testing.T, token string) reply {
	t.Helper()
	return p.token(t, "grant_type", "refresh_token", "refresh_token", token)
}

func alwaysProves(a *app) { a.client.DPoPBound = true }

// TestDPoP_aHundredParallelRefreshesGetOneSuccessor is an app of many threads that share one token and one key.
func TestDPoP_aHundredParallelRefreshesGetOneSuccessor(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		person, p := w.person(t), w.app(t, trusted, alwaysProves).prover(t, 0)
		first := p.tokens(t, p.redeemCode(t, newVisitor(t).signIn(t, p.app, person).Get("code")))
		answers := make([]reply, 100)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = p.refreshWith(t, first.RefreshToken) })
		}
		wg.Wait()
		successors := map[string]bool{}
		for _, answer := range answers {
			successors[p.tokens(t, answer).RefreshToken] = true
		}
		if len(successors) != 1 || successors[first.RefreshToken] {
			t.Fatalf("%d successors came of one token", len(successors))
		}
		for next := range successors {
			p.tokens(t, p.refreshWith(t, next))
			if r := p.refresh(t, next); r.status != http.StatusBadRequest || r.Error != "invalid_dpop_proof" || r.Action != "stop" {
				t.Errorf("without a proof: %d %s", r.status, r.body)
			}
			p.tokens(t, p.refreshWith(t, next))
		}
	})
}

// TestDPoP_aPhoneWhoseClockIsHoursOffWorks goes the whole way with a clock that nobody set.
func TestDPoP_aPhoneWhoseClockIsHoursOffWorks(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		person, p := w.person(t), w.app(t, trusted, alwaysProves).prover(t, -7*time.Hour)
		code := newVisitor(t).signIn(t, p.app, person).Get("code")
		asked := p.redeemCode(t, code)
		if asked.status != http.StatusBadRequest || asked.Error != "use_dpop_nonce" {
			t.Fatalf("a wrong clock is answered %d %s", asked.status, asked.body)
		}
		p.nonce = asked.header.Get("DPoP-Nonce")
		first := p.tokens(t, p.redeemCode(t, code))
		got := p.tokens(t, p.refreshWith(t, first.RefreshToken))

		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.issuer+"/oauth2/userinfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "DPoP "+got.AccessToken)
		r.Header.Set("DPoP", p.prove(t, http.MethodGet, "/oauth2/userinfo", got.AccessToken))
		if about := send(t, r); about.status != http.StatusOK || !strings.Contains(about.body, person.email) {
			t.Errorf("userinfo: %d %s", about.status, about.body)
		}
		if r := p.userinfo(t, got.AccessToken); r.status != http.StatusUnauthorized {
			t.Errorf("without a proof the token is good: %d %s", r.status, r.body)
		}
	})
}
