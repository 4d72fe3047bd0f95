package oauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

// pairwise makes an app one whose sector is a host.
func pairwise(host string) func(*identity.Client) {
	return func(c *identity.Client) {
		c.RedirectURIs, c.ApplicationType = []string{"https://" + host + "/cb"}, "web"
		c.SubjectType = identity.SubjectPairwise
	}
}

// saysWho is every place that says who, to the app that got these tokens.
func (s *stage) saysWho(c identity.Client, asker identity.Client, got told) map[string]string {
	s.Helper()
	_, idToken := s.decode(got.IDToken)
	said := map[string]string{"ID token": fmt.Sprint(idToken["sub"]), "userinfo": fmt.Sprint(s.tell(got.AccessToken)["sub"])}
	if c.AccessFormat == "" {
		_, access := s.decode(got.AccessToken)
		said["access token"] = fmt.Sprint(access["sub"])
	}
	said["introspection of the access token"] = fmt.Sprint(s.introspect(asker, got.AccessToken).json["sub"])
	said["introspection of the refresh token"] = fmt.Sprint(s.introspect(asker, got.RefreshToken).json["sub"])
	r := httptest.NewRequest("GET", "/me", nil)
	r.Header.Set("Authorization", "Bearer "+got.AccessToken)
	var me struct{ Sub string }
	if resp := s.send(r); resp.StatusCode != 200 || json.NewDecoder(resp.Body).Decode(&me) != nil {
		s.Fatalf("/me answered %d", resp.StatusCode)
	}
	said["/me"] = me.Sub
	said["the session's row, and so its logout token"] = s.session(got).Sub
	return said
}

// OpenID Connect Core 1.0 §8: every place that says who says the same to one client, and to its sector; another sector is told
// another, and nobody is told the public one.
func TestPairwise_everyPlaceThatSaysWhoSaysTheSameToASectorAndAnotherToTheNext(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker := s.app(s.confidential)
		reference := func(c *identity.Client) { c.AccessFormat = identity.FormatReference }
		known := map[string]string{} // who she is, by sector
		for _, tc := range []struct {
			sector string
			app    identity.Client
		}{
			{"public", s.app()},
			{"one", s.app(pairwise("one.example"))},
			{"one", s.app(pairwise("one.example"), reference)},
			{"one", s.app(pairwise("app.other.example"), func(c *identity.Client) { c.SectorURI = "https://ONE.example:8443/list" })},
			{"two", s.app(pairwise("two.example"))},
		} {
			got := s.post(redeeming(tc.app, s.code(asking(tc.app), s.signIn(s.user))))
			s.good(got)
			next := s.post(refreshing(tc.app, got.RefreshToken))
			s.good(next)
			if next.IDToken == "" {
				next.IDToken = got.IDToken
			}
			for _, tokens := range []told{got, next} {
				if tokens.RefreshToken == got.RefreshToken {
					tokens.RefreshToken = next.RefreshToken // of the first one nothing is left but a fork
				}
				for place, sub := range s.saysWho(tc.app, asker, tokens) {
					if known[tc.sector] == "" {
						known[tc.sector] = sub
					}
					if sub != known[tc.sector] || len(sub) != 22 {
						t.Errorf("%s says %q to the sector %s, which knows %q", place, sub, tc.sector, known[tc.sector])
					}
				}
			}
		}
		if known["public"] != s.user.Sub || known["one"] == known["two"] || known["one"] == s.user.Sub || known["two"] == s.user.Sub {
			t.Errorf("she is %v, and %s", known, s.user.Sub)
		}
		other := s.addUser("bob@example.com")
		c := s.app(pairwise("one.example"))
		got := s.post(redeeming(c, s.code(asking(c), s.signIn(other))))
		s.good(got)
		if s.session(got).Sub == known["one"] {
			t.Error("two people are one to a sector")
		}
	})
}

