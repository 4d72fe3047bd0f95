package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

const revokeAt = "/oauth2/revoke"

// revoke revokes a token as a public client.
func (s *stage) revoke(c identity.Client, token string, pairs ...string) reply {
	s.Helper()
	return s.askForm(revokeAt, changed(url.Values{"token": {token}, "client_id": {c.ID}}, pairs))
}

// gone checks the answer to a revocation that did what it could: 200 and nothing more (RFC 7009 §2.2).
func (a reply) gone() {
	a.Helper()
	if a.status != http.StatusOK || a.body != "" {
		a.Errorf("answered %d %q", a.status, a.body)
	}
}

func TestRevoke_refreshTokenEndsItsSession(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		for _, hint := range []string{"", "refresh_token", "access_token", "nonsense"} {
			c := s.app()
			tokens, other := s.begin(c), s.begin(c)
			s.revoke(c, tokens.RefreshToken, "token_type_hint", hint).gone()
			if row := s.session(tokens); row.EndCause != identity.EndRevoked {
				t.Errorf("hint %q: the Session's end cause is %q", hint, row.EndCause)
			}
			s.invalidGrant(s.post(refreshing(c, tokens.RefreshToken)))
			s.good(s.post(refreshing(c, other.RefreshToken)))
			s.revoke(c, tokens.RefreshToken).gone() // the answer was lost: the app asks again
		}
	})
}

// fosite answers 200 to a rotated token and lets the family live.
func TestRevoke_oldRefreshTokenEndsItsSessionToo(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		second := s.post(refreshing(c, first.RefreshToken))
		third := s.post(refreshing(c, second.RefreshToken))
		s.revoke(c, first.RefreshToken).gone()
		if row := s.session(first); row.EndCause != identity.EndRevoked {
			t.Errorf("the Session's end cause is %q", row.EndCause)
		}
		s.invalidGrant(s.post(refreshing(c, third.RefreshToken)))
	})
}

// A copied token of a key-bound Session can't even sign the owner out.
func TestRevoke_aBoundSessionNeedsItsKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k, thief := s.app(), newProofKey(t, jose.ES256), newProofKey(t, jose.ES256)
		tokens := s.beginBy(c, k)
		form := url.Values{"token": {tokens.RefreshToken}, "client_id": {c.ID}}
		s.invalidProof(s.postTo(revokeAt, form))
		s.invalidProof(s.postTo(revokeAt, form, s.by(thief)))
		s.invalidProof(s.postTo(revokeAt, form, shown(k.sign(s.draft(k, http.MethodPost, signOutAt))))) // of another address
		if row := s.session(tokens); !row.Alive(s.now()) {
			t.Fatalf("a thief ended it: %s", row.EndCause)
		}
		proof := k.sign(s.draft(k, http.MethodPost, revokeAt))
		s.askForm(revokeAt, form, shown(proof)).gone()
		if row := s.session(tokens); row.EndCause != identity.EndRevoked {
			t.Errorf("the Session's end cause is %q", row.EndCause)
		}
		s.replayed(s.postTo(revokeAt, form, shown(proof))) // a proof works once
		s.revoke(c, s.beginBy(c, k).AccessToken).gone()    // the rest of the family goes on without it
	})
}

func TestRevoke_accessTokenIsDeniedAndItsSessionGoesOn(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		tokens := s.begin(c)
		s.revoke(c, tokens.AccessToken).gone()
		s.revoke(c, tokens.AccessToken).gone()
		s.inactive(asker, tokens.AccessToken)
		s.userinfo(tokens.AccessToken).refused(http.StatusUnauthorized, "invalid_token")
		next := s.post(refreshing(c, tokens.RefreshToken))
		s.good(next)
		s.active(asker, next.AccessToken)
	})
}

func TestRevoke_tokenThatAClientGotForItself(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		token := s.post(url.Values{"grant_type": {"client_credentials"}}, asClient(c, clientSecret)).AccessToken
		s.active(c, token)
		s.askForm(revokeAt, url.Values{"token": {token}}, asClient(c, clientSecret)).gone()
		s.inactive(c, token)
	})
}

// RFC 7009 §2.1: the request is refused, the client is told, nothing is touched.
func TestRevoke_anotherClientsTokenIsRefused(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, owner, other := s.app(s.confidential), s.app(), s.app()
		tokens := s.begin(owner)
		s.revoke(other, tokens.AccessToken).refused(http.StatusBadRequest, "invalid_grant")
		s.revoke(other, tokens.RefreshToken).refused(http.StatusBadRequest, "invalid_grant")
		s.active(asker, tokens.AccessToken)
		s.good(s.post(refreshing(owner, tokens.RefreshToken)))
	})
}

func TestRevoke_confidentialClientMustAuthenticate(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		token := s.post(url.Values{"grant_type": {"client_credentials"}}, asClient(c, clientSecret)).AccessToken
		s.revoke(c, token).refused(http.StatusUnauthorized, "invalid_client")
		s.askForm(revokeAt, url.Values{"token": {token}}, asClient(c, "wrong")).refused(http.StatusUnauthorized, "invalid_client")
		s.active(c, token)
	})
}

func TestRevoke_whatIsWorthNothingIsGone(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		for _, token := range []string{
			"x", "sj_rt_AAAA", "a.b.c", tokens.IDToken, tokens.RefreshToken + "A", tokens.AccessToken + "A",
			s.keys.RefreshText(identity.NewRefreshToken(identity.NewID(), identity.NewSecret(), c.ID)), // of no Session
			s.keys.RefreshText(identity.NewRefreshToken(s.session(tokens).ID, identity.NewSecret(), c.ID)),
			strings.Repeat("x", 60<<10),
		} {
			s.revoke(c, token).gone()
		}
		s.pass(11 * time.Minute)
		s.revoke(c, tokens.AccessToken).gone()
		s.good(s.post(refreshing(c, tokens.RefreshToken)))
		s.revoke(c, "").refused(http.StatusBadRequest, "invalid_request")
	})
}

func TestRevoke_badInput(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) { s.badForms(revokeAt) })
}

// fosite answers 200, and the app believes that it signed out.
func TestRevoke_databaseAwayIsNeverSuccess(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		s.pass(2 * time.Second)
		s.revoke(c, "x").gone() // the client is known from memory for a second
		for _, token := range []string{tokens.AccessToken, tokens.RefreshToken} {
			s.askForm(revokeAt, url.Values{"token": {token}, "client_id": {c.ID}}, tooLate).away()
		}
		s.revoke(c, tokens.RefreshToken).gone()
		s.invalidGrant(s.post(refreshing(c, tokens.RefreshToken)))
	})
}
