package identity

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// maxDescribed bounds in bytes of JSON what operators say of a person: access tokens may carry all of it.
const maxDescribed = 2 << 10

var attributeName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Clean judges what an operator says of a person: names of attributes are plain, texts stay on their line, groups come once,
// and all of it fits in a token. Refusals: Invalid, fields attributes and groups.
func (d Described) Clean() (Described, error) {
	for name, value := range d.Attributes {
		if !attributeName.MatchString(name) || !isAttribute(value) {
			return d, RefuseField("attributes", "Name an attribute with letters, digits, dots, - and _; its value is a text "+
				"on one line, a list of them, a number (whole ones of at most 15 digits), true or false.")
		}
	}
	d.Groups = once(d.Groups)
	if slices.ContainsFunc(d.Groups, func(g string) bool { return g == "" || !plain(g) }) {
		return d, RefuseField("groups", "Name each group on one line.")
	}
	if text, err := json.Marshal(d); err != nil || len(text) > maxDescribed {
		return d, RefuseField("attributes", "Attributes and groups may have 2,048 bytes of JSON together: access tokens carry them.")
	}
	return d, nil
}

// Patched is what is said with a merge patch of the attributes (RFC 7396) on top: one that is nil goes.
func (d Described) Patched(attributes map[string]any) Described {
	after := map[string]any{}
	maps.Copy(after, d.Attributes)
	maps.Copy(after, attributes)
	maps.DeleteFunc(after, func(_ string, value any) bool { return value == nil })
	d.Attributes = after
	return d
}

// maxWhole is the largest whole number that every reader of JSON takes for itself (RFC 7493 §2.2); one that is longer is a text.
const maxWhole = 1e15

// isAttribute reports whether a value, as it is read from JSON, is one that claims are made of.
func isAttribute(value any) bool {
	switch v := value.(type) {
	case bool:
		return true
	case float64:
		return math.Abs(v) < maxWhole
	case string:
		return v != "" && plain(v)
	case []string:
		return len(v) > 0 && !slices.ContainsFunc(v, func(one string) bool { return !isAttribute(one) })
	case []any:
		return len(v) > 0 && !slices.ContainsFunc(v, func(one any) bool { _, text := one.(string); return !text || !isAttribute(one) })
	}
	return false
}

// Describe changes what operators say of a person, under the lock of their row. Tokens that are out stay as they are; the
// next ones, userinfo and introspection say it. Refusals: NotFound, and those of Clean.
func (o Operators) Describe(ctx context.Context, userID ID, change func(Described) Described) (after Described, err error) {
	return after, o.Store.InTx(ctx, func(ctx context.Context) error {
		if err := o.Store.LockUser(ctx, userID); err != nil {
			return err
		}
		user, err := o.Store.UserByID(ctx, userID)
		if err != nil {
			return err
		}
		if after, err = change(user.Described).Clean(); err != nil {
			return err
		}
		if err := o.Store.SetDescribed(ctx, userID, after); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: ProfileChanged, UserID: userID, Detail: "attributes, groups"})
	})
}

// ClaimRule says which claim is made of what an operator says of a person, for which scope, and where apps read it.
type ClaimRule struct {
	Claim, From, Scope             string
	AccessToken, IDToken, Userinfo bool
}

// AttributePrefix begins a ClaimRule's From that names an attribute.
const AttributePrefix = "attribute."

// Value is what the claim says of a person; false where there is nothing to say.
func (r ClaimRule) Value(u User) (any, bool) {
	switch r.From {
	case "groups":
		return u.Groups, len(u.Groups) > 0
	case "email":
		return u.Email, u.Email != ""
	case "name":
		return u.Name, u.Name != ""
	}
	value, known := u.Attributes[strings.TrimPrefix(r.From, AttributePrefix)]
	return value, known
}
