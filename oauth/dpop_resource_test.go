package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	bareDPoP   = `DPoP realm="` + issuer + `", algs="ES256 EdDSA RS256"`
	bareBearer = `Bearer realm="` + issuer + `"`
)

// challenged checks a 401 of userinfo and how each scheme is challenged.
func (got reply) challenged(code string, starts ...string) {
	got.Helper()
	got.refused(http.StatusUnauthorized, code)
	challenges := got.header.Values("WWW-Authenticate")
	if len(challenges) != len(starts) {
		got.Fatalf("challenges are %q", challenges)
	}
	for i, start := range starts {
		if !strings.HasPrefix(challenges[i], start) {
			got.Errorf("the challenge is %s, want %s…", challenges[i], start)
		}
	}
}

func TestUserinfo_aBoundTokenComesWithAProofOfItsKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k, other := newProofKey(t, jose.ES256), newProofKey(t, jose.ES256)
		for _, format := range []string{"", identity.FormatReference} {
			c := s.app(func(c *identity.Client) { c.AccessFormat = format })
			token := s.beginBy(c, k).AccessToken
			right := ath(token)
			if got := s.userinfoBy(token, s.by(k, "ath", right)).want(http.StatusOK); got.text("sub") != s.user.Sub {
				t.Errorf("userinfo tells %v", got.json)
			}
			wrong := bareDPoP + `, error="invalid_dpop_proof"`
			s.userinfoBy(token).challenged("invalid_dpop_proof", wrong)
			s.userinfoBy(token, s.by(k)).challenged("invalid_dpop_proof", wrong)
			s.userinfoBy(token, s.by(k, "ath", ath("x"))).challenged("invalid_dpop_proof", wrong)
			s.userinfoBy(token, s.by(k, "ath", right, "htm", "POST")).challenged("invalid_dpop_proof", wrong)
			s.userinfoBy(token, s.by(k, "ath", right, "htu", issuer+"/oauth2/token")).challenged("invalid_dpop_proof", wrong)
			s.userinfoBy(token, s.by(other, "ath", right)).challenged("invalid_token", bareDPoP+`, error="invalid_token"`)
		}
	})
}

// RFC 9449 §7.2: otherwise a thief would just leave the proof out.
func TestUserinfo_aBoundTokenIsNoBearers(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k := newProofKey(t, jose.ES256)
		token := s.beginBy(s.app(), k).AccessToken
		const told = bareBearer + `, error="invalid_token"`
		s.userinfo(token).challenged("invalid_token", told, bareDPoP)
		s.userinfo(token, s.by(k, "ath", ath(token))).challenged("invalid_token", told, bareDPoP)
		s.askForm(userinfoAt, url.Values{"access_token": {token}}).challenged("invalid_token", told, bareDPoP)
	})
}

func TestUserinfo_anUnboundTokenIsNoDPoPs(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k := newProofKey(t, jose.ES256)
		token := s.begin(s.app()).AccessToken
		s.userinfoBy(token, s.by(k, "ath", ath(token))).challenged("invalid_token", bareDPoP+`, error="invalid_token"`)
		s.userinfoBy("x", s.by(k, "ath", ath("x"))).challenged("invalid_token", bareDPoP+`, error="invalid_token"`)
		s.userinfo(token).want(http.StatusOK)
	})
}

// RFC 9449 §7.2, figure 17.
func TestUserinfo_tellsOfBothSchemes(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.ask(httptest.NewRequest(http.MethodGet, userinfoAt, nil)).challenged("invalid_token", bareBearer, bareDPoP)
	})
}

func TestUserinfo_aProofIsGoodOnce(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k := newProofKey(t, jose.ES256)
		token := s.beginBy(s.app(), k).AccessToken
		proof := k.sign(s.draft(k, http.MethodGet, userinfoAt).with("ath", ath(token)))
		s.userinfoBy(token, shown(proof)).want(http.StatusOK)
		s.userinfoBy(token, shown(proof)).challenged("invalid_dpop_proof", bareDPoP+`, error="invalid_dpop_proof"`)
	})
}

func TestUserinfo_aScopeThatIsMissingIsToldInTheSchemeThatWasUsed(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k, c := newProofKey(t, jose.ES256), s.app()
		got := s.post(redeeming(c, s.code(asking(c, "scope", "files"), s.signIn(s.user))), s.by(k))
		s.good(got)
		asked := s.userinfoBy(got.AccessToken, s.by(k, "ath", ath(got.AccessToken))).refused(http.StatusForbidden, "insufficient_scope")
		if challenge := asked.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, bareDPoP) ||
			!strings.Contains(challenge, `, scope="openid"`) {
			t.Errorf("the challenge is %s", challenge)
		}
	})
}
