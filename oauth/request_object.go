package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// maxRequestObject holds a request of identity.MaxAsked and a large key in the header, in characters.
	maxRequestObject = 16 << 10
	// maxRequestLife bounds how far ahead exp may lie.
	maxRequestLife = 24 * time.Hour
)

// The parameters that name a request object, and what stands for one in a request once it was read: a mark that only this
// server puts there, since what a browser sends under these names is read or refused.
const (
	paramRequest    = "request"
	paramRequestURI = "request_uri"
	paramPushed     = "pushed"
	markSigned      = "signed"
)

// requestTypes are what typ of a request object may be: the type's own (RFC 9101 §4), or what libraries write where nothing
// is said. Tokens of other kinds are kept out by what they hold: see readRequest.
var requestTypes = []string{"", "JWT", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt"}

// registeredClaims say something of the request object itself, and are no parameters.
var registeredClaims = []string{"iss", "aud", "exp", "nbf", "iat", "jti"}

// errRequestKey says that a signature is not the client's.
var errRequestKey = say(invalidRequestObject,
	"The request object is not signed with a key that is registered for this client.")

// unfold returns the parameters that count of a request of client c: those inside its request object, where it has one (RFC
// 9101 §6.3), and else those that were sent. Whether one was signed or pushed is marked among them.
func (e *Endpoints) unfold(ctx context.Context, c identity.Client, params url.Values) (url.Values, error) {
	object, place := params.Get(paramRequest), params.Get(paramRequestURI)
	switch {
	case object != "" && place != "":
		return nil, say(invalidRequest, "Send request or request_uri, not both.") // RFC 9101 §5
	case strings.HasPrefix(place, identity.PushedPrefix):
		return e.pulled(c, place)
	case place != "":
		return e.fetchRequest(ctx, c, place)
	case object != "":
		return e.readRequest(ctx, c, object)
	}
	return plain(params), nil
}

// plain are the parameters without those that only name others, and without the marks of ours.
func plain(params url.Values) url.Values {
	params = maps.Clone(params)
	for _, name := range []string{paramRequest, paramRequestURI, paramPushed} {
		params.Del(name)
	}
	return params
}

// readRequest checks a request object of client c and returns its parameters (RFC 9101 §6.2, §6.3). It is the client's, for
// us, and none of its other tokens: a client assertion and an ID token have a sub and no client_id (§10.8).
func (e *Endpoints) readRequest(ctx context.Context, c identity.Client, object string) (url.Values, error) {
	if len(object) > maxRequestObject {
		return nil, say(invalidRequestObject, "The request object may have 16,384 characters.")
	}
	token, err := jwt.ParseSigned(object, assertionAlgs)
	if err != nil {
		return nil, say(invalidRequestObject, "The request object is not a JWT signed with RS256, PS256, ES256, EdDSA or Ed25519.")
	}
	header := token.Headers[0]
	typ, _ := header.ExtraHeaders["typ"].(string)
	switch {
	case !slices.ContainsFunc(requestTypes, func(t string) bool { return strings.EqualFold(t, typ) }):
		return nil, say(invalidRequestObject, "typ of the request object must be oauth-authz-req+jwt.")
	case c.RequestAlg != "" && !sameAlg(c.RequestAlg, header.Algorithm):
		return nil, sayf(invalidRequestObject, "This client signs its request objects with %s.", c.RequestAlg)
	}
	key, err := e.sets.find(ctx, c, header)
	if kind := identity.KindOf(err); kind == identity.Unavailable || kind == identity.Busy {
		return nil, err
	}
	var claims jwt.Claims
	var payload json.RawMessage
	if err != nil || token.Claims(key, &claims, &payload) != nil {
		return nil, errRequestKey
	}
	if err := e.checkRequest(c, claims); err != nil {
		return nil, err
	}
	return requestParams(c, payload)
}

// checkRequest judges the claims of a request object whose signature is right (RFC 9101 §4, RFC 7519 §4.1).
func (e *Endpoints) checkRequest(c identity.Client, claims jwt.Claims) error {
	now := e.o.Now()
	late := func(t *jwt.NumericDate) bool { return t != nil && t.Time().After(now.Add(clockSkew)) }
	switch {
	case claims.Issuer != c.ID:
		return say(invalidRequestObject, "iss of the request object must be the client_id.")
	case !claims.Audience.Contains(e.o.Issuer):
		return sayf(invalidRequestObject, "aud of the request object must be %s.", e.o.Issuer)
	case claims.Subject != "": // §10.8: what has one was signed for something else
		return say(invalidRequestObject, "A request object has no sub.")
	case claims.Expiry != nil && !now.Add(-clockSkew).Before(claims.Expiry.Time()):
		return say(invalidRequestObject, "The request object has expired.")
	case claims.Expiry != nil && claims.Expiry.Time().After(now.Add(maxRequestLife+clockSkew)):
		return say(invalidRequestObject, "exp of the request object may lie 24 hours ahead.")
	case late(claims.NotBefore) || late(claims.IssuedAt):
		return say(invalidRequestObject, "nbf or iat of the request object lies ahead.")
	}
	return nil
}

// requestParams are the parameters inside a request object.
func requestParams(c identity.Client, payload []byte) (url.Values, error) {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber() // max_age stays the number that it is
	var members map[string]any
	if err := decoder.Decode(&members); err != nil {
		return nil, say(invalidRequestObject, "The request object's claims cannot be read.")
	}
	params := url.Values{}
	for name, value := range members {
		if slices.Contains(registeredClaims, name) {
			continue
		}
		values, err := paramValues(name, value)
		if err != nil {
			return nil, err
		}
		if len(values) > 0 {
			params[name] = values
		}
	}
	switch {
	case params.Get("client_id") != c.ID:
		return nil, say(invalidRequestObject, "client_id inside the request object must be the one beside it.")
	case params.Has(paramRequest) || params.Has(paramRequestURI):
		return nil, say(invalidRequestObject, "A request object holds no other one.")
	}
	params = plain(params)
	params.Set(paramRequest, markSigned)
	return params, nil
}

// paramValues spells the value of a claim as the parameter of that name: JSON stays JSON (OpenID Connect Core 1.0 §6.1), and
// only resource may be several.
func paramValues(name string, value any) ([]string, error) {
	list, several := value.([]any)
	if !several || name != "resource" {
		list = []any{value}
	}
	var values []string
	for _, one := range list {
		text, is := one.(string)
		if !is && one != nil {
			raw, err := json.Marshal(one)
			if err != nil {
				return nil, err
			}
			text = string(raw)
		}
		if !isText(text) {
			return nil, say(invalidRequestObject, "The parameters must be UTF-8 text without NUL bytes.")
		}
		if text != "" {
			values = append(values, text)
		}
	}
	return values, nil
}
