package oauth_test

import (
	"encoding/json"
	"errors"
	"fmt"
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

const (
	registerAt = "/oauth2/register"
	nativeApp  = `{"redirect_uris":["com.example.wege:/cb","http://127.0.0.1/cb"],"application_type":"native",` +
		`"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"client_name":"Wege"}`
)

func TestRegister_nativeAppIsToldEverythingAndGetsNoSecret(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		got := s.askJSON(http.MethodPost, registerAt, nativeApp).want(http.StatusCreated)
		id := got.text("client_id")
		want := map[string]any{
			"client_id": id, "client_id_issued_at": float64(s.now().Unix()),
			"registration_access_token":  got.text("registration_access_token"),
			"registration_client_uri":    issuer + registerAt + "/" + id,
			"redirect_uris":              []any{"com.example.wege:/cb", "http://127.0.0.1/cb"},
			"token_endpoint_auth_method": "none", "grant_types": []any{"authorization_code", "refresh_token"},
			"response_types": []any{"code"}, "application_type": "native", "client_name": "Wege",
			"scope": "openid profile email offline_access", "subject_type": "public", "id_token_signed_response_alg": "RS256",
		}
		if diff := cmp.Diff(want, got.json); diff != "" {
			t.Error(diff)
		}
		c, err := s.db.ClientByID(t.Context(), id)
		if err != nil || !c.SelfRegistered || c.Trusted || !c.Public() || len(c.SecretHash) > 0 || len(id) > 64 {
			t.Errorf("stored %+v, %v", c, err)
		}
	})
}

func TestRegister_theAppSignsSomeoneIn(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		id := s.askJSON(http.MethodPost, registerAt, nativeApp).want(http.StatusCreated).text("client_id")
		c, err := s.db.ClientByID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		cookie := s.signIn(s.user)
		s.good(s.post(redeeming(c, s.agreed(c, cookie))))
	})
}

func TestRegister_secretIsShownOnceAndWorksBothWays(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		got := s.askJSON(http.MethodPost, registerAt, `{"grant_types":["client_credentials"]}`).want(http.StatusCreated)
		if got.text("token_endpoint_auth_method") != "client_secret_basic" || got.json["client_secret_expires_at"] != 0.0 {
			t.Errorf("answered %s", got.body)
		}
		id, secret := got.text("client_id"), got.text("client_secret")
		form := url.Values{"grant_type": {"client_credentials"}}
		s.good(s.post(form, asClient(identity.Client{ID: id}, secret)))
		form.Set("client_id", id)
		form.Set("client_secret", secret)
		s.good(s.post(form))
		shown := s.askJSON(http.MethodGet, registerAt+"/"+id, "", bearer(got.text("registration_access_token"))).want(http.StatusOK)
		if strings.Contains(shown.body, secret) || strings.Contains(shown.body, `"client_secret"`) {
			t.Error("the secret is shown again")
		}
	})
}

// RP-Initiated Logout 1.0 §3.1, Back-Channel Logout 1.0 §2.2, Front-Channel Logout 1.0 §2.
func TestRegister_whatSigningOutNeedsIsReturned(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		const members = `"post_logout_redirect_uris":["https://a.example/bye"],"backchannel_logout_uri":"https://b.example/back",` +
			`"backchannel_logout_session_required":true,"frontchannel_logout_uri":"https://a.example/front",` +
			`"frontchannel_logout_session_required":true,"device_name":"Ada's phone","install_id":"i-1"`
		var want map[string]any
		if err := json.Unmarshal([]byte(`{`+members+`}`), &want); err != nil {
			t.Fatal(err)
		}
		made := s.askJSON(http.MethodPost, registerAt, `{"redirect_uris":["https://a.example/cb"],`+members+`}`).want(http.StatusCreated)
		read := s.askJSON(http.MethodGet, registerAt+"/"+made.text("client_id"), "", bearer(made.text("registration_access_token")))
		for _, got := range []reply{made, read} {
			for member, value := range want {
				if diff := cmp.Diff(value, got.json[member]); diff != "" {
					t.Errorf("%s: %s", member, diff)
				}
			}
		}
	})
}

