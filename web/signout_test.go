package web_test

import (
	"net/http"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestSignOut_endsTheSignInAndTakesTheCookie(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		value, id := b.cookie(), b.standing().SignIn.ID
		late := b.twin()
		b.post("/signout").is(http.StatusOK, "You are signed out")
		if b.cookie() != "" || s.standingOf(value).SignedIn() {
			t.Error("the cookie is still there, or still works")
		}
		ended, err := s.db.StandingOf(t.Context(), id)
		if err != nil || ended.SignIn.EndCause != identity.EndSignedOut {
			t.Errorf("the SignIn has cause %q (%v), want signed_out", ended.SignIn.EndCause, err)
		}
		late.post("/signout").is(http.StatusOK, "You are signed out") // a second press
		b.post("/signout").is(http.StatusOK, "You are signed out")    // a reload
		b.get("/signout").leadsTo("/signin")                          // a restored tab
		b.get("/signin").is(http.StatusOK, "Sign in")
	})
}
