package oauth_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// party is a relying party's back channel.
type party struct {
	site   *httptest.Server
	tokens chan string
	status int
	says   io.Reader // its body
}

func (s *stage) party(status int) *party {
	s.Helper()
	p := &party{tokens: make(chan string, 9), status: status, says: strings.NewReader("")}
	p.site = httptest.NewServer(p)
	s.Cleanup(p.site.Close)
	return p
}

// ServeHTTP keeps the logout token.
func (p *party) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.tokens <- r.PostFormValue("logout_token")
	w.WriteHeader(p.status)
	_, _ = io.Copy(w, p.says)
}

func (p *party) listens(c *identity.Client) { c.BackchannelLogoutURI = p.site.URL + "/out?key=hidden" }

// notice is a Delivery to a client.
func (s *stage) notice(c identity.Client, sid identity.ID) identity.Delivery {
	s.Helper()
	body, err := json.Marshal(identity.LogoutNotice{SessionID: sid, Sub: s.user.Sub, ClientID: c.ID, URI: "https://old.example/"})
	if err != nil {
		s.Fatal(err)
	}
	return identity.Delivery{ID: identity.NewID(), Kind: identity.LogoutDelivery, Body: body}
}

func TestDeliverLogout_saysWhatTheStandardSaysAndNoMore(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, sid := s.party(http.StatusNoContent), identity.NewID()
		c := s.app(p.listens, func(c *identity.Client) { c.IDTokenAlg = "ES256" })
		for range 2 {
			s.no(s.ends.DeliverLogout(s.Context(), s.notice(c, sid)))
		}
		header, claims := s.decode(<-p.tokens)
		jti := claims["jti"]
		if _, again := s.decode(<-p.tokens); jti == "" || again["jti"] == jti {
			t.Errorf("two tokens have the ids %v and %v", jti, again["jti"])
		}
		delete(claims, "jti")
		want := map[string]any{
			"iss": issuer, "sub": s.user.Sub, "aud": c.ID, "sid": sid.String(),
			"iat": float64(s.now().Unix()), "exp": float64(s.now().Add(2 * time.Minute).Unix()),
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		}
		if diff := cmp.Diff(want, claims); diff != "" {
			t.Error(diff)
		}
		if header["typ"] != "logout+jwt" || header["alg"] != "ES256" {
			t.Errorf("the header says %v", header)
		}
	})
}

// A logout token is shown to apps; it must be worth nothing else (Back-Channel Logout 1.0 §2.4, RFC 8725 §3.11).
func TestDeliverLogout_itsTokenIsNoOtherToken(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := s.party(http.StatusOK)
		c := s.app(p.listens, func(c *identity.Client) { c.IDTokenAlg = "ES256" })
		live := s.session(s.begin(c))
		s.no(s.ends.DeliverLogout(s.Context(), s.notice(c, live.ID)))
		token := <-p.tokens
		s.userinfo(token).want(http.StatusUnauthorized)
		if _, err := s.ends.VerifyAccessToken(token); err == nil {
			t.Error("it passes for an access token")
		}
		hint := asking(c, "prompt", "none", "id_token_hint", token)
		if got := s.redirected(hint, s.signIn(s.addUser("eve@example.com"))); !got.Has("code") { // it would mean somebody else
			t.Errorf("it passes for an ID token: %v", got)
		}
	})
}

func TestDeliverLogout_onlyTwoAnswersAreGood(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		for _, status := range []int{200, 204, 201, 202, 302, 307, 400, 404, 429, 500, 503} {
			p := s.party(status)
			err := s.ends.DeliverLogout(s.Context(), s.notice(s.app(p.listens), identity.NewID()))
			if good := status == 200 || status == 204; good != (err == nil) {
				t.Errorf("%d: %v", status, err)
			}
			if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), <-p.tokens)) {
				t.Errorf("%d tells a secret: %v", status, err)
			}
		}
	})
}

func TestDeliverLogout_errorsDoNotTellTheAddress(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := s.party(http.StatusOK)
		p.site.Close()
		err := s.ends.DeliverLogout(s.Context(), s.notice(s.app(p.listens), identity.NewID()))
		if err == nil || strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("got %v", err)
		}
	})
}

func TestDeliverLogout_errorsDoNotRepeatWhatTheAppSays(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		sent := make(chan string, 1)
		echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token := r.PostFormValue("logout_token")
			sent <- token
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 "+token+"\r\n\r\n")
				_ = conn.Close()
			}
		}))
		s.Cleanup(echo.Close)
		c := s.app(func(c *identity.Client) { c.BackchannelLogoutURI = echo.URL })
		err := s.ends.DeliverLogout(s.Context(), s.notice(c, identity.NewID()))
		if err == nil || !strings.Contains(err.Error(), "malformed HTTP") || strings.Contains(err.Error(), (<-sent)[:9]) {
			t.Errorf("got %v", err)
		}
	})
}

// endless never ends.
type endless struct{}

// Read fills p.
func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestDeliverLogout_readsLittleOfAnAnswer(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := s.party(http.StatusOK)
		p.says = endless{}
		s.no(s.ends.DeliverLogout(s.Context(), s.notice(s.app(p.listens), identity.NewID())))
	})
}

func TestDeliverLogout_whoIsGoneIsNotTold(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := s.party(http.StatusOK)
		s.no(s.ends.DeliverLogout(s.Context(), s.notice(s.app(), identity.NewID()))) // it takes no notices any more
		s.no(s.ends.DeliverLogout(s.Context(), s.notice(identity.Client{ID: "deleted"}, identity.NewID())))
		err := s.ends.DeliverLogout(s.Context(), identity.Delivery{Body: []byte("{")})
		if d := (identity.Delivery{}).Failed(identity.FailedTry{At: s.now(), Cause: err}); d.DeadAt.IsZero() {
			t.Errorf("a notice that can't be read is tried again: %v", err)
		}
		if len(p.tokens) > 0 {
			t.Errorf("%d were told", len(p.tokens))
		}
	})
}
