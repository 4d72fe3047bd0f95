package oauth_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

const introspectAt = "/oauth2/introspect"

// introspect asks about a token as a client with a secret.
func (s *stage) introspect(asker identity.Client, token string, pairs ...string) reply {
	s.Helper()
	form := changed(url.Values{"token": {token}}, pairs)
	return s.askForm(introspectAt, form, asClient(asker, clientSecret)).want(http.StatusOK)
}

func (s *stage) inactive(asker identity.Client, token string) {
	s.Helper()
	if got := s.introspect(asker, token); got.body != `{"active":false}` {
		s.Errorf("told %s", got.body)
	}
}

func (s *stage) active(asker identity.Client, token string) {
	s.Helper()
	if got := s.introspect(asker, token); got.json["active"] != true {
		s.Errorf("told %s", got.body)
	}
}

func TestIntrospect_accessTokenOfASession(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		tokens := s.post(redeeming(c, s.code(asking(c, "scope", "openid email offline_access"), s.signIn(s.user))))
		s.good(tokens)
		row := s.session(tokens)
		_, claims := s.decode(tokens.AccessToken)
		want := map[string]any{
			"active": true, "scope": "openid email offline_access", "client_id": c.ID, "username": "ada@example.com",
			"token_type": "Bearer", "sub": s.user.Sub, "aud": issuer, "iss": issuer, "jti": claims["jti"],
			"sid": row.ID.String(), "acr": "pwd", "auth_time": float64(row.AuthTime.Unix()),
			"iat": float64(s.now().Unix()), "exp": float64(s.now().Add(10 * time.Minute).Unix()),
		}
		for _, hint := range []string{"", "access_token", "refresh_token", "nonsense"} {
			if diff := cmp.Diff(want, s.introspect(asker, tokens.AccessToken, "token_type_hint", hint).json); diff != "" {
				t.Errorf("hint %q: %s", hint, diff)
			}
		}
	})
}

func TestIntrospect_namesNobodyWithoutTheScopeEmail(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, tokens := s.app(s.confidential), s.begin(s.app())
		if got := s.introspect(asker, tokens.AccessToken); got.json["username"] != nil || strings.Contains(got.body, "ada@") {
			t.Errorf("told %s", got.body)
		}
	})
}

func TestIntrospect_refreshTokenIsNoAccessToken(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		tokens := s.begin(c)
		row := s.session(tokens)
		want := map[string]any{
			"active": true, "scope": "openid offline_access", "client_id": c.ID, "token_type": "refresh_token",
			"sub": s.user.Sub, "iss": issuer, "sid": row.ID.String(), "acr": "pwd",
			"auth_time": float64(row.AuthTime.Unix()), "exp": float64(row.EndsAt.Unix()),
			"authorization_expires_in": float64(tokens.SessionExpiresIn),
		}
		if diff := cmp.Diff(want, s.introspect(asker, tokens.RefreshToken).json); diff != "" {
			t.Error(diff)
		}
	})
}

// Asking about a refresh token moves nothing, and says what presenting it would bring.
func TestIntrospect_refreshTokenIsActiveWhileItWouldBringTokens(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		first := s.begin(c)
		second := s.post(refreshing(c, first.RefreshToken))
		s.active(asker, first.RefreshToken) // the answer may have been lost: it would fork
		s.active(asker, second.RefreshToken)
		third := s.post(refreshing(c, second.RefreshToken))
		s.inactive(asker, first.RefreshToken) // it would be reuse
		s.active(asker, second.RefreshToken)
		s.active(asker, third.RefreshToken)
		s.good(s.post(refreshing(c, third.RefreshToken)))
	})
}

func TestIntrospect_nothingSaysWhenTheFamilyLastRefreshed(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		first := s.begin(c)
		s.pass(time.Hour)
		before := s.introspect(asker, first.RefreshToken).body
		s.good(s.post(refreshing(c, first.RefreshToken)))
		if after := s.introspect(asker, first.RefreshToken).body; after != before {
			t.Errorf("told %s, then %s", before, after)
		}
	})
}

