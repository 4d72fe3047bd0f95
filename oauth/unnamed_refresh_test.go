package oauth_test

import (
	"net/http"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// RFC 6749 §6: a client that proves nothing need not say who it is; the refresh token does.
func TestRefresh_withoutAClientIDIsTheOneThatTheTokenNames(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		public, web := s.app(), s.app(s.confidential)
		first := s.begin(public)
		again := s.post(refreshing(public, first.RefreshToken, "client_id", ""))
		s.good(again)
		s.invalidGrant(s.post(refreshing(web, again.RefreshToken, "client_id", s.app().ID))) // never another's
		s.bad(s.post(refreshing(public, "sj_rt_forged", "client_id", "")), http.StatusUnauthorized, "invalid_client", "stop")
		s.good(s.post(refreshing(public, again.RefreshToken, "client_id", "")))

		code := s.code(asking(web), s.signIn(s.user))
		proved := s.post(redeeming(web, code), asClient(web, clientSecret))
		s.good(proved)
		s.bad(s.post(refreshing(web, proved.RefreshToken, "client_id", "")), http.StatusUnauthorized, "invalid_client", "stop")
		s.good(s.post(refreshing(web, proved.RefreshToken, "client_id", ""), asClient(web, clientSecret)))
	})
}

// A Session that is over, and one that nobody knows any more, have the app sign in again.
func TestRefresh_withoutAClientIDOfWhatIsOver(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		got := s.begin(c)
		s.end(got, identity.EndDevice)
		s.invalidGrant(s.post(refreshing(c, got.RefreshToken, "client_id", "")))
		other := s.keys.RefreshText(identity.NewRefreshToken(identity.NewID(), identity.Secret{1}, c.ID))
		s.bad(s.post(refreshing(c, other, "client_id", "")), http.StatusUnauthorized, "invalid_client", "login")
	})
}
