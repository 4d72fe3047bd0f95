package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// own is a client_credentials request, changed by pairs.
func own(pairs ...string) url.Values {
	return changed(url.Values{"grant_type": {"client_credentials"}, "scope": {"files"}}, pairs)
}

func TestClientAuth_methods(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		both := s.app(s.confidential)
		onlyBasic := s.app(s.confidential, func(c *identity.Client) { c.AuthMethod = "client_secret_basic" })
		onlyPost := s.app(s.confidential, func(c *identity.Client) { c.AuthMethod = "client_secret_post" })
		body := func(c identity.Client, secret string) url.Values {
			return own("client_id", c.ID, "client_secret", secret)
		}
		none := func(*http.Request) {}
		tests := []struct {
			name string
			form url.Values
			edit func(*http.Request)
			want int
			code string
		}{
			{"either method, basic", own(), asClient(both, clientSecret), 200, ""},
			{"either method, basic with client_id beside", own("client_id", both.ID), asClient(both, clientSecret), 200, ""},
			{"either method, post", body(both, clientSecret), none, 200, ""},
			{"basic only, basic", own(), asClient(onlyBasic, clientSecret), 200, ""},
			{"basic only, post", body(onlyBasic, clientSecret), none, 401, "invalid_client"},
			{"post only, post", body(onlyPost, clientSecret), none, 200, ""},
			{"post only, basic", own(), asClient(onlyPost, clientSecret), 401, "invalid_client"},
			{"wrong secret", own(), asClient(both, "guess"), 401, "invalid_client"},
			{"wrong secret, post", body(both, "guess"), none, 401, "invalid_client"},
			{"no secret", own("client_id", both.ID), none, 401, "invalid_client"},
			{"empty secret, basic", own(), asClient(both, ""), 401, "invalid_client"},
			{"unknown client", own(), asClient(identity.Client{ID: "nobody"}, clientSecret), 401, "invalid_client"},
			{"no client at all", own(), none, 401, "invalid_client"},
			{"a client id with NUL", own(), asClient(identity.Client{ID: "a\x00b"}, clientSecret), 401, "invalid_client"},
			{"a client id that is not UTF-8", own(), asClient(identity.Client{ID: "\xff"}, clientSecret), 401, "invalid_client"},
			{"a client id of 65 bytes", own(), asClient(identity.Client{ID: strings.Repeat("x", 65)}, "s"), 401, "invalid_client"},
			{"both methods at once", body(both, clientSecret), asClient(both, clientSecret), 400, "invalid_request"},
			{"another client_id beside", own("client_id", "x"), asClient(both, clientSecret), 400, "invalid_request"},
			{
				"an assertion beside a secret",
				changed(body(both, clientSecret), []string{"client_assertion", "x", "client_assertion_type", jwtBearer}),
				none, 400, "invalid_request",
			},
			{"an unknown kind of assertion", own("client_assertion", "x"), none, 400, "invalid_request"},
			{"a kind of assertion and none of it", changed(body(both, clientSecret), []string{"client_assertion_type", "x"}), none, 200, ""},
			{"bearer", own(), withHeader("Bearer x"), 401, "invalid_client"},
			{"bearer beside a secret", body(both, clientSecret), withHeader("Bearer x"), 200, ""},
			{"bearer beside basic", own(), func(r *http.Request) {
				asClient(both, clientSecret)(r)
				r.Header.Add("Authorization", "Bearer x")
			}, 200, ""},
			{"basic twice", own(), func(r *http.Request) {
				asClient(both, clientSecret)(r)
				r.Header.Add("Authorization", r.Header.Get("Authorization"))
			}, 401, "invalid_client"},
			{"basic and nothing", own(), withHeader("Basic"), 401, "invalid_client"},
			{"basic that is no base64", own(), withHeader("Basic %%%"), 401, "invalid_client"},
			{"basic that is not form-urlencoded", own(), func(r *http.Request) { r.SetBasicAuth("a%zz", "b") }, 401, "invalid_client"},
		}
		for _, test := range tests {
			got := s.post(test.form, test.edit)
			if got.Status != test.want || got.Error != test.code {
				t.Errorf("%s: answered %d %q (%s), want %d %q",
					test.name, got.Status, got.Error, got.Description, test.want, test.code)
			}
			// fosite leaves WWW-Authenticate out (access_error.go); RFC 6749 §5.2 asks for it.
			if challenge := got.Header.Get("WWW-Authenticate"); (got.Status == 401) != strings.HasPrefix(challenge, "Basic realm=") {
				t.Errorf("%s: %d with WWW-Authenticate %q", test.name, got.Status, challenge)
			}
		}
	})
}

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func withHeader(value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", value) }
}

