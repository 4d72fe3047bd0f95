package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// showReset serves GET /reset.
func (p *Pages) showReset(w http.ResponseWriter, r *http.Request) error {
	return p.resetting(w, r, nil)
}

// submitReset serves POST /reset. It signs no one in: who has a second factor is asked for it at sign-in.
func (p *Pages) submitReset(w http.ResponseWriter, r *http.Request) error {
	err := p.Mailed.Reset(r.Context(), linkOf(r), r.PostFormValue("new_password"), seen(r))
	if err != nil {
		return p.resetting(w, r, err)
	}
	return see(w, r, signInPath+"?notice=reset&switch=1") // whoever else is signed in here stays so
}

// resetting shows the form, with a refusal of what was sent by it if there is one, unless the link does not work.
func (p *Pages) resetting(w http.ResponseWriter, r *http.Request, refusal error) error {
	if refusal != nil && !onForm(refusal) {
		return p.resetOver(w, refusal)
	}
	user, _, err := p.Mailed.Holder(r.Context(), linkOf(r), identity.LinkReset)
	if err != nil {
		return p.resetOver(w, err)
	}
	page := templates.Reset{
		Frame: p.frame(visit{}), Form: visit{}.form(refusal), Link: linkOf(r),
		Username: user.Email, MinPassword: identity.MinPassword,
	}
	page.Action = resetPath
	if refusal != nil {
		return p.showAgain(w, refusal, page)
	}
	return templates.Show(w, http.StatusOK, page)
}

func (p *Pages) resetOver(w http.ResponseWriter, err error) error {
	return p.linkOver(w, err, templates.ResetOver, way(forgotPath, templates.ResetAnew), way(signInPath, templates.ToSignIn))
}
