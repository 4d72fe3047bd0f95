package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// showConsent serves GET /consent.
func (p *Pages) showConsent(w http.ResponseWriter, r *http.Request) error {
	return p.consenting(w, r, func(v visit) error { return p.askConsent(w, v, http.StatusOK) })
}

// submitConsent serves POST /consent.
func (p *Pages) submitConsent(w http.ResponseWriter, r *http.Request) error {
	return p.consenting(w, r, func(v visit) error {
		if !p.Keys.BoundTo(r.PostFormValue("binding"), v.standing, v.next) {
			// The page was shown to another person, browser or request, or before a sign-in: ask for this one.
			return p.askConsent(w, v, http.StatusConflict)
		}
		switch r.PostFormValue("consent") {
		case "allow":
			if err := p.Grants.Allow(r.Context(), v.standing, v.client.ID, v.asked.ScopesFor(v.client)); err != nil {
				return err
			}
			return see(w, r, v.onward())
		case "deny":
			return p.deny(w, r, v)
		}
		return p.askConsent(w, v, http.StatusBadRequest)
	})
}

// consenting leads on whoever is asked nothing here, or not yet: what is allowed is kept, so it takes all the proof that
// signing in to the app does. Whoever allowed it already may look again, and say no.
func (p *Pages) consenting(w http.ResponseWriter, r *http.Request, ask func(visit) error) error {
	v, err := p.visit(r)
	if err != nil {
		return err
	}
	demand, err := v.asked.Demand(v.client, p.Now())
	if !v.forApp() || err != nil { // authorize says what is wrong with it
		return see(w, r, v.onward())
	}
	switch demand.Missing(v.standing, p.Policy, identity.Grant{}) {
	case identity.StepConsent, identity.StepNone:
		return ask(v)
	case identity.StepSignIn:
		return p.nobody(w, r, v)
	default:
		return see(w, r, v.onward())
	}
}

func (p *Pages) askConsent(w http.ResponseWriter, v visit, status int) error {
	return templates.Show(w, status, templates.Consent{
		Frame: p.frame(v), Form: v.form(nil), Person: v.person(),
		Binding: p.Keys.ConsentBinding(v.standing, v.next),
		Scopes:  v.asked.ScopesFor(v.client), SelfRegistered: v.client.SelfRegistered,
		ClientURL: v.client.URI, PolicyURL: v.client.PolicyURI, TermsURL: v.client.TermsURI,
	})
}

// deny leads on with a no that authorize believes, which tells the app (RFC 6749 §4.1.2.1).
func (p *Pages) deny(w http.ResponseWriter, r *http.Request, v visit) error {
	query := v.query()
	query.Set("denied", p.Keys.DenialText(v.standing, v.next, p.Now()))
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
		page.Apps = append(page.Apps, templates.Access{
			App: listed(c), ClientID: c.ID, Scopes: g.Scopes, Since: p.moment(g.UpdatedAt),
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
			page.Apps = append(page.Apps, templates.Access{App: listed(c), ClientID: c.ID, Own: true})
		}
	}
	return nil
}

// listed is an app with its logo, as lists show it.
func listed(c identity.Client) templates.App {
	shown := app(c, "")
	shown.Name = called(c)
	return shown
}
