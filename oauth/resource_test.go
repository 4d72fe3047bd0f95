package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	apiA = "https://a.example/api"
	apiB = "urn:example:b"
)

// reaching lets a client ask for these resource servers.
func reaching(resources ...string) func(*identity.Client) {
	return func(c *identity.Client) { c.Resources = resources }
}

// beginAt signs the person in to a client that asks for these resources.
func (s *stage) beginAt(c identity.Client, resources ...string) told {
	s.Helper()
	return s.post(redeeming(c, s.codeAt(c, resources...)))
}

func (s *stage) codeAt(c identity.Client, resources ...string) string {
	s.Helper()
	q := asking(c)
	q["resource"] = resources
	return s.code(q, s.signIn(s.user))
}

// audience tells whom an access token is for, as a resource server learns it and as the token says itself.
func (s *stage) audience(got told) string {
	s.Helper()
	s.good(got)
	claims, err := s.ends.VerifyAccessToken(got.AccessToken)
	if err != nil {
		s.Fatal(err)
	}
	if told := s.introspect(s.app(s.confidential), got.AccessToken).json["aud"]; told != claims.Audience {
		s.Errorf("aud is %q, but introspection tells %v", claims.Audience, told)
	}
	return claims.Audience
}

func formats() map[string]func(*identity.Client) {
	return map[string]func(*identity.Client){"jwt": func(*identity.Client) {}, "reference": references}
}

// RFC 8707 §2.2: one audience per access token, for both formats.
func TestResource_oneThatWasGrantedIsTheAudience(t *testing.T) {
	t.Parallel()
	for name, format := range formats() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				c := s.app(format, reaching(apiA, apiB))
				first := s.beginAt(c, apiA, apiA)
				second := s.post(refreshing(c, first.RefreshToken))
				third := s.post(refreshing(c, second.RefreshToken, "resource", apiA))
				for _, got := range []told{first, second, third} {
					if aud := s.audience(got); aud != apiA {
						t.Errorf("the audience is %q", aud)
					}
				}
				if plain := s.audience(s.begin(c)); plain != issuer {
					t.Errorf("without any resource the audience is %q", plain)
				}
				if diff := cmp.Diff([]string{apiA}, s.session(first).Resources); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// With several granted, each token request names one; until it does, nothing is used up.
func TestResource_ofSeveralTheTokenRequestNamesOne(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(reaching(apiA, apiB))
		code := s.codeAt(c, apiA, apiB)
		for name, form := range map[string]url.Values{
			"none": redeeming(c, code), "another": redeeming(c, code, "resource", "urn:example:c"),
			"the issuer": redeeming(c, code, "resource", issuer), "both": twoOf(redeeming(c, code)),
		} {
			got := s.post(form)
			s.bad(got, 400, "invalid_target", "stop")
			if !strings.Contains(got.Description, "resource") {
				t.Errorf("%s: %s", name, got.Description)
			}
		}
		a := s.post(redeeming(c, code, "resource", apiA))
		if aud := s.audience(a); aud != apiA {
			t.Errorf("the audience is %q", aud)
		}
		s.bad(s.post(refreshing(c, a.RefreshToken)), 400, "invalid_target", "stop")
		s.bad(s.post(twoOf(refreshing(c, a.RefreshToken))), 400, "invalid_target", "stop")
		s.bad(s.post(refreshing(c, a.RefreshToken, "resource", "urn:example:c")), 400, "invalid_target", "stop")
		if line := s.session(a).Line; line != (identity.Line{}) {
			t.Errorf("refusals moved the line to %+v", line)
		}
		b := s.post(refreshing(c, a.RefreshToken, "resource", apiB, "scope", "openid"))
		if aud := s.audience(b); aud != apiB || b.Scope != "openid" {
			t.Errorf("the audience is %q, the scope %q", aud, b.Scope)
		}
		if again := s.post(refreshing(c, b.RefreshToken, "resource", apiA)); s.audience(again) != apiA || again.Scope != "openid offline_access" {
			t.Errorf("the grant became narrower: %+v", again)
		}
	})
}

