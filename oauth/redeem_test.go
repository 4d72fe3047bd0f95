package oauth_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// The redemption table of DESIGN §2, row by row.

func TestRedeem_theInsertWins(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		got := s.begin(c)
		if got.TokenType != "Bearer" || got.ExpiresIn != 600 || got.Scope != "openid offline_access" {
			t.Errorf("answered %+v", got)
		}
		if got.RefreshToken == "" || got.IDToken == "" || got.SessionExpiresIn != 180*24*3600 {
			t.Errorf("a refresh token, an ID token and 180 days are missing: %+v", got)
		}
		if row := s.session(got); row.UserID != s.user.ID || row.ClientID != c.ID || !row.Alive(s.now()) {
			t.Errorf("the Session is %+v", row)
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Pragma": "no-cache", "Content-Type": "application/json",
			"Date": s.now().Format(http.TimeFormat),
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
			}
		}
	})
}

func TestRedeem_anHonestRetryGetsTheSameRefreshToken(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		form := redeeming(c, s.code(asking(c), s.signIn(s.user)))
		first := s.post(form)
		s.good(first)
		s.pass(19 * time.Second)
		again := s.post(form)
		s.good(again)
		if again.RefreshToken != first.RefreshToken || again.AccessToken == first.AccessToken || again.IDToken == "" {
			t.Error("a retry gets the same refresh token, and fresh access and ID tokens")
		}
		s.good(s.post(refreshing(c, again.RefreshToken)))
	})
}

func TestRedeem_aReplayEndsTheSession(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		for name, between := range map[string]func(told){
			"too late":      func(told) { s.pass(21 * time.Second) },
			"after refresh": func(first told) { s.good(s.post(refreshing(c, first.RefreshToken))) },
		} {
			form := redeeming(c, s.code(asking(c), s.signIn(s.user)))
			first := s.post(form)
			s.good(first)
			between(first)
			s.invalidGrant(s.post(form))
			if row := s.session(first); row.EndCause != identity.EndReplay {
				t.Errorf("%s: the Session's end cause is %q", name, row.EndCause)
			}
			s.invalidGrant(s.post(refreshing(c, first.RefreshToken)))
		}
	})
}

func TestRedeem_withoutPKCEEverySecondUseIsAReplay(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		q := asking(c, "code_challenge", "", "code_challenge_method", "")
		form := redeeming(c, s.code(q, s.signIn(s.user)), "code_verifier", "", "client_id", "")
		first := s.post(form, asClient(c, clientSecret))
		s.good(first)
		s.invalidGrant(s.post(form, asClient(c, clientSecret)))
		if row := s.session(first); row.EndCause != identity.EndReplay {
			t.Errorf("the Session's end cause is %q", row.EndCause)
		}
	})
}

// fosite takes the challenge out of its table before it compares (pkce/handler.go), so that a second request without a
// verifier succeeds.
func TestRedeem_aWrongVerifierIsNoDowngradeAndTouchesNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		code := s.code(asking(c), s.signIn(s.user))
		for _, v := range []string{"", "short", strings.Repeat("a", 43), strings.Repeat("a", 129), verifier + "=", " " + verifier} {
			s.invalidGrant(s.post(redeeming(c, code, "code_verifier", v)))
		}
		s.good(s.post(redeeming(c, code)))
	})
}

func TestRedeem_aVerifierWithoutAChallengeIsRefused(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		code := s.code(asking(c, "code_challenge", "", "code_challenge_method", ""), s.signIn(s.user))
		s.invalidGrant(s.post(redeeming(c, code, "client_id", ""), asClient(c, clientSecret)))
		s.good(s.post(redeeming(c, code, "client_id", "", "code_verifier", ""), asClient(c, clientSecret)))
	})
}

// RFC 7636 appendix B.
func TestRedeem_rfc7636Vector(t *testing.T) {
	t.Parallel()
	if challengeOf(verifier) != answerTo {
		t.Fatal("the vector was typed wrong")
	}
	onStage(t, func(s *stage) { s.begin(s.app()) })
}

