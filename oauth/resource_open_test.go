package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

const notesAPI = "https://api.example.com/mcp"

// describe adds a resource as an operator does: the notes, open to all, with two scopes.
func (s *stage) describe(uri string, changes ...func(*identity.Resource)) identity.Resource {
	s.Helper()
	r := identity.Resource{URI: uri, ResourceSettings: identity.ResourceSettings{
		Name: "Your notes", Open: true, Scopes: []identity.ResourceScope{
			{Name: "notes.read", Words: "Read your notes"}, {Name: "notes.write", Words: "Change your notes"},
		},
	}}
	for _, change := range changes {
		change(&r)
	}
	added, err := s.operators().AddResource(s.Context(), r)
	if err != nil {
		s.Fatal(err)
	}
	return added
}

// redescribe changes a resource.
func (s *stage) redescribe(uri string, change func(*identity.Resource)) {
	s.Helper()
	_, _, err := s.operators().UpdateResource(s.Context(), uri, func(r identity.Resource) (identity.Resource, error) {
		change(&r)
		return r, nil
	})
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) undescribe(uri string) {
	s.Helper()
	if err := s.operators().DeleteResource(s.Context(), uri); err != nil {
		s.Fatal(err)
	}
}

func closed(r *identity.Resource) { r.Open = false }

// stranger is an app that registered itself, on a redirect that leads to it alone.
func (s *stage) stranger() identity.Client {
	s.Helper()
	return s.app(selfRegistered, func(c *identity.Client) {
		c.RedirectURIs, c.Scope = []string{"https://agent.example/cb"}, "openid profile email offline_access"
	})
}

// agree signs the person in to a client that asks for a resource and scopes, has them allow that, and returns the tokens.
func (s *stage) agree(c identity.Client, pairs ...string) told {
	s.Helper()
	cookie := s.signIn(s.user)
	page, q := s.location(s.authorize(asking(c, pairs...), cookie))
	if page == "/consent" {
		asked, err := s.keys.ReadAsked(q.Get("next"))
		if err != nil {
			s.Fatal(err)
		}
		all, err := s.db.Resources(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		demand, err := asked.Demand(c, all, s.now())
		if err != nil {
			s.Fatal(err)
		}
		if err := s.grants.Allow(s.Context(), s.standing(cookie), demand); err != nil {
			s.Fatal(err)
		}
		_, q = s.location(s.authorize(s.pressing(identity.ForAllowal, q, cookie), cookie))
	}
	if q.Get("code") == "" {
		s.Fatalf("no code: %v", q)
	}
	return s.post(redeeming(c, q.Get("code")))
}

// An app that nobody here ever heard of gets what an open resource offers, in tokens that name it, at its spelling of the URI.
func TestResource_thatIsOpenIsForAppsThatRegisteredThemselves(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI)
		for _, spelled := range []string{notesAPI, notesAPI + "/", "HTTPS://API.example.com/mcp"} {
			got := s.agree(s.stranger(), "resource", spelled, "scope", "openid offline_access notes.read calendar")
			if aud := s.audience(got); aud != notesAPI || got.Scope != "openid offline_access notes.read" {
				t.Errorf("%s: the audience is %q, the scope %q", spelled, aud, got.Scope)
			}
		}
	})
}

// Refreshing without resource goes on with what was granted, in one statement as ever, with it too.
func TestResource_isTheOneThatWasGrantedWhereARefreshNamesNone(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI)
		s.describe("https://api.example.com/calendar", func(r *identity.Resource) { r.Scopes = nil })
		c := s.stranger()
		got := s.agree(c, "resource", notesAPI, "scope", "notes.read offline_access")
		for _, pairs := range [][]string{nil, {"resource", notesAPI}, {"resource", notesAPI + "/"}, {"scope", "notes.read"}} {
			got = s.post(refreshing(c, got.RefreshToken, pairs...))
			if aud := s.audience(got); aud != notesAPI || !strings.Contains(got.Scope, "notes.read") {
				t.Errorf("%v: the audience is %q, the scope %q", pairs, aud, got.Scope)
			}
		}
		before := s.session(got).Line
		refused := s.post(refreshing(c, got.RefreshToken, "resource", "https://api.example.com/calendar"))
		s.bad(refused, 400, "invalid_target", "stop")
		if !strings.Contains(refused.Description, notesAPI) {
			t.Errorf("it does not say what would be right: %s", refused.Description)
		}
		if line := s.session(got).Line; line != before {
			t.Errorf("the refusal moved the line from %+v to %+v", before, line)
		}
	})
}

