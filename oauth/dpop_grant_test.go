package oauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestDPoP_aBoundRefreshTokenNeedsItsKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k, thief := s.app(), newProofKey(t, jose.ES256), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		second := s.post(refreshing(c, first.RefreshToken), s.by(k))
		before := s.session(second)
		for _, token := range []string{first.RefreshToken, second.RefreshToken} {
			s.invalidProof(s.post(refreshing(c, token)))
			s.invalidProof(s.post(refreshing(c, token), s.by(thief)))
		}
		if after := s.session(second); after.Line != before.Line || !after.Alive(s.now()) {
			t.Errorf("the Session was touched: %+v", after)
		}
		s.good(s.post(refreshing(c, second.RefreshToken), s.by(k)))
	})
}

func TestDPoP_aBoundRetryGetsTheSameSuccessorAndWritesNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		lost := s.post(refreshing(c, first.RefreshToken), s.by(k))
		s.good(lost)
		before := s.session(lost)
		s.pass(20 * 24 * time.Hour)
		again := s.post(refreshing(c, first.RefreshToken), s.by(k))
		s.good(again)
		if again.RefreshToken != lost.RefreshToken || again.AccessToken == lost.AccessToken {
			t.Error("a holder of the key gets the same successor, with a fresh access token")
		}
		if after := s.session(again); after.Line != before.Line || !after.LastUsedAt.Equal(before.LastUsedAt) {
			t.Errorf("the retry wrote: %+v", after)
		}
		s.good(s.post(refreshing(c, again.RefreshToken), s.by(k)))
	})
}

// DESIGN §2: whoever comes with what was superseded ends the Session, key or not.
func TestDPoP_aBoundTokenThatIsReusedEndsTheSession(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.beginBy(c, k)
		second := s.post(refreshing(c, first.RefreshToken), s.by(k))
		third := s.post(refreshing(c, second.RefreshToken), s.by(k))
		s.good(third)
		s.invalidGrant(s.post(refreshing(c, first.RefreshToken), s.by(k)))
		if row := s.session(third); row.EndCause != identity.EndReuse {
			t.Errorf("the end cause is %q", row.EndCause)
		}
	})
}

func TestDPoP_strictAndUnchangingTokensFollowTheClient(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k := newProofKey(t, jose.ES256)
		keeps := s.app(boundOnly, func(c *identity.Client) { c.Rotation = identity.RotateNone })
		first := s.beginBy(keeps, k)
		for range 3 {
			if got := s.post(refreshing(keeps, first.RefreshToken), s.by(k)); got.RefreshToken != first.RefreshToken {
				t.Fatalf("refresh_rotation none: %+v", got)
			}
		}
		strict := s.app(boundOnly, func(c *identity.Client) { c.Rotation = identity.RotateStrict })
		first = s.beginBy(strict, k)
		api := s.app(s.confidential)
		s.good(s.post(refreshing(strict, first.RefreshToken), s.by(k)))
		s.inactive(api, first.RefreshToken)
		s.invalidGrant(s.post(refreshing(strict, first.RefreshToken), s.by(k)))
	})
}

func TestDPoP_aRetriedCodeNeedsTheSameKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k, thief := s.app(), newProofKey(t, jose.ES256), newProofKey(t, jose.ES256)
		form := redeeming(c, s.code(asking(c), s.signIn(s.user)))
		lost := s.post(form, s.by(k))
		s.good(lost)
		s.pass(10 * time.Second)
		s.invalidProof(s.post(form))
		s.invalidProof(s.post(form, s.by(thief)))
		again := s.post(form, s.by(k))
		s.good(again)
		if again.RefreshToken != lost.RefreshToken {
			t.Error("the retry got another refresh token")
		}
		s.pass(11 * time.Second)
		s.invalidProof(s.post(form, s.by(thief)))
		s.good(s.post(refreshing(c, lost.RefreshToken), s.by(k)))
		s.invalidGrant(s.post(form, s.by(k)))
		if row := s.session(lost); row.EndCause != identity.EndReplay {
			t.Errorf("a late replay by the owner's key: the end cause is %q", row.EndCause)
		}
	})
}

// RFC 9449 §5: who authenticates is bound to that already, and may change keys.
func TestDPoP_aConfidentialClientsRefreshTokenIsNotBound(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		k, next := newProofKey(t, jose.ES256), newProofKey(t, jose.EdDSA)
		first := s.beginBy(c, k, asClient(c, clientSecret))
		if row := s.session(first); row.Key != (identity.Thumbprint{}) {
			t.Errorf("the Session is bound to %s", row.Key)
		}
		refresh := func(token string, edit ...func(*http.Request)) told {
			got := s.post(refreshing(c, token, "client_id", ""), append(edit, asClient(c, clientSecret))...)
			s.good(got)
			return got
		}
		got := refresh(first.RefreshToken, s.by(next))
		if _, claims := s.decode(got.AccessToken); claims["cnf"].(map[string]any)["jkt"] != next.thumbprint().String() {
			t.Errorf("the access token is bound to %v", claims["cnf"])
		}
		got = refresh(got.RefreshToken)
		if _, claims := s.decode(got.AccessToken); claims["cnf"] != nil || got.TokenType != "Bearer" {
			t.Errorf("without a proof: token_type %s, cnf %v", got.TokenType, claims["cnf"])
		}
		own := s.post(map[string][]string{"grant_type": {"client_credentials"}}, asClient(c, clientSecret), s.by(k))
		s.good(own)
		if _, claims := s.decode(own.AccessToken); claims["cnf"].(map[string]any)["jkt"] != k.thumbprint().String() {
			t.Errorf("the client's own token is bound to %v", claims["cnf"])
		}
	})
}

