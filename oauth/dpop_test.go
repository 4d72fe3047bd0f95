package oauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestDPoP_theTokensAreBoundToTheKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, api := s.app(), s.app(s.confidential)
		for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, fullName, jose.RS256} {
			k := newProofKey(t, alg)
			first := s.beginBy(c, k)
			got := s.post(refreshing(c, first.RefreshToken), s.by(k))
			for _, tokens := range []told{first, got} {
				s.good(tokens)
				_, claims := s.decode(tokens.AccessToken)
				if tokens.TokenType != "DPoP" || claims["cnf"].(map[string]any)["jkt"] != k.thumbprint().String() {
					t.Errorf("%s: token_type %q, cnf %v", alg, tokens.TokenType, claims["cnf"])
				}
			}
			if key := s.session(got).Key; key != k.thumbprint() {
				t.Errorf("%s: the Session is bound to %s", alg, key)
			}
			for text, kind := range map[string]string{got.AccessToken: "DPoP", got.RefreshToken: "refresh_token"} {
				about := s.introspect(api, text)
				if cnf, _ := about.json["cnf"].(map[string]any); cnf["jkt"] != k.thumbprint().String() || about.text("token_type") != kind {
					t.Errorf("%s: introspection tells %v", alg, about.json)
				}
			}
		}
	})
}

func TestDPoP_everyWrongProofIsRefusedByName(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		before := s.session(first)
		for name, wrong := range s.wrongProofs(k) {
			got := s.post(refreshing(c, first.RefreshToken), wrong.send)
			s.invalidProof(got)
			if !strings.Contains(got.Description, wrong.told) {
				t.Errorf("%s: described as %q", name, got.Description)
			}
			if got.Header.Get("DPoP-Nonce") == "" {
				t.Errorf("%s: no nonce came", name)
			}
		}
		if after := s.session(first); after.Line != before.Line || !after.LastUsedAt.Equal(before.LastUsedAt) || !after.Alive(s.now()) {
			t.Errorf("the Session was touched: %+v", after)
		}
		s.good(s.post(refreshing(c, first.RefreshToken), s.by(k)))
	})
}

// wrongProof is a proof with one mistake, and the word that the answer must have for it.
type wrongProof struct {
	send func(*http.Request)
	told string
}

func (s *stage) wrongProofs(k proofKey) map[string]wrongProof {
	s.Helper()
	fresh := func() draft { return s.draft(k, http.MethodPost, "/oauth2/token") }
	good := k.sign(fresh())
	parts := strings.Split(k.sign(fresh()), ".")
	claims := func(told string, pairs ...any) wrongProof {
		return wrongProof{shown(k.sign(fresh().with(pairs...))), told}
	}
	head := func(told string, pairs ...any) wrongProof {
		return wrongProof{shown(k.sign(fresh().withHead(pairs...))), told}
	}
	return map[string]wrongProof{
		"two headers": {func(r *http.Request) { r.Header["Dpop"] = []string{good, k.sign(fresh())} }, "one DPoP header"},
		"two in one":  {shown(good + ", " + good), "JWT"},
		"empty":       {shown(""), "JWT"},
		"no JWT":      {shown("proof"), "JWT"},
		"too long":    claims("4,096", "x", strings.Repeat("x", 4<<10)),
		"JSON form":   {shown(`{"payload":"e30","signatures":[]}`), "JWT"},
		"padded":      {shown(parts[0] + "." + parts[1] + "=." + parts[2]), "JWT"},

		"no typ":             head("typ", "typ", nil),
		"another typ":        head("typ", "typ", "JWT"),
		"alg none":           {shown(unsigned(s.TB, fresh(), "none")), "alg"},
		"alg NoNe":           {shown(unsigned(s.TB, fresh(), "NoNe")), "alg"},
		"symmetric":          {shown(s.symmetric(fresh())), "alg"},
		"unknown alg":        {shown(signProof(s.TB, p384(s.TB), fresh())), "alg"},
		"no jwk":             head("jwk", "jwk", nil),
		"null jwk":           head("jwk", "jwk", json.RawMessage("null")),
		"jwk is text":        head("JWT", "jwk", "key"),
		"private inside":     head("private key", "jwk", jose.JSONWebKey{Key: k.private}),
		"secret inside":      head("private key", "jwk", map[string]string{"kty": "oct", "k": "AAAA"}),
		"another secret":     head("private key", "jwk", map[string]string{"kty": "AKP", "pub": "AAAA", "priv": "AAAA"}),
		"weak key":           {shown(s.weak(fresh())), "2048"},
		"key of another alg": head("jwk", "jwk", newProofKey(s.TB, jose.EdDSA).jwk()),
		"off the curve":      head("jwk", "jwk", offCurve),
		"unknown crit":       {shown(critical(s.TB, k, fresh())), "signature"},

		"another's key":       head("signature", "jwk", newProofKey(s.TB, jose.ES256).jwk()),
		"no signature":        {shown(parts[0] + "." + parts[1] + "."), "signature"},
		"another's signature": {shown(parts[0] + "." + parts[1] + "." + good[strings.LastIndex(good, ".")+1:]), "signature"},

		"no jti":         claims("jti", "jti", nil),
		"long jti":       claims("jti", "jti", strings.Repeat("j", 256)),
		"jti a number":   claims("jti", "jti", 1),
		"no iat":         claims("iat", "iat", nil),
		"iat is text":    claims("iat", "iat", "now"),
		"no htm":         claims("htm", "htm", nil),
		"another htm":    claims("htm", "htm", "GET"),
		"small htm":      claims("htm", "htm", "post"),
		"no htu":         claims("htu", "htu", nil),
		"another htu":    claims("htu", "htu", issuer+"/oauth2/userinfo"),
		"another host":   claims("htu", "htu", "http://evil.example/oauth2/token"),
		"relative htu":   claims("htu", "htu", "/oauth2/token"),
		"another port":   claims("htu", "htu", "http://localhost:8081/oauth2/token"),
		"https for http": claims("htu", "htu", "https://localhost:8080/oauth2/token"),
	}
}