// A proxy or an HTTP client puts on a request what it likes: none of it authenticates a client.
func TestClientAuth_whatInterceptorsAddIsPassedOver(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		for _, header := range []string{"Bearer " + tokens.AccessToken, "DPoP x", "Negotiate YII", "Digest username=x", "garbage", "basically x"} {
			got := s.post(refreshing(c, tokens.RefreshToken, "trace", "1"), withHeader(header), func(r *http.Request) {
				r.Header.Set("Cookie", "a=b; a=c; ;")
				r.Header.Set("Proxy-Authorization", "Basic eDp5")
			})
			if got.Status != http.StatusOK {
				t.Fatalf("%s: answered %d %s (%s)", header, got.Status, got.Error, got.Description)
			}
			tokens = got
		}
		form := url.Values{"client_id": {c.ID}, "refresh_token": {tokens.RefreshToken}}
		s.askForm(signOutAt, form, withHeader("Bearer x")).says(true)
		s.askForm(revokeAt, url.Values{"client_id": {c.ID}, "token": {tokens.RefreshToken}}, withHeader("Bearer x")).gone()
	})
}

// An app whose client is gone begins anew; one that is set up wrongly waits until somebody has mended it. Whoever holds
// nothing of a client hears the same of one that is gone as of one that never was.
func TestClientAuth_ofAClientThatIsGoneTheAppSignsInAgain(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, other := s.app(), s.app()
		tokens, elsewhere := s.begin(c), s.begin(other)
		code := s.code(asking(c), s.signIn(s.user))
		secretive := s.app(s.confidential)
		theirs := s.post(redeeming(secretive, s.code(asking(secretive), s.signIn(s.user)), "client_id", ""), asClient(secretive, clientSecret))
		s.good(theirs)
		for _, id := range []string{c.ID, secretive.ID} {
			if err := s.db.DeleteClient(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		s.pass(2 * time.Second) // longer than a client is kept
		s.bad(s.post(refreshing(c, tokens.RefreshToken)), 401, "invalid_client", "login")
		s.bad(s.post(redeeming(c, code)), 401, "invalid_client", "login")
		s.bad(s.postTo(signOutAt, url.Values{"client_id": {c.ID}, "refresh_token": {tokens.RefreshToken}}), 401, "invalid_client", "login")
		s.bad(s.postTo(revokeAt, url.Values{"client_id": {c.ID}, "token": {tokens.RefreshToken}}), 401, "invalid_client", "login")
		gone := refreshing(secretive, theirs.RefreshToken, "client_id", "")
		s.bad(s.post(gone, asClient(secretive, clientSecret)), 401, "invalid_client", "login")
		s.bad(s.post(own(), asClient(secretive, clientSecret)), 401, "invalid_client", "stop")
		s.bad(s.post(refreshing(c, elsewhere.RefreshToken)), 401, "invalid_client", "stop")
		s.bad(s.post(refreshing(c, "sj_rt_x")), 401, "invalid_client", "stop")
		s.bad(s.post(refreshing(c, tokens.RefreshToken, "client_id", "mistyped")), 401, "invalid_client", "stop")
	})
}

// RFC 6749 §2.3.1: both parts are form-urlencoded before they are joined with a colon.
func TestClientAuth_basicIsFormURLEncoded(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		const odd = "a+b c%d:é"
		c := s.app(s.confidential, func(c *identity.Client) {
			c.ID, c.SecretHash = "https://client.example/"+identity.RandomText(4), s.keys.HashSecret(odd)
		})
		s.good(s.post(own(), asClient(c, odd)))
	})
}

func TestClientAuth_unknownAndKnownClientsAnswerAlike(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		known, unknown := s.post(own(), asClient(c, "guess")), s.post(own(), asClient(identity.Client{ID: "nobody"}, "guess"))
		if known.Description != unknown.Description || known.Status != unknown.Status {
			t.Errorf("%q and %q can be told apart", known.Description, unknown.Description)
		}
	})
}

func TestClientAuth_guessingASecretCostsAWaitThereAndNowhereElse(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		from := func(address, secret string) told {
			return s.post(own(), asClient(c, secret), func(r *http.Request) { r.RemoteAddr = address })
		}
		for range 20 {
			s.bad(from("192.0.2.1:1", "guess"), 401, "invalid_client", "stop")
		}
		s.bad(from("192.0.2.1:2", clientSecret), 429, "temporarily_unavailable", "retry")
		s.good(from("192.0.2.2:1", clientSecret))
		s.pass(10 * time.Second)
		s.good(from("192.0.2.1:3", clientSecret))
	})
}