// Whom an app means by a subject is somebody whom it knows by that one: nobody learns by another's who is the same person.
func TestPairwise_anAppMeansWhomItKnows(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		open, one, two := s.app(), s.app(pairwise("one.example")), s.app(pairwise("two.example"))
		cookie := s.signIn(s.user)
		hints := map[string]string{}
		for name, c := range map[string]identity.Client{"public": open, "one": one, "two": two} {
			got := s.post(redeeming(c, s.code(asking(c), cookie)))
			s.good(got)
			hints[name] = got.IDToken
		}
		sub := func(name string) string {
			_, claims := s.decode(hints[name])
			return fmt.Sprint(claims["sub"])
		}
		for asker, c := range map[string]identity.Client{"public": open, "one": one, "two": two} {
			for name := range hints {
				want := map[bool]string{true: "code", false: "login_required"}[asker == name]
				if got := s.leads(asking(c, "prompt", "none", "id_token_hint", hints[name]), cookie); got != want {
					t.Errorf("%s with the ID token of %s leads to %s, want %s", asker, name, got, want)
				}
				claims := `{"id_token":{"sub":{"value":"` + sub(name) + `"}}}`
				if got := s.leads(asking(c, "prompt", "none", "claims", claims), cookie); got != want {
					t.Errorf("%s with the subject of %s leads to %s, want %s", asker, name, got, want)
				}
			}
		}
		asked := identity.AskedSignOut{ClientID: one.ID, Sub: sub("one")}
		subjects, err := s.db.Subjects(s.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !asked.Names(s.user, subjects.Of(one, s.user)) || asked.Names(s.user, subjects.Of(two, s.user)) || asked.Names(s.user, s.user.Sub) {
			t.Error("a sign-out names somebody else")
		}
	})
}

// APIs that follow the feed of endings refuse tokens of all sectors, whatever they call the person.
func TestPairwise_anEndingOfThePersonMarksThemByEachSubject(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		var tokens []oauth.AccessClaims
		for _, c := range []identity.Client{s.app(), s.app(pairwise("one.example")), s.app(pairwise("two.example"))} {
			got := s.post(redeeming(c, s.code(asking(c), s.signIn(s.user))))
			s.good(got)
			claims, err := s.ends.VerifyAccessToken(got.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, claims)
		}
		users := identity.Users{Store: s.db, Passwords: s.signIns.Passwords, Now: s.now}
		if err := users.SetPassword(s.Context(), s.user.Email, password+"!"); err != nil {
			t.Fatal(err)
		}
		end, err := s.db.MarkEnd(s.Context(), s.now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		marks, err := s.db.MarksBetween(s.Context(), 0, end.Position, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range tokens {
			refused := false
			for _, m := range marks {
				refused = refused || m.Refuses(identity.Marked{Sub: c.Subject, SessionID: c.SessionID, ID: c.ID, ClientID: c.ClientID, Epoch: c.SubEpoch, ClientEpoch: c.ClientEpoch})
			}
			if !refused {
				t.Errorf("no mark refuses the token of %s", c.Subject)
			}
		}
	})
}

// A client that knows people by other subjects from now on loses its Sessions, and codes under way: nobody is two to it.
func TestPairwise_changingTheSubjectsOfAClientEndsItsSessions(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(pairwise("one.example"))
		cookie := s.signIn(s.user)
		first := s.post(redeeming(c, s.code(asking(c), cookie)))
		s.good(first)
		code := s.code(asking(c), cookie)
		change := func(edit func(*identity.Client)) {
			_, _, err := identity.Operators{Store: s.db, Now: s.now}.UpdateClient(s.Context(), c.ID, func(c identity.Client) (identity.Client, error) {
				edit(&c)
				return c, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			s.pass(2 * time.Second) // clients are kept for a second
		}
		change(func(c *identity.Client) { c.Name = "Another name" })
		next := s.post(refreshing(c, first.RefreshToken))
		s.good(next)
		change(func(c *identity.Client) { c.SectorURI = "https://two.example/list" })
		s.invalidGrant(s.post(refreshing(c, next.RefreshToken)))
		s.invalidGrant(s.post(redeeming(c, code)))
	})
}

// sectorHost serves a list of redirect URIs, or what else a test says.
func sectorHost(t *testing.T, s *stage, answer http.HandlerFunc) string {
	t.Helper()
	site := httptest.NewTLSServer(answer)
	t.Cleanup(site.Close)
	s.rebuild(func(o *oauth.Options) { o.Fetch = site.Client() })
	return site.URL + "/list"
}

