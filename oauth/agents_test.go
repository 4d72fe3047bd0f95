package oauth_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

// recorded is what an agent sends to register itself, and how it goes on from there.
type recorded struct {
	body   string
	back   string // where its authorization requests lead
	method string // as it is answered
	left   []any  // redirect URIs that are not taken
}

// agents are the registrations of programs that people use, in the shapes that they sent in 2026 (their ports are the system's).
var agents = map[string]recorded{
	"Claude Code": {
		`{"client_name":"Claude Code (notes)","redirect_uris":["http://localhost:3118/callback"],"grant_types":["authorization_code",
		"refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","application_type":"native"}`,
		"http://localhost:3118/callback", "none", nil,
	},
	"Codex": {
		`{"client_name":"Codex","redirect_uris":["http://127.0.0.1:49731/callback/a1b2c3"],"grant_types":["authorization_code",
		"refresh_token"],"token_endpoint_auth_method":"none","response_types":["code"]}`,
		"http://127.0.0.1:50211/callback/a1b2c3", "none", nil,
	},
	"VS Code": {
		`{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","grant_types":["authorization_code",
		"refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],"redirect_uris":[
		"https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],
		"scope":"notes.read","token_endpoint_auth_method":"none","application_type":"native"}`,
		"http://127.0.0.1:33418", "none", nil,
	},
	"Cursor": {
		`{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback",
		"https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback"],"grant_types":["authorization_code",
		"refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		"cursor://anysphere.cursor-mcp/oauth/callback", "none", nil,
	},
	"OpenCode": {
		`{"redirect_uris":["http://127.0.0.1:19876/mcp/oauth/callback"],"client_name":"OpenCode","client_uri":"https://opencode.ai",
		"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
		"http://127.0.0.1:19876/mcp/oauth/callback", "none", nil,
	},
	"claude.ai": {
		`{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback","https://claude.com/api/mcp/auth_callback"],
		"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:jwt-bearer"],"response_types":["code"],
		"token_endpoint_auth_method":"none","scope":"claudeai","client_uri":"https://claude.ai","logo_uri":"https://claude.ai/images/logo.png"}`,
		"https://claude.ai/api/mcp/auth_callback", "none", nil,
	},
	"ChatGPT": {
		`{"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector/oauth/AbC123_x-"],"grant_types":["authorization_code",
		"refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_post",
		"token_endpoint_auth_methods_supported":["none","client_secret_post","private_key_jwt"]}`,
		"https://chatgpt.com/connector/oauth/AbC123_x-", "client_secret_post", nil,
	},
	"MCP Inspector": {
		`{"redirect_uris":["http://localhost:6274/oauth/callback","http://localhost:6274/oauth/callback/debug"],"token_endpoint_auth_method":"none",
		"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"client_name":"MCP Inspector",
		"client_uri":"https://github.com/modelcontextprotocol/inspector","scope":""}`,
		"http://localhost:6274/oauth/callback/debug", "none", nil,
	},
	"mcp-remote": {
		`{"redirect_uris":["http://localhost:14236/oauth/callback"],"token_endpoint_auth_method":"none","grant_types":["authorization_code",
		"refresh_token"],"response_types":["code"],"client_name":"MCP CLI Proxy","client_uri":"https://github.com/modelcontextprotocol/mcp-cli",
		"software_id":"2e6dc280-f3c3-4e01-99a7-8181dbd1d23d","software_version":"0.1.38","scope":"openid email profile"}`,
		"http://localhost:14236/oauth/callback", "none", nil,
	},
	"Gemini CLI": {
		`{"client_name":"Gemini CLI MCP Client","redirect_uris":["http://localhost:7777/oauth/callback"],"grant_types":["authorization_code",
		"refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","code_challenge_method":["S256"],"scope":""}`,
		"http://localhost:7777/oauth/callback", "none", nil,
	},
	"Inrupt's Solid libraries": {
		`{"client_name":"A Solid app","application_type":"web","redirect_uris":["https://app.example/callback"],"subject_type":"public",
		"token_endpoint_auth_method":"client_secret_basic","id_token_signed_response_alg":"ES256","grant_types":["authorization_code","refresh_token"]}`,
		"https://app.example/callback", "client_secret_basic", nil,
	},
	"one with a scheme that is nobody's": {
		`{"redirect_uris":["agent:/cb","http://localhost:7777/any/path?of=it"],"token_endpoint_auth_method":"none"}`,
		"http://localhost:1/any/path?of=it", "none",
		[]any{"agent:/cb"},
	},
}

// Each is registered, signs somebody in and goes on, with the parameters that such a client sends.
func TestRegister_agentsInTheirShapes(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		for name, agent := range agents {
			answer := s.askJSON(http.MethodPost, registerAt, agent.body).want(http.StatusCreated)
			if left := leftOut(answer); !slices.Equal(left, agent.left) || answer.text("token_endpoint_auth_method") != agent.method {
				t.Errorf("%s: left out %q of %s", name, left, answer.body)
			}
			c, err := s.db.ClientByID(t.Context(), answer.text("client_id"))
			if err != nil {
				t.Fatal(err)
			}
			prove := func(form url.Values) told { return s.post(form) }
			switch agent.method {
			case "client_secret_post":
				secret := answer.text("client_secret")
				prove = func(form url.Values) told { return s.post(changed(form, []string{"client_secret", secret})) }
			case "client_secret_basic":
				basic := asClient(c, answer.text("client_secret"))
				prove = func(form url.Values) told { form.Del("client_id"); return s.post(form, basic) }
			}
			code := s.allowed(c, cookie, asking(c, "redirect_uri", agent.back, "scope", "", "nonce", ""))
			got := prove(redeeming(c, code, "redirect_uri", agent.back))
			s.good(got)
			again := prove(refreshing(c, got.RefreshToken))
			s.good(again)
			if again.RefreshToken == "" {
				t.Errorf("%s: no refresh token", name)
			}
		}
	})
}

