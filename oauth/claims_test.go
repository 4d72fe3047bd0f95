package oauth_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
	"github.com/sojourn-auth/sojourn/storage"
)

// tell asks userinfo.
func (s *stage) tell(access string) map[string]any {
	s.Helper()
	r := httptest.NewRequest("GET", "/oauth2/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+access)
	resp := s.send(r)
	var said map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || resp.StatusCode != 200 {
		s.Fatalf("userinfo answered %d (%v)", resp.StatusCode, err)
	}
	return said
}

// OpenID Connect Core 1.0 §5.5: single claims come where they were asked for, at the exchange, at a refresh and at userinfo.
func TestClaimsParameter_bringsSingleClaimsWhereTheyWereAskedFor(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.IDTokenAlg = "ES256" })
		asked := `{"id_token":{"email":{"essential":true},"nickname":null},"userinfo":{"name":null,"email_verified":{"value":false}}}`
		got := s.post(redeeming(c, s.code(asking(c, "claims", asked), s.signIn(s.user))))
		s.good(got)
		for range 2 {
			_, claims := s.decode(got.IDToken)
			if claims["email"] != s.user.Email || claims["name"] != nil || claims["email_verified"] != nil || claims["nickname"] != nil {
				t.Errorf("the ID token says %v", claims)
			}
			if diff := cmp.Diff(map[string]any{"sub": s.user.Sub, "name": "Ada"}, s.tell(got.AccessToken)); diff != "" {
				t.Errorf("userinfo: %s", diff)
			}
			got = s.post(refreshing(c, got.RefreshToken))
			s.good(got)
		}
		// A client that is not registered for the scope gets no more by asking for its claims.
		poor := s.app(func(c *identity.Client) { c.Scope = "openid offline_access" })
		got = s.post(redeeming(poor, s.code(asking(poor, "claims", asked), s.signIn(s.user))))
		s.good(got)
		if _, claims := s.decode(got.IDToken); claims["email"] != nil || len(s.tell(got.AccessToken)) != 1 {
			t.Errorf("a client without the scopes is told %v", claims)
		}
	})
}

// Whoever asks for a claim alone asks the person for no less: consent is for its scope.
func TestClaimsParameter_takesTheConsentOfItsScope(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(untrusted), s.signIn(s.user)
		s.allow(c, cookie, "openid", "offline_access")
		s.code(asking(c), cookie)
		claims := []string{"claims", `{"userinfo":{"email":null}}`}
		if page, _ := s.location(s.authorize(asking(c, claims...), cookie)); page != "/consent" {
			t.Errorf("without consent it led to %s", page)
		}
		s.allow(c, cookie, "email")
		s.code(asking(c, claims...), cookie)
	})
}

// OpenID Connect Core 1.0 §5.5.1.1.
func TestClaimsParameter_anEssentialLevelIsReachedOrRefused(t *testing.T) {
	t.Parallel()
	essential := func(values string) string { return `{"id_token":{"acr":{"essential":true,"values":` + values + `}}}` }
	onStage(t, func(s *stage) {
		c, cookie := s.app(), s.signIn(s.user)
		for claims, want := range map[string]string{
			essential(`["mfa"]`):                                    "/account/totp",
			essential(`["pwd","mfa"]`):                              "code",
			essential(`["pwd"]`):                                    "code",
			essential(`["urn:gold"]`):                               "unmet_authentication_requirements",
			essential(`[7]`):                                        "unmet_authentication_requirements",
			essential(`[]`):                                         "code",
			`{"id_token":{"acr":{"values":["mfa"]}}}`:               "code", // voluntary
			`{"id_token":{"acr":{"essential":true,"value":"mfa"}}}`: "/account/totp",
			`{"id_token":{"auth_time":{"essential":true}}}`:         "code",
			`{"id_token":{"sub":{"value":"` + s.user.Sub + `"}}}`:   "code",
			`{"userinfo":{"sub":{"value":"248289761001"}}}`:         "/signin",
			`{"id_token":`:                                          "invalid_request",
			`{"userinfo":{"email":"yes"}}`:                          "invalid_request",
		} {
			if got := s.leads(asking(c, "claims", claims), cookie); got != want {
				t.Errorf("%s leads to %s, want %s", claims, got, want)
			}
		}
		silent := asking(c, "claims", essential(`["mfa"]`), "prompt", "none")
		if got := s.leads(silent, cookie); got != "interaction_required" {
			t.Errorf("silently it leads to %s", got)
		}
		s.rebuild(func(o *oauth.Options) { o.Policy = identity.MFAOff })
		if got := s.leads(asking(c, "claims", essential(`["mfa"]`)), cookie); got != "unmet_authentication_requirements" {
			t.Errorf("where nobody is asked for a second factor it leads to %s", got)
		}
		s.rebuild(func(o *oauth.Options) { o.Policy = identity.MFARequired })
		if got := s.leads(asking(c, "claims", essential(`["pwd"]`)), cookie); got != "/account/totp" { // which is more than was asked for
			t.Errorf("where everybody shows a second factor it leads to %s", got)
		}
	})
}

