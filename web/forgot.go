package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/templates"
)

// showForgot serves GET /forgot.
func (p *Pages) showForgot(w http.ResponseWriter, r *http.Request) error {
	v, err := p.visit(r)
	if err != nil {
		return err
	}
	page := p.forgotPage(v, nil)
	page.Username = v.hint()
	return templates.Show(w, http.StatusOK, page)
}

// submitForgot serves POST /forgot. It looks nobody up: for an address with an account and for one without, it does the
// same and says the same.
func (p *Pages) submitForgot(w http.ResponseWriter, r *http.Request) error {
	v, err := p.request(r)
	if err != nil {
		return err
	}
	email := r.PostFormValue("username")
	err = p.Mailed.AskReset(r.Context(), email, seen(r))
	if onForm(err) {
		page := p.forgotPage(v, err)
		page.Username = email
		return p.showAgain(w, err, page)
	}
	if err != nil {
		return err
	}
	return p.sent(w, templates.Say(templates.SentReset, "email", email), way(v.to(signInPath), templates.ToSignIn))
}

func (p *Pages) forgotPage(v visit, refusal error) templates.Forgot {
	return templates.Forgot{Frame: p.frame(v), Form: v.form(refusal), SignInURL: v.to(signInPath)}
}
