package web

import (
	"net/http"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

var errNoRegistration = identity.Refuse(identity.NotFound, templates.Say(templates.RegisterClosed))

// showRegister serves GET /register, where a developer registers an app by hand, by the rules of the endpoint for programs.
func (p *Pages) showRegister(w http.ResponseWriter, r *http.Request) error {
	if p.Register == nil {
		return errNoRegistration
	}
	return templates.Show(w, http.StatusOK, p.registerPage(r, nil))
}

// submitRegister serves POST /register.
func (p *Pages) submitRegister(w http.ResponseWriter, r *http.Request) error {
	if p.Register == nil {
		return errNoRegistration
	}
	asked := identity.Metadata{
		Name: r.PostFormValue("client_name"), RedirectURIs: strings.Fields(r.PostFormValue("redirect_uris")),
		AuthMethod: "none", GrantTypes: []string{identity.GrantTypeCode, identity.GrantTypeRefresh},
	}
	if r.PostFormValue("secret") != "" {
		asked.AuthMethod = ""
	}
	made, err := p.Register(r, asked, strings.TrimSpace(r.PostFormValue("initial_token")))
	if onForm(err) {
		return p.showAgain(w, err, p.registerPage(r, err))
	}
	if err != nil {
		return err
	}
	page := templates.Registered{
		Frame: p.frame(visit{}), ClientID: made.ID, Secret: made.Secret, RedirectURIs: made.RedirectURIs,
		Issuer: p.Issuer, Discovery: p.Issuer + discoveryPath,
		Access: made.Access, URI: p.Issuer + registrationPath + made.ID,
	}
	for _, left := range made.LeftOut {
		page.LeftOut = append(page.LeftOut, templates.LeftOut{URI: left.URI, Reason: left.Reason})
	}
	return templates.Show(w, http.StatusOK, page)
}

func (p *Pages) registerPage(r *http.Request, refusal error) templates.Register {
	page := templates.Register{
		Frame: p.frame(visit{}), Form: own(refusal), Name: r.PostFormValue("client_name"),
		RedirectURIs: r.PostFormValue("redirect_uris"), Confidential: r.PostFormValue("secret") != "", NeedsToken: p.RegisterToken,
	}
	if identity.KindOf(refusal) == identity.BadLogin {
		page.ProblemField = "initial_token"
	}
	return page
}
