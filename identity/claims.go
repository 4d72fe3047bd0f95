package identity

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// maxClaims bounds in bytes what is kept of a claims parameter with a Session (docs/decisions/0031). All claims that there can be
// fit, without values, in both places, where their names have 18 letters each.
const maxClaims = 2 << 10

// ClaimsRequest is the claims parameter (OpenID Connect Core 1.0 §5.5): single claims that a client asks for, beside its
// scopes, and where it wants them.
type ClaimsRequest struct {
	IDToken  WantedClaims `json:"id_token,omitempty"`
	Userinfo WantedClaims `json:"userinfo,omitempty"`
}

// WantedClaims are claims by their names; nil: as they are.
type WantedClaims map[string]*WantedClaim

// WantedClaim says more of one (§5.5.1).
type WantedClaim struct {
	Essential bool  `json:"essential,omitempty"`
	Value     any   `json:"value,omitempty"`
	Values    []any `json:"values,omitempty"`
}

// StandardClaims are the claims that every account has of itself, each with the scope that lets apps know it.
var StandardClaims = map[string]string{
	"name": "profile", "updated_at": "profile", "email": "email", "email_verified": "email",
}

// ReadClaims reads a claims parameter; empty asks for nothing. Members and claims that nobody here knows are passed over
// later, but what is no such request at all is an Invalid refusal.
func ReadClaims(text string) (r ClaimsRequest, err error) {
	if text == "" {
		return r, nil
	}
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") || json.Unmarshal([]byte(text), &r) != nil {
		return ClaimsRequest{}, RefuseField("claims", "claims must be a JSON object whose members id_token and userinfo name claims, "+
			"each null or an object (OpenID Connect Core 1.0 section 5.5).")
	}
	for _, place := range []WantedClaims{r.IDToken, r.Userinfo} { // what named nobody would let anybody in
		if sub := place["sub"]; sub != nil {
			if _, ok := sub.Value.(string); len(sub.Values) > 0 || sub.Value != nil && !ok {
				return ClaimsRequest{}, RefuseField("claims", "claims: sub takes a value, which is one text (OpenID Connect Core 1.0 section 5.5.1).")
			}
		}
	}
	return r, nil
}

// Text is what of the request is kept for a Session: the claims that keep says yes to, of which essential alone
// changes nothing. It refuses what is too much.
func (r ClaimsRequest) Text(keep func(name string) bool) (string, error) {
	kept := ClaimsRequest{r.IDToken.only(keep), r.Userinfo.only(keep)}
	if len(kept.IDToken)+len(kept.Userinfo) == 0 {
		return "", nil
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return "", err
	}
	if len(text) > maxClaims {
		return "", RefuseField("claims", "claims asks for too much: of the claims that are known here, 2,048 bytes are kept. "+
			"Ask for them without values.")
	}
	return string(text), nil
}

func (w WantedClaims) only(keep func(name string) bool) WantedClaims {
	kept := WantedClaims{}
	for name, wanted := range w {
		if keep(name) {
			kept[name] = wanted.values()
		}
	}
	return kept
}

// values is what of a claim counts later; nil: it is told as it is.
func (w *WantedClaim) values() *WantedClaim {
	if w == nil || w.Value == nil && len(w.Values) == 0 {
		return nil
	}
	return w
}

// Wants reports whether a claim that says value is asked for: it must be the value, or one of the values, that was named.
func (w WantedClaims) Wants(name string, value any) bool {
	wanted, asked := w[name]
	return asked && (wanted == nil || wanted.allows(value))
}

func (w *WantedClaim) allows(value any) bool {
	if w.Value == nil && len(w.Values) == 0 {
		return true
	}
	text, err := json.Marshal(value)
	if err != nil {
		return false
	}
	var plain any
	if json.Unmarshal(text, &plain) != nil {
		return false
	}
	return slices.ContainsFunc(append([]any{w.Value}, w.Values...), func(named any) bool {
		return named != nil && reflect.DeepEqual(named, plain)
	})
}

// ACRs are the values of acr of which one is essential (§5.5.1.1), or none. Only ID tokens say acr.
func (r ClaimsRequest) ACRs() (acrs []string) {
	wanted := r.IDToken["acr"]
	if wanted == nil || !wanted.Essential {
		return nil
	}
	for _, value := range append([]any{wanted.Value}, wanted.Values...) {
		if text, ok := value.(string); ok {
			acrs = append(acrs, text)
		} else if value != nil {
			acrs = append(acrs, "") // no value that could ever be met
		}
	}
	return acrs
}

// Sub is who must be signed in (§5.5.1): a value of sub in either place, or empty.
func (r ClaimsRequest) Sub() string {
	for _, place := range []WantedClaims{r.IDToken, r.Userinfo} {
		if wanted := place["sub"]; wanted != nil {
			if sub, ok := wanted.Value.(string); ok {
				return sub
			}
		}
	}
	return ""
}

// Scopes are those that single claims stand in for: whoever asks for one claim alone is allowed no less by the person, and
// must be registered for its scope.
func (r ClaimsRequest) Scopes(c Client) (scopes []string) {
	for _, scope := range []string{"profile", "email"} {
		asks := func(w WantedClaims) bool {
			return slices.ContainsFunc(namesIn(w), func(name string) bool { return StandardClaims[name] == scope })
		}
		if asks(r.IDToken) || asks(r.Userinfo) {
			scopes = append(scopes, scope)
		}
	}
	return c.Known(scopes)
}

func namesIn(w WantedClaims) (names []string) {
	for name := range w {
		names = append(names, name)
	}
	return names
}
