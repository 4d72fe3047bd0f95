package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// member is a row of the table of registrations: what comes of a value of a wrong type, of one that is too long and of one
// that nobody knows. Absent and null are left out, and what comes twice is refused: it would have two meanings (RFC 8259 §4).
// What a server cannot take it may leave out or replace, and says so in its answer (RFC 7591 §3.2.1): ok.
type member struct{ name, clause, wrong, long, unknown string }

const (
	badMeta  = "invalid_client_metadata"
	badBack  = "invalid_redirect_uri"
	register = "RFC 7591 §2, §3.2.2"
	oidc     = "Registration 1.0 §2, §3.3"
)

var memberTable = []member{
	{"redirect_uris", register, badBack, badBack, badBack},
	{"token_endpoint_auth_method", register, badMeta, badMeta, badMeta},
	{"token_endpoint_auth_signing_alg", oidc + ": has no effect with a secret", badMeta, ok, ok},
	{"grant_types", register, badMeta, badMeta, badMeta},
	{"response_types", register, badMeta, badMeta, badMeta},
	{"application_type", oidc, badMeta, badMeta, badMeta},
	{"client_name", register, badMeta, badMeta, ok},
	{"client_uri", register, badMeta, badMeta, badMeta},
	{"logo_uri", register, badMeta, badMeta, badMeta},
	{"policy_uri", register, badMeta, badMeta, badMeta},
	{"tos_uri", register, badMeta, badMeta, badMeta},
	{"scope", register + ": unknown ones are left out", badMeta, ok, ok},
	{"contacts", register, badMeta, badMeta, ok},
	{"jwks_uri", register, badMeta, badMeta, badMeta},
	{"jwks", register, badMeta, badMeta, badMeta},
	{"software_id", register, badMeta, badMeta, ok},
	{"software_version", register, badMeta, badMeta, ok},
	{"subject_type", oidc, badMeta, badMeta, badMeta},
	{"sector_identifier_uri", "Registration 1.0 §5", badMeta, badMeta, badMeta},
	{"id_token_signed_response_alg", oidc + ": the default takes its place", badMeta, ok, ok},
	{"default_max_age", oidc, badMeta, badMeta, badMeta},
	{"require_auth_time", oidc, badMeta, badMeta, badMeta},
	{"default_acr_values", oidc + ": changes nothing", badMeta, ok, ok},
	{"require_mfa", "our own: docs/operations.md", badMeta, badMeta, badMeta},
	{"require_pkce", "our own: docs/operations.md", badMeta, badMeta, badMeta},
	{"id_token_on_refresh", "our own: docs/rfc.md", badMeta, badMeta, badMeta},
	{"id_token_profile", "our own: docs/rfc.md", badMeta, badMeta, badMeta},
	{"refresh_rotation", "our own: docs/refresh.md", badMeta, badMeta, badMeta},
	{"dpop_bound_access_tokens", "RFC 9449 §5.2", badMeta, badMeta, badMeta},
	{"access_token_format", "our own: docs/rfc.md", badMeta, badMeta, badMeta},
	{"introspection_signed_response_alg", "RFC 9701 §6", badMeta, badMeta, badMeta},
	{"userinfo_signed_response_alg", oidc, badMeta, badMeta, badMeta},
	{"resources", "our own: the operator's to give", badMeta, ok, ok},
	{"initiate_login_uri", oidc, badMeta, badMeta, badMeta},
	{"request_uris", "RFC 9101 §5.2", badMeta, badMeta, badMeta},
	{"request_object_signing_alg", oidc, badMeta, badMeta, badMeta},
	{"require_signed_request_object", "RFC 9101 §10.5", badMeta, badMeta, badMeta},
	{"require_pushed_authorization_requests", "RFC 9126 §6", badMeta, badMeta, badMeta},
	{"post_logout_redirect_uris", "Logout 1.0 §3.1", badMeta, badMeta, badMeta},
	{"backchannel_logout_uri", "Back-Channel Logout 1.0 §2.2", badMeta, badMeta, badMeta},
	{"backchannel_logout_session_required", "Back-Channel Logout 1.0 §2.2", badMeta, badMeta, badMeta},
	{"frontchannel_logout_uri", "Front-Channel Logout 1.0 §2", badMeta, badMeta, badMeta},
	{"frontchannel_logout_session_required", "Front-Channel Logout 1.0 §2", badMeta, badMeta, badMeta},
}