// golang.org/x/oauth2 tries HTTP Basic with an empty password first.
func TestClientAuth_aPublicClientMayNameItselfByBasic(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		code := s.code(asking(c), s.signIn(s.user))
		s.bad(s.post(redeeming(c, code, "client_secret", "x")), 401, "invalid_client", "stop")
		s.good(s.post(redeeming(c, code, "client_id", ""), asClient(c, "")))
	})
}

func TestClientCredentials_areForClientsThemselves(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		got := s.post(own(), asClient(c, clientSecret))
		s.good(got)
		if got.RefreshToken != "" || got.IDToken != "" || got.SessionExpiresIn != 0 || got.Scope != "files" {
			t.Errorf("answered %+v", got)
		}
		_, claims := s.decode(got.AccessToken)
		for name := range claims {
			if name == "sid" || name == "acr" || name == "auth_time" {
				t.Errorf("a token of nobody's sign-in says %s", name)
			}
		}
		if claims["sub"] != c.ID || claims["client_id"] != c.ID {
			t.Errorf("sub is %v", claims["sub"])
		}
		if plain := s.post(own("scope", ""), asClient(c, clientSecret)); plain.Status != 200 || plain.Scope != "" {
			t.Errorf("without scope there are none: %+v", plain)
		}
		for _, scope := range []string{"openid", "offline_access", "admin", "openid admin", "fil", "files/x"} {
			s.bad(s.post(own("scope", scope), asClient(c, clientSecret)), 400, "invalid_scope", "stop")
			if got := s.post(own("scope", scope+" files"), asClient(c, clientSecret)); got.Scope != "files" {
				t.Errorf("%s beside one of the client's: the scope is %q (%d)", scope, got.Scope, got.Status)
			}
		}
		public := s.app(func(c *identity.Client) { c.GrantTypes = append(c.GrantTypes, "client_credentials") })
		s.bad(s.post(own("client_id", public.ID)), 400, "unauthorized_client", "stop")
		unregistered := s.app(s.confidential, func(c *identity.Client) { c.GrantTypes = []string{"authorization_code"} })
		s.bad(s.post(own(), asClient(unregistered, clientSecret)), 400, "unauthorized_client", "stop")
	})
}

// A client that only gets tokens for itself, day by day, is used like any other: the sweep must not take it.
func TestOwnToken_countsAsUse(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential, selfRegistered, func(c *identity.Client) {
			c.GrantTypes, c.Scope = []string{"client_credentials"}, "files"
		})
		unused := func() bool {
			row, err := s.db.ClientByID(s.Context(), c.ID)
			if err != nil {
				s.Fatal(err)
			}
			return row.FirstUsedAt.IsZero()
		}
		s.post(own(), asClient(c, "wrong"))
		if !unused() {
			s.Error("it was used by whoever does not know its secret")
		}
		s.good(s.post(own(), asClient(c, clientSecret)))
		if unused() {
			s.Error("it counts as unused")
		}
	})
}

// A secret is rotated without an outage: both are good for the overlap, then the new one alone.
func TestClientAuth_theSecretBeforeIsGoodForTheOverlap(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		operators := identity.Operators{Store: s.db, Now: s.now}
		rotation := identity.NewClientSecret{ClientID: c.ID, Secret: "another secret", Overlap: time.Hour}
		if err := operators.RotateSecret(s.Context(), s.keys, rotation); err != nil {
			t.Fatal(err)
		}
		takes := func(secret string, want int) {
			t.Helper()
			if got := s.post(own(), asClient(c, secret)); got.Status != want {
				t.Errorf("%q: %d, want %d", secret, got.Status, want)
			}
		}
		takes(clientSecret, http.StatusOK)
		takes("another secret", http.StatusOK)
		s.pass(time.Hour)
		takes(clientSecret, http.StatusUnauthorized)
		takes("another secret", http.StatusOK)
	})
}

// A client's secret that was hashed under an older root secret is hashed under the first one when it is used, so that the
// older one can leave.
func TestClientAuth_useKeepsTheSecretUnderTheFirstRootSecret(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		older := []byte(strings.Repeat("o", 32))
		both, err := identity.NewKeyring(storagetest.Root(), older)
		if err != nil {
			t.Fatal(err)
		}
		before, err := identity.NewKeyring(older)
		if err != nil {
			t.Fatal(err)
		}
		c := s.app(s.confidential, func(c *identity.Client) { c.SecretHash = before.HashSecret(clientSecret) })
		s.rebuild(func(o *oauth.Options) { o.Keys = both })
		if got := s.post(own(), asClient(c, "another secret")); got.Status != http.StatusUnauthorized {
			t.Error(got.Status)
		}
		s.good(s.post(own(), asClient(c, clientSecret)))
		s.rebuild() // the older one has left
		s.pass(time.Second)
		s.good(s.post(own(), asClient(c, clientSecret)))
	})
}
