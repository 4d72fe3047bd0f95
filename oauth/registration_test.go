package oauth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// registered registers a client and returns the answer, its address and its token.
func (s *stage) registered(body string) (client reply, at, token string) {
	s.Helper()
	client = s.askJSON(http.MethodPost, registerAt, body).want(http.StatusCreated)
	return client, registerAt + "/" + client.text("client_id"), client.text("registration_access_token")
}

func TestRegistration_isReadBackAsRegistered(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		client, at, token := s.registered(nativeApp)
		got := s.askJSON(http.MethodGet, at, "", bearer(token)).want(http.StatusOK)
		if diff := cmp.Diff(client.json, got.json); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRegistration_updateReplacesEverything(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		client, at, token := s.registered(nativeApp)
		got := s.askJSON(http.MethodPut, at, withID(client, `{"redirect_uris":["https://wege.example/cb"],
			"token_endpoint_auth_method":"none","registration_client_uri":"x","client_id_issued_at":1}`), bearer(token)).want(http.StatusOK)
		want := map[string]any{
			"client_id": client.text("client_id"), "client_id_issued_at": client.json["client_id_issued_at"],
			"registration_access_token": got.text("registration_access_token"),
			"registration_client_uri":   client.text("registration_client_uri"),
			"redirect_uris":             []any{"https://wege.example/cb"}, "token_endpoint_auth_method": "none",
			"grant_types": []any{"authorization_code"}, "response_types": []any{"code"}, "application_type": "web",
			"scope": "openid profile email offline_access", "subject_type": "public", "id_token_signed_response_alg": "RS256",
		}
		if diff := cmp.Diff(want, got.json); diff != "" {
			t.Error(diff)
		}
		read := s.askJSON(http.MethodGet, at, "", bearer(got.text("registration_access_token"))).want(http.StatusOK)
		if diff := cmp.Diff(want, read.json); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRegistration_previousTokenLivesUntilTheNewOneIsUsed(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		client, at, first := s.registered(nativeApp)
		update := withID(client, nativeApp)
		s.askJSON(http.MethodPut, at, update, bearer(first)).want(http.StatusOK) // the answer is lost
		s.askJSON(http.MethodGet, at, "", bearer(first)).want(http.StatusOK)
		again := s.askJSON(http.MethodPut, at, update, bearer(first)).want(http.StatusOK)
		second := again.text("registration_access_token")
		if second == first {
			t.Fatal("the token did not change")
		}
		s.askJSON(http.MethodGet, at, "", bearer(first)).want(http.StatusOK)
		s.askJSON(http.MethodGet, at, "", bearer(second)).want(http.StatusOK) // now the first is forgotten
		s.askJSON(http.MethodGet, at, "", bearer(first)).refused(http.StatusUnauthorized, "invalid_token")
		third := s.askJSON(http.MethodPut, at, update, bearer(second)).want(http.StatusOK).text("registration_access_token")
		s.askJSON(http.MethodGet, at, "", bearer(third)).want(http.StatusOK)
		s.askJSON(http.MethodGet, at, "", bearer(second)).refused(http.StatusUnauthorized, "invalid_token")
	})
}

// held is a body that is not sent before all have been asked for theirs.
type held struct {
	io.Reader
	all  *sync.WaitGroup
	once sync.Once
}

func (h *held) Read(p []byte) (int, error) {
	h.once.Do(func() { h.all.Done(); h.all.Wait() })
	return h.Reader.Read(p)
}

func TestRegistration_ofSixteenUpdatesAtOnceOneIsMade(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		client, at, token := s.registered(nativeApp)
		const many = 16
		var all sync.WaitGroup
		all.Add(many)
		answers := make(chan reply, many)
		for range many {
			go func() {
				answers <- s.askJSON(http.MethodPut, at, "", bearer(token), func(r *http.Request) {
					r.Body = io.NopCloser(&held{Reader: strings.NewReader(withID(client, nativeApp)), all: &all})
				})
			}()
		}
		var next []string
		for range many {
			if got := <-answers; got.status == http.StatusOK {
				next = append(next, got.text("registration_access_token"))
			} else if got.status != http.StatusConflict || got.text("error") != "conflict" {
				t.Errorf("answered %d %s", got.status, got.body)
			}
		}
		if len(next) != 1 {
			t.Fatalf("%d updates were made", len(next))
		}
		again := s.askJSON(http.MethodPut, at, withID(client, nativeApp), bearer(token)).want(http.StatusOK) // its answer was lost
		s.askJSON(http.MethodGet, at, "", bearer(again.text("registration_access_token"))).want(http.StatusOK)
	})
}