func TestIntrospect_whoMayAsk(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		own := s.app(s.confidential, selfRegistered)
		ownToken := s.post(url.Values{"grant_type": {"client_credentials"}}, asClient(own, clientSecret)).AccessToken
		operators := s.app(s.confidential)

		s.active(operators, tokens.AccessToken)
		s.active(operators, ownToken)
		s.active(own, ownToken)
		s.inactive(own, tokens.AccessToken)
		s.inactive(own, tokens.RefreshToken)

		s.askForm(introspectAt, url.Values{"token": {tokens.AccessToken}, "client_id": {c.ID}}).
			refused(http.StatusUnauthorized, "invalid_client")
		s.askForm(introspectAt, url.Values{"token": {tokens.AccessToken}}, bearer(tokens.AccessToken)).
			refused(http.StatusUnauthorized, "invalid_client")
		s.askForm(introspectAt, url.Values{"token": {tokens.AccessToken}}, asClient(operators, "wrong")).
			refused(http.StatusUnauthorized, "invalid_client")
	})
}

func TestIntrospect_whatEndsAToken(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *stage, c identity.Client, tokens told) error{
		"its Session": func(s *stage, _ identity.Client, tokens told) error {
			_, err := s.db.End(s.Context(), identity.Ending{Session: s.session(tokens).ID, Cause: identity.EndOperator})
			return err
		},
		"a new password": func(s *stage, _ identity.Client, _ told) error {
			return storagetest.SetPassword(s.Context(), s.db, s.user.ID, "another hash")
		},
		"its client": func(s *stage, c identity.Client, _ told) error { return s.db.DeleteClient(s.Context(), c.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				asker, c := s.app(s.confidential), s.app()
				tokens := s.begin(c)
				s.active(asker, tokens.AccessToken)
				if err := end(s, c, tokens); err != nil {
					t.Fatal(err)
				}
				s.inactive(asker, tokens.AccessToken)
				s.inactive(asker, tokens.RefreshToken)
			})
		})
	}
}

func TestIntrospect_lockedPersonsTokensAreInactive(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, tokens := s.app(s.confidential), s.begin(s.app())
		w := s.witnessed(t)
		s.active(asker, tokens.AccessToken)
		w.locked = true
		s.inactive(asker, tokens.AccessToken)
		s.inactive(asker, tokens.RefreshToken)
		s.userinfo(tokens.AccessToken).refused(http.StatusUnauthorized, "invalid_token")
	})
}

func TestIntrospect_timeEndsATokenOnTheSecond(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		tokens := s.begin(c)
		s.pass(10*time.Minute - time.Second)
		s.active(asker, tokens.AccessToken)
		s.pass(time.Second)
		s.inactive(asker, tokens.AccessToken)
		s.pass(30*24*time.Hour - 10*time.Minute - time.Second)
		s.active(asker, tokens.RefreshToken)
		s.pass(time.Second)
		s.inactive(asker, tokens.RefreshToken)
	})
}

func TestIntrospect_tokenOfADeletedClientThatGotItForItself(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app(s.confidential)
		token := s.post(url.Values{"grant_type": {"client_credentials"}}, asClient(c, clientSecret)).AccessToken
		s.active(asker, token)
		if err := s.db.DeleteClient(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
		s.inactive(asker, token)
	})
}

func TestIntrospect_whatIsNoTokenOfOurs(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		tokens := s.begin(c)
		code := s.code(asking(c), s.signIn(s.user))
		row, secret := s.session(tokens), identity.NewSecret()
		for _, token := range []string{
			s.keys.RefreshText(identity.NewRefreshToken(row.ID, secret, c.ID)), // our key alone makes no token
			s.keys.RefreshText(identity.NewRefreshToken(identity.NewID(), secret, c.ID)),
			"x", "sj_rt_", "sj_rt_AAAA", strings.Repeat("x", 60<<10), "a.b.c", "ä", code, tokens.IDToken,
			tokens.AccessToken + "x", tokens.AccessToken[1:], tokens.RefreshToken + "A", strings.ToUpper(tokens.RefreshToken),
			"eyJhbGciOiJub25lIn0." + strings.Split(tokens.AccessToken, ".")[1] + ".",
		} {
			s.inactive(asker, token)
		}
		s.askForm(introspectAt, url.Values{}, asClient(asker, clientSecret)).refused(http.StatusBadRequest, "invalid_request")
	})
}