// reaches changes which resource servers the operator lets a client ask for.
func (s *stage) reaches(c *identity.Client, resources ...string) {
	s.Helper()
	c.Resources = resources
	if err := s.db.UpdateClient(s.Context(), *c); err != nil {
		s.Fatal(err)
	}
}

// A Session keeps what was granted, and a token is only for what its client may still reach. Whoever is refused has used
// nothing up.
func TestResource_thatTheClientLostIsJudgedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(reaching(apiA, apiB))
		got := s.post(redeeming(c, s.codeAt(c, apiA, apiB), "resource", apiA))
		s.reaches(&c, apiB)
		s.bad(s.post(refreshing(c, got.RefreshToken, "resource", apiA)), 400, "invalid_target", "stop")
		if line := s.session(got).Line; line != (identity.Line{}) {
			t.Errorf("a refusal moved the line to %+v", line)
		}
		got = s.post(refreshing(c, got.RefreshToken)) // there is but one left
		if aud := s.audience(got); aud != apiB {
			t.Errorf("the audience is %q", aud)
		}
		before := s.session(got).Line
		s.reaches(&c)
		for _, pairs := range [][]string{nil, {"resource", apiB}, {"scope", "openid"}} {
			s.invalidGrant(s.post(refreshing(c, got.RefreshToken, pairs...)))
		}
		if line := s.session(got).Line; line != before {
			t.Errorf("refusals moved the line from %+v to %+v", before, line)
		}
		s.reaches(&c, apiA, apiB)
		if aud := s.audience(s.post(refreshing(c, got.RefreshToken, "resource", apiA))); aud != apiA {
			t.Errorf("given back, the audience is %q", aud)
		}
	})
}

func twoOf(form url.Values) url.Values {
	form["resource"] = []string{apiA, apiB}
	return form
}

// A token request gets nothing that the person's browser did not bring (RFC 8707 §2.2).
func TestResource_thatWasNotAskedForAtAuthorizeIsNotGranted(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(reaching(apiA))
		got := s.begin(c)
		s.bad(s.post(refreshing(c, got.RefreshToken, "resource", apiA)), 400, "invalid_target", "stop")
		s.good(s.post(refreshing(c, got.RefreshToken)))
	})
}

// RFC 8707 §2.1.
func TestAuthorize_resourcesThatAreRefused(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(reaching(apiA, apiB)), s.signIn(s.user)
		for name, resources := range map[string][]string{
			"not the client's":  {"https://other.example/"},
			"one of two":        {apiA, "https://other.example/"},
			"no scheme":         {"a.example/api"},
			"a fragment":        {apiA + "#x"},
			"an empty fragment": {apiA + "#"},
			"another spelling":  {"https://a.example/API"},
			"too long":          {"urn:" + strings.Repeat("x", 509)},
			"a thousand":        strings.Fields(strings.Repeat(apiA+" x:y ", 500)),
			"what is no text":   {"urn:ä"},
			"spaces":            {apiA + " " + apiB},
		} {
			q := asking(c)
			q["resource"] = resources
			if got := s.redirected(q, cookie); got.Get("error") != "invalid_target" || got.Get("error_description") == "" || got.Get("state") != "st" {
				t.Errorf("%s: answered %v", name, got)
			}
		}
	})
}

func TestAuthorize_fiveResourcesAreEnough(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		six := []string{"urn:1", "urn:2", "urn:3", "urn:4", "urn:5", "urn:6"}
		c, cookie := s.app(reaching(six...)), s.signIn(s.user)
		q := asking(c)
		q["resource"] = append([]string{"urn:1", "urn:1"}, six[:5]...) // each counts once
		if got := s.redirected(q, cookie); got.Get("code") == "" {
			t.Errorf("five: answered %v", got)
		}
		q["resource"] = six
		if got := s.redirected(q, cookie); got.Get("error") != "invalid_target" {
			t.Errorf("six: answered %v", got)
		}
	})
}