func TestRegistration_refusedUpdateChangesNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		client, at, token := s.registered(`{"redirect_uris":["https://a.example/cb"]}`)
		const more = `"redirect_uris":["https://b.example/cb"]}`
		for name, body := range map[string]string{
			"client_id":     `{` + more,
			"client_id ":    `{"client_id":"other",` + more,
			"client_id  ":   `{"client_id":1,` + more,
			"client_secret": withID(client, `{"client_secret":"chosen",`+more),
			"redirect_uris": withID(client, `{"client_name":"x"}`),
			"client_name":   withID(client, `{"client_name":"\n\u0000",`+more),
		} {
			got := s.askJSON(http.MethodPut, at, body, bearer(token))
			if got.status != http.StatusBadRequest {
				t.Errorf("%s: answered %d %s", name, got.status, got.body)
			}
		}
		got := s.askJSON(http.MethodGet, at, "", bearer(token)).want(http.StatusOK)
		if diff := cmp.Diff([]any{"https://a.example/cb"}, got.json["redirect_uris"]); diff != "" {
			t.Error(diff)
		}
		s.askJSON(http.MethodPut, at, withID(client, `{"client_secret":"`+client.text("client_secret")+`",`+more), bearer(token)).
			want(http.StatusOK)
	})
}

func TestRegistration_secretFollowsTheMethod(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		client, at, token := s.registered(nativeApp)
		as := func(method string) reply {
			body := `{"redirect_uris":["https://a.example/cb"],"grant_types":["authorization_code"],"token_endpoint_auth_method":"` + method + `"}`
			got := s.askJSON(http.MethodPut, at, withID(client, body), bearer(token)).want(http.StatusOK)
			token = got.text("registration_access_token")
			return got
		}
		proves := func(secret string) bool {
			form := url.Values{"client_id": {client.text("client_id")}, "client_secret": {secret}, "token": {"x"}}
			return s.askForm("/oauth2/introspect", form).status == http.StatusOK
		}
		secret := as("client_secret_post").text("client_secret")
		if !proves(secret) {
			t.Error("the new secret does not authenticate")
		}
		if kept := as("client_secret_post"); kept.json["client_secret"] != nil || !proves(secret) {
			t.Error("an update that keeps the method changed the secret")
		}
		if gone := as("none"); gone.json["client_secret"] != nil || gone.json["client_secret_expires_at"] != nil || proves(secret) {
			t.Error("a public client kept its secret")
		}
		if as("client_secret_post"); proves(secret) {
			t.Error("a secret that was given up came back")
		}
	})
}

func TestRegistration_deleteEndsTheClientAndItsSessions(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		client, at, token := s.registered(nativeApp)
		c, err := s.db.ClientByID(t.Context(), client.text("client_id"))
		if err != nil {
			t.Fatal(err)
		}
		cookie := s.signIn(s.user)
		tokens := s.post(redeeming(c, s.agreed(c, cookie)))
		s.good(tokens)

		if got := s.askJSON(http.MethodDelete, at, "", bearer(token)); got.status != http.StatusNoContent || got.body != "" {
			t.Errorf("answered %d %q", got.status, got.body)
		}
		if row := s.session(tokens); row.EndCause != identity.EndClientGone {
			t.Errorf("the Session's end cause is %q", row.EndCause)
		}
		s.bad(s.post(refreshing(c, tokens.RefreshToken)), http.StatusUnauthorized, "invalid_client", "login")
		s.askJSON(http.MethodDelete, at, "", bearer(token)).refused(http.StatusUnauthorized, "invalid_token")
	})
}

// What a stranger learns of a client is the same whether it exists, and whoever added it (RFC 7592 §2.1).
func TestRegistration_wrongTokenAndUnknownClientLookAlike(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		_, mine, _ := s.registered(nativeApp)
		_, _, others := s.registered(nativeApp)
		operators := s.app()
		var first reply
		for i, at := range []string{mine, registerAt + "/" + operators.ID, registerAt + "/nobody", registerAt + "/%00%ff"} {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				for _, edit := range []func(*http.Request){
					func(*http.Request) {},
					bearer(others), bearer(""), bearer("x\xff"),
					func(r *http.Request) { r.SetBasicAuth("a", others) },
				} {
					got := s.askJSON(method, at, nativeApp, edit).refused(http.StatusUnauthorized, "invalid_token")
					if i == 0 && first.body == "" {
						first = got
					}
					if got.body != first.body || got.header.Get("WWW-Authenticate") != first.header.Get("WWW-Authenticate") {
						t.Errorf("%s %s tells more: %s", method, at, got.body)
					}
				}
			}
		}
	})
}

func TestRegistration_badMethodsAndBodies(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		_, at, token := s.registered(nativeApp)
		for _, method := range []string{http.MethodPost, http.MethodPatch} {
			got := s.askJSON(method, at, nativeApp, bearer(token))
			if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, PUT, DELETE, OPTIONS" {
				t.Errorf("%s: answered %d, Allow %q", method, got.status, got.header.Get("Allow"))
			}
		}
		for name, body := range map[string]string{"empty": "", "array": "[]", "cut off": "{", "UTF-8": "\"\xff\""} {
			if got := s.askJSON(http.MethodPut, at, body, bearer(token)); got.status != http.StatusBadRequest {
				t.Errorf("%s: answered %d", name, got.status)
			}
		}
		r := httptest.NewRequest(http.MethodPut, at, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		s.ask(r).refused(http.StatusBadRequest, "invalid_request")
	})
}

func TestRegistration_databaseAway(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		client, at, token := s.registered(nativeApp)
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			s.askJSON(method, at, withID(client, nativeApp), bearer(token), tooLate).away()
		}
		s.pass(2 * time.Second)
		s.askJSON(http.MethodGet, at, "", bearer(token)).want(http.StatusOK)
	})
}
