package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// showNotMe serves GET /not-me.
func (p *Pages) showNotMe(w http.ResponseWriter, r *http.Request) error {
	user, _, err := p.Mailed.Holder(r.Context(), linkOf(r), identity.LinkNotMe)
	if err != nil {
		return p.notMeOver(w, err)
	}
	page := templates.NotMe{Frame: p.frame(visit{}), Link: linkOf(r), Username: user.Email}
	page.Action = notMePath
	return templates.Show(w, http.StatusOK, page)
}

// submitNotMe serves POST /not-me: everything ends first, and only then is anything asked.
func (p *Pages) submitNotMe(w http.ResponseWriter, r *http.Request) error {
	if r.PostFormValue("mail") != "" {
		return p.mailAfterNotMe(w, r)
	}
	standing, err := p.standing(r)
	if err != nil {
		return err
	}
	user, err := p.Mailed.NotMe(r.Context(), linkOf(r))
	if err != nil {
		return p.notMeOver(w, err)
	}
	if standing.User.ID == user.ID {
		p.forget(w)
	}
	return templates.Show(w, http.StatusOK, p.stoppedPage(r, nil))
}

// mailAfterNotMe has a link for a new password mailed.
func (p *Pages) mailAfterNotMe(w http.ResponseWriter, r *http.Request) error {
	user, _, err := p.Mailed.Holder(r.Context(), linkOf(r), identity.LinkNotMe)
	if err != nil {
		return p.notMeOver(w, err)
	}
	err = p.Mailed.AskReset(r.Context(), user.Email, seen(r))
	if onForm(err) {
		return p.showAgain(w, err, p.stoppedPage(r, err))
	}
	if err != nil {
		return err
	}
	return p.sent(w, templates.Say(templates.SentAnew), way(signInPath, templates.ToSignIn))
}

func (p *Pages) stoppedPage(r *http.Request, refusal error) templates.Stopped {
	page := templates.Stopped{Frame: p.frame(visit{}), Form: visit{}.form(refusal), Link: linkOf(r)}
	page.Action = notMePath
	return page
}

func (p *Pages) notMeOver(w http.ResponseWriter, err error) error {
	return p.linkOver(w, err, templates.NotMeOver, way(devicesPath, templates.ToDevices), way(forgotPath, templates.NotMeAnew))
}
