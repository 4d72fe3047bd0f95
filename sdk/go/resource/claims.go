package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Claims are who calls: what an access token says, and it was true a moment ago.
type Claims struct {
	Subject   string // the person; of a client's own token the client
	SessionID string // the app's session (sid); empty where a client got the token for itself
	ClientID  string
	ID        string // of the token (jti)
	Scopes    []string
	ACR       string
	AuthTime  time.Time // when the person signed in
	All       map[string]any

	thumbprint  string // of the key that it is bound to (cnf.jkt)
	expires     int64
	subEpoch    uint64
	clientEpoch uint64
	keys        uint64 // the epoch of those that verified it
}

// HasScope reports whether the token has a scope.
func (c *Claims) HasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }

// caller is who calls, as a guard found.
type caller struct {
	claims *Claims
	guard  *Guard
}

type callerKey struct{}

// ClaimsOf returns who calls, in a handler behind [Guard.Require]; nil anywhere else.
func ClaimsOf(ctx context.Context) *Claims {
	known, _ := ctx.Value(callerKey{}).(caller)
	return known.claims
}

// slack is how far ahead a clock that says when something was made may be.
const slack = 60

// readClaims reads what JWT access tokens and introspection answers have in common.
func readClaims(all map[string]any) (*Claims, error) {
	c := &Claims{All: all}
	for name, to := range map[string]*string{
		"sub": &c.Subject, "sid": &c.SessionID, "client_id": &c.ClientID, "jti": &c.ID, "acr": &c.ACR,
	} {
		if value, there := all[name]; there {
			text, ok := value.(string)
			if !ok {
				return nil, fmt.Errorf("its %s is no text", name)
			}
			*to = text
		}
	}
	scope, ok := all["scope"].(string)
	if _, there := all["scope"]; there && !ok {
		return nil, errors.New("its scope is no text")
	}
	c.Scopes = slices.DeleteFunc(strings.Split(scope, " "), func(one string) bool { return one == "" }) // RFC 6749 §3.3: spaces alone
	if confirm, there := all["cnf"]; there {
		members, _ := confirm.(map[string]any)
		if c.thumbprint, _ = members["jkt"].(string); c.thumbprint == "" || len(members) > 1 {
			return nil, errors.New("it is bound to something that is not known here") // such as a certificate (RFC 8705)
		}
	}
	return c, c.readNumbers()
}

func (c *Claims) readNumbers() error {
	var authTime, subEpoch, clientEpoch int64
	for name, to := range map[string]*int64{
		"exp": &c.expires, "auth_time": &authTime, "sub_epoch": &subEpoch, "client_epoch": &clientEpoch,
	} {
		value, there, err := number(c.All, name)
		if err != nil {
			return err
		}
		if there {
			*to = value
		}
	}
	if authTime != 0 {
		c.AuthTime = time.Unix(authTime, 0)
	}
	c.subEpoch, c.clientEpoch = uint64(subEpoch), uint64(clientEpoch)
	return nil
}

// maxNumber is the greatest that has no neighbour that reads the same (RFC 8259 §6).
const maxNumber = 1<<53 - 1

// number reads a whole number that is not negative; a NumericDate may have a fraction, which is left out (RFC 7519 §2).
func number(all map[string]any, name string) (value int64, there bool, err error) {
	member, there := all[name]
	if !there {
		return 0, false, nil
	}
	float, ok := member.(float64)
	if !ok || float < 0 || float > maxNumber {
		return 0, true, fmt.Errorf("its %s is no number as it should be", name)
	}
	return int64(float), true, nil
}

// isFor reports whether aud, a text or a list (RFC 7519 §4.1.3), has the audience.
func isFor(aud any, audience string) bool {
	switch aud := aud.(type) {
	case string:
		return aud == audience
	case []any:
		return slices.Contains(aud, any(audience))
	}
	return false
}