// memberTypes are the members of client metadata, and how each is written.
func memberTypes() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	of := reflect.TypeFor[identity.Metadata]()
	for i := range of.NumField() {
		if name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			all[name] = of.Field(i).Type
		}
	}
	return all
}

func TestParameters_everyMemberOfARegistrationHasARow(t *testing.T) {
	t.Parallel()
	types := memberTypes()
	for _, m := range memberTable {
		if types[m.name] == nil {
			t.Errorf("nobody reads %s", m.name)
		}
		delete(types, m.name)
	}
	for name := range types {
		t.Errorf("%s has no row", name)
	}
}

// bodies are the bad shapes of one member, beside the others that a registration needs.
func (m member) bodies(of reflect.Type, rest string) map[shape][2]string {
	text := func(value string) string {
		if of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.String {
			return `["` + value + `"]`
		}
		return `"` + value + `"`
	}
	mistyped := `{"x":1}`
	if m.name == "jwks" { // an object is its type
		mistyped = `7`
	}
	one := func(value string) string { return `{` + rest + `"` + m.name + `":` + value + `}` }
	missing := ok
	if m.name == "redirect_uris" {
		missing = badBack
	}
	return map[shape][2]string{
		absent: {`{` + rest + `"unheard_of":1}`, missing}, empty: {one(`null`), missing},
		doubled: {`{` + rest + `"` + m.name + `":null,"` + m.name + `":null}`, badMeta},
		wrong:   {one(mistyped), m.wrong}, long: {one(text(strings.Repeat("x", 9_000))), m.long},
		unknown: {one(text("unheard-of")), m.unknown},
	}
}

// The same table for a registration and for its update, which replaces all (RFC 7592 §2.2).
func TestParameters_everyMemberOfARegistrationIsAnsweredAsItsRFCSays(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		types, at := memberTypes(), s.scenery()
		for _, m := range memberTable {
			client, place, token := s.registered(`{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":"none"}`)
			rest := `"redirect_uris":["https://a.example/cb"],`
			if m.name == "redirect_uris" {
				rest = ""
			}
			for kind, c := range m.bodies(types[m.name], rest) {
				if got := at.registers(http.MethodPost, registerAt, c[0], ""); got != c[1] {
					t.Errorf("%s %s is answered %q, want %q (%s)", m.name, kind, got, c[1], m.clause)
				}
			}
			for kind, c := range m.bodies(types[m.name], rest+`"client_id":"`+client.text("client_id")+`",`) {
				if c[1] == ok { // it would turn the token
					continue
				}
				if got := at.registers(http.MethodPut, place, c[0], token); got != c[1] {
					t.Errorf("an update: %s %s is answered %q, want %q (%s)", m.name, kind, got, c[1], m.clause)
				}
			}
			s.pass(time.Minute) // no flood
		}
	})
}

// registers sends metadata and names the answer by its error.
func (s *scenery) registers(method, path, body, token string) string {
	s.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	s.from(r)
	got := s.ask(r)
	if got.status == http.StatusCreated || got.status == http.StatusOK {
		return ok
	}
	told := told{Status: got.status}
	if err := json.Unmarshal([]byte(got.body), &told); err != nil {
		s.Fatal(err)
	}
	return verdictOf(s, told)
}