// A request goes through the pages as it was asked.
func TestClaimsParameter_travelsThroughThePages(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		_, q := s.location(s.authorize(asking(c, "claims", `{"id_token":{"email":null}}`)))
		got := s.post(redeeming(c, s.code(url.Values{"next": q["next"]}, s.signIn(s.user))))
		s.good(got)
		if _, claims := s.decode(got.IDToken); claims["email"] != s.user.Email {
			t.Errorf("the ID token says %v", claims)
		}
	})
}

// Claims of one's own stand where the operator says, for the scope that the operator says, and are as they are now.
func TestClaimRules_sayWhatOperatorsSayOfPeople(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.rebuild(func(o *oauth.Options) {
			o.Claims = []identity.ClaimRule{
				{Claim: "groups", From: "groups", Scope: "files", AccessToken: true, Userinfo: true},
				{Claim: "tenant", From: "attribute.tenant", Scope: "openid", AccessToken: true, IDToken: true},
				{Claim: "nowhere", From: "attribute.nothing", Scope: "openid", AccessToken: true, IDToken: true, Userinfo: true},
			}
		})
		describe := func(tenant string) {
			t.Helper()
			_, err := identity.Operators{Store: s.db, Now: s.now}.Describe(t.Context(), s.user.ID, func(d identity.Described) identity.Described {
				return identity.Described{Attributes: map[string]any{"tenant": tenant}, Groups: []string{"admins", "staff"}}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		describe("acme")
		c := s.app(func(c *identity.Client) { c.IDTokenAlg = "ES256" })
		got := s.post(redeeming(c, s.code(asking(c, "scope", "openid offline_access files"), s.signIn(s.user))))
		s.good(got)
		groups := []any{"admins", "staff"}
		for _, tenant := range []string{"acme", "umbrella"} {
			_, access := s.decode(got.AccessToken)
			_, id := s.decode(got.IDToken)
			told := s.tell(got.AccessToken)
			if access["tenant"] != tenant || !cmp.Equal(access["groups"], any(groups)) || access["nowhere"] != nil {
				t.Errorf("the access token says %v", access)
			}
			if id["tenant"] != tenant || id["groups"] != nil || !cmp.Equal(told["groups"], any(groups)) || told["tenant"] != nil {
				t.Errorf("the ID token says %v, userinfo %v", id, told)
			}
			if _, err := s.ends.VerifyAccessToken(got.AccessToken); err != nil {
				t.Error(err)
			}
			describe("umbrella")
			got = s.post(refreshing(c, got.RefreshToken))
			s.good(got)
		}
		narrow := s.post(refreshing(c, got.RefreshToken, "scope", "openid"))
		s.good(narrow)
		if _, access := s.decode(narrow.AccessToken); access["groups"] != nil || access["tenant"] != "umbrella" {
			t.Errorf("of a narrower scope, the access token says %v", access)
		}
	})
}

// Numbers, true and false reach the app as what they are, and a request may ask for one of them (OpenID Connect Core 1.0 §5.5.1).
func TestClaimRules_numbersAndTruthsAreNoTexts(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.rebuild(func(o *oauth.Options) {
			for _, name := range []string{"level", "share", "beta"} {
				o.Claims = append(o.Claims, identity.ClaimRule{Claim: name, From: "attribute." + name, Scope: "openid", AccessToken: true})
			}
		})
		said := map[string]any{"level": 123456789012345.0, "share": 0.25, "beta": true}
		_, err := identity.Operators{Store: s.db, Now: s.now}.Describe(t.Context(), s.user.ID, func(identity.Described) identity.Described {
			return identity.Described{Attributes: said}
		})
		if err != nil {
			s.Fatal(err)
		}
		c := s.app()
		claims := `{"id_token":{"level":{"value":123456789012345},"share":{"value":0.5},"beta":{"value":true}}}`
		got := s.post(redeeming(c, s.code(asking(c, "claims", claims), s.signIn(s.user))))
		s.good(got)
		_, access := s.decode(got.AccessToken)
		_, id := s.decode(got.IDToken)
		for name, value := range said {
			if access[name] != value || (id[name] == value) != (name != "share") {
				t.Errorf("%s is %v in the access token, %v in the ID token", name, access[name], id[name])
			}
		}
	})
}

