package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
)

// bad spells the four shapes in their order: a value of a wrong type, one that is too long, one that is unknown, another
// client's.
func bad(of ...answer) map[shape]answer {
	all := map[shape]answer{}
	for i, kind := range []shape{wrong, long, unknown, foreign} {
		all[kind] = of[i]
	}
	return all
}

var none = answer{want: senseless}

// anything is what a parameter brings whose every value is taken.
func anything(value string) map[shape]answer {
	return bad(answer{value, ok}, answer{tooLong, ok}, answer{value, ok}, none)
}

// passedOver are parameters that an endpoint takes no notice of: RFC 6749 §3.1, §3.2.
func passedOver(clause string, names ...string) (rows []parameter) {
	for _, name := range names {
		rows = append(rows, parameter{name: name, clause: clause, absent: ok, bad: anything("\"")})
	}
	return rows
}

// described are what an app says of its device: what is too long of it is cut, what cannot be shown is left out.
func described(long answer) (rows []parameter) {
	for _, name := range []string{"device_name", "device_model", "app_version", "install_id"} {
		rows = append(rows, parameter{name, "our own: docs/mobile.md", ok, "", bad(answer{"\x01", ok}, long, answer{"\"", ok}, none)})
	}
	return rows
}

// overfull is what makes the request too long to be sealed for our pages.
var overfull = answer{tooLong, "invalid_request"}

// credentials are those of a public client.
var ownID = parameter{"client_id", "RFC 6749 §3.2.1, §5.2", "invalid_client", "", bad(
	answer{"\"", "invalid_client"}, answer{tooLong, "invalid_client"}, answer{"nobody", "invalid_client"}, none)}

var secret = parameter{"client_secret", "RFC 6749 §2.3.1, §5.2", "invalid_client", "", bad(
	answer{"\"", "invalid_client"}, answer{tooLong, "invalid_client"}, answer{"another secret", "invalid_client"}, none)}

// assertion is a second way to authenticate in a request that has one: RFC 6749 §2.3.
var assertion = []parameter{
	{"client_assertion", "RFC 6749 §2.3", ok, "", bad(
		answer{"x", "invalid_request"}, answer{tooLong, "invalid_request"}, answer{"x.y.z", "invalid_request"},
		answer{otherIDToken, "invalid_request"})},
	{"client_assertion_type", "RFC 7521 §4.2: alone it asks for nothing", ok, "", anything("x")},
}

var target = parameter{"resource", "RFC 8707 §2", ok, "invalid_target", bad(
	answer{"not a URI", "invalid_target"}, answer{"https://api.example.com/" + tooLong, "invalid_target"},
	answer{"https://unknown.example.com", "invalid_target"}, none)}

var grantType = parameter{"grant_type", "RFC 6749 §5.2", "invalid_request", "", bad(
	answer{"authorization_code refresh_token", "unsupported_grant_type"}, answer{tooLong, "unsupported_grant_type"},
	answer{"password", "unsupported_grant_type"}, none)}

