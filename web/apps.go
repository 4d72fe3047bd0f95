package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

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
