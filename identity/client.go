package identity

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Metadata is what a client says of itself, with the names of RFC 7591 §2 and OpenID Connect Registration 1.0 §2, and a
// few of our own at the end.
type Metadata struct {
	RedirectURIs     []string        `json:"redirect_uris,omitempty"`
	AuthMethod       string          `json:"token_endpoint_auth_method,omitempty"` // empty: client_secret_basic and _post
	AuthSigningAlg   string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	GrantTypes       []string        `json:"grant_types,omitempty"`
	ResponseTypes    []string        `json:"response_types,omitempty"`
	ApplicationType  string          `json:"application_type,omitempty"` // web or native
	Name             string          `json:"client_name,omitempty"`
	URI              string          `json:"client_uri,omitempty"`
	LogoURI          string          `json:"logo_uri,omitempty"`
	PolicyURI        string          `json:"policy_uri,omitempty"`
	TermsURI         string          `json:"tos_uri,omitempty"`
	Scope            string          `json:"scope,omitempty"`
	Contacts         []string        `json:"contacts,omitempty"`
	JWKSURI          string          `json:"jwks_uri,omitempty"`
	JWKS             json.RawMessage `json:"jwks,omitempty"`
	SoftwareID       string          `json:"software_id,omitempty"`
	SoftwareVersion  string          `json:"software_version,omitempty"`
	SubjectType      string          `json:"subject_type,omitempty"`
	SectorURI        string          `json:"sector_identifier_uri,omitempty"`        // OpenID Connect Registration 1.0 §5
	IDTokenAlg       string          `json:"id_token_signed_response_alg,omitempty"` // RS256, PS256, ES256, EdDSA or Ed25519
	DefaultMaxAge    *int            `json:"default_max_age,omitempty"`              // seconds
	RequireAuthTime  bool            `json:"require_auth_time,omitempty"`
	DefaultACRValues []string        `json:"default_acr_values,omitempty"`
	RequireMFA       bool            `json:"require_mfa,omitempty"`
	RequirePKCE      bool            `json:"require_pkce,omitempty"`
	IDTokenOnRefresh *bool           `json:"id_token_on_refresh,omitempty"`               // nil: see RenewsIDToken
	IDTokenProfile   *bool           `json:"id_token_profile,omitempty"`                  // nil: see TellsProfile
	Rotation         Rotation        `json:"refresh_rotation,omitempty"`                  // empty: rotate
	DPoPBound        bool            `json:"dpop_bound_access_tokens,omitempty"`          // RFC 9449 §5.2
	AccessFormat     string          `json:"access_token_format,omitempty"`               // jwt (empty) or reference
	UserinfoAlg      string          `json:"userinfo_signed_response_alg,omitempty"`      // empty: plain JSON
	IntrospectionAlg string          `json:"introspection_signed_response_alg,omitempty"` // RFC 9701 §6
	Resources        []string        `json:"resources,omitempty"`                         // that it may ask for (RFC 8707); the operator's to give

	InitiateLoginURI string   `json:"initiate_login_uri,omitempty"`                    // OpenID Connect Core 1.0 §4
	RequestURIs      []string `json:"request_uris,omitempty"`                          // of its request objects (RFC 9101 §5.2)
	RequestAlg       string   `json:"request_object_signing_alg,omitempty"`            // that it signs them with; empty: any of AssertionAlgs
	RequestSigned    bool     `json:"require_signed_request_object,omitempty"`         // RFC 9101 §10.5
	RequirePushed    bool     `json:"require_pushed_authorization_requests,omitempty"` // RFC 9126 §6

	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"` // RP-Initiated Logout 1.0 §3.1
	BackchannelLogoutURI   string   `json:"backchannel_logout_uri,omitempty"`    // Back-Channel Logout 1.0 §2.2
	BackchannelSession     bool     `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelLogoutURI  string   `json:"frontchannel_logout_uri,omitempty"` // Front-Channel Logout 1.0 §2
	FrontchannelSession    bool     `json:"frontchannel_logout_session_required,omitempty"`

	Device // of a client that registered itself on each device
}

// Client is a registered application.
type Client struct {
	ID             string
	SecretHash     []byte // Keyring.HashSecret of the secret; empty for public clients and private_key_jwt
	FormerSecret   []byte // of the secret before, which stays good until FormerUntil
	FormerUntil    time.Time
	Trusted        bool // the operator's own: no consent page
	TrustedNative  bool // the operator says that nobody poses as it: no "Continue as" on loopback and private-use schemes
	SelfRegistered bool // by RFC 7591 or by its document, not by the operator
	Metadata
	Lives            Lifetimes // of its Sessions; a zero part means the server's default
	RegistrationHash []byte    // SHA-256 of the registration access token (RFC 7592 §3)
	PreviousHash     []byte    // of the one before, which lives until the new one is used
	CreatedAt        time.Time
	FirstUsedAt      time.Time // zero until it gets its first token
	DisabledAt       time.Time // zero while it may be used
	Epoch            int64     // Sessions that began under another one are over; of a document's client 0: it has no row yet
	Published        Publication
}

// Called is what people know the client by: its name. Without one, the id that the operator chose for it says most, and of one
// that registered itself the host that it leads to.
func (c Client) Called() string {
	switch {
	case c.Name != "":
		return c.Name
	case c.FromDocument():
		return ClientHost(c.ID)
	}
	for _, to := range c.RedirectURIs {
		if u, err := url.Parse(to); c.SelfRegistered && err == nil && u.Scheme == "https" {
			return u.Host
		}
	}
	return c.ID
}

// Secrets returns the hashes of the client's secrets that are good now: the newest, and the one before for as long as that is.
func (c Client) Secrets(now time.Time) (newest, former []byte) {
	if now.Before(c.FormerUntil) {
		former = c.FormerSecret
	}
	return c.SecretHash, former
}

// Public reports whether the client has no way to authenticate (RFC 6749 §2.1).
func (c Client) Public() bool { return c.AuthMethod == "none" }

// Allows reports whether the client was registered for a grant type.
func (c Client) Allows(grantType string) bool { return HasScope(c.GrantTypes, grantType) }

// TellsProfile reports whether the claims of profile and email, where their scopes were granted, stand in the ID token too
// (OpenID Connect Core 1.0 §5.4). Where nobody said, they do for the operator's web clients: many of those read nothing else.
func (c Client) TellsProfile() bool {
	if c.IDTokenProfile != nil {
		return *c.IDTokenProfile
	}
	return !c.SelfRegistered && c.ApplicationType == webApp
}

// RenewsIDToken reports whether a refresh brings an ID token (OpenID Connect Core 1.0 §12.2). Where nobody said, it does
// where that costs little, and for whoever needs a hint for signing out that is not too old.
func (c Client) RenewsIDToken() bool {
	if c.IDTokenOnRefresh != nil {
		return *c.IDTokenOnRefresh
	}
	return c.IDTokenAlg == "ES256" || len(c.PostLogoutRedirectURIs) > 0
}

// ManagesDevices reports whether an app that holds these scopes may see and end other Sessions than its own: the operator
// trusts it, or the person allowed it and it may still ask for that. Being added is no such thing.
func (c Client) ManagesDevices(scopes []string) bool {
	return c.Trusted || HasScope(scopes, ScopeDevices) && HasScope(SplitScope(c.Scope), ScopeDevices)
}

// LivesOr returns how long the client's Sessions live where it says, and as the server does where it doesn't.
func (c Client) LivesOr(server Lifetimes) Lifetimes {
	lives := c.Lives
	if lives.Idle == 0 {
		lives.Idle = server.Idle
	}
	if lives.Absolute == 0 {
		lives.Absolute = server.Absolute
	}
	return lives
}

// MaxResources is how many resource servers one authorization may name.
const MaxResources = 5

// CheckResource judges the name of a resource server (RFC 8707 §2): nil, or an Invalid refusal of resources that says what
// would be right. Right is an absolute URI without a fragment, of at most 512 bytes.
func CheckResource(uri string) error {
	if err := checkText("resources", uri); err != nil {
		return err
	}
	u, err := url.Parse(uri)
	nowhere := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host == ""
	if err != nil || !u.IsAbs() || u.User != nil || nowhere || strings.Contains(uri, "#") {
		return RefuseField("resources", "Use an absolute URI without a fragment (#), such as https://api.example.com/.")
	}
	return nil
}

// ResourcesOf returns the resource servers that a request names, each once (RFC 8707 §2). Of too many it returns
// MaxResources and one more, which is enough to refuse them.
func ResourcesOf(params url.Values) (resources []string) {
	for _, uri := range params["resource"] {
		if len(resources) <= MaxResources && !slices.Contains(resources, uri) {
			resources = append(resources, uri)
		}
	}
	return resources
}