// allowed gets a code for a request, once the person allowed on the consent page what it asks for.
func (s *stage) allowed(c identity.Client, cookie *http.Cookie, request url.Values) string {
	s.Helper()
	page, q := s.location(s.authorize(request, cookie))
	asked, err := s.keys.ReadAsked(q.Get("next"))
	if err != nil || page != "/consent" {
		s.Fatalf("led to %s: %v", page, err)
	}
	demand, err := asked.Demand(c, nil, s.now())
	if err != nil {
		s.Fatal(err)
	}
	s.no(s.grants.Allow(s.Context(), s.standing(cookie), demand))
	return s.code(s.pressing(identity.ForAllowal, q, cookie), cookie)
}

func leftOut(answer reply) (uris []any) {
	all, _ := answer.json["redirect_uris_left_out"].([]any)
	for _, one := range all {
		uris = append(uris, one.(map[string]any)["redirect_uri"])
	}
	return uris
}

// Where one cannot be taken, the others are: at registration and with an update (RFC 7591 §3.2.1, RFC 7592 §2.2).
func TestRegister_namesWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	const body = `{"redirect_uris":["https://a.example/cb","myapp:/cb","http://a.example/cb"],"token_endpoint_auth_method":"none"}`
	onStage(t, func(s *stage) {
		client, at, token := s.registered(body)
		updated := s.askJSON(http.MethodPut, at, withID(client, body), bearer(token)).want(http.StatusOK)
		for _, answer := range []reply{client, updated} {
			if left := leftOut(answer); !slices.Equal(left, []any{"myapp:/cb", "http://a.example/cb"}) {
				t.Errorf("left out %q of %s", left, answer.body)
			}
		}
		s.askJSON(http.MethodPost, registerAt, `{"redirect_uris":["myapp:/cb"]}`).refused(http.StatusBadRequest, "invalid_redirect_uri")
		s.rebuild(func(o *oauth.Options) { o.Schemes = []string{"myapp"} })
		listed := s.askJSON(http.MethodPost, registerAt, `{"redirect_uris":["myapp:/cb"],"application_type":"web"}`).want(http.StatusCreated)
		if listed.text("application_type") != "native" || listed.json["redirect_uris_left_out"] != nil || listed.json["require_pkce"] != true {
			t.Errorf("by the operator's list: %s", listed.body)
		}
	})
}

// What a client that proves itself otherwise says of keys is of no use to it; one that was shown is refused all the same.
func TestRegister_keysOfNoUseWhereNoneIsNeeded(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		const public = `{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":"none","jwks":`
		for _, jwks := range []string{`{"keys":[]}`, `{}`, `{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}]}`, `null`} {
			got := s.askJSON(http.MethodPost, registerAt, public+jwks+`}`).want(http.StatusCreated)
			if got.json["jwks"] != nil {
				t.Errorf("%s: registered %s", jwks, got.body)
			}
		}
		for _, jwks := range []string{`[]`, `"x"`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`} {
			s.askJSON(http.MethodPost, registerAt, public+jwks+`}`).refused(http.StatusBadRequest, "invalid_client_metadata")
		}
		needed := `{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"AKP"}]}}`
		s.askJSON(http.MethodPost, registerAt, needed).refused(http.StatusBadRequest, "invalid_client_metadata")
	})
}