// RFC 8707 §2.2: each token says the scopes of its own audience.
func TestResource_tokenNeverSaysWhatAnotherOffers(t *testing.T) {
	t.Parallel()
	for name, format := range formats() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				s.describe(apiA)
				s.describe(apiB, func(r *identity.Resource) {
					r.Scopes = []identity.ResourceScope{{Name: "photos", Words: "See your photos"}}
				})
				c := s.app(format)
				q := asking(c, "scope", "openid photos notes.read")
				q["resource"] = []string{apiA, apiB, issuer}
				first := s.post(redeeming(c, s.code(q, s.signIn(s.user)), "resource", apiA))
				second := s.post(refreshing(c, first.RefreshToken, "resource", apiB))
				third := s.post(refreshing(c, second.RefreshToken, "resource", issuer))
				for _, one := range []struct {
					got        told
					aud, scope string
				}{{first, apiA, "openid notes.read"}, {second, apiB, "openid photos"}, {third, issuer, "openid"}} {
					said, _ := s.introspect(s.app(s.confidential), one.got.AccessToken).json["scope"].(string)
					if aud := s.audience(one.got); aud != one.aud || one.got.Scope != one.scope || said != one.scope {
						t.Errorf("for %s the audience is %q, the scope %q, introspection tells %q", one.aud, aud, one.got.Scope, said)
					}
				}
				refused := s.post(refreshing(c, third.RefreshToken, "resource", apiB, "scope", "notes.read"))
				s.bad(refused, 400, "invalid_scope", "stop")
			})
		})
	}
}

// An operator may register scopes of resources for a client: for each resource it gets those of that one all the same.
func TestResource_registeredScopesAreOfTheResourceThatOffersThem(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(apiA)
		s.describe(apiB, func(r *identity.Resource) {
			r.Scopes = []identity.ResourceScope{{Name: "photos", Words: "See your photos"}}
		})
		c := s.app(func(c *identity.Client) { c.Scope += " photos notes.read" })
		q := asking(c, "scope", "openid files photos notes.read")
		q["resource"] = []string{apiA, apiB}
		got := s.post(redeeming(c, s.code(q, s.signIn(s.user)), "resource", apiA))
		if got.Scope != "openid files notes.read" {
			t.Errorf("for the first it is %q", got.Scope)
		}
		if got = s.post(refreshing(c, got.RefreshToken, "resource", apiB)); got.Scope != "openid files photos" {
			t.Errorf("for the second it is %q", got.Scope)
		}
	})
}

// One resource in several spellings is one: no token request must choose among them.
func TestResource_namedTwiceIsOne(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(apiA)
		c := s.app()
		q := asking(c)
		q["resource"] = []string{apiA, strings.ToUpper(apiA[:8]) + apiA[8:], apiA}
		got := s.post(redeeming(c, s.code(q, s.signIn(s.user))))
		s.good(got)
		if aud := s.audience(got); aud != apiA || len(s.session(got).Resources) != 1 {
			t.Errorf("the audience is %q of %v", aud, s.session(got).Resources)
		}
	})
}

// A reference token that says no scope says none, whatever else its Session was granted.
func TestResource_referenceTokenWithoutAScopeHasNone(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(apiA)
		s.describe(apiB, func(r *identity.Resource) { r.Scopes = nil })
		c := s.app(references)
		q := asking(c, "scope", "notes.read")
		q["resource"] = []string{apiA, apiB}
		got := s.post(redeeming(c, s.code(q, s.signIn(s.user)), "resource", apiB))
		if said := s.introspect(s.app(s.confidential), got.AccessToken).json; said["active"] != true || said["scope"] != nil {
			t.Errorf("it says %v", said)
		}
	})
}