// endpointTables are the promises about bad input, endpoint by endpoint.
var endpointTables = []endpointTable{
	{
		"authorize", func(s *scenery) url.Values { return asking(s.app) }, asksAuthorize, "invalid_request",
		join([]parameter{
			{"client_id", "RFC 6749 §4.1.2.1", "page", "page", bad(
				answer{"\"", "page"}, answer{tooLong, "page"}, answer{"nobody", "page"}, answer{otherID, "page"})},
			{"redirect_uri", "RFC 6749 §4.1.2.1", "page", "page", bad(
				answer{"not a URI", "page"}, answer{tooLong, "page"},
				answer{"https://evil.example/cb", "page"}, answer{otherURI, "page"})},
			{"response_type", "RFC 6749 §4.1.2.1", "invalid_request", "", bad(
				answer{"\"", "unsupported_response_type"}, answer{tooLong, "unsupported_response_type"},
				answer{"token", "unsupported_response_type"}, none)},
			{"response_mode", "OAuth 2.0 Multiple Response Types §2.1", ok, "", bad(
				answer{"\"", "invalid_request"}, answer{tooLong, "invalid_request"}, answer{"fragment", "invalid_request"}, none)},
			{"scope", "RFC 6749 §3.3, §4.1.2.1", ok, "", bad(
				answer{"\"", "invalid_scope"}, answer{tooLong, "invalid_scope"}, answer{"unheard-of", "invalid_scope"}, none)},
			{"state", "RFC 6749 §4.1.1", ok, "", bad(none, answer{tooLong, "invalid_request"}, none, none)},
			{"nonce", "OIDC Core §3.1.2.1", ok, "", bad(none, answer{tooLong, "invalid_request"}, none, none)},
			{"code_challenge", "RFC 7636 §4.4.1", "invalid_request", "", bad(
				answer{"\"", "invalid_request"}, answer{tooLong, "invalid_request"}, answer{"short", "invalid_request"}, none)},
			{"code_challenge_method", "RFC 7636 §4.4.1", "invalid_request", "", bad(
				answer{"\"", "invalid_request"}, answer{tooLong, "invalid_request"}, answer{"plain", "invalid_request"}, none)},
			{"prompt", "OIDC Core §3.1.2.1", ok, "", bad(
				answer{"none login", "invalid_request"}, answer{tooLong, "invalid_request"},
				answer{"unheard-of", "invalid_request"}, none)},
			{"max_age", "OIDC Core §3.1.2.1", ok, "", bad(
				answer{"soon", "invalid_request"}, answer{tooLong, "invalid_request"}, answer{"-1", "invalid_request"}, none)},
			{"id_token_hint", "OIDC Core §3.1.2.1: one that cannot be verified counts as none", ok, "", bad(
				answer{"x", ok}, answer{tooLong, "invalid_request"}, answer{"x.y.z", ok}, answer{otherIDToken, ok})},
			{"login_hint", "OIDC Core §3.1.2.1", ok, "", bad(answer{"\"", ok},
				answer{tooLong, "invalid_request"}, answer{"nobody", ok}, none)},
			{"claims", "OIDC Core §5.5", ok, "", bad(
				answer{"[]", "invalid_request"}, overfull, answer{`{"userinfo":{"unheard_of":null}}`, ok}, none)},
			{"ui_locales", "OIDC Core §3.1.2.1: those that are not spoken are passed over", ok, "", bad(
				answer{"\"", ok}, overfull, answer{"xx", ok}, none)},
			{"dpop_jkt", "RFC 9449 §10", ok, "", bad(
				answer{"\"", "invalid_request"}, answer{tooLong, "invalid_request"}, answer{"short", "invalid_request"}, none)},
			{"resource", "RFC 8707 §2", ok, "invalid_target", bad(
				answer{"not a URI", "invalid_target"}, answer{tooLong, "invalid_target"},
				answer{"https://unknown.example.com", "invalid_target"}, none)},
			{"request", "RFC 9101 §6, §7", ok, "", bad(
				answer{"x", "invalid_request_object"}, answer{tooLong, "invalid_request_object"},
				answer{"x.y.z", "invalid_request_object"},
				answer{otherIDToken, "invalid_request_object"})},
			{"request_uri", "RFC 9101 §5.2, §7", ok, "", bad(
				answer{"not a URI", "invalid_request_uri"}, answer{tooLong, "invalid_request_uri"},
				answer{"https://unknown.example.com", "invalid_request_uri"}, none)},
			{"registration", "OIDC Core §3.1.2.6, §7.2.1", ok, "", bad(
				answer{"x", "registration_not_supported"}, answer{tooLong, "registration_not_supported"},
				answer{"{}", "registration_not_supported"}, none)},
			{"next", "our own: a page's request that is not ours is shown so", ok, "page", bad(
				answer{"x", "page"}, answer{tooLong, "page"}, answer{"x.y", "page"}, none)},
		}, described(overfull), passedOver("OIDC Core §3.1.2.1: may be ignored", "display", "claims_locales", "acr_values"),
			passedOver("RFC 6749 §3.1: unknown ones are ignored", "audience", "unheard_of"),
			passedOver("our own: a press counts with the page that it was on", "denied", "allowed")),
	},
	{
		"token, authorization_code", func(s *scenery) url.Values { return redeeming(s.app, s.fresh(s.app)) },
		formTo("/oauth2/token"), "invalid_request",
		join([]parameter{
			grantType, ownID,
			{"code", "RFC 6749 §4.1.3, §5.2", "invalid_request", "", bad(
				answer{"\"", "invalid_grant"}, answer{tooLong, "invalid_grant"},
				answer{"x.y.z", "invalid_grant"}, answer{otherCode, "invalid_grant"})},
			{"redirect_uri", "RFC 6749 §4.1.3, §5.2", "invalid_grant", "", bad(
				answer{"not a URI", "invalid_grant"}, answer{tooLong, "invalid_grant"},
				answer{"https://evil.example/cb", "invalid_grant"},
				answer{otherURI, "invalid_grant"})},
			{"code_verifier", "RFC 7636 §4.6", "invalid_grant", "", bad(
				answer{"\"", "invalid_grant"}, answer{tooLong, "invalid_grant"}, answer{verifier[1:] + "x", "invalid_grant"}, none)},
			{"client_secret", "RFC 6749 §5.2: a public client has none", ok, "", bad(
				answer{"\"", "invalid_client"}, answer{tooLong, "invalid_client"}, answer{"x", "invalid_client"}, none)},
			target,
		}, described(answer{tooLong, ok}), passedOver("RFC 6749 §4.1.3: no parameter of this request", "scope", "unheard_of")),
	},
	{
		"token, refresh_token", func(s *scenery) url.Values { return refreshing(s.app, s.tokens(s.app).RefreshToken) },
		formTo("/oauth2/token"), "invalid_request",
		join([]parameter{
			grantType,
			{"refresh_token", "RFC 6749 §6, §5.2", "invalid_request", "", bad(
				answer{"\"", "invalid_grant"}, answer{tooLong, "invalid_grant"}, answer{"x.y.z", "invalid_grant"},
				answer{otherRefresh, "invalid_grant"})},
			{"client_id", "RFC 6749 §6: without it, it is the client of the token", ok, "", bad(
				answer{"\"", "invalid_client"}, answer{tooLong, "invalid_client"},
				answer{"nobody", "invalid_client"}, answer{otherID, "invalid_grant"})},
			{"scope", "RFC 6749 §6, §5.2", ok, "", bad(
				answer{"\"", "invalid_scope"}, answer{tooLong, "invalid_scope"}, answer{"unheard-of", "invalid_scope"}, none)},
			target,
		}, described(answer{tooLong, ok}), passedOver("RFC 6749 §6: no parameter of this request", "unheard_of")),
	},
	{
		"token, client_credentials", func(s *scenery) url.Values {
			return url.Values{"grant_type": {"client_credentials"}, "client_id": {s.web.ID}, "client_secret": {clientSecret}}
		}, formTo("/oauth2/token"), "invalid_request",
		join([]parameter{
			grantType, ownID, secret,
			{"scope", "RFC 6749 §4.4.2, §5.2", ok, "", bad(
				answer{"\"", "invalid_scope"}, answer{tooLong, "invalid_scope"}, answer{"unheard-of", "invalid_scope"}, none)},
			target,
		}, assertion, passedOver("RFC 6749 §4.4.2: no parameter of this request", "unheard_of")),
	},
	{
		"revoke", func(s *scenery) url.Values {
			return url.Values{"token": {s.tokens(s.app).RefreshToken}, "client_id": {s.app.ID}}
		}, formTo("/oauth2/revoke"), "invalid_request",
		join([]parameter{
			ownID,
			{"token", "RFC 7009 §2.1, §2.2", "invalid_request", "", bad(
				answer{"\"", ok}, answer{tooLong, ok}, answer{"x.y.z", ok}, answer{otherRefresh, "invalid_grant"})},
		}, passedOver("RFC 7009 §2.1: may be ignored", "token_type_hint"), passedOver("RFC 6749 §3.2", "unheard_of")),
	},
	{
		"introspect", func(s *scenery) url.Values {
			return url.Values{"token": {s.tokens(s.app).AccessToken}, "client_id": {s.web.ID}, "client_secret": {clientSecret}}
		}, formTo("/oauth2/introspect"), "invalid_request",
		join([]parameter{
			ownID, secret,
			{"token", "RFC 7662 §2.1, §2.2", "invalid_request", "", bad(
				answer{"\"", ok}, answer{tooLong, ok}, answer{"x.y.z", ok}, answer{otherAccess, ok})},
		}, assertion, passedOver("RFC 7662 §2.1: may be ignored", "token_type_hint"), passedOver("RFC 6749 §3.2", "unheard_of")),
	},
	{
		"endings", func(s *scenery) url.Values {
			return url.Values{"nonce": {"0123456789abcdef"}, "wait": {"0"}}
		}, formTo("/oauth2/endings", asWeb), "invalid_request",
		[]parameter{
			{"nonce", "our own: docs/endings.md", "invalid_request", "", bad(
				answer{"\"", "invalid_request"}, answer{tooLong, "invalid_request"}, answer{"short", "invalid_request"}, none)},
			{"after", "our own: docs/endings.md", ok, "", bad(
				answer{"x", "invalid_request"}, answer{tooLong, "invalid_request"}, answer{"-1", "invalid_request"}, none)},
			{"wait", "our own: docs/endings.md", ok, "", bad(
				answer{"soon", "invalid_request"}, answer{tooLong, "invalid_request"}, answer{"99", "invalid_request"}, none)},
		},
	},
	{
		"signout", func(s *scenery) url.Values {
			return url.Values{"refresh_token": {s.tokens(s.app).RefreshToken}, "client_id": {s.app.ID}}
		}, formTo("/oauth2/signout"), "invalid_request",
		[]parameter{
			ownID,
			{"refresh_token", "our own, after RFC 7009 §2.2", "invalid_request", "", bad(
				answer{"\"", ok}, answer{tooLong, ok}, answer{"x.y.z", ok}, answer{otherRefresh, "invalid_grant"})},
			{"device", "our own: docs/signout.md", ok, "", bad(
				answer{"1", "invalid_request"}, answer{tooLong, "invalid_request"}, answer{"maybe", "invalid_request"}, none)},
		},
	},
	{
		"logout", func(s *scenery) url.Values { return url.Values{"client_id": {s.app.ID}} }, asksLogout, "page",
		join([]parameter{
			{"client_id", "Logout 1.0 §2: a person may sign out without one", ok, "", bad(
				answer{"\"", ok}, answer{tooLong, ok}, answer{"nobody", ok}, none)},
			{"id_token_hint", "Logout 1.0 §2: one that cannot be verified asks the person", ok, "", bad(
				answer{"x", ok}, answer{tooLong, ok}, answer{"x.y.z", ok}, answer{otherIDToken, "page"})},
			{"post_logout_redirect_uri", "Logout 1.0 §3: one that is not registered leads nowhere", ok, "", bad(
				answer{"not a URI", ok}, answer{tooLong, "page"}, answer{"https://evil.example/", ok}, answer{otherURI, ok})},
			{"state", "Logout 1.0 §2", ok, "", bad(none, answer{tooLong, "page"}, none, none)},
			{"logout_hint", "Logout 1.0 §2", ok, "", bad(answer{"\"", ok}, answer{tooLong, "page"}, answer{"nobody", ok}, none)},
		}, passedOver("Logout 1.0 §2: may be ignored", "ui_locales")),
	},
	{
		"userinfo", func(s *scenery) url.Values { return url.Values{"access_token": {s.tokens(s.app).AccessToken}} },
		formTo("/oauth2/userinfo"), "invalid_request",
		[]parameter{
			{"access_token", "RFC 6750 §2.2, §3.1", "invalid_token", "", bad(
				answer{"\"", "invalid_token"}, answer{tooLong, "invalid_token"}, answer{"x.y.z", "invalid_token"},
				answer{otherIDToken, "invalid_token"})},
		},
	},
}