func TestIntrospect_badInput(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) { s.badForms(introspectAt) })
}

func TestIntrospect_databaseAway(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, tokens := s.app(s.confidential), s.begin(s.app())
		s.pass(2 * time.Second)
		s.active(asker, tokens.AccessToken) // and the client is known from memory for a second
		for _, token := range []string{tokens.AccessToken, tokens.RefreshToken} {
			s.askForm(introspectAt, url.Values{"token": {token}}, asClient(asker, clientSecret), tooLate).away()
		}
	})
}

const signedType = "application/token-introspection+jwt"

// askAs asks about a token and says what kind of answer is wanted.
func (s *stage) askAs(asker identity.Client, token, accept string) *http.Response {
	s.Helper()
	form := url.Values{"token": {token}}
	r := httptest.NewRequest(http.MethodPost, introspectAt, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", accept)
	asClient(asker, clientSecret)(r)
	return s.send(r)
}

// opened verifies a signed answer with the published keys, as a resource server does, and returns its header and claims.
func (s *stage) opened(resp *http.Response) (jose.Header, map[string]any) {
	s.Helper()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != signedType ||
		resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Date") == "" {
		s.Fatalf("answered %d with %v", resp.StatusCode, resp.Header)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(string(body), []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil {
		s.Fatalf("%q: %v", body, err)
	}
	head := jws.Signatures[0].Protected
	published := s.published()
	keys := published.Key(head.KeyID)
	if len(keys) != 1 || keys[0].Algorithm != head.Algorithm {
		s.Fatalf("the key of %+v is not published", head)
	}
	payload, err := jws.Verify(keys[0])
	if err != nil {
		s.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		s.Fatal(err)
	}
	return head, claims
}

// RFC 9701 §5, with the algorithm of §6.
func TestSignedIntrospection_everyAlgorithm(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		tokens := s.begin(s.app())
		for asked, want := range map[string]string{"": "RS256", "RS256": "RS256", "ES256": "ES256", "EdDSA": "EdDSA"} {
			asker := s.app(s.confidential, func(c *identity.Client) { c.IntrospectionAlg = asked })
			head, claims := s.opened(s.askAs(asker, tokens.AccessToken, signedType))
			if head.Algorithm != want || head.ExtraHeaders[jose.HeaderType] != "token-introspection+jwt" {
				t.Errorf("%q: the header is %+v", asked, head)
			}
			plain := map[string]any{
				"iss": issuer, "aud": asker.ID, "iat": float64(s.now().Unix()),
				"token_introspection": s.introspect(asker, tokens.AccessToken).json,
			}
			if diff := cmp.Diff(plain, claims); diff != "" {
				t.Errorf("%q: %s", asked, diff)
			}
		}
	})
}

// RFC 9701 §5: active is false, and there is no other member.
func TestSignedIntrospection_ofWhatIsWorthNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, own := s.app(s.confidential), s.app(s.confidential, selfRegistered)
		tokens := s.begin(s.app())
		for name, got := range map[string]*http.Response{
			"garbage":          s.askAs(asker, "x", signedType),
			"another's token":  s.askAs(own, tokens.AccessToken, signedType),
			"our own JWT":      s.askAs(asker, tokens.IDToken, signedType),
			"our own answer":   s.askAs(asker, s.bodyOf(s.askAs(asker, tokens.AccessToken, signedType)), signedType),
			"a sealed nothing": s.askAs(asker, "sj_at_AQAA", signedType),
		} {
			_, claims := s.opened(got)
			if diff := cmp.Diff(map[string]any{"active": false}, claims["token_introspection"]); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
}

func (s *stage) bodyOf(resp *http.Response) string {
	s.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return string(body)
}

// RFC 9701 §8.1: an answer is neither an access token nor an ID token.
func TestSignedIntrospection_isTakenForNoOtherToken(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		asker := s.app(s.confidential, func(c *identity.Client) { c.IntrospectionAlg = "ES256" })
		text := s.bodyOf(s.askAs(asker, s.begin(c).AccessToken, signedType))
		s.userinfo(text).refused(http.StatusUnauthorized, "invalid_token")
		if _, got := s.location(s.authorize(asking(c, "id_token_hint", text), s.signIn(s.user))); got.Get("code") == "" {
			t.Errorf("as id_token_hint it is not passed over: answered %v", got)
		}
	})
}