// What is not open is for those that the operator gave it to; the refusal says what would be right.
func TestResource_thatIsNotOpenIsForThoseThatListIt(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI, closed)
		s.describe(apiA)
		_, got := s.location(s.authorize(asking(s.stranger(), "resource", notesAPI), s.signIn(s.user)))
		if got.Get("error") != "invalid_target" || !strings.Contains(got.Get("error_description"), apiA) ||
			strings.Contains(strings.TrimPrefix(got.Get("error_description"), "This client may not ask for the resource "+notesAPI), notesAPI) {
			t.Errorf("answered %v", got)
		}
		lists := s.app(reaching(notesAPI), func(c *identity.Client) { c.Scope = "openid offline_access notes.read" })
		mine := s.agree(lists, "resource", notesAPI+"/", "scope", "openid notes.read notes.write")
		if aud := s.audience(mine); aud != notesAPI || mine.Scope != "openid notes.read" { // what its operator says of it
			t.Errorf("the audience is %q, the scope %q", aud, mine.Scope)
		}
	})
}

// No client gets for itself what is open to people's apps: nobody would be asked.
func TestResource_thatIsOpenIsForNobodyWithoutAPerson(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI)
		own := func(c identity.Client) told {
			return s.post(own("resource", notesAPI), asClient(c, clientSecret))
		}
		s.bad(own(s.app(s.confidential)), 400, "invalid_target", "stop")
		if aud := s.audience(own(s.app(s.confidential, reaching(notesAPI)))); aud != notesAPI {
			t.Errorf("listed, the audience is %q", aud)
		}
	})
}

// Clients that were never told of any scope send none (MCP 2026-07-28, Scope Selection): they ask for all there is.
func TestResource_withoutScopeIsAllThatItOffers(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI)
		if got := s.agree(s.stranger(), "resource", notesAPI, "scope", ""); got.Scope != "notes.read notes.write" {
			t.Errorf("the scope is %q", got.Scope)
		}
	})
}

// RFC 6749 §3.3: only where nothing is left.
func TestAuthorize_scopesThatExistNowhereAreRefusedOnlyWhereNothingIsLeft(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI)
		c, cookie := s.stranger(), s.signIn(s.user)
		for scope, want := range map[string]string{
			"calendar": "invalid_scope", "openid calendar": "", "notes.read": "invalid_scope", // its resource was not named
		} {
			_, got := s.location(s.authorize(asking(c, "scope", scope), cookie))
			if got.Get("error") != want {
				t.Errorf("%s: answered %v", scope, got)
			}
		}
	})
}

// DESIGN law 12: a deleted resource is over at once, and another of its name is another one.
func TestResource_thatWasDeletedComesBackWithNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI)
		c, asker := s.stranger(), s.app(s.confidential)
		got := s.agree(c, "resource", notesAPI, "scope", "notes.read offline_access")
		s.active(asker, got.AccessToken)
		s.undescribe(notesAPI)
		s.inactive(asker, got.AccessToken)
		before := s.session(got).Line
		for _, pairs := range [][]string{nil, {"resource", notesAPI}, {"scope", "notes.read"}} {
			s.invalidGrant(s.post(refreshing(c, got.RefreshToken, pairs...)))
		}
		lists := s.app(reaching(notesAPI))
		if answer := s.redirected(asking(lists, "resource", notesAPI), s.signIn(s.user)); answer.Get("error") != "invalid_target" {
			t.Errorf("who lists it is answered %v", answer)
		}
		s.describe(notesAPI) // within the second
		s.inactive(asker, got.AccessToken)
		s.invalidGrant(s.post(refreshing(c, got.RefreshToken)))
		if line := s.session(got).Line; line != before {
			t.Errorf("refusals moved the line from %+v to %+v", before, line)
		}
		if page, _ := s.location(s.authorize(asking(c, "resource", notesAPI, "scope", "notes.read offline_access"), s.signIn(s.user))); page != "/consent" {
			t.Errorf("added anew, what was allowed before leads to %s", page)
		}
		again := s.agree(c, "resource", notesAPI, "scope", "notes.read offline_access")
		if aud := s.audience(s.post(refreshing(c, again.RefreshToken))); aud != notesAPI {
			t.Errorf("the audience is %q", aud)
		}
	})
}

