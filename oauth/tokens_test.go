package oauth_test

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

// published reads the JWKS.
func (s *stage) published() jose.JSONWebKeySet {
	s.Helper()
	resp := s.send(httptest.NewRequest("GET", "/oauth2/jwks", nil))
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil || resp.StatusCode != 200 {
		s.Fatalf("answered %d: %v", resp.StatusCode, err)
	}
	return set
}

// verified checks a JWT by the published keys.
func (s *stage) verified(text string) bool {
	s.Helper()
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA, jose.PS256})
	if err != nil {
		s.Fatal(err)
	}
	keys := s.published()
	found := keys.Key(jws.Signatures[0].Header.KeyID)
	if len(found) != 1 {
		return false
	}
	_, err = jws.Verify(found[0])
	return err == nil
}

// RFC 9068 §2.
func TestAccessToken_says(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		got := s.begin(c)
		header, claims := s.decode(got.AccessToken)
		if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == "" {
			t.Errorf("the header is %v", header)
		}
		if jti, ok := claims["jti"].(string); !ok || len(jti) != 22 {
			t.Errorf("jti is %v", claims["jti"])
		}
		delete(claims, "jti")
		now := float64(s.now().Unix())
		want := map[string]any{
			"iss": issuer, "sub": s.user.Sub, "aud": issuer, "exp": now + 600, "iat": now, "client_id": c.ID,
			"scope": "openid offline_access", "sid": s.session(got).ID.String(), "acr": "pwd", "auth_time": now,
		}
		if diff := cmp.Diff(want, claims); diff != "" {
			t.Error(diff)
		}
		if !s.verified(got.AccessToken) {
			t.Error("the published keys do not verify it")
		}
	})
}

func TestVerifyAccessToken_refuses(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.IDTokenAlg = "ES256" })
		got := s.begin(c)
		if _, err := s.ends.VerifyAccessToken(got.AccessToken); err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(got.AccessToken, ".")
		none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + "."
		for name, text := range map[string]string{
			// fosite's StatelessJWTValidator takes an ID token for an access token.
			"an ID token of the same key": got.IDToken,
			"nothing":                     "",
			"alg none":                    none,
			"a changed signature":         parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
			"a changed body":              parts[0] + "." + parts[1] + "A." + parts[2],
			"the refresh token":           got.RefreshToken,
			"too long":                    strings.Repeat("a", 10_000),
		} {
			if _, err := s.ends.VerifyAccessToken(text); identity.KindOf(err) != identity.BadLogin {
				t.Errorf("%s: %v", name, err)
			}
		}
		before := s.ends
		s.rebuild(func(o *oauth.Options) { o.Issuer = "https://elsewhere.example" })
		if _, err := s.ends.VerifyAccessToken(got.AccessToken); err == nil {
			t.Error("a token of another issuer is good")
		}
		s.pass(10*time.Minute - time.Second)
		if _, err := before.VerifyAccessToken(got.AccessToken); err != nil {
			t.Errorf("a second before it expires: %v", err)
		}
		s.pass(time.Second)
		if _, err := before.VerifyAccessToken(got.AccessToken); err == nil {
			t.Error("an expired token is good")
		}
	})
}