// What says which client it is about, and by whose right.
func TestParameters_ofAnUpdateOfARegistration(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		const plain = `{"redirect_uris":["https://a.example/cb"]}`
		at := s.scenery()
		client, place, token := s.registered(plain)
		other, otherPlace, otherToken := s.registered(plain)
		body := func(id string) string { return `{"client_id":` + id + `,"redirect_uris":["https://a.example/cb"]}` }
		own := body(`"` + client.text("client_id") + `"`)
		for name, c := range map[string]struct{ place, body, token, want string }{
			"client_id absent":           {place, plain, token, badMeta},
			"client_id empty":            {place, body(`""`), token, badMeta},
			"client_id of a wrong type":  {place, body(`7`), token, badMeta},
			"client_id too long":         {place, body(`"` + strings.Repeat("x", 9_000) + `"`), token, badMeta},
			"client_id unknown":          {place, body(`"nobody"`), token, badMeta},
			"client_id another client's": {place, body(`"` + other.text("client_id") + `"`), token, badMeta},
			"token absent":               {place, own, "", "invalid_token"},
			"token of a wrong type":      {place, own, "\"", "invalid_token"},
			"token too long":             {place, own, strings.Repeat("x", 9_000), "invalid_token"},
			"token unknown":              {place, own, "x.y.z", "invalid_token"},
			"token another client's":     {place, own, otherToken, "invalid_token"},
			"place another client's":     {otherPlace, own, token, "invalid_token"},
			"place unknown":              {registerAt + "/nobody", own, token, "invalid_token"},
			"place too long":             {registerAt + "/" + strings.Repeat("x", 9_000), own, token, "invalid_token"},
		} {
			if got := at.registers(http.MethodPut, c.place, c.body, c.token); got != c.want {
				t.Errorf("%s is answered %q, want %q (RFC 7592 §2.2, RFC 6750 §3.1)", name, got, c.want)
			}
		}
		if got := at.registers(http.MethodPut, place, own, token); got != ok {
			t.Errorf("the good one is answered %q", got)
		}
	})
}

// What stands in the addresses and headers of /me.
func TestParameters_ofMe(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		at := s.scenery()
		own, others := at.tokens(at.app), at.tokens(at.other)
		s.write(own.AccessToken, http.MethodPut, "mine", "1").want(http.StatusCreated)
		s.write(others.AccessToken, http.MethodPut, "theirs", "1").want(http.StatusCreated)
		eve := s.signIn(s.addUser("eve@example.com"))
		eves := s.session(s.post(redeeming(at.app, s.code(asking(at.app), eve))))
		tooLong := strings.Repeat("x", 9_000)
		for name, c := range map[string]struct {
			method, path, token, header, value string
			status                             int
		}{
			"token absent":                {"GET", "/me", "", "", "", 401},
			"token of a wrong type":       {"GET", "/me", "\"", "", "", 401},
			"token too long":              {"GET", "/me", tooLong, "", "", 401},
			"token unknown":               {"GET", "/me", "x.y.z", "", "", 401},
			"token of another kind":       {"GET", "/me", own.RefreshToken, "", "", 401},
			"a session of a wrong type":   {"DELETE", "/me/sessions/x", own.AccessToken, "", "", 404},
			"a session too long":          {"DELETE", "/me/sessions/" + tooLong, own.AccessToken, "", "", 404},
			"a session unknown":           {"DELETE", "/me/sessions/" + identity.NewID().String(), own.AccessToken, "", "", 404},
			"a session, another person's": {"DELETE", "/me/sessions/" + eves.ID.String(), own.AccessToken, "", "", 404},
			"a key of a wrong type":       {"GET", "/me/state/a%20b", own.AccessToken, "", "", 400},
			"a key too long":              {"GET", "/me/state/" + tooLong, own.AccessToken, "", "", 400},
			"a key unknown":               {"GET", "/me/state/unheard-of", own.AccessToken, "", "", 404},
			"a key, another client's":     {"GET", "/me/state/theirs", own.AccessToken, "", "", 404},
			"If-Match unknown":            {"DELETE", "/me/state/mine", own.AccessToken, "If-Match", `"x"`, 412},
			"If-Match of a wrong type":    {"DELETE", "/me/state/mine", own.AccessToken, "If-Match", "x", 412},
			"If-Match too long":           {"DELETE", "/me/state/mine", own.AccessToken, "If-Match", tooLong, 412},
			"If-None-Match of a write":    {"DELETE", "/me/state/mine", own.AccessToken, "If-None-Match", `"x"`, 400},
		} {
			r := httptest.NewRequest(c.method, c.path, nil)
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
			if c.header != "" {
				r.Header.Set(c.header, c.value)
			}
			got := s.send(r)
			if got.StatusCode != c.status || c.status == 401 && got.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s is answered %d, want %d (RFC 6750 §3.1, RFC 9110 §13.1)", name, got.StatusCode, c.status)
			}
		}
		s.holds(own.AccessToken, "mine", "1") // nothing was touched
	})
}
