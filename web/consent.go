package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// showConsent serves GET /consent.
func (p *Pages) showConsent(w http.ResponseWriter, r *http.Request) error {
	return p.consenting(w, r, func(v visit, q identity.Question) error { return p.askConsent(w, v, q, http.StatusOK) })
}

// submitConsent serves POST /consent.
func (p *Pages) submitConsent(w http.ResponseWriter, r *http.Request) error {
	return p.consenting(w, r, func(v visit, q identity.Question) error {
		if !p.Keys.BoundTo(r.PostFormValue("binding"), q) {
			// The page was shown to another person, browser or request, before a sign-in, or said something else: ask now.
			return p.askConsent(w, v, q, http.StatusConflict)
		}
		switch r.PostFormValue("consent") {
		case "allow":
			button := identity.ForAllowal
			if q.Step == identity.StepConsent {
				if q.Demand.Stay = q.Demand.OffersStay() && r.PostFormValue("stay") != ""; q.Demand.Stay {
					button = identity.ForStay
				}
				if err := p.Grants.Allow(r.Context(), v.standing, q.Demand); err != nil {
					return err
				}
			}
			return p.pressed(w, r, v, button)
		case "deny":
			return p.pressed(w, r, v, identity.ForDenial)
		}
		return p.askConsent(w, v, q, http.StatusBadRequest)
	})
}

// consenting leads on whoever is asked nothing here, or not yet: what is allowed is kept, so it takes all the proof that
// signing in to the app does. Whoever allowed it already may look again, and say no.
func (p *Pages) consenting(w http.ResponseWriter, r *http.Request, ask func(visit, identity.Question) error) error {
	v, err := p.visit(w, r)
	if err != nil {
		return err
	}
	demand, err := v.asked.Demand(v.client, v.all, p.Now())
	demand.Subjects = p.Subjects
	if !v.forApp() || err != nil { // authorize says what is wrong with it
		return see(w, r, v.onward())
	}
	grant, err := p.grant(r.Context(), v)
	if err != nil {
		return err
	}
	q := identity.Question{To: v.standing, Next: v.next, Step: identity.StepConsent, Demand: demand}
	switch demand.Missing(v.standing, p.Policy, grant) {
	case identity.StepContinue:
		q.Step = identity.StepContinue
		return ask(v, q)
	case identity.StepConsent, identity.StepNone:
		return ask(v, q)
	case identity.StepSignIn:
		return p.nobody(w, r, v)
	default:
		return see(w, r, v.onward())
	}
}

// grant is what the person of v allowed its client before.
func (p *Pages) grant(ctx context.Context, v visit) (identity.Grant, error) {
	if !v.standing.SignedIn() {
		return identity.Grant{}, nil
	}
	return p.Store.GrantOf(ctx, v.standing.User.ID, v.client.ID)
}

func (p *Pages) askConsent(w http.ResponseWriter, v visit, q identity.Question, status int) error {
	binding := p.Keys.ConsentBinding(q)
	if q.Step == identity.StepContinue {
		return templates.Show(w, status, templates.Continue{
			Frame: p.frame(v), Form: v.form(nil), Person: v.person(), Binding: binding,
			Called: cmp.Or(v.standing.User.Name, v.standing.User.Email),
		})
	}
	return templates.Show(w, status, templates.Consent{
		Frame: p.frame(v), Form: v.form(nil), Person: v.person(), Binding: binding,
		Scopes: besides(q.Demand.Targets, q.Demand.Scopes), Places: places(q.Demand.Targets, q.Demand.Scopes, v.languages),
		SelfRegistered: v.client.SelfRegistered, PublishedBy: publisher(v.client), Posable: q.Demand.Posable,
		Stay:      q.Demand.OffersStay(),
		ClientURL: v.client.URI, PolicyURL: v.client.PolicyURI, TermsURL: v.client.TermsURI,
	})
}

// publisher is the host that says what the client is, or nothing.
func publisher(c identity.Client) string {
	if !c.FromDocument() {
		return ""
	}
	return identity.ClientHost(c.ID)
}

// besides are the scopes that are none of these resources'.
func besides(at []identity.Resource, scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool {
		return slices.ContainsFunc(at, func(r identity.Resource) bool { return r.Offers(scope) })
	})
}

