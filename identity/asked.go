package identity

import (
	"crypto/sha256"
	"encoding/binary"
	"net/url"
	"slices"
	"strings"
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
		return s == "offline_access" && !c.Allows("refresh_token")
	})
}

// AnswerAt returns the redirect URI to with an answer: the query that it had stays (RFC 6749 §3.1.2), state comes back if
// it was sent, and iss says who answers (RFC 9207 §2).
func (a Asked) AnswerAt(to, issuer string, answer url.Values) string {
	if state := a.Get("state"); state != "" {
		answer.Set("state", state)
	}
	answer.Set("iss", issuer)
	return withQuery(to, answer)
}

// withQuery adds parameters to a URI, after the query that it has.
func withQuery(uri string, query url.Values) string {
	join := "?"
	if strings.Contains(uri, "?") {
		join = "&"
	}
	return uri + join + query.Encode()
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

// ConsentBinding ties a consent page to the browser, the person and the request it was shown for, so that none of them
// can be swapped under the button.
func (k *Keyring) ConsentBinding(s Standing, next string) string {
	return toText("", k.Sign(ForBinding, bindingBody(s, next)))
}

// BoundTo reports whether binding is ConsentBinding of the same browser, person and request.
func (k *Keyring) BoundTo(binding string, s Standing, next string) bool {
	raw, err := fromText("", binding)
	if err != nil {
		return false
	}
	body, err := k.Verify(ForBinding, raw)
	return err == nil && string(body) == string(bindingBody(s, next))
}

func bindingBody(s Standing, next string) []byte {
	sum := sha256.Sum256([]byte(next))
	body := append([]byte{}, s.SignIn.ID[:]...)
	body = append(body, s.SignIn.SecretHash...)
	body = append(body, s.User.ID[:]...)
	return append(body, sum[:]...)
}