// The request travels sealed through the sign-in page with all its resources.
func TestAuthorize_resourcesSurviveThePages(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(reaching(apiA, apiB))
		q := asking(c)
		q["resource"] = []string{apiB, apiA}
		page, next := s.location(s.authorize(q))
		if page != "/signin" {
			t.Fatalf("led to %s", page)
		}
		code := s.code(url.Values{"next": {next.Get("next")}}, s.signIn(s.user))
		got := s.post(redeeming(c, code, "resource", apiA))
		s.good(got)
		if diff := cmp.Diff([]string{apiB, apiA}, s.session(got).Resources); diff != "" {
			t.Error(diff)
		}
	})
}

// RFC 8707: our own name is that of the default audience, with a slash at its end or without, for clients that have no
// resource of their own too.
func TestResource_ofThisServerIsTheDefault(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		plain, c := s.app(), s.app(reaching(apiA, apiB))
		for _, us := range []string{issuer, issuer + "/"} {
			got := s.beginAt(plain, us)
			next := s.post(refreshing(plain, got.RefreshToken, "resource", us))
			other := s.post(refreshing(plain, s.begin(plain).RefreshToken, "resource", us))
			last := s.post(refreshing(plain, next.RefreshToken))
			itself := s.post(own("resource", us), asClient(s.app(s.confidential), clientSecret))
			for _, got := range []told{got, next, other, last, itself} {
				if aud := s.audience(got); aud != issuer {
					t.Errorf("%s: the audience is %q", us, aud)
				}
			}
			if n := len(s.session(got).Resources); n != 0 {
				t.Errorf("%s: the Session has %d resources", us, n)
			}
			// Beside another it is one that was granted, and has to be named.
			both := s.beginAt(c, us, apiA)
			ours := s.post(refreshing(c, both.RefreshToken, "resource", us))
			theirs := s.post(refreshing(c, ours.RefreshToken))
			if a, b, d := s.audience(both), s.audience(ours), s.audience(theirs); a != apiA || b != issuer || d != apiA {
				t.Errorf("%s beside another: the audiences are %q, %q and %q", us, a, b, d)
			}
			alone := s.beginAt(c, apiA)
			s.bad(s.post(refreshing(c, alone.RefreshToken, "resource", us)), 400, "invalid_target", "stop")
		}
	})
}

func TestResource_ofAClientForItself(t *testing.T) {
	t.Parallel()
	for name, format := range formats() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				c := s.app(s.confidential, format, reaching(apiA, apiB))
				own := func(resources ...string) told {
					return s.post(url.Values{"grant_type": {"client_credentials"}, "resource": resources}, asClient(c, clientSecret))
				}
				if aud := s.audience(own()); aud != issuer {
					t.Errorf("without any resource the audience is %q", aud)
				}
				if aud := s.audience(own(apiB)); aud != apiB {
					t.Errorf("the audience is %q", aud)
				}
				for _, wrong := range [][]string{{apiA, apiB}, {"https://other.example/"}, {apiA + "#x"}, {"x"}} {
					s.bad(own(wrong...), 400, "invalid_target", "stop")
				}
			})
		})
	}
}

// RFC 8707 §3: who is shown a token that is meant for another does not take it. Its client may still revoke it.
func TestResource_tokenForAnotherIsRefusedHere(t *testing.T) {
	t.Parallel()
	for name, format := range formats() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				c := s.app(format, reaching(apiA, issuer))
				got := s.beginAt(c, apiA)
				s.userinfo(got.AccessToken).refused(http.StatusUnauthorized, "invalid_token")
				s.userinfo(s.beginAt(c, issuer).AccessToken).want(http.StatusOK)
				asker := s.app(s.confidential)
				s.active(asker, got.AccessToken)
				s.revoke(c, got.AccessToken).gone()
				s.inactive(asker, got.AccessToken)
			})
		})
	}
}

// What no one was granted can't be asked for by registering it.
func TestRegister_resourcesAreTheOperatorsToGive(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		const body = `{"redirect_uris":["https://a.example/cb"],"access_token_format":"reference","resources":["https://a.example/api"]}`
		got := s.askJSON(http.MethodPost, "/oauth2/register", body).want(http.StatusCreated)
		if got.json["resources"] != nil || got.json["access_token_format"] != "reference" {
			t.Errorf("registered %s", got.body)
		}
	})
}