// places are what an app may do at resources, in the words of who runs them, as people read them whose languages are these.
func places(at []identity.Resource, scopes []string, languages string) (all []templates.Place) {
	for _, r := range at {
		if !r.Described() {
			continue
		}
		name, words := r.In(languages)
		place := templates.Place{Name: name}
		for _, s := range r.Scopes {
			if identity.HasScope(scopes, s.Name) {
				place.Words = append(place.Words, words[s.Name])
			}
		}
		all = append(all, place)
	}
	return all
}

// placesAllowed are places with everything that is left of their scopes.
func placesAllowed(at []identity.Resource, languages string) (all []templates.Place) {
	for _, r := range at {
		var scopes []string
		for _, s := range r.Scopes {
			scopes = append(scopes, s.Name)
		}
		all = append(all, places([]identity.Resource{r}, scopes, languages)...)
	}
	return all
}

// said are the parameters that tell authorize what was pressed.
var said = map[identity.Purpose]string{identity.ForAllowal: "allowed", identity.ForStay: "allowed", identity.ForDenial: "denied"}

// pressed leads on with a yes or a no that authorize believes for this person, browser and request.
func (p *Pages) pressed(w http.ResponseWriter, r *http.Request, v visit, button identity.Purpose) error {
	query := v.query()
	press := identity.Press{Button: button, By: v.standing, Next: v.next}
	query.Set(said[button], p.Keys.PressText(press, p.Now()))
	return see(w, r, authorizePath+"?"+query.Encode())
}

// showApps serves GET /account/apps.
func (p *Pages) showApps(w http.ResponseWriter, r *http.Request, v visit) error {
	page, err := p.appsPage(r.Context(), v)
	if err != nil {
		return err
	}
	page.Notice = notice(r)
	return templates.Show(w, http.StatusOK, page)
}

// submitApps serves POST /account/apps: it takes back what the person allowed an app. A second press finds nothing and
// says the same.
func (p *Pages) submitApps(w http.ResponseWriter, r *http.Request, v visit) error {
	page, err := p.appsPage(r.Context(), v)
	if err != nil {
		return err
	}
	id := r.PostFormValue("client_id")
	if slices.ContainsFunc(page.Apps, func(a templates.Access) bool { return a.ClientID == id && !a.Own }) {
		if err := p.Devices.Withdraw(r.Context(), v.standing.From(seen(r)), id); err != nil {
			return err
		}
	}
	return see(w, r, noticed(appsPath, templates.AccessWithdrawn))
}

func (p *Pages) appsPage(ctx context.Context, v visit) (templates.Apps, error) {
	page, known := templates.Apps{Frame: p.frame(v)}, clients{}
	all, err := p.Store.Resources(ctx)
	if err != nil {
		return page, err
	}
	grants, err := p.Store.GrantsOf(ctx, v.standing.User.ID, maxListed+1)
	if err != nil {
		return page, err
	}
	if page.More = len(grants) > maxListed; page.More {
		grants = grants[:maxListed]
	}
	for _, g := range grants {
		c, err := p.client(ctx, known, g.ClientID)
		if err != nil {
			return page, err
		}
		here, there := g.AllowedAt(all)
		page.Apps = append(page.Apps, templates.Access{
			App: app(c, ""), ClientID: c.ID, Scopes: here, Places: placesAllowed(there, v.languages), Since: p.moment(g.UpdatedAt),
			OpenURL: c.BeginAt(p.Issuer),
		})
	}
	return page, p.addOwn(ctx, v, &page, known)
}

// addOwn adds the apps that are part of the service and that the person uses.
func (p *Pages) addOwn(ctx context.Context, v visit, page *templates.Apps, known clients) error {
	sessions, err := p.Store.FindSessions(ctx, identity.SessionQuery{UserID: v.standing.User.ID, Limit: maxListed})
	if err != nil {
		return err
	}
	for _, s := range sessions {
		if _, shown := known[s.Session.ClientID]; shown {
			continue
		}
		c, err := p.client(ctx, known, s.Session.ClientID)
		if err != nil {
			return err
		}
		if c.Trusted {
			page.Apps = append(page.Apps, templates.Access{App: app(c, ""), ClientID: c.ID, OpenURL: c.BeginAt(p.Issuer), Own: true})
		}
	}
	return nil
}