// offCurve is a jwk whose point is not on its curve.
var offCurve = map[string]string{
	"kty": "EC", "crv": "P-256", "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDB",
}

// unsigned spells a proof without a signature.
func unsigned(t testing.TB, d draft, alg string) string {
	t.Helper()
	return encoded(t, d.withHead("alg", alg).head) + "." + encoded(t, d.claims) + "."
}

func encoded(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// symmetric signs with a secret that everyone can read in the proof: the public key's own JSON.
func (s *stage) symmetric(d draft) string {
	s.Helper()
	secret, err := json.Marshal(d.head["jwk"])
	if err != nil {
		s.Fatal(err)
	}
	return signProof(s.TB, jose.SigningKey{Algorithm: jose.HS256, Key: secret}, d)
}

func p384(t testing.TB) jose.SigningKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.SigningKey{Algorithm: jose.ES384, Key: key}
}

func (s *stage) weak(d draft) string {
	s.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		s.Fatal(err)
	}
	return signProof(s.TB, jose.SigningKey{Algorithm: jose.RS256, Key: key}, d.withHead("jwk", jose.JSONWebKey{Key: key.Public()}))
}

// critical signs a proof that must not be taken by who does not know an extension (RFC 7515 §4.1.11).
func critical(t testing.TB, k proofKey, d draft) string {
	t.Helper()
	return k.sign(d.withHead("crit", []string{"exp"}, "exp", 1))
}

func TestDPoP_aProofIsGoodOnce(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		proof := k.sign(s.draft(k, http.MethodPost, "/oauth2/token"))
		s.good(s.post(refreshing(c, first.RefreshToken), shown(proof)))
		got := s.post(refreshing(c, first.RefreshToken), shown(proof))
		s.replayed(got)
		if !strings.Contains(got.Description, "used before") || got.Header.Get("Retry-After") != "0" {
			t.Errorf("a replay is described as %q, Retry-After %q", got.Description, got.Header.Get("Retry-After"))
		}
		s.good(s.post(refreshing(c, first.RefreshToken), s.by(k)))
	})
}

// A proof that was refused, or came with a token that was, is not used up.
func TestDPoP_whatIsRefusedSpendsNoProof(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		proof := k.sign(s.draft(k, http.MethodPost, "/oauth2/token"))
		s.invalidGrant(s.post(refreshing(c, "sj_rt_x"), shown(proof)))
		s.good(s.post(refreshing(c, first.RefreshToken), shown(proof)))
	})
}

func TestDPoP_ofSixteenWithOneProofExactlyOnePasses(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		proof := k.sign(s.draft(k, http.MethodPost, "/oauth2/token"))
		answers := make([]told, 16)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = s.post(refreshing(c, first.RefreshToken), shown(proof)) })
		}
		wg.Wait()
		passed := 0
		for _, got := range answers {
			if got.Status == http.StatusOK {
				passed++
				continue
			}
			s.replayed(got)
		}
		if passed != 1 {
			t.Errorf("%d passed", passed)
		}
	})
}

func TestDPoP_discoveryTellsTheAlgorithms(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil))
		if !strings.Contains(w.Body.String(), `"dpop_signing_alg_values_supported":["ES256","EdDSA","Ed25519","RS256"]`) {
			t.Errorf("discovery tells %s", w.Body)
		}
	})
}