// Within one second all of it: a token says which of several of one name it is for.
func TestResource_addedAnewWithinTheSecondIsAnotherOneForItsTokens(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI)
		asker := s.app(s.confidential)
		for _, format := range []string{"", identity.FormatReference} {
			c := s.app(selfRegistered, func(c *identity.Client) {
				c.RedirectURIs, c.Scope, c.AccessFormat = []string{"https://agent.example/cb"}, "openid offline_access", format
			})
			var old []string
			for range 3 {
				got := s.agree(c, "resource", notesAPI, "scope", "notes.read")
				if about := s.introspect(asker, got.AccessToken); about.json["active"] != true || about.text("aud") != notesAPI {
					t.Errorf("%q: a token of the one that is there: %v", format, about.json)
				}
				for _, before := range old {
					s.inactive(asker, before)
				}
				old = append(old, got.AccessToken)
				s.undescribe(notesAPI)
				s.describe(notesAPI)
			}
		}
	})
}

// Clients that list a URI had tokens for it before anyone described it, and keep their Sessions when someone does.
func TestResource_thatIsDescribedLaterEndsNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(reaching(apiA))
		got := s.beginAt(c, apiA)
		s.describe(apiA, closed)
		if aud := s.audience(s.post(refreshing(c, got.RefreshToken))); aud != apiA {
			t.Errorf("the audience is %q", aud)
		}
	})
}

// DESIGN law 12: what people allowed were the words that they read.
func TestGrant_isForTheWordsThatThePageSaid(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI)
		c := s.stranger()
		ask := func(scope string) string {
			page, _ := s.location(s.authorize(asking(c, "resource", notesAPI, "scope", scope), s.signIn(s.user)))
			return page
		}
		s.good(s.agree(c, "resource", notesAPI, "scope", "notes.read"))
		if page := ask("notes.read"); page == "/consent" {
			t.Error("what was allowed is asked again")
		}
		if page := ask("notes.read notes.write"); page != "/consent" {
			t.Errorf("more than was allowed leads to %s", page)
		}
		s.redescribe(notesAPI, func(r *identity.Resource) { r.Scopes[1].Words = "Delete your notes" })
		if page := ask("notes.read"); page == "/consent" {
			t.Error("other words of another scope ask again")
		}
		s.redescribe(notesAPI, func(r *identity.Resource) { r.Scopes[0].WordsIn = map[string]string{"de": "Notizen löschen"} })
		if page := ask("notes.read"); page != "/consent" {
			t.Errorf("other words lead to %s", page)
		}
	})
}

// Two resources may call a scope alike; allowing it at one allows nothing at the other.
func TestGrant_isForTheResourceThatThePageSaid(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(apiA)
		s.describe(apiB)
		c := s.stranger()
		s.good(s.agree(c, "resource", apiA, "scope", "notes.read"))
		if page, _ := s.location(s.authorize(asking(c, "resource", apiB, "scope", "notes.read"), s.signIn(s.user))); page != "/consent" {
			t.Errorf("led to %s", page)
		}
		if page, _ := s.location(s.authorize(asking(c, "scope", "openid"), s.signIn(s.user))); page != "/consent" {
			t.Errorf("without a resource it led to %s", page)
		}
	})
}