// RFC 9110 §12.5.1; whoever says nothing of it gets JSON, as ever.
func TestSignedIntrospection_comesWhereItIsAskedFor(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, tokens := s.app(s.confidential, func(c *identity.Client) { c.IntrospectionAlg = "ES256" }), s.begin(s.app())
		for accept, signed := range map[string]bool{
			"": false, "*/*": false, "application/*": false, "application/json": false, "text/html": false, ";;;": false,
			signedType: true, strings.ToUpper(signedType): true, signedType + ", application/json": true,
			"application/json, " + signedType + ";q=0.5": false, "application/json;q=0.5, " + signedType: true,
			signedType + ";q=0": false, signedType + ";q=x": false, signedType + ";q=NaN": false, signedType + ";q=1e9": false,
			"*/*, " + signedType + ";q=0.1": true, "application/jwt": false,
		} {
			resp := s.askAs(asker, tokens.AccessToken, accept)
			if got := resp.Header.Get("Content-Type") == signedType; got != signed || resp.StatusCode != http.StatusOK {
				t.Errorf("Accept: %s: answered %d %s", accept, resp.StatusCode, resp.Header.Get("Content-Type"))
			}
		}
	})
}

// RFC 9701 §4: the asker authenticates; what is refused is refused in the words of RFC 6749.
func TestSignedIntrospection_refusalsStayJSON(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker := s.app(s.confidential)
		wantSigned := func(r *http.Request) { r.Header.Set("Accept", signedType) }
		s.askForm(introspectAt, url.Values{"token": {"x"}}, asClient(asker, "wrong"), wantSigned).
			refused(http.StatusUnauthorized, "invalid_client")
		s.askForm(introspectAt, url.Values{}, asClient(asker, clientSecret), wantSigned).
			refused(http.StatusBadRequest, "invalid_request")
	})
}

// RFC 9701 §6, §7.
func TestSignedIntrospection_isRegisteredAndDiscovered(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		const before = `{"redirect_uris":["https://a.example/cb"],"introspection_signed_response_alg":`
		got := s.askJSON(http.MethodPost, "/oauth2/register", before+`"EdDSA"}`).want(http.StatusCreated)
		if got.json["introspection_signed_response_alg"] != "EdDSA" {
			t.Errorf("registered %s", got.body)
		}
		s.askJSON(http.MethodPost, "/oauth2/register", before+`"HS256"}`).refused(http.StatusBadRequest, "invalid_client_metadata")
		var doc map[string]any
		if err := json.NewDecoder(s.send(httptest.NewRequest("GET", "/.well-known/openid-configuration", nil)).Body).Decode(&doc); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{"ES256", "RS256", "EdDSA"}, doc["introspection_signing_alg_values_supported"]); diff != "" {
			t.Error(diff)
		}
	})
}

// The token's signature is remembered, what stands behind it is read each time.
func TestIntrospect_anEndingHoldsAtOnceForATokenThatWasJustGood(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		api, c := s.app(s.confidential), s.app()
		for name, end := range map[string]func(told){
			"the session ends":     func(got told) { s.end(got, identity.EndDevice) },
			"the token is revoked": func(got told) { s.no(s.db.DenyToken(s.Context(), s.jti(got), s.now().Add(time.Hour))) },
		} {
			got := s.begin(c)
			for range 2 {
				if answer := s.introspect(api, got.AccessToken); answer.json["active"] != true {
					t.Fatalf("%s: before, it is %s", name, answer.body)
				}
				s.userinfo(got.AccessToken).want(http.StatusOK)
			}
			end(got)
			s.inactive(api, got.AccessToken)
			s.userinfo(got.AccessToken).want(http.StatusUnauthorized)
		}
	})
}

func (s *stage) jti(got told) string {
	s.Helper()
	_, claims := s.decode(got.AccessToken)
	jti, _ := claims["jti"].(string)
	return jti
}
