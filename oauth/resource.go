package oauth

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// checkResources asks that the client may have access tokens for what it names at authorize (RFC 8707 §2.1). Naming this
// server alone says what naming none does.
func (e *Endpoints) checkResources(ctx context.Context, a *authorization) (err error) {
	if a.all, err = e.store.Resources(ctx); err != nil {
		return err
	}
	uris, err := e.targeted(a.asked.Params)
	if err != nil {
		return err
	}
	for _, uri := range uris {
		r, mine := identity.Resource{URI: uri}, uri == e.o.Issuer
		if !mine {
			if r, mine = a.all.For(a.client, uri); !mine {
				return noTarget(a.client, uri, a.all)
			}
			a.targets = append(a.targets, r)
		}
		a.resources = append(a.resources, r.Mark())
	}
	if len(a.targets) == 0 {
		a.resources = nil
	}
	return nil
}

// noTarget says that a client may not have tokens for a resource, and what would be right.
func noTarget(c identity.Client, uri string, all identity.Resources) error {
	var right []string
	for _, r := range all.AllFor(c) {
		right = append(right, printable(r.URI))
	}
	if len(right) == 0 {
		return sayf(invalidTarget, "This client may not ask for the resource %s: leave resource out.", printable(uri))
	}
	const few = 5
	more := ""
	if len(right) > few {
		right, more = right[:few], " and others"
	}
	return sayf(invalidTarget, "This client may not ask for the resource %s. It may ask for %s%s.",
		printable(uri), strings.Join(right, ", "), more)
}

// targeted returns the resources that a request names (RFC 8707 §2), each once; this server, or an API of it, by its one name.
func (e *Endpoints) targeted(params url.Values) (uris []string, err error) {
	asked := identity.ResourcesOf(params)
	if len(asked) > identity.MaxResources {
		return nil, sayf(invalidTarget, "Name at most %d resources.", identity.MaxResources)
	}
	seen := map[string]bool{}
	for _, uri := range asked {
		if identity.CheckResource(uri) != nil {
			return nil, say(invalidTarget, "resource must be an absolute URI without a fragment, of at most 512 characters.")
		}
		key := identity.ResourceKey(uri)
		if e.ours(key) {
			uri, key = e.o.Issuer, e.o.Issuer
		}
		if !seen[key] {
			seen[key] = true
			uris = append(uris, uri)
		}
	}
	return uris, nil
}

// grantedFor is what of its Session's resources a token request can be for.
type grantedFor struct {
	here  bool                // this server itself
	there []identity.Resource // the others, without those that the client may not reach any more
}

func (e *Endpoints) grantedFor(x *exchange, marks []string) (g grantedFor) {
	g.here = len(marks) == 0
	for _, mark := range marks {
		if mark == e.o.Issuer {
			g.here = true
		} else if r, ok := x.all.Granted(x.client, mark); ok {
			g.there = append(g.there, r)
		}
	}
	return g
}

// address decides whom the access token is for, of the resources that were granted by these marks to a person who signed in by
// these methods: one, since a token for two could be passed on by the first to the second (RFC 8707 §3). Where none was asked
// for, that is this server itself; where it was asked for beside others, it must be named. What the client may not reach any
// more, or was deleted, counts as not granted. It is asked before anything is written, and says the same afterwards.
func (e *Endpoints) address(x *exchange, marks []string, amr identity.AMR) error {
	g := e.grantedFor(x, marks)
	if !g.here && len(g.there) == 0 {
		return identity.ErrLost
	}
	asked, err := e.targeted(x.form)
	if err != nil {
		return err
	}
	target, err := e.choose(g, asked)
	if err != nil {
		return err
	}
	strict := x.client
	strict.RequireMFA = target.RequireMFA
	if e.o.Policy.AsksAtRefresh(strict) && !amr.Has(identity.MFA) {
		return identity.ErrNoMFA
	}
	x.answer.target, x.answer.audience = target, target.URI
	if target.URI == "" {
		x.answer.audience = e.o.Issuer
	}
	return nil
}

// choose returns the one of what was granted that a request asks for; the zero Resource is this server.
func (e *Endpoints) choose(g grantedFor, asked []string) (target identity.Resource, err error) {
	switch {
	case len(asked) > 1:
		return target, say(invalidTarget, "An access token is for one resource: name one, and ask again for the next.")
	case len(asked) == 1 && asked[0] == e.o.Issuer && g.here:
		return target, nil
	case len(asked) == 1:
		r, granted := identity.Resources(g.there).ByURI(asked[0])
		if !granted {
			return target, sayf(invalidTarget, "The resource %s was not granted. Granted was %s.", printable(asked[0]), e.spell(g))
		}
		return r, nil
	case len(g.there) > 1:
		return target, sayf(invalidTarget, "Several resources were granted: %s. Say with resource which one the access token is for.", e.spell(g))
	case len(g.there) == 1:
		return g.there[0], nil
	}
	return target, nil
}

// spell lists what was granted.
func (e *Endpoints) spell(g grantedFor) string {
	var names []string
	for _, r := range g.there {
		names = append(names, printable(r.URI))
	}
	if g.here {
		names = append(names, e.o.Issuer)
	}
	return strings.Join(names, ", ")
}

// reachOf says for which resources the Session of a refresh may have been granted, for the refresh to be an ordinary one.
// Who names one names what the Session must have; who names none may have any one alone (address).
func (e *Endpoints) reachOf(x *exchange) (reach identity.Reach, err error) {
	asked, err := e.targeted(x.form)
	if err != nil {
		return reach, err
	}
	strict := func(r identity.Resource) bool {
		c := x.client
		c.RequireMFA = r.RequireMFA
		return e.o.Policy.AsksAtRefresh(c)
	}
	if len(asked) == 1 && asked[0] == e.o.Issuer {
		return identity.Reach{Named: e.o.Issuer, Alone: []string{""}}, nil
	}
	if len(asked) == 1 {
		r, ok := x.all.For(x.client, asked[0])
		switch {
		case !ok:
			reach = identity.NoReach
		case strict(r):
			reach.Twice = []string{r.Mark()}
		default:
			reach.Named = r.Mark()
		}
		return reach, nil
	}
	if len(asked) > 1 {
		return identity.NoReach, nil
	}
	reach.Alone = []string{""}
	for _, r := range x.all.AllFor(x.client) {
		if mark := r.Mark(); strict(r) {
			reach.Twice = append(reach.Twice, mark)
		} else {
			reach.Alone = append(reach.Alone, mark)
		}
	}
	return reach, nil
}

// goingOn is how long other processes may have gone on for a resource that was deleted, to the whole second that a token says.
const goingOn = 2 * time.Second

// served reports whether the resource that an access token is for is still the one that it was issued for. Tokens of the program
// before say no epoch of it: theirs is the time.
func (e *Endpoints) served(ctx context.Context, token AccessClaims) (bool, error) {
	if token.Audience == e.o.Issuer {
		return true, nil
	}
	all, err := e.store.Resources(ctx)
	if err != nil {
		return false, err
	}
	r, known := all.ByURI(token.Audience)
	switch {
	case !known:
		return true, nil
	case !r.DeletedAt.IsZero():
		return false, nil
	}
	return token.AudEpoch == r.Epoch || token.AudEpoch == 0 && r.CreatedAt.Add(goingOn).Unix() <= token.IssuedAt, nil
}

// downscope leaves in the answer what a token for its target may say.
func (x *exchange) downscope() {
	x.answer.scopes = slices.Clip(x.all.Carried(x.client, x.answer.target, x.answer.scopes))
}