// The lifetime is the resource's, and the Session's end still comes first.
func TestResource_saysHowLongItsTokensLast(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI, func(r *identity.Resource) { r.AccessTTL = 1800 })
		c := s.app()
		got := s.agree(c, "resource", notesAPI, "scope", "notes.read")
		if got.ExpiresIn != 1800 || s.begin(c).ExpiresIn != 600 {
			t.Errorf("it lasts %d seconds, another %d", got.ExpiresIn, s.begin(c).ExpiresIn)
		}
		s.redescribe(notesAPI, func(r *identity.Resource) { r.AccessTTL = 60 })
		if got = s.post(refreshing(c, got.RefreshToken)); got.ExpiresIn != 60 {
			t.Errorf("changed, it lasts %d seconds", got.ExpiresIn)
		}
	})
}

// A resource that asks for a second factor gets no token without, not even where it began to ask later; nothing is used up.
func TestResource_thatNeedsASecondFactor(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI)
		c := s.stranger()
		got := s.agree(c, "resource", notesAPI, "scope", "notes.read offline_access")
		s.redescribe(notesAPI, func(r *identity.Resource) { r.RequireMFA = true })
		before := s.session(got).Line
		for _, pairs := range [][]string{nil, {"resource", notesAPI}, {"scope", "notes.read"}} {
			s.invalidGrant(s.post(refreshing(c, got.RefreshToken, pairs...)))
		}
		if line := s.session(got).Line; line != before {
			t.Errorf("refusals moved the line from %+v to %+v", before, line)
		}
		if page, _ := s.location(s.authorize(asking(c, "resource", notesAPI, "scope", "notes.read"), s.signIn(s.user))); page != "/account/totp" {
			t.Errorf("led to %s", page)
		}
		if page, _ := s.location(s.authorize(asking(c), s.signIn(s.user))); page != "/consent" {
			t.Errorf("without the resource it led to %s", page)
		}
	})
}

// Some resource servers refuse at+jwt. What is of the type JWT for them is still no ID token, here.
func TestResource_tokensOfTypeJWTAreNoIDTokens(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.describe(notesAPI, func(r *identity.Resource) { r.TokenType = "JWT" })
		c := s.app(func(c *identity.Client) { c.IDTokenAlg = "ES256" })
		got := s.agree(c, "resource", notesAPI, "scope", "openid notes.read")
		if header, _ := s.decode(got.AccessToken); header["typ"] != "JWT" {
			t.Errorf("its header is %v", header)
		}
		asker := s.app(s.confidential)
		s.active(asker, got.AccessToken)
		s.inactive(asker, got.IDToken)
		s.userinfo(got.AccessToken).refused(http.StatusUnauthorized, "invalid_token")
		if _, err := s.ends.VerifyAccessToken(got.IDToken); err == nil {
			t.Error("an ID token is taken for an access token")
		}
		_, hinted := s.location(s.authorize(asking(c, "id_token_hint", got.AccessToken, "prompt", "none"), s.signIn(s.addUser("bob@example.com"))))
		if hinted.Get("code") == "" {
			t.Errorf("an access token counted as an id_token_hint: %v", hinted)
		}
		s.revoke(c, got.AccessToken).gone()
		s.inactive(asker, got.AccessToken)
	})
}

// Discovery tells the scopes that any app may ask for.
func TestDiscovery_tellsTheScopesOfOpenResources(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		supported := func() (names []string) {
			var doc struct {
				Scopes []string `json:"scopes_supported"`
			}
			resp := s.send(httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil))
			if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
				t.Fatal(err)
			}
			return doc.Scopes
		}
		if diff := cmp.Diff(identity.Scopes, supported()); diff != "" {
			t.Error(diff)
		}
		s.describe(notesAPI)
		s.describe(apiA, closed, func(r *identity.Resource) { r.Scopes = []identity.ResourceScope{{Name: "admin", Words: "All"}} })
		if diff := cmp.Diff(append(slices.Clone(identity.Scopes), "notes.read", "notes.write"), supported()); diff != "" {
			t.Error(diff)
		}
		s.undescribe(notesAPI)
		if diff := cmp.Diff(identity.Scopes, supported()); diff != "" {
			t.Error(diff)
		}
	})
}