func TestIDToken_everyAlgorithm(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		for alg, hash := range map[string]crypto.Hash{"": crypto.SHA256, "RS256": crypto.SHA256, "ES256": crypto.SHA256, "EdDSA": crypto.SHA512} {
			c := s.app(func(c *identity.Client) { c.IDTokenAlg = alg })
			got := s.begin(c)
			header, claims := s.decode(got.IDToken)
			if want := max(alg, "RS256"); header["typ"] != "JWT" || alg != "" && header["alg"] != alg || alg == "" && header["alg"] != want {
				t.Errorf("%q: the header is %v", alg, header)
			}
			half := sha256.Sum256([]byte(got.AccessToken))
			sum := half[:16]
			if hash == crypto.SHA512 { // fosite takes SHA-256 for EdDSA
				whole := sha512.Sum512([]byte(got.AccessToken))
				sum = whole[:32]
			}
			now := float64(s.now().Unix())
			want := map[string]any{
				"iss": issuer, "sub": s.user.Sub, "aud": c.ID, "exp": now + 3600, "iat": now, "auth_time": now, "nonce": "n",
				"acr": "pwd", "amr": []any{"pwd"}, "sid": s.session(got).ID.String(),
				"at_hash": base64.RawURLEncoding.EncodeToString(sum),
			}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("%q: %s", alg, diff)
			}
			if !s.verified(got.IDToken) {
				t.Errorf("%q: the published keys do not verify it", alg)
			}
		}
	})
}

func TestIDToken_profileWhereTheClientAsksAndTheScopesAllow(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.IDTokenProfile = &yes })
		for scope, want := range map[string][]string{
			"openid":               {},
			"openid email":         {"email", "email_verified"},
			"openid profile":       {"name", "updated_at"},
			"openid profile email": {"email", "email_verified", "name", "updated_at"},
		} {
			got := s.post(redeeming(c, s.code(asking(c, "scope", scope), s.signIn(s.user))))
			s.good(got)
			_, claims := s.decode(got.IDToken)
			for _, name := range []string{"email", "email_verified", "name", "updated_at"} {
				if _, has := claims[name]; has != identity.HasScope(want, name) {
					t.Errorf("%s: %s is there: %v", scope, name, has)
				}
			}
		}
		plain := s.app() // native
		got := s.post(redeeming(plain, s.code(asking(plain, "scope", "openid profile email"), s.signIn(s.user))))
		if _, claims := s.decode(got.IDToken); claims["email"] != nil || claims["name"] != nil {
			t.Errorf("unasked, the ID token says %v", claims)
		}
	})
}

// Many web applications read nothing but the ID token: Grafana, Gitea and pgAdmin among them.
func TestIDToken_ofAnOperatorsWebClientSaysWhoItIs(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		web := func(c *identity.Client) { s.confidential(c); c.ApplicationType = "web" }
		for name, tc := range map[string]struct {
			change func(*identity.Client)
			says   bool
		}{
			"an operator's":            {web, true},
			"one that wants none":      {func(c *identity.Client) { web(c); c.IDTokenProfile = &no }, false},
			"one that registered":      {func(c *identity.Client) { web(c); c.SelfRegistered = true }, false},
			"one that registered, yes": {func(c *identity.Client) { web(c); c.SelfRegistered, c.IDTokenProfile = true, &yes }, true},
		} {
			c := s.app(tc.change)
			for _, scope := range []string{"openid offline_access", "openid offline_access email"} {
				form := redeeming(c, s.code(asking(c, "scope", scope), s.signIn(s.user)), "client_secret", clientSecret)
				got := s.post(form)
				s.good(got)
				want := any(nil)
				if tc.says && identity.HasScope(identity.SplitScope(scope), "email") {
					want = s.user.Email
				}
				if _, claims := s.decode(got.IDToken); claims["email"] != want || claims["name"] != nil {
					t.Errorf("%s, %s: the ID token says %v", name, scope, claims)
				}
			}
		}
	})
}

