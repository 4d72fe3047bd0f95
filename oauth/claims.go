package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sojourn-auth/sojourn/identity"
)

// place is where an app reads what it is told of a person.
type place int

// The places. An access token says nothing of the person that nobody mapped there.
const (
	inAccessToken place = iota
	inIDToken
	inUserinfo
)

// telling is what decides which claims an app is told of a person.
type telling struct {
	place   place
	client  identity.Client
	scopes  []string
	session identity.Session
	heard   map[string]json.RawMessage // from the operator's own program
}

// claimsAbout are what an app is told of a person beside who it is: by its scopes (OpenID Connect Core 1.0 §5.4) and by the
// single claims that it asked for (§5.5). A claim that the account has no value for is left out (§5.3.2).
func (e *Endpoints) claimsAbout(u identity.User, t telling) (map[string]any, error) {
	wanted, err := t.wanted()
	if err != nil {
		return nil, err
	}
	told := map[string]any{}
	for name, value := range standardOf(u) {
		if t.tells(name) || wanted.Wants(name, value) {
			told[name] = value
		}
	}
	for _, rule := range e.o.Claims {
		value, known := t.valueOf(rule, u)
		if known && identity.HasScope(t.scopes, rule.Scope) && (t.place.of(rule) || wanted.Wants(rule.Claim, value)) {
			told[rule.Claim] = value
		}
	}
	return told, nil
}

// of reports whether a rule has its claim told in this place.
func (p place) of(rule identity.ClaimRule) bool {
	return p == inAccessToken && rule.AccessToken || p == inIDToken && rule.IDToken || p == inUserinfo && rule.Userinfo
}

// maps reports whether claims of one's own may be told here for these scopes.
func (e *Endpoints) maps(p place, scopes []string) bool {
	return slices.ContainsFunc(e.o.Claims, func(r identity.ClaimRule) bool { return p.of(r) && identity.HasScope(scopes, r.Scope) })
}

// accessClaims are claims of one's own in an access token of a Session, or none.
func (e *Endpoints) accessClaims(ctx context.Context, s identity.Session, a answer) (map[string]any, error) {
	if !e.maps(inAccessToken, a.scopes) {
		return nil, nil
	}
	user, err := e.person(ctx, s)
	if err != nil {
		return nil, err
	}
	told, err := e.claimsAbout(user, telling{place: inAccessToken, scopes: a.scopes, heard: a.heard})
	if err != nil {
		return nil, err
	}
	return e.fitting(ctx, told), nil
}

// maxMapped is how many bytes of JSON claims of one's own may take in an access token: servers refuse longer headers, and so do we.
const maxMapped = 4 << 10

// fitting leaves out of an access token what does not fit, the last rules first, and says so to the operator.
func (e *Endpoints) fitting(ctx context.Context, told map[string]any) map[string]any {
	for _, rule := range slices.Backward(e.o.Claims) {
		text, err := json.Marshal(told)
		if err != nil || len(text) <= maxMapped {
			break
		}
		if _, is := told[rule.Claim]; is {
			delete(told, rule.Claim)
			e.o.Log.WarnContext(ctx, "a claim did not fit into an access token", "claim", rule.Claim)
		}
	}
	return told
}

// tells reports whether a claim that every account has is told here by its scope.
func (t telling) tells(name string) bool {
	byScope := t.place == inUserinfo || t.place == inIDToken && t.client.TellsProfile()
	return byScope && identity.HasScope(t.scopes, identity.StandardClaims[name])
}

// wanted are the single claims that were asked for in this place.
func (t telling) wanted() (identity.WantedClaims, error) {
	asked, err := identity.ReadClaims(t.session.Claims)
	if err != nil {
		return nil, fmt.Errorf("the claims of a session: %w", err)
	}
	switch t.place {
	case inIDToken:
		return asked.IDToken, nil
	case inUserinfo:
		return asked.Userinfo, nil
	default:
		return nil, nil
	}
}

func standardOf(u identity.User) map[string]any {
	all := map[string]any{"updated_at": u.UpdatedAt.Unix(), "email": u.Email, "email_verified": u.EmailVerified}
	if u.Name != "" {
		all["name"] = u.Name
	}
	return all
}

// aboutPerson reports whether an ID token says more of the person than who it is.
func (t telling) aboutPerson() bool {
	return t.session.Claims != "" || t.tells("name") || t.tells("email")
}

// person is the user of a Session, who was read along with it where that was foreseen.
func (e *Endpoints) person(ctx context.Context, s identity.Session) (identity.User, error) {
	if s.Person != nil {
		return *s.Person, nil
	}
	return e.store.UserByID(ctx, s.UserID)
}

// beside writes claims as JSON with more of them behind.
func beside(claims any, more map[string]any) (json.RawMessage, error) {
	text, err := json.Marshal(claims)
	if err != nil || len(more) == 0 {
		return text, err
	}
	rest, err := json.Marshal(more)
	if err != nil {
		return nil, err
	}
	return append(append(text[:len(text)-1], ','), rest[1:]...), nil
}

// checkClaims reads what single claims a request asks for, and keeps of them what its client may know. A level that nobody
// can reach here is a failed sign-in (OpenID Connect Core 1.0 §5.5.1.1).
func (e *Endpoints) checkClaims(_ context.Context, a *authorization) error {
	asked, err := identity.ReadClaims(a.asked.Get("claims"))
	if err != nil {
		return err
	}
	if !a.demand.Meets(e.o.Policy) {
		return sayf(unmetRequirements, "No sign-in here has one of the levels that claims calls essential (acr).")
	}
	scopes := append(asked.Scopes(a.client), a.scopes...)
	a.claims, err = asked.Text(func(name string) bool {
		return identity.HasScope(scopes, identity.StandardClaims[name]) || slices.ContainsFunc(e.o.Claims, func(r identity.ClaimRule) bool {
			return r.Claim == name && identity.HasScope(a.scopes, r.Scope)
		})
	})
	return err
}