// However much is said of a person, the access token stays one that APIs take.
func TestClaimRules_thatDoNotFitAreLeftOutOfAccessTokens(t *testing.T) {
	t.Parallel()
	s := newStage(t, storage.SQLite, func(o *oauth.Options) {
		for i := range 6 {
			o.Claims = append(o.Claims, identity.ClaimRule{Claim: fmt.Sprint("copy", i), From: "attribute.note", Scope: "openid", AccessToken: true})
		}
	})
	_, err := identity.Operators{Store: s.db, Now: s.now}.Describe(t.Context(), s.user.ID, func(d identity.Described) identity.Described {
		return identity.Described{Attributes: map[string]any{"note": strings.Repeat("a", 1900)}}
	})
	if err != nil {
		t.Fatal(err)
	}
	got := s.begin(s.app())
	_, access := s.decode(got.AccessToken)
	if access["copy0"] == nil || access["copy1"] == nil || access["copy2"] != nil || access["copy5"] != nil {
		t.Errorf("%d bytes: %v", len(got.AccessToken), access)
	}
	if _, err := s.ends.VerifyAccessToken(got.AccessToken); err != nil {
		t.Error(err)
	}
}

func TestDescribe_refusesWhatNoTokenCanSay(t *testing.T) {
	t.Parallel()
	long := make([]any, 300)
	for i := range long {
		long[i] = "a text of a list"
	}
	for name, d := range map[string]identity.Described{
		"an odd name":     {Attributes: map[string]any{"a b": "x"}},
		"a long number":   {Attributes: map[string]any{"level": 1e15}},
		"an object":       {Attributes: map[string]any{"level": map[string]any{}}},
		"nobody knows":    {Attributes: map[string]any{"level": math.NaN()}},
		"a list of them":  {Attributes: map[string]any{"level": []any{3.0}}},
		"nothing":         {Attributes: map[string]any{"tenant": ""}},
		"two lines":       {Attributes: map[string]any{"tenant": "a\nb"}},
		"too much":        {Attributes: map[string]any{"list": long}},
		"a group unnamed": {Groups: []string{""}},
	} {
		if _, err := d.Clean(); identity.KindOf(err) != identity.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// OpenID Connect Core 1.0 §5.3.2.
func TestUserinfo_isSignedWhereTheClientWantsIt(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
			c := s.app(func(c *identity.Client) { c.UserinfoAlg = alg })
			got := s.post(redeeming(c, s.code(asking(c, "scope", "openid email"), s.signIn(s.user))))
			s.good(got)
			r := httptest.NewRequest("GET", "/oauth2/userinfo", nil)
			r.Header.Set("Authorization", "Bearer "+got.AccessToken)
			resp := s.send(r)
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/jwt" {
				t.Fatalf("answered %d, %s (%v)", resp.StatusCode, resp.Header.Get("Content-Type"), err)
			}
			header, claims := s.decode(string(text))
			want := map[string]any{
				"iss": issuer, "aud": c.ID, "iat": float64(s.now().Unix()), "sub": s.user.Sub, "email": s.user.Email, "email_verified": true,
			}
			if diff := cmp.Diff(want, claims); diff != "" || header["alg"] != alg || header["typ"] != nil {
				t.Errorf("%s: the header is %v; %s", alg, header, diff)
			}
			if !s.verified(string(text)) {
				t.Errorf("%s: the published keys do not verify it", alg)
			}
			if _, err := s.ends.VerifyAccessToken(string(text)); err == nil {
				t.Errorf("%s: it is taken for an access token", alg)
			}
		}
	})
}
