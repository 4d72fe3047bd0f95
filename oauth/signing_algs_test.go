package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// publish has this and every later process publish these algorithms.
func (s *stage) publish(algs ...string) {
	s.Helper()
	s.signing.Algs = algs
	s.rebuild()
}

func (s *stage) discovered(member string) any {
	s.Helper()
	var doc map[string]any
	if err := json.NewDecoder(s.send(httptest.NewRequest("GET", "/.well-known/openid-configuration", nil)).Body).Decode(&doc); err != nil {
		s.Fatal(err)
	}
	return doc[member]
}

// keyTypes are the algorithms in the key set, each once.
func (s *stage) keyTypes() (algs []string) {
	for _, k := range s.published().Keys {
		if !slices.Contains(algs, k.Algorithm) {
			algs = append(algs, k.Algorithm)
		}
	}
	slices.Sort(algs)
	return algs
}

func TestSigningAlgs_oneThatIsLeftOutSignsNoMoreAndVerifiesUntilAllIsExpired(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.IDTokenAlg, c.IDTokenOnRefresh = "EdDSA", new(true) })
		old := s.begin(c)
		s.publish("ES256", "RS256")
		for _, member := range []string{"id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported", "introspection_signing_alg_values_supported"} {
			if diff := cmp.Diff([]any{"ES256", "RS256"}, s.discovered(member)); diff != "" {
				t.Errorf("%s: %s", member, diff)
			}
		}
		if !s.verified(old.IDToken) {
			t.Error("what the key signed before does not verify any more")
		}
		for _, got := range []told{s.begin(c), s.post(refreshing(c, old.RefreshToken))} {
			if header, _ := s.decode(got.IDToken); header["alg"] != "RS256" || !s.verified(got.IDToken) {
				t.Errorf("the client that registered it gets %v", header)
			}
		}
		s.publish("ES256", "RS256") // another process
		events, err := s.db.Events(t.Context(), identity.EventQuery{Kind: identity.KeysRotated, Limit: 10})
		if err != nil || len(events) != 1 || !strings.HasPrefix(events[0].Detail, "EdDSA, ") {
			t.Errorf("%v was told (%v)", events, err)
		}
		s.pass(3 * time.Hour)
		s.rebuild()
		if diff := cmp.Diff([]string{"ES256", "RS256"}, s.keyTypes()); diff != "" {
			t.Errorf("when all that it signed has expired: %s", diff)
		}
		if asked := s.asked(s.logout(http.MethodGet, url.Values{"id_token_hint": {old.IDToken}})); asked.Sub != s.user.Sub {
			t.Errorf("as a hint it says %+v", asked)
		}
	})
}

func TestSigningAlgs_oneThatIsLeftOutGetsNoKeyByRotationAndRemoval(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.publish("ES256", "RS256")
		if err := s.signing.Rotate(t.Context(), "EdDSA"); err == nil {
			t.Error("it was rotated")
		}
		keys, err := s.signing.All(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(keys, func(k identity.SigningKey) bool { return k.Alg == "EdDSA" })
		if keys[i].State != identity.KeyRetired || len(keys[i].Private) > 0 {
			t.Errorf("its key is %s", keys[i].State)
		}
		if err := s.signing.Remove(t.Context(), keys[i].ID, "leaked"); err != nil {
			t.Fatal(err)
		}
		s.rebuild()
		if diff := cmp.Diff([]string{"ES256", "RS256"}, s.keyTypes()); diff != "" {
			t.Error(diff)
		}
		s.publish("ES256", "RS256", "EdDSA")
		if diff := cmp.Diff([]string{"ES256", "EdDSA", "RS256"}, s.keyTypes()); diff != "" {
			t.Errorf("let in again: %s", diff)
		}
	})
}

func TestSigningAlgs_noClientIsGivenOneThatIsLeftOut(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.publish("ES256", "RS256")
		const before = `{"redirect_uris":["https://a.example/cb"],`
		got := s.askJSON(http.MethodPost, "/oauth2/register", before+`"id_token_signed_response_alg":"EdDSA"}`).want(http.StatusCreated)
		if got.json["id_token_signed_response_alg"] != "RS256" {
			t.Errorf("registered %s", got.body)
		}
		got = s.askJSON(http.MethodPost, "/oauth2/register", before+`"introspection_signed_response_alg":"EdDSA"}`)
		got.refused(http.StatusBadRequest, "invalid_client_metadata")
		if !strings.Contains(got.body, "introspection_signed_response_alg: EdDSA is not published here: use ES256, RS256.") {
			t.Errorf("the refusal says %s", got.body)
		}
		s.askJSON(http.MethodPost, "/oauth2/register", before+`"userinfo_signed_response_alg":"EdDSA"}`).
			refused(http.StatusBadRequest, "invalid_client_metadata")
		o := identity.Operators{Store: s.db, Now: s.now, Algs: s.signing.Algs}
		c := identity.Client{ID: "notes", Metadata: identity.Metadata{AuthMethod: "none", RedirectURIs: []string{"https://a.example/cb"}}}
		if _, err := o.AddClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		_, _, err := o.UpdateClient(t.Context(), "notes", func(c identity.Client) (identity.Client, error) {
			c.IDTokenAlg = "EdDSA"
			return c, nil
		})
		if err == nil || !strings.Contains(err.Error(), "EdDSA is not published here: use ES256, RS256.") {
			t.Errorf("an operator's client is given it: %v", err)
		}
	})
}

func TestSigningAlgs_PS256SignsWithKeysOfItsOwn(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.IDTokenAlg, c.UserinfoAlg = "PS256", "PS256" })
		if header, _ := s.decode(s.begin(c).IDToken); header["alg"] != "RS256" {
			t.Errorf("unless it is published, its ID token has %v", header)
		}
		s.publish("ES256", "RS256", "PS256")
		if diff := cmp.Diff([]any{"ES256", "RS256", "PS256"}, s.discovered("id_token_signing_alg_values_supported")); diff != "" {
			t.Error(diff)
		}
		got := s.begin(c)
		r := httptest.NewRequest(http.MethodGet, userinfoAt, nil)
		r.Header.Set("Authorization", "Bearer "+got.AccessToken)
		userinfo, err := io.ReadAll(s.send(r).Body)
		if err != nil {
			t.Fatal(err)
		}
		keys := s.published()
		for _, text := range []string{got.IDToken, string(userinfo)} {
			header, _ := s.decode(text)
			if known := keys.Key(header["kid"].(string)); header["alg"] != "PS256" || len(known) != 1 || !s.verified(text) || known[0].Algorithm != "PS256" {
				t.Errorf("it has %v, of the key %+v", header, known)
			}
		}
		_, claims := s.decode(got.IDToken)
		half := sha256.Sum256([]byte(got.AccessToken))
		if want := base64.RawURLEncoding.EncodeToString(half[:16]); claims["at_hash"] != want {
			t.Errorf("at_hash is %v, not %s", claims["at_hash"], want)
		}
		if asked := s.asked(s.logout(http.MethodGet, url.Values{"id_token_hint": {got.IDToken}})); asked.Sub != s.user.Sub {
			t.Errorf("as a hint it says %+v", asked)
		}
		told := s.askJSON(http.MethodPost, "/oauth2/register", `{"redirect_uris":["https://a.example/cb"],"id_token_signed_response_alg":"PS256"}`)
		if told.want(http.StatusCreated).json["id_token_signed_response_alg"] != "PS256" {
			t.Errorf("registered %s", told.body)
		}
	})
}