const (
	bareDPoP   = `DPoP realm="` + issuer + `", algs="ES256 EdDSA Ed25519 RS256"`
	bareBearer = `Bearer realm="` + issuer + `"`
)

// challenged checks a 401 of userinfo and how each scheme is challenged.
func (got reply) challenged(code string, starts ...string) {
	got.Helper()
	got.refused(http.StatusUnauthorized, code)
	challenges := got.header.Values("WWW-Authenticate")
	if len(challenges) != len(starts) {
		got.Fatalf("challenges are %q", challenges)
	}
	for i, start := range starts {
		if !strings.HasPrefix(challenges[i], start) {
			got.Errorf("the challenge is %s, want %s…", challenges[i], start)
		}
	}
}

func TestUserinfo_aBoundTokenComesWithAProofOfItsKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k, other := newProofKey(t, jose.ES256), newProofKey(t, jose.ES256)
		for _, format := range []string{"", identity.FormatReference} {
			c := s.app(func(c *identity.Client) { c.AccessFormat = format })
			token := s.beginBy(c, k).AccessToken
			right := ath(token)
			if got := s.userinfoBy(token, s.by(k, "ath", right)).want(http.StatusOK); got.text("sub") != s.user.Sub {
				t.Errorf("userinfo tells %v", got.json)
			}
			wrong := bareDPoP + `, error="invalid_dpop_proof"`
			s.userinfoBy(token).challenged("invalid_dpop_proof", wrong)
			s.userinfoBy(token, s.by(k)).challenged("invalid_dpop_proof", wrong)
			s.userinfoBy(token, s.by(k, "ath", ath("x"))).challenged("invalid_dpop_proof", wrong)
			s.userinfoBy(token, s.by(k, "ath", right, "htm", "POST")).challenged("invalid_dpop_proof", wrong)
			s.userinfoBy(token, s.by(k, "ath", right, "htu", issuer+"/oauth2/token")).challenged("invalid_dpop_proof", wrong)
			s.userinfoBy(token, s.by(other, "ath", right)).challenged("invalid_token", bareDPoP+`, error="invalid_token"`)
		}
	})
}

// RFC 9449 §7.2: otherwise a thief would just leave the proof out.
func TestUserinfo_aBoundTokenIsNoBearers(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k := newProofKey(t, jose.ES256)
		token := s.beginBy(s.app(), k).AccessToken
		const told = bareBearer + `, error="invalid_token"`
		s.userinfo(token).challenged("invalid_token", told, bareDPoP)
		s.userinfo(token, s.by(k, "ath", ath(token))).challenged("invalid_token", told, bareDPoP)
		s.askForm(userinfoAt, url.Values{"access_token": {token}}).challenged("invalid_token", told, bareDPoP)
	})
}

func TestUserinfo_anUnboundTokenIsNoDPoPs(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k := newProofKey(t, jose.ES256)
		token := s.begin(s.app()).AccessToken
		s.userinfoBy(token, s.by(k, "ath", ath(token))).challenged("invalid_token", bareDPoP+`, error="invalid_token"`)
		s.userinfoBy("x", s.by(k, "ath", ath("x"))).challenged("invalid_token", bareDPoP+`, error="invalid_token"`)
		s.userinfo(token).want(http.StatusOK)
	})
}

// RFC 9449 §7.2, figure 17.
func TestUserinfo_tellsOfBothSchemes(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.ask(httptest.NewRequest(http.MethodGet, userinfoAt, nil)).challenged("invalid_token", bareBearer, bareDPoP)
	})
}

func TestUserinfo_aProofIsGoodOnce(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k := newProofKey(t, jose.ES256)
		token := s.beginBy(s.app(), k).AccessToken
		proof := k.sign(s.draft(k, http.MethodGet, userinfoAt).with("ath", ath(token)))
		s.userinfoBy(token, shown(proof)).want(http.StatusOK)
		s.userinfoBy(token, shown(proof)).challenged("invalid_dpop_proof", bareDPoP+`, error="invalid_dpop_proof"`)
	})
}

func TestUserinfo_aScopeThatIsMissingIsToldInTheSchemeThatWasUsed(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k, c := newProofKey(t, jose.ES256), s.app()
		got := s.post(redeeming(c, s.code(asking(c, "scope", "files"), s.signIn(s.user))), s.by(k))
		s.good(got)
		asked := s.userinfoBy(got.AccessToken, s.by(k, "ath", ath(got.AccessToken))).refused(http.StatusForbidden, "insufficient_scope")
		if challenge := asked.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, bareDPoP) ||
			!strings.Contains(challenge, `, scope="openid"`) {
			t.Errorf("the challenge is %s", challenge)
		}
	})
}