func TestRegister_refusesByName(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		for member, c := range map[string]struct{ value, code string }{
			"redirect_uris":                     {`["javascript:alert(1)"]`, "invalid_redirect_uri"},
			"redirect_uris ":                    {`[]`, "invalid_redirect_uri"},
			"redirect_uris  ":                   {`"https://a.example/cb"`, "invalid_redirect_uri"},
			"redirect_uris   ":                  {`[1]`, "invalid_redirect_uri"},
			"client_name":                       {`"a\u202eb"`, "invalid_client_metadata"},
			"client_name ":                      {`{"de":"x"}`, "invalid_client_metadata"},
			"client_name  ":                     {`"a\u0000b"`, "invalid_client_metadata"},
			"grant_types":                       {`["password"]`, "invalid_client_metadata"},
			"token_endpoint_auth_method":        {`"tls_client_auth"`, "invalid_client_metadata"},
			"subject_type":                      {`"both"`, "invalid_client_metadata"},
			"sector_identifier_uri":             {`"http://a.example/sector"`, "invalid_client_metadata"},
			"default_max_age":                   {`1.5`, "invalid_client_metadata"},
			"post_logout_redirect_uris":         {`["http://a.example/"]`, "invalid_client_metadata"},
			"backchannel_logout_uri":            {`"http://a.example/"`, "invalid_client_metadata"},
			"frontchannel_logout_uri":           {`"https://b.example/"`, "invalid_client_metadata"},
			"default_max_age ":                  {`1e400`, "invalid_client_metadata"},
			"require_mfa":                       {`"yes"`, "invalid_client_metadata"},
			"introspection_signed_response_alg": {`"none"`, "invalid_client_metadata"},
			"jwks":                              {`{"keys":[{"kty":"oct","k":"AA"}]}`, "invalid_client_metadata"},
			"jwks_uri":                          {`"http://a.example/jwks"`, "invalid_client_metadata"},
			"dpop_bound_access_tokens":          {`"yes"`, "invalid_client_metadata"},
			"refresh_rotation":                  {`"never"`, "invalid_client_metadata"},
			"tls_client_certificate_bound_access_tokens": {`true`, "invalid_client_metadata"},
			"id_token_encrypted_response_alg":            {`"RSA-OAEP"`, "invalid_client_metadata"},
			"introspection_encrypted_response_alg":       {`"RSA-OAEP"`, "invalid_client_metadata"},
			"software_statement":                         {`"e30.e30."`, "unapproved_software_statement"},
		} {
			name := strings.TrimSpace(member)
			metadata := map[string]json.RawMessage{"redirect_uris": []byte(`["https://a.example/cb"]`), name: []byte(c.value)}
			body, err := json.Marshal(metadata)
			if err != nil {
				t.Fatal(err)
			}
			got := s.askJSON(http.MethodPost, registerAt, string(body)).refused(http.StatusBadRequest, c.code)
			if !strings.HasPrefix(got.text("error_description"), name+": ") {
				t.Errorf("%s: described as %q", name, got.json["error_description"])
			}
		}
	})
}

func TestRegister_passesOverWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		got := s.askJSON(http.MethodPost, registerAt, `{"redirect_uris":["https://a.example/cb"],"trusted":true,"Trusted":true,
			"client_name#de":"Wege","CLIENT_NAME":"bank","lives":{"idle":1},"self_registered":false,"client_id":"mine","x":[[{}]],
			"client_secret":"mine","initiate_login_uri":"https://a.example/","dpop_bound_access_tokens":false,
			"client_uri":null,"id_token_encrypted_response_alg":"none","software_\u017ftatement":"x"}`).want(http.StatusCreated)
		want := []string{
			"application_type", "client_id", "client_id_issued_at", "client_secret", "client_secret_expires_at", "grant_types",
			"id_token_signed_response_alg", "initiate_login_uri", "redirect_uris", "registration_access_token", "registration_client_uri",
			"response_types", "scope", "subject_type", "token_endpoint_auth_method",
		}
		if diff := cmp.Diff(want, got.members()); diff != "" {
			t.Error(diff)
		}
		c, err := s.db.ClientByID(t.Context(), got.text("client_id"))
		if err != nil || c.Trusted || !c.SelfRegistered || c.Lives != (identity.Lifetimes{}) || got.text("client_secret") == "mine" {
			t.Errorf("stored %+v, %v", c, err)
		}
	})
}

