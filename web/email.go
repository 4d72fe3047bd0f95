package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// showNewEmail serves GET /account/email.
func (p *Pages) showNewEmail(w http.ResponseWriter, _ *http.Request, v visit) error {
	return templates.Show(w, http.StatusOK, p.newEmailPage(v, nil))
}

// submitNewEmail serves POST /account/email. Nothing changes until the link is followed that goes to the new address, and
// whether that has an account already is not told here.
func (p *Pages) submitNewEmail(w http.ResponseWriter, r *http.Request, v visit) error {
	email := r.PostFormValue("new_email")
	err := p.Mailed.AskMove(r.Context(), v.standing, email, seen(r))
	if onForm(err) {
		page := p.newEmailPage(v, err)
		page.NewEmail = email
		return p.showAgain(w, err, page)
	}
	if err != nil {
		return err
	}
	return p.sent(w, templates.Say(templates.SentMove, "email", email), way(securityPath, templates.ToSecurity))
}

func (p *Pages) newEmailPage(v visit, refusal error) templates.NewEmail {
	page := templates.NewEmail{
		Frame: p.frame(visit{}), Form: visit{}.form(refusal), Username: v.standing.User.Email, BackURL: securityPath,
	}
	page.Action = emailPath
	return page
}

// showMove serves GET /email.
func (p *Pages) showMove(w http.ResponseWriter, r *http.Request) error {
	_, detail, err := p.Mailed.Holder(r.Context(), linkOf(r), identity.LinkEmail)
	if err != nil {
		return p.moveOver(w, err)
	}
	page := templates.Move{Frame: p.frame(visit{}), Link: linkOf(r), Email: identity.NewAddress(detail)}
	page.Action = movePath
	return templates.Show(w, http.StatusOK, page)
}

// submitMove serves POST /email. The browser stays signed in if it is this account's.
func (p *Pages) submitMove(w http.ResponseWriter, r *http.Request) error {
	standing, err := p.standing(r)
	if err != nil {
		return err
	}
	email, cookie, err := p.Mailed.Move(r.Context(), standing, linkOf(r), seen(r))
	if identity.KindOf(err) == identity.Conflict {
		return p.tell(w, http.StatusConflict, templates.MoveStays, templates.Told{
			Lead: templates.Say(templates.MoveTaken), Ways: []templates.Link{way(emailPath, templates.MoveAnew)},
		})
	}
	if err != nil {
		return p.moveOver(w, err)
	}
	on := way(signInPath, templates.ToSignIn)
	if cookie != "" {
		if err := p.keep(w, r, cookie); err != nil {
			return err
		}
		on = way(accountPath, templates.ToAccount)
	}
	return p.tell(w, http.StatusOK, templates.MovedTitle, templates.Told{
		Lead: templates.Say(templates.Moved, "email", email), Done: true, Ways: []templates.Link{on},
	})
}

func (p *Pages) moveOver(w http.ResponseWriter, err error) error {
	return p.linkOver(w, err, templates.MoveOver, way(accountPath, templates.ToAccount), way(emailPath, templates.MoveAnew))
}
