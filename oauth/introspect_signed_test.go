package oauth_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

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
		if _, got := s.location(s.authorize(asking(c, "id_token_hint", text), s.signIn(s.user))); got.Get("error") != "invalid_request" {
			t.Errorf("as id_token_hint: answered %v", got)
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