func TestKeys_arePublishedBeforeTheySignAndVerifyUntilTheyExpire(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		if err := s.signing.Prepare(s.Context()); err != nil {
			t.Fatal(err)
		}
		s.rebuild()
		c := s.app()
		old := s.begin(c)
		before := s.published()
		if len(before.Keys) != 6 {
			t.Errorf("%d keys are published, want current and next of three algorithms", len(before.Keys))
		}
		for _, k := range before.Keys {
			if !k.IsPublic() || k.Use != "sig" || k.KeyID == "" || k.Algorithm == "" {
				t.Errorf("published is %+v", k)
			}
		}
		stolen := s.accessSigner()
		if err := s.signing.Rotate(s.Context(), ""); err != nil {
			t.Fatal(err)
		}
		s.rebuild()
		fresh := s.begin(c)
		oldHeader, _ := s.decode(old.AccessToken)
		header, _ := s.decode(fresh.AccessToken)
		if header["kid"] == oldHeader["kid"] || len(before.Key(header["kid"].(string))) != 1 {
			t.Error("the new key was not published before it signed, or nothing was rotated")
		}
		for name, text := range map[string]string{"access": old.AccessToken, "ID": old.IDToken} {
			if !s.verified(text) {
				t.Errorf("an %s token of a retired key does not verify", name)
			}
		}
		if _, err := s.ends.VerifyAccessToken(old.AccessToken); err != nil {
			t.Error(err)
		}
		s.good(s.post(refreshing(c, old.RefreshToken)))
		s.pass(3 * time.Hour)
		s.rebuild()
		if s.verified(old.AccessToken) {
			t.Error("a key that nothing needs is still published")
		}
		if _, err := s.ends.VerifyAccessToken(s.forge(stolen)); err == nil {
			t.Error("an access token signed today by a key that was retired long ago is good")
		}
	})
}

// A leaked key is removed by command beside a running server: a second later nothing that it signed is good here, apps go on
// by refreshing, and APIs knew the key that took its place.
func TestSigningKeys_aRemovedOneIsWorthNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		if err := s.signing.Prepare(s.Context()); err != nil {
			t.Fatal(err)
		}
		s.rebuild()
		go s.ends.Run(t.Context())
		c, asker := s.app(), s.app(s.confidential)
		old, stolen, before := s.begin(c), s.accessSigner(), s.published()
		s.as(old.AccessToken, http.MethodGet, "/me").want(http.StatusOK)
		for _, token := range []string{old.AccessToken, old.IDToken} {
			header, _ := s.decode(token)
			if err := s.signing.Remove(t.Context(), header["kid"].(string), "a stolen backup"); err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(patience) // a second is promised, and the machine may be busy
			for now := s.published(); len(now.Key(header["kid"].(string))) > 0; now = s.published() {
				if time.Now().After(deadline) {
					t.Fatal("a removed key is still published")
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
		for _, token := range []string{old.AccessToken, s.forge(stolen)} {
			s.inactive(asker, token)
			s.as(token, http.MethodGet, "/me").want(http.StatusUnauthorized)
			s.as(token, http.MethodGet, userinfoAt).want(http.StatusUnauthorized)
		}
		if asked := s.asked(s.logout(http.MethodGet, url.Values{"id_token_hint": {old.IDToken}})); asked.Sub != "" {
			t.Errorf("a hint that the removed key signed says %+v", asked)
		}
		fresh := s.post(refreshing(c, old.RefreshToken))
		s.good(fresh)
		s.active(asker, fresh.AccessToken)
		header, _ := s.decode(fresh.AccessToken)
		if len(before.Key(header["kid"].(string))) != 1 {
			t.Error("the key that took its place was not published before")
		}
	})
}

// accessSigner is what a thief of today's private key has.
func (s *stage) accessSigner() jose.Signer {
	s.Helper()
	rows, err := s.signing.All(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	i := slices.IndexFunc(rows, func(k identity.SigningKey) bool { return k.Alg == "ES256" && k.State == identity.KeyCurrent })
	private, err := x509.ParsePKCS8PrivateKey(rows[i].Private)
	if err != nil {
		s.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: rows[i].ID},
	}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		s.Fatal(err)
	}
	return signer
}

// forge makes an access token that is right but for who signed it.
func (s *stage) forge(signer jose.Signer) string {
	s.Helper()
	claims, err := json.Marshal(oauth.AccessClaims{
		Issuer: issuer, Audience: issuer, Subject: "x", ClientID: "x", ID: "x", Expires: s.now().Add(time.Minute).Unix(),
	})
	if err != nil {
		s.Fatal(err)
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		s.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		s.Fatal(err)
	}
	return text
}

