package oauth_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Defects of fosite v0.49.0 that would show at these endpoints, each under its name; the tests beside this file go
// through their neighbours.

func TestDefect_unknownGrantTypeIsUnsupportedGrantType(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		s.bad(s.post(url.Values{"grant_type": {"password"}}, asClient(c, clientSecret)), 400, "unsupported_grant_type", "stop")
	})
}

func TestDefect_expiredAssertionIs401NotA500(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "k")
		c := s.app(s.signing7523(p))
		late := p.write(t, s.claims(c, "exp", s.now().Add(-time.Hour).Unix()))
		s.bad(s.post(asserting(late)), 401, "invalid_client", "retry")
	})
}

func TestDefect_invalidClientCarriesWWWAuthenticate(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		got := s.post(own(), asClient(s.app(s.confidential), "guess"))
		if challenge := got.Header.Get("WWW-Authenticate"); got.Status != 401 || !strings.HasPrefix(challenge, "Basic ") {
			t.Errorf("answered %d with WWW-Authenticate %q", got.Status, challenge)
		}
	})
}

func TestDefect_idTokenIsNoAccessToken(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		if _, err := s.ends.VerifyAccessToken(s.begin(s.app()).IDToken); err == nil {
			t.Error("an ID token is taken for an access token")
		}
	})
}

func TestDefect_maxAgeZeroAsksAgain(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(), s.signIn(s.user)
		s.pass(time.Second)
		if got := s.leads(asking(c, "max_age", "0"), cookie); got != "/signin" {
			t.Errorf("led to %s", got)
		}
	})
}

// A refresh token that fails its MAC is invalid_request there (flow_refresh.go:72), and so is the loser of a race.
func TestDefect_forgedRefreshTokenIsInvalidGrant(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		token := []byte(s.begin(c).RefreshToken)
		token[len(token)-5] ^= 1
		s.invalidGrant(s.post(refreshing(c, string(token))))
	})
}
