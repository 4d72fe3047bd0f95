package oauth

import (
	"cmp"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
)

// introspectionType is the media type of a signed introspection answer (RFC 9701 §4); without "application/", its typ.
const introspectionType = "application/token-introspection+jwt"

// introspectionAlg is the default of RFC 9701 §6.
const introspectionAlg = "RS256"

// signedIntrospection is a signed introspection answer (RFC 9701 §5). It has neither sub nor exp: nobody shall take it for
// an access token (§8.1).
type signedIntrospection struct {
	Issuer   string        `json:"iss"`
	Audience string        `json:"aud"`
	IssuedAt int64         `json:"iat"`
	Token    introspection `json:"token_introspection"`
}

// writeSigned answers the client c with a JWT, whatever the token is worth: that it is worth nothing must be provable too.
func (e *Endpoints) writeSigned(w http.ResponseWriter, c identity.Client, answer introspection) error {
	key, err := e.keys.signer(cmp.Or(c.IntrospectionAlg, introspectionAlg))
	if err != nil {
		return err
	}
	text, err := sign(key.introspection, signedIntrospection{
		Issuer: e.o.Issuer, Audience: c.ID, IssuedAt: e.o.Now().Unix(), Token: answer,
	})
	if err != nil {
		return err
	}
	e.unkept(w, introspectionType)
	_, _ = w.Write([]byte(text))
	return nil
}

// wantsSigned reads Accept (RFC 9110 §12.5.1): a caller who names the signed answer gets it, unless it names JSON as the
// better one. Wildcards mean JSON, as they did before there was a choice.
func wantsSigned(r *http.Request) bool {
	signed, plain := 0.0, 0.0
	for _, item := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		switch kind {
		case introspectionType:
			signed = max(signed, quality(params))
		case "application/json":
			plain = max(plain, quality(params))
		}
	}
	return signed > 0 && signed >= plain
}

// quality is how much a media type is wanted, from 0 to 1; what cannot be read is not wanted.
func quality(params map[string]string) float64 {
	text, said := params["q"]
	if !said {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
