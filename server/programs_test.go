package server

// program is what a program that signs people in sends and reads at its defaults, read from its source in 2026. Its client is
// added as docs/clients.md says: by sojourn client add, with its redirect URI and with what `add` names.
type program struct {
	back    string   // its redirect URI
	scope   string   // as it asks
	ask     []string // what else it sends to authorize: pairs of name and value
	s256    bool     // it sends a challenge
	nonce   bool
	auth    string   // how it proves itself: "basic", "post", "both", "none", or "tries": without Basic if that fails
	redeems []string // what else it sends with the code
	takes   string   // the one algorithm of ID tokens that it takes; empty: any that is published
	reads   string   // where it reads name and address: "id_token", "userinfo", or "POST userinfo"
	needs   []string // the claims without which it lets nobody in, or lets in somebody without a name
	renews  string   // "token": it refreshes; "id_token": and fails without an ID token
}

// everyScope is for those that ask for all that discovery names.
const everyScope = "\x00"

// programs are those of docs/clients.md.
var programs = map[string]program{
	"Argo CD": {
		back: "https://argocd.example/auth/callback", scope: "openid profile email groups", auth: "tries",
		ask:   []string{"claims", `{"id_token":{"groups":{"essential":true}}}`},
		reads: "id_token", needs: []string{"sub", "email", "name"}, renews: "id_token",
	},
	"Audiobookshelf": {
		back: "https://books.example/audiobookshelf/auth/openid/callback", scope: "openid profile email", s256: true, nonce: true,
		auth: "basic", takes: "RS256", reads: "userinfo", needs: []string{"sub", "email", "name"},
	},
	"BookStack": {
		back: "https://wiki.example/oidc/callback", scope: "openid profile email", s256: true,
		auth: "both", ask: []string{"approval_prompt", "auto"}, takes: "RS256",
		reads: "id_token", needs: []string{"sub", "email", "name"},
	},
	"Gitea": {
		back: "https://git.example/user/oauth2/sojourn/callback", scope: "openid email profile", auth: "tries",
		reads: "id_token", needs: []string{"sub", "email"}, renews: "token",
	},
	"GitLab": {
		back: "https://gitlab.example/users/auth/openid_connect/callback", scope: "openid profile email", nonce: true, auth: "basic",
		redeems: []string{"scope", "openid profile email"}, takes: "RS256", reads: "userinfo", needs: []string{"sub", "email", "name"},
	},
	"Grafana": {
		back: "https://grafana.example/login/generic_oauth", scope: "openid profile email", s256: true, auth: "tries",
		ask: []string{"access_type", "online"}, reads: "id_token", needs: []string{"sub", "email", "name"}, renews: "token",
	},
	"Headscale": {
		back: "https://headscale.example/oidc/callback", scope: "openid profile email", nonce: true, auth: "tries",
		reads: "userinfo", needs: []string{"sub", "email", "email_verified", "name"},
	},
	"Immich": {
		back: "https://photos.example/auth/login", scope: "openid email profile", s256: true, auth: "post", takes: "RS256",
		reads: "id_token", needs: []string{"sub", "email"},
	},
	"Jenkins": {
		back: "https://ci.example/securityRealm/finishLogin", scope: everyScope, nonce: true, auth: "basic",
		ask: []string{"response_mode", "query"}, reads: "userinfo", needs: []string{"sub", "email", "name"}, renews: "id_token",
	},
	"kubelogin": {
		back: "http://localhost:8000", scope: "openid", s256: true, nonce: true, auth: "none",
		ask: []string{"access_type", "offline"}, reads: "id_token", needs: []string{"sub"}, renews: "id_token",
	},
	"MinIO": {
		back: "https://minio.example/oauth_callback", scope: "openid profile app_metadata user_metadata email", auth: "tries",
		reads: "id_token", needs: []string{"sub", "email"},
	},
	"Miniflux": {
		back: "https://feeds.example/oauth2/oidc/callback", scope: "openid profile email", s256: true, auth: "tries",
		reads: "userinfo", needs: []string{"sub", "email"},
	},
	"Nextcloud": {
		back: "https://cloud.example/apps/user_oidc/code", scope: "openid email profile", s256: true, nonce: true, auth: "post",
		ask: []string{"response_mode", "query", "claims", `{"id_token":{"email":null,"name":null,"quota":null,"groups":null,` +
			`"display_name":null},"userinfo":{"email":null,"name":null,"quota":null,"groups":null,"display_name":null}}`},
		reads: "id_token", needs: []string{"sub", "email", "name"}, renews: "token",
	},
	"oauth2-proxy": {
		back: "https://app.example/oauth2/callback", scope: "openid email profile", nonce: true, auth: "tries",
		ask: []string{"approval_prompt", "force"}, reads: "id_token", needs: []string{"sub", "email", "email_verified"}, renews: "id_token",
	},
	"Open WebUI": {
		back: "https://chat.example/oauth/oidc/callback", scope: "openid email profile", nonce: true, auth: "basic",
		reads: "id_token", needs: []string{"sub", "email", "name"}, renews: "token",
	},
	"Outline": {
		back: "https://notes.example/auth/oidc.callback", scope: "openid profile email", auth: "post",
		reads: "userinfo", needs: []string{"sub", "email", "name"},
	},
	"Paperless-ngx": {
		back: "https://paper.example/accounts/oidc/sojourn/login/callback/", scope: "openid profile email", auth: "post",
		reads: "userinfo", needs: []string{"sub", "email", "name"},
	},
	"pgAdmin": {
		back: "https://pgadmin.example/oauth2/authorize", scope: "openid email profile", nonce: true, auth: "basic",
		reads: "id_token", needs: []string{"sub", "email"},
	},
	"Proxmox VE": {
		back: "https://pve.example:8006", scope: "openid email profile", s256: true, nonce: true, auth: "basic",
		ask: []string{"display", "page"}, reads: "userinfo", needs: []string{"sub", "email"},
	},
	"Spring Security": {
		back: "https://app.example/login/oauth2/code/sojourn", scope: "openid profile email", nonce: true, auth: "basic",
		takes: "RS256", reads: "userinfo", needs: []string{"sub", "email", "name"},
	},
	"Synapse": {
		back: "https://matrix.example/_synapse/client/oidc/callback", scope: "openid", s256: true, nonce: true, auth: "basic",
		reads: "id_token", needs: []string{"sub"},
	},
	"Vault": {
		back: "https://vault.example:8250/oidc/callback", scope: "openid", s256: true, nonce: true, auth: "tries",
		reads: "id_token", needs: []string{"sub"},
	},
	"Vaultwarden": {
		back: "https://vault.example/identity/connect/oidc-signin", scope: "openid email profile", s256: true, nonce: true, auth: "basic",
		reads: "id_token", needs: []string{"sub", "email", "email_verified"}, renews: "token",
	},
}
