package oauth_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

func TestRefresh_rotates(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		s.pass(24 * time.Hour)
		second := s.post(refreshing(c, first.RefreshToken))
		s.good(second)
		if second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken {
			t.Error("the tokens did not change")
		}
		if second.IDToken != "" {
			t.Error("an ID token came although the client does not want one with a refresh")
		}
		if second.SessionExpiresIn != 179*24*3600 || second.Scope != "openid offline_access" {
			t.Errorf("answered %+v", second)
		}
	})
}

func TestRefresh_aLostAnswerForks(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		lost := s.post(refreshing(c, first.RefreshToken))
		again := s.post(refreshing(c, first.RefreshToken))
		s.good(again)
		if again.RefreshToken == lost.RefreshToken {
			t.Error("a bearer's fork is a branch of its own")
		}
		s.good(s.post(refreshing(c, again.RefreshToken)))
		s.invalidGrant(s.post(refreshing(c, lost.RefreshToken)))
	})
}

func TestRefresh_reusedTokenEndsTheSession(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		second := s.post(refreshing(c, first.RefreshToken))
		third := s.post(refreshing(c, second.RefreshToken))
		s.good(third)
		s.invalidGrant(s.post(refreshing(c, first.RefreshToken)))
		if row := s.session(first); row.EndCause != identity.EndReuse {
			t.Errorf("the end cause is %q", row.EndCause)
		}
		s.invalidGrant(s.post(refreshing(c, third.RefreshToken)))
	})
}

func TestRefresh_anotherClientsTokenTouchesNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, other := s.app(), s.app()
		first := s.begin(c)
		s.invalidGrant(s.post(refreshing(other, first.RefreshToken)))
		for _, forged := range []string{"x", "sj_rt_", "sj_rt_AAAA", first.RefreshToken + "A", first.AccessToken} {
			s.invalidGrant(s.post(refreshing(c, forged)))
		}
		s.bad(s.post(refreshing(c, "")), 400, "invalid_request", "stop")
		s.good(s.post(refreshing(c, first.RefreshToken)))
	})
}

func TestRefresh_aConfidentialClientGetsTheSameSuccessorAgain(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		code := s.code(asking(c), s.signIn(s.user))
		first := s.post(redeeming(c, code, "client_id", ""), asClient(c, clientSecret))
		s.good(first)
		form := refreshing(c, first.RefreshToken, "client_id", "")
		a, b := s.post(form, asClient(c, clientSecret)), s.post(form, asClient(c, clientSecret))
		s.good(a)
		if a.RefreshToken != b.RefreshToken || a.AccessToken == b.AccessToken {
			t.Error("a holder who proved themselves gets the same successor, with a fresh access token")
		}
		s.bad(s.post(refreshing(c, a.RefreshToken)), 401, "invalid_client", "stop")
		s.good(s.post(refreshing(c, a.RefreshToken, "client_id", ""), asClient(c, clientSecret)))
	})
}

func TestRefresh_aNarrowerScopeIsForTheAccessTokenOnly(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		narrow := s.post(refreshing(c, first.RefreshToken, "scope", "openid"))
		s.good(narrow)
		claims, err := s.ends.VerifyAccessToken(narrow.AccessToken)
		if err != nil || narrow.Scope != "openid" || claims.Scope != "openid" {
			t.Errorf("the scope is %q, in the token %q: %v", narrow.Scope, claims.Scope, err)
		}
		if wide := s.post(refreshing(c, narrow.RefreshToken)); wide.Scope != "openid offline_access" {
			t.Errorf("the Session's scope became %q", wide.Scope)
		}
	})
}

func TestRefresh_aScopeThatWasNotGrantedIsLeftOut(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		got := s.post(refreshing(c, s.begin(c).RefreshToken, "scope", "openid files unheard-of"))
		s.good(got)
		claims, err := s.ends.VerifyAccessToken(got.AccessToken)
		if err != nil || got.Scope != "openid" || claims.Scope != "openid" {
			t.Errorf("the scope is %q, in the token %q: %v", got.Scope, claims.Scope, err)
		}
	})
}

func TestRefresh_whereNoScopeIsLeftNothingIsTouched(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		s.bad(s.post(refreshing(c, first.RefreshToken, "scope", "files unheard-of")), 400, "invalid_scope", "stop")
		if line := s.session(first).Line; line != (identity.Line{}) {
			t.Errorf("the line moved to %+v", line)
		}
		s.good(s.post(refreshing(c, first.RefreshToken)))
	})
}

func TestRefresh_anIDTokenComesWhereTheClientAsks(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.IDTokenOnRefresh = &yes })
		first := s.begin(c)
		got := s.post(refreshing(c, first.RefreshToken))
		s.good(got)
		_, before := s.decode(first.IDToken)
		_, claims := s.decode(got.IDToken)
		if _, ok := claims["nonce"]; ok || claims["auth_time"] != before["auth_time"] || claims["sub"] != before["sub"] {
			t.Errorf("claims are %v, want those of %v without nonce", claims, before)
		}
	})
}

var yes, no = true, false