func TestRedeem_anEarlierCheckThatFailsTouchesNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, other := s.app(), s.app()
		code := s.code(asking(c), s.signIn(s.user))
		s.invalidGrant(s.post(redeeming(other, code)))
		s.invalidGrant(s.post(redeeming(c, code, "redirect_uri", "")))
		s.invalidGrant(s.post(redeeming(c, code, "redirect_uri", appBack+"/")))
		s.invalidGrant(s.post(redeeming(c, code+"A")))
		s.invalidGrant(s.post(redeeming(c, code[:len(code)-1])))
		s.invalidGrant(s.post(redeeming(c, "sj_ac_garbage")))
		s.bad(s.post(redeeming(c, "")), 400, "invalid_request", "stop")
		s.good(s.post(redeeming(c, code)))
	})
}

func TestRedeem_aRedirectURIThatWasLeftOutStaysLeftOut(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		q := asking(c, "redirect_uri", "", "scope", "files")
		code := s.code(q, s.signIn(s.user))
		s.invalidGrant(s.post(redeeming(c, code)))
		got := s.post(redeeming(c, code, "redirect_uri", ""))
		s.good(got)
		if got.IDToken != "" || got.Scope != "files" {
			t.Errorf("without openid there is no ID token: %+v", got)
		}
	})
}

// What was sent to a redirect URI that the operator took away meanwhile may be in the wrong hands.
func TestRedeem_aCodeIsVoidOnceItsRedirectURIIsTakenAway(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		kept, void := s.code(asking(c), s.signIn(s.user)), s.code(asking(c), s.signIn(s.user))
		change := func(uris ...string) {
			_, _, err := s.operators().UpdateClient(t.Context(), c.ID, func(c identity.Client) (identity.Client, error) {
				c.RedirectURIs = uris
				return c, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			s.pass(time.Second)
		}
		change(c.RedirectURIs[0], "https://other.example/cb")
		s.good(s.post(redeeming(c, kept)))
		change("https://other.example/cb")
		s.invalidGrant(s.post(redeeming(c, void)))
	})
}

func TestRedeem_anExpiredCodeIsRefused(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		code := s.code(asking(c), s.signIn(s.user))
		s.pass(identity.CodeTTL)
		s.invalidGrant(s.post(redeeming(c, code)))
	})
}

func TestRedeem_noRefreshTokenWithoutTheGrant(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.GrantTypes = []string{"authorization_code"} })
		got := s.begin(c)
		if got.RefreshToken != "" || got.Scope != "openid" {
			t.Errorf("a client without grant refresh_token got scope %q and refresh token %q", got.Scope, got.RefreshToken)
		}
		s.bad(s.post(refreshing(c, "sj_rt_x")), 400, "unauthorized_client", "stop")
	})
}

func TestRedeem_aCodeOutlivesNeitherSignOutNorPasswordChange(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		cookie := s.signIn(s.user)
		code := s.code(asking(c), cookie)
		if _, err := s.db.End(s.Context(), identity.Ending{SignIn: s.standing(cookie).SignIn.ID, Cause: identity.EndSignedOut}); err != nil {
			t.Fatal(err)
		}
		s.invalidGrant(s.post(redeeming(c, code)))

		code = s.code(asking(c), s.signIn(s.user))
		if err := storagetest.SetPassword(s.Context(), s.db, s.user.ID, "x"); err != nil {
			t.Fatal(err)
		}
		s.invalidGrant(s.post(redeeming(c, code)))
	})
}

// fosite reads, then writes: two can read (its issue 778).
func TestRedeem_ofSixteenAtOnceOneSessionComes(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		q := asking(c, "code_challenge", "", "code_challenge_method", "")
		form := redeeming(c, s.code(q, s.signIn(s.user)), "code_verifier", "", "client_id", "")
		var wins, losses int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				got := s.post(form, asClient(c, clientSecret))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case got.Status == http.StatusOK:
					wins++
				case got.Error == "invalid_grant":
					losses++
				default:
					t.Errorf("answered %d %s", got.Status, got.Error)
				}
			})
		}
		wg.Wait()
		if wins != 1 || losses != 15 {
			t.Errorf("%d won and %d were refused", wins, losses)
		}
	})
}

func TestRedeem_ofSixteenHonestRetriesAllGetTheSameRefreshToken(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		form := redeeming(c, s.code(asking(c), s.signIn(s.user)))
		tokens := make([]string, 16)
		var wg sync.WaitGroup
		for i := range tokens {
			wg.Go(func() { tokens[i] = s.post(form).RefreshToken })
		}
		wg.Wait()
		for _, token := range tokens {
			if token == "" || token != tokens[0] {
				t.Fatalf("refresh tokens differ: %d and %d characters", len(token), len(tokens[0]))
			}
		}
	})
}