// pushedTable promises for a request that is pushed what authorize promises, with the answers of an endpoint that clients call
// (RFC 9126 §2.3): none of them is shown to a person or sent to an app.
func pushedTable() endpointTable {
	table := endpointTable{
		name: "par", doubled: "invalid_request", send: formTo("/oauth2/par"),
		good: func(s *scenery) url.Values { return asking(s.app) },
		params: []parameter{
			ownID,
			{"redirect_uri", "RFC 9126 §2.3", "invalid_request", "", bad(
				answer{"not a URI", "invalid_request"}, answer{tooLong, "invalid_request"},
				answer{"https://evil.example/cb", "invalid_request"}, answer{otherURI, "invalid_request"})},
			{"request_uri", "RFC 9126 §2.1: there is none", ok, "", bad(
				answer{"not a URI", "invalid_request"}, answer{tooLong, "invalid_request"},
				answer{"https://unknown.example.com", "invalid_request"}, none)},
			{"client_secret", "RFC 6749 §5.2: a public client has none", ok, "", bad(
				answer{"\"", "invalid_client"}, answer{tooLong, "invalid_client"}, answer{"x", "invalid_client"}, none)},
			{"next", "our own: of a page's, which no client has", ok, "", anything("x")},
		},
	}
	own := map[string]bool{}
	for _, p := range table.params {
		own[p.name] = true
	}
	for _, p := range endpointTables[0].params {
		if !own[p.name] {
			table.params = append(table.params, p)
		}
	}
	return table
}

// asksLogout is a browser that is led to sign out. What cannot be read is shown; whatever else goes on to the page that asks.
func asksLogout(s *scenery, q url.Values) string {
	s.Helper()
	r := httptest.NewRequest(http.MethodGet, "/oauth2/logout?"+q.Encode(), nil)
	r.AddCookie(s.cookie)
	resp := s.send(r)
	if resp.StatusCode == http.StatusBadRequest {
		<-s.problems
		return "page"
	}
	if place, _ := s.location(resp); place != "/signout" {
		s.Errorf("a sign-out is led to %s", place)
	}
	return ok
}

func join(parts ...[]parameter) (all []parameter) {
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}