// RFC 9449 §5.2.
func TestDPoP_aClientThatAlwaysUsesItIsRefusedWithout(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, service, k := s.app(boundOnly), s.app(s.confidential, boundOnly), newProofKey(t, jose.ES256)
		form := redeeming(c, s.code(asking(c), s.signIn(s.user)))
		s.invalidProof(s.post(form))
		first := s.post(form, s.by(k))
		s.good(first)
		s.invalidProof(s.post(refreshing(c, first.RefreshToken)))
		own := map[string][]string{"grant_type": {"client_credentials"}}
		s.invalidProof(s.post(own, asClient(service, clientSecret)))
		s.good(s.post(own, asClient(service, clientSecret), s.by(k)))
	})
}

// A Session that began as a bearer's stays one: binding it later would let a thief of its token lock the owner out.
func TestDPoP_aBearersSessionIsNotBoundLater(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k := s.app(), newProofKey(t, jose.ES256)
		first := s.begin(c)
		got := s.post(refreshing(c, first.RefreshToken), s.by(k))
		s.good(got)
		if _, claims := s.decode(got.AccessToken); got.TokenType != "DPoP" || claims["cnf"] == nil {
			t.Errorf("token_type %s, cnf %v", got.TokenType, claims["cnf"])
		}
		s.good(s.post(refreshing(c, got.RefreshToken)))
	})
}

// RFC 9449 §10.
func TestDPoPJKT_onlyTheNamedKeyRedeemsTheCode(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k, thief := s.app(), newProofKey(t, jose.ES256), newProofKey(t, jose.ES256)
		form := redeeming(c, s.code(asking(c, "dpop_jkt", k.thumbprint().String()), s.signIn(s.user)))
		s.invalidProof(s.post(form))
		s.invalidGrant(s.post(form, s.by(thief)))
		got := s.post(form, s.by(k))
		s.good(got)
		if row := s.session(got); row.Key != k.thumbprint() {
			t.Errorf("the Session is bound to %s", row.Key)
		}
		s.invalidGrant(s.post(form, s.by(thief)))
		s.good(s.post(form, s.by(k))) // the retry; nothing that the thief sent was a replay
	})
}

func TestDPoPJKT_travelsThroughThePages(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k, thief := s.app(), newProofKey(t, jose.ES256), newProofKey(t, jose.ES256)
		page, q := s.location(s.authorize(asking(c, "dpop_jkt", k.thumbprint().String())))
		if page != "/signin" {
			t.Fatalf("led to %s", page)
		}
		form := redeeming(c, s.code(q, s.signIn(s.user)))
		s.invalidGrant(s.post(form, s.by(thief)))
		s.good(s.post(form, s.by(k)))
	})
}

func TestDPoPJKT_mustBeAThumbprint(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		good := newProofKey(t, jose.ES256).thumbprint().String()
		for _, wrong := range []string{"x", good[1:], good + "A", good + "=", good[:42] + "+", good[:42] + "B", strings.Repeat("A", 43)} {
			_, q := s.location(s.authorize(asking(c, "dpop_jkt", wrong), s.signIn(s.user)))
			if q.Get("error") != "invalid_request" || !strings.Contains(q.Get("error_description"), "dpop_jkt") {
				t.Errorf("%q is answered %v", wrong, q)
			}
		}
	})
}

func TestDPoP_registrationHonoursWhatItIsAsked(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		got := s.askJSON(http.MethodPost, registerAt, `{"redirect_uris":["com.example.app:/callback"],
			"token_endpoint_auth_method":"none","dpop_bound_access_tokens":true,"refresh_rotation":"none",
			"grant_types":["authorization_code","refresh_token"]}`).want(http.StatusCreated)
		if got.json["dpop_bound_access_tokens"] != true || got.text("refresh_rotation") != "none" {
			t.Errorf("registered %v", got.json)
		}
		c, err := s.db.ClientByID(t.Context(), got.text("client_id"))
		if err != nil || !c.DPoPBound || c.Rotation != identity.RotateNone {
			t.Errorf("the client is %+v: %v", c, err)
		}
		s.askJSON(http.MethodPost, registerAt, `{"redirect_uris":["com.example.app:/callback"],
			"token_endpoint_auth_method":"none","refresh_rotation":"none"}`).refused(http.StatusBadRequest, "invalid_client_metadata")
	})
}
