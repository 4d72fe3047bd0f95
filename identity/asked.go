package identity

import (
	"encoding/binary"
	"net/url"
	"slices"
	"time"
)

const (
	askedPrefix = "sj_rq_"
	// MaxAsked bounds an authorization request in bytes, so that it fits in a URL once sealed.
	MaxAsked = 6 * 1024
)

// Asked is an authorization request on its way through the pages: what was asked, and when first. It says nothing of
// what was proved; that is in the SignIn behind the cookie (DESIGN law 6). It never expires: a page left open over night
// still leads on.
type Asked struct {
	Params url.Values
	At     time.Time // a proof no older than this satisfies prompt=login and max_age=0
}

// Get returns a parameter of the request.
func (a Asked) Get(name string) string { return a.Params.Get(name) }

// Scopes returns the scopes asked for.
func (a Asked) Scopes() []string { return SplitScope(a.Get("scope")) }

// ScopesFor returns what of the scopes asked for client c could get: offline_access means nothing where no refresh token
// can come of it (OpenID Connect Core 1.0 §11).
func (a Asked) ScopesFor(c Client) []string {
	return slices.DeleteFunc(a.Scopes(), func(s string) bool {
		return s == "offline_access" && !c.Allows(GrantTypeRefresh)
	})
}

// RedirectURI returns where client c wants its answer, registered or not. It may be left out where the client has but one
// (RFC 6749 §3.1.2.3), though not with openid (OpenID Connect Core 1.0 §3.1.2.1).
func (a Asked) RedirectURI(c Client) string {
	uri := a.Get("redirect_uri")
	if uri == "" && len(c.RedirectURIs) == 1 && !HasScope(a.Scopes(), "openid") {
		return c.RedirectURIs[0]
	}
	return uri
}

// AskedText seals a request for the `next` field of pages. It refuses one of more than MaxAsked bytes.
func (k *Keyring) AskedText(a Asked) (string, error) {
	query := a.Params.Encode()
	if len(query) > MaxAsked {
		return "", Refuse(Invalid, "The request is too long: its parameters may have 6,144 bytes together.")
	}
	body := binary.BigEndian.AppendUint64(nil, uint64(a.At.UnixMicro()))
	return toText(askedPrefix, k.Seal(ForAsked, append(body, query...), nil)), nil
}

// ReadAsked returns what AskedText sealed, or ErrForged.
func (k *Keyring) ReadAsked(text string) (Asked, error) {
	raw, err := fromText(askedPrefix, text)
	if err != nil {
		return Asked{}, err
	}
	body, err := k.Open(ForAsked, raw, nil)
	if err != nil || len(body) < 8 {
		return Asked{}, ErrForged
	}
	params, err := url.ParseQuery(string(body[8:]))
	if err != nil {
		return Asked{}, ErrForged
	}
	return Asked{Params: params, At: time.UnixMicro(int64(binary.BigEndian.Uint64(body))).UTC()}, nil
}