func TestDiscovery_saysOnlyWhatIsTrue(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		read := func(path string) (map[string]any, string) {
			t.Helper()
			resp := s.send(httptest.NewRequest("GET", path, nil))
			var doc map[string]any
			if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil || resp.StatusCode != 200 {
				t.Fatalf("answered %d: %v", resp.StatusCode, err)
			}
			if resp.Header.Get("Cache-Control") != "public, max-age=300" || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("the header is %v", resp.Header)
			}
			return doc, resp.Header.Get("ETag")
		}
		doc, tag := read("/.well-known/openid-configuration")
		if same, _ := read("/.well-known/oauth-authorization-server"); !cmp.Equal(doc, same) {
			t.Error("the two documents differ")
		}
		for name, want := range map[string]any{
			"issuer":                        issuer,
			"token_endpoint":                issuer + "/oauth2/token",
			"registration_endpoint":         issuer + "/oauth2/register",
			"end_session_endpoint":          issuer + "/oauth2/logout",
			"signout_endpoint":              issuer + "/oauth2/signout",
			"me_endpoint":                   issuer + "/me",
			"check_session_iframe":          issuer + "/oauth2/check_session",
			"frontchannel_logout_supported": true, "frontchannel_logout_session_supported": true,
			"request_uri_parameter_supported": true, "request_parameter_supported": true, "claims_parameter_supported": true,
			"require_request_uri_registration":               true,
			"request_object_signing_alg_values_supported":    []any{"RS256", "PS256", "ES256", "EdDSA", "Ed25519"},
			"pushed_authorization_request_endpoint":          issuer + "/oauth2/par",
			"authorization_response_iss_parameter_supported": true,
			"code_challenge_methods_supported":               []any{"S256"},
			"response_types_supported":                       []any{"code"},
			"response_modes_supported":                       []any{"query", "form_post"},
			"id_token_signing_alg_values_supported":          []any{"ES256", "RS256", "EdDSA"},
			"refresh_token_expiration_types_supported":       []any{"authorization", "token_timeout"},
			"acr_values_supported":                           []any{"pwd", "mfa"},
			"prompt_values_supported":                        []any{"none", "login", "consent", "select_account"},
		} {
			if diff := cmp.Diff(want, doc[name]); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		for name, value := range doc {
			if strings.Contains(name, "alg_values") && strings.Contains(strings.ToLower(toJSON(t, value)), `"none"`) {
				t.Errorf("%s offers none", name)
			}
		}
		r := httptest.NewRequest("GET", "/.well-known/openid-configuration", nil)
		r.Header.Set("If-None-Match", tag)
		if resp := s.send(r); resp.StatusCode != 304 {
			t.Errorf("with its ETag: answered %d", resp.StatusCode)
		}
		for _, path := range []string{"/.well-known/openid-configuration", "/oauth2/jwks"} {
			if resp := s.send(httptest.NewRequest("POST", path, nil)); resp.StatusCode != 405 {
				t.Errorf("POST %s: answered %d", path, resp.StatusCode)
			}
		}
		s.rebuild(func(o *oauth.Options) { o.Registration = "closed" })
		if doc, _ := read("/.well-known/openid-configuration"); doc["registration_endpoint"] != nil {
			t.Error("a closed registration is offered")
		}
	})
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestIDToken_comesWhereverOpenidStandsInTheScope(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		for _, scope := range []string{"openid email profile", "email openid profile", "profile email openid"} {
			got := s.post(redeeming(c, s.code(asking(c, "scope", scope), s.signIn(s.user))))
			s.good(got)
			if got.IDToken == "" || !s.verified(got.IDToken) {
				t.Errorf("%q brings no ID token", scope)
			}
		}
	})
}