func TestRefresh_anIDTokenComesUnaskedWhereItIsCheapOrAHintForSigningOut(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		signingOut := func(c *identity.Client) { c.PostLogoutRedirectURIs = []string{"com.example.app:/bye"} }
		for name, tc := range map[string]struct {
			change func(*identity.Client)
			comes  bool
		}{
			"RS256":                   {func(*identity.Client) {}, false},
			"ES256":                   {func(c *identity.Client) { c.IDTokenAlg = "ES256" }, true},
			"a way back, signing out": {signingOut, true},
			"one that wants none":     {func(c *identity.Client) { signingOut(c); c.IDTokenOnRefresh = &no }, false},
		} {
			c := s.app(tc.change)
			got := s.post(refreshing(c, s.begin(c).RefreshToken))
			s.good(got)
			if (got.IDToken != "") != tc.comes {
				t.Errorf("%s: the ID token is %q", name, got.IDToken)
			}
		}
	})
}

// What it says of the person is as it is now, and after a fork as well.
func TestRefresh_theIDTokenSaysWhoItIsNow(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.IDTokenAlg, c.IDTokenProfile = "ES256", &yes })
		first := s.post(redeeming(c, s.code(asking(c, "scope", "openid offline_access profile email"), s.signIn(s.user))))
		s.good(first)
		for range 2 { // the second is an honest retry: a fork, which the ordinary statement does not answer
			got := s.post(refreshing(c, first.RefreshToken))
			s.good(got)
			_, claims := s.decode(got.IDToken)
			if claims["name"] != "Ada" || claims["email"] != s.user.Email || claims["email_verified"] != true || claims["updated_at"] == nil {
				t.Errorf("the ID token says %v", claims)
			}
		}
		narrow := s.post(refreshing(c, s.post(refreshing(c, first.RefreshToken)).RefreshToken, "scope", "openid profile"))
		s.good(narrow)
		if _, claims := s.decode(narrow.IDToken); claims["email"] != nil || claims["name"] != "Ada" {
			t.Errorf("of narrower scopes, the ID token says %v", claims)
		}
	})
}

func TestRefresh_idleAndAbsoluteEndsHold(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.Lives = identity.Lifetimes{Idle: time.Hour, Absolute: 100 * time.Minute} })
		got := s.begin(c)
		if got.RefreshExpiresIn != 60*60 || got.SessionExpiresIn != 100*60 {
			t.Errorf("refresh_expires_in is %d, session_expires_in %d, want 60 and 100 minutes", got.RefreshExpiresIn, got.SessionExpiresIn)
		}
		s.pass(59 * time.Minute)
		got = s.post(refreshing(c, got.RefreshToken))
		s.good(got)
		if got.SessionExpiresIn != 41*60 || got.RefreshExpiresIn != 41*60 { // it will not get as far as going idle
			t.Errorf("session_expires_in is %d, refresh_expires_in %d, want 41 minutes", got.SessionExpiresIn, got.RefreshExpiresIn)
		}
		s.pass(41 * time.Minute)
		s.invalidGrant(s.post(refreshing(c, got.RefreshToken)))
	})
}

func TestRefresh_expiresInIsToldWithARefreshTokenOnly(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		without := s.begin(s.app(func(c *identity.Client) { c.GrantTypes = []string{"authorization_code"} }))
		if without.RefreshToken != "" || without.RefreshExpiresIn != 0 || without.SessionExpiresIn == 0 ||
			without.AuthorizationExpiresIn != 0 || without.RefreshTokenTimeout != 0 {
			t.Errorf("answered %+v", without)
		}
		own := s.post(url.Values{"grant_type": {"client_credentials"}}, asClient(s.app(s.confidential), clientSecret))
		s.good(own)
		if own.RefreshExpiresIn != 0 || own.SessionExpiresIn != 0 || own.AuthorizationExpiresIn != 0 || own.RefreshTokenTimeout != 0 {
			t.Errorf("answered %+v", own)
		}
	})
}

// draft-ietf-oauth-refresh-token-expiration-03 §6.3: the worked example, seven days between two refreshes and ten in all.
func TestRefresh_theDraftsExampleOfExpirations(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		const day = 24 * 60 * 60
		c := s.app(func(c *identity.Client) {
			c.Lives = identity.Lifetimes{Idle: 7 * day * time.Second, Absolute: 10 * day * time.Second}
		})
		check := func(got told, timeout, authorization int) {
			t.Helper()
			s.good(got)
			if got.RefreshTokenTimeout != timeout || got.AuthorizationExpiresIn != authorization ||
				got.RefreshExpiresIn != timeout || got.SessionExpiresIn != authorization {
				t.Errorf("answered %+v, want %d and %d seconds", got, timeout, authorization)
			}
		}
		got, late := s.begin(c), s.begin(c)
		check(got, 7*day, 10*day)
		s.pass(2 * day * time.Second)
		got = s.post(refreshing(c, got.RefreshToken))
		check(got, 7*day, 8*day)
		s.pass(5 * day * time.Second)
		got = s.post(refreshing(c, got.RefreshToken))
		check(got, 3*day, 3*day)
		s.pass(day * time.Second)
		s.invalidGrant(s.post(refreshing(c, late.RefreshToken)))
	})
}

// DESIGN §9: a refresh that no longer meets the policy is refused, and nothing is touched.
func TestRefresh_aPolicyThatCameLaterAsksForANewSignIn(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		s.rebuild(func(o *oauth.Options) { o.Policy = identity.MFARequired })
		s.invalidGrant(s.post(refreshing(c, first.RefreshToken)))
		if row := s.session(first); !row.Alive(s.now()) || row.Line != (identity.Line{}) {
			t.Errorf("the Session was touched: %+v", row)
		}
		s.rebuild()
		s.good(s.post(refreshing(c, first.RefreshToken)))
	})
}