// OpenID Connect Registration 1.0 §5: the host of a sector_identifier_uri says whose clients are its own.
func TestRegister_aSectorIsItsHostsToGive(t *testing.T) {
	t.Parallel()
	const a, b = "https://a.example/cb", "https://b.example/cb"
	long := `["` + a + `","` + b + `","` + strings.Repeat("x", 70<<10) + `"]`
	onStage(t, func(s *stage) {
		for name, tc := range map[string]struct {
			answer http.HandlerFunc
			status int
		}{
			"a list that has both":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `["%s","https://c.example/","%s"]`, b, a) }, 201},
			"a list that lacks one": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `[%q]`, a) }, 400},
			"no list":               {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"redirect_uris":[%q,%q]}`, a, b) }, 400},
			"null":                  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `null`) }, 400},
			"too long a list":       {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, long) }, 400},
			"an error":              {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `["`+a+`","`+b+`"]`, 404) }, 400},
			"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/list" {
					http.Redirect(w, r, "/other", http.StatusFound)
					return
				}
				fmt.Fprintf(w, `[%q,%q]`, a, b)
			}, 400},
		} {
			body := fmt.Sprintf(`{"redirect_uris":[%q,%q],"subject_type":"pairwise","sector_identifier_uri":%q}`, a, b, sectorHost(t, s, tc.answer))
			r := httptest.NewRequest("POST", "/oauth2/register", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			resp := s.send(r)
			var said struct {
				Description string `json:"error_description"`
				Type        string `json:"subject_type"`
				Sector      string `json:"sector_identifier_uri"`
				ID          string `json:"client_id"`
				Token       string `json:"registration_access_token"`
			}
			if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || resp.StatusCode != tc.status {
				t.Errorf("%s: answered %d %+v", name, resp.StatusCode, said)
			}
			if tc.status != 201 {
				if !strings.Contains(said.Description, "sector_identifier_uri") {
					t.Errorf("%s: it does not say what is wrong: %q", name, said.Description)
				}
				continue
			}
			if said.Type != "pairwise" || said.Sector == "" {
				t.Errorf("%s: registered as %+v", name, said)
			}
			for update, status := range map[string]int{
				fmt.Sprintf(`{"client_id":%q,"redirect_uris":[%q],"subject_type":"pairwise","sector_identifier_uri":%q}`, said.ID, a, said.Sector):                200,
				fmt.Sprintf(`{"client_id":%q,"redirect_uris":["https://d.example/"],"subject_type":"pairwise","sector_identifier_uri":%q}`, said.ID, said.Sector): 400,
				fmt.Sprintf(`{"client_id":%q,"redirect_uris":[%q]}`, said.ID, a):                                                                                  400,
				fmt.Sprintf(`{"client_id":%q,"redirect_uris":[%q],"subject_type":"pairwise"}`, said.ID, a):                                                        400,
			} {
				r := httptest.NewRequest("PUT", "/oauth2/register/"+url.PathEscape(said.ID), strings.NewReader(update))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer "+said.Token)
				if resp := s.send(r); resp.StatusCode != status {
					t.Errorf("the update %s was answered %d, want %d", update, resp.StatusCode, status)
				}
			}
		}
	})
}

// However many clients somebody registers, we knock at one host no more often than that.
func TestRegister_sectorsAreNoCannon(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asked := 0
		address := sectorHost(t, s, func(w http.ResponseWriter, _ *http.Request) { asked++; fmt.Fprint(w, `[]`) })
		for i := range 30 {
			body := fmt.Sprintf(`{"redirect_uris":["https://a.example/cb"],"subject_type":"pairwise","sector_identifier_uri":"%s?%d"}`, address, i)
			r := httptest.NewRequest("POST", "/oauth2/register", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			if resp := s.send(r); resp.StatusCode != 400 && resp.StatusCode != 429 {
				t.Fatalf("answered %d", resp.StatusCode)
			}
		}
		if asked > 20 {
			t.Errorf("its host was asked %d times", asked)
		}
	})
}
