package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// submitSignOut serves POST /signout. A second press finds nobody and says the same.
func (p *Pages) submitSignOut(w http.ResponseWriter, r *http.Request) error {
	v, err := p.visit(r)
	if err != nil {
		return err
	}
	if v.standing.SignedIn() {
		if _, err := p.SignIns.End(r.Context(), v.standing, identity.ID{}); err != nil {
			return err
		}
	}
	p.forget(w)
	return templates.Show(w, http.StatusOK, templates.SignedOut{Frame: p.frame(v), SignInURL: v.to(signInPath)})
}