// What discovery offers can be registered.
func TestRegister_takesWhatDiscoverySays(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil))
		var offers map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &offers); err != nil {
			t.Fatal(err)
		}
		pen := newPen(t, "ES256", "1")
		for member, list := range map[string]string{
			"token_endpoint_auth_method":      "token_endpoint_auth_methods_supported",
			"token_endpoint_auth_signing_alg": "token_endpoint_auth_signing_alg_values_supported",
			"id_token_signed_response_alg":    "id_token_signing_alg_values_supported",
			"subject_type":                    "subject_types_supported",
			"scope":                           "scopes_supported",
		} {
			for _, value := range offers[list].([]any) {
				metadata := map[string]any{
					"redirect_uris": []string{"https://a.example/cb"}, "jwks": json.RawMessage(setOf(t, pen)),
					"token_endpoint_auth_method": "private_key_jwt", member: value,
				}
				body, err := json.Marshal(metadata)
				if err != nil {
					t.Fatal(err)
				}
				got := s.askJSON(http.MethodPost, registerAt, string(body)).want(http.StatusCreated)
				if got.json[member] != value {
					t.Errorf("%s %v was registered as %v", member, value, got.json[member])
				}
			}
		}
	})
}

func TestRegister_badBodies(t *testing.T) {
	t.Parallel()
	const ok = `{"redirect_uris":["https://a.example/cb"]`
	onStage(t, func(s *stage) {
		for name, b := range map[string]struct {
			method, kind, body string
			status             int
		}{
			"GET":              {http.MethodGet, "", "", 405},
			"DELETE":           {http.MethodDelete, "application/json", ok + "}", 405},
			"form":             {http.MethodPost, "application/x-www-form-urlencoded", "redirect_uris=https://a.example/cb", 400},
			"no content type":  {http.MethodPost, "", ok + "}", 400},
			"text":             {http.MethodPost, "text/plain", ok + "}", 400},
			"empty":            {http.MethodPost, "application/json", "", 400},
			"array":            {http.MethodPost, "application/json", "[" + ok + "}]", 400},
			"null":             {http.MethodPost, "application/json", "null", 400},
			"number":           {http.MethodPost, "application/json", "1", 400},
			"cut off":          {http.MethodPost, "application/json", ok, 400},
			"trailing garbage": {http.MethodPost, "application/json", ok + "} x", 400},
			"two objects":      {http.MethodPost, "application/json", ok + "}{}", 400},
			"byte order mark":  {http.MethodPost, "application/json", "\ufeff" + ok + "}", 400},
			"malformed UTF-8":  {http.MethodPost, "application/json", ok + ",\"client_name\":\"\xff\"}", 400},
			"NUL":              {http.MethodPost, "application/json", ok + ",\"client_name\":\"\x00\"}", 400},
			"escaped NUL":      {http.MethodPost, "application/json", ok + `,"software_id":"\u0000"}`, 400},
			"too deep":         {http.MethodPost, "application/json", ok + `,"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}", 400},
			"too large":        {http.MethodPost, "application/json", ok + strings.Repeat(" ", 65<<10) + "}", 413},
			"charset":          {http.MethodPost, "application/json; charset=utf-8", ok + "}", 201},
			"a member twice":   {http.MethodPost, "application/json", ok + "," + ok[1:] + "}", 400},
		} {
			r := httptest.NewRequest(b.method, registerAt, strings.NewReader(b.body))
			r.Header.Set("Content-Type", b.kind)
			got := s.ask(r)
			if got.status != b.status || b.status >= 400 && got.json["error"] == nil {
				t.Errorf("%s: answered %d, want %d: %s", name, got.status, b.status, got.body)
			}
			if b.status == http.StatusMethodNotAllowed && got.header.Get("Allow") != "POST, OPTIONS" {
				t.Errorf("%s: Allow is %q", name, got.header.Get("Allow"))
			}
		}
	})
}

func TestRegister_closed(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.askJSON(http.MethodPost, registerAt, nativeApp).refused(http.StatusForbidden, "access_denied")
	}, registrationBy("closed"))
}

func (s *stage) initialToken(uses int) string {
	s.Helper()
	text, hash := identity.NewInitialToken()
	if err := s.db.CreateRegistrationToken(s.Context(), hash, uses, s.now().Add(time.Hour)); err != nil {
		s.Fatal(err)
	}
	return text
}

func TestRegister_initialTokenIsAskedForAndSpent(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		other, _ := identity.NewInitialToken()
		token := s.initialToken(2)
		s.askJSON(http.MethodPost, registerAt, nativeApp).refused(http.StatusUnauthorized, "invalid_token")
		s.askJSON(http.MethodPost, registerAt, nativeApp, bearer(other)).refused(http.StatusUnauthorized, "invalid_token")
		s.askJSON(http.MethodPost, registerAt, nativeApp, func(r *http.Request) {
			r.SetBasicAuth(token, "")
		}).refused(http.StatusUnauthorized, "invalid_token")

		s.askJSON(http.MethodPost, registerAt, `{}`, bearer(token)).refused(http.StatusBadRequest, "invalid_redirect_uri") // costs no use
		s.askJSON(http.MethodPost, registerAt, nativeApp, bearer(token)).want(http.StatusCreated)
		s.askJSON(http.MethodPost, registerAt, nativeApp, bearer(token)).want(http.StatusCreated)
		s.askJSON(http.MethodPost, registerAt, nativeApp, bearer(token)).refused(http.StatusUnauthorized, "invalid_token")

		late := s.initialToken(1)
		s.pass(time.Hour)
		s.askJSON(http.MethodPost, registerAt, nativeApp, bearer(late)).refused(http.StatusUnauthorized, "invalid_token")
	}, registrationBy("token"))
}

func TestRegister_oneUseMakesOneClient(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		token := s.initialToken(1)
		statuses := make(chan int, 16)
		var group sync.WaitGroup
		for range cap(statuses) {
			group.Go(func() {
				statuses <- s.askJSON(http.MethodPost, registerAt, nativeApp, bearer(token)).status
			})
		}
		group.Wait()
		close(statuses)
		count := map[int]int{}
		for status := range statuses {
			count[status]++
		}
		if diff := cmp.Diff(map[int]int{http.StatusCreated: 1, http.StatusUnauthorized: 15}, count); diff != "" {
			t.Error(diff)
		}
	}, registrationBy("token"))
}

func TestRegister_openIsThrottledPerAddress(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		var got reply
		for range identity.RegisterThrottle.Free + 1 {
			got = s.askJSON(http.MethodPost, registerAt, nativeApp)
		}
		got.refused(http.StatusTooManyRequests, "temporarily_unavailable")
		if got.header.Get("Retry-After") == "" || got.json["action"] != "retry" {
			t.Errorf("Retry-After %q: %s", got.header.Get("Retry-After"), got.body)
		}
		s.askJSON(http.MethodPost, registerAt, `{"scope":1}`).refused(http.StatusBadRequest, "invalid_client_metadata")
		s.askJSON(http.MethodPost, registerAt, nativeApp, func(r *http.Request) {
			r.RemoteAddr = "198.51.100.7:443"
		}).want(http.StatusCreated)
		s.pass(2 * time.Minute)
		s.askJSON(http.MethodPost, registerAt, nativeApp).want(http.StatusCreated)
	})
}

func TestRegister_openIsLimitedForAllNetworksTogether(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		from := func(i int) func(*http.Request) {
			return func(r *http.Request) { r.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:443", i) }
		}
		for i := range identity.RegisterDoor.All {
			s.askJSON(http.MethodPost, registerAt, nativeApp, from(i)).want(http.StatusCreated)
		}
		got := s.askJSON(http.MethodPost, registerAt, nativeApp, from(identity.RegisterDoor.All)).
			refused(http.StatusTooManyRequests, "temporarily_unavailable")
		if got.header.Get("Retry-After") == "" {
			t.Error("it does not say when")
		}
		s.pass(time.Minute)
		s.askJSON(http.MethodPost, registerAt, nativeApp, from(1)).want(http.StatusCreated)
	})
}

func TestRegister_eventIsWrittenWithTheClient(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		w := s.witnessed(t)
		got := s.askJSON(http.MethodPost, registerAt, nativeApp).want(http.StatusCreated)
		at, token := registerAt+"/"+got.text("client_id"), bearer(got.text("registration_access_token"))
		changed := s.askJSON(http.MethodPut, at, withID(got, nativeApp), token).want(http.StatusOK)
		s.askJSON(http.MethodDelete, at, "", bearer(changed.text("registration_access_token"))).want(http.StatusNoContent)
		want := []identity.EventKind{identity.ClientRegistered, identity.ClientUpdated, identity.ClientDeleted}
		if diff := cmp.Diff(want, w.kinds); diff != "" {
			t.Error(diff)
		}

		w.fail = errors.Join(identity.ErrUnavailable)
		failed := s.askJSON(http.MethodPost, registerAt, nativeApp)
		failed.away()
		if failed.json["client_id"] != nil {
			t.Error("a client was told of that does not exist")
		}
	})
}

func TestRegister_databaseAway(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.askJSON(http.MethodPost, registerAt, nativeApp, tooLate).away()
		s.askJSON(http.MethodPost, registerAt, nativeApp).want(http.StatusCreated)
	})
}

// withID is a registration as an update repeats it (RFC 7592 §2.2).
func withID(client reply, body string) string {
	return `{"client_id":"` + client.text("client_id") + `",` + body[1:]
}
