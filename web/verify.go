package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// showVerify serves GET /verify. It changes nothing: mail scanners follow links, too.
func (p *Pages) showVerify(w http.ResponseWriter, r *http.Request) error {
	_, email, err := p.Mailed.Holder(r.Context(), linkOf(r), identity.LinkVerify)
	if err != nil {
		return p.verifyOver(w, err)
	}
	page := templates.Verify{Frame: p.frame(visit{}), Link: linkOf(r), Email: email}
	page.Action = verifyPath
	return templates.Show(w, http.StatusOK, page)
}

// submitVerify serves POST /verify.
func (p *Pages) submitVerify(w http.ResponseWriter, r *http.Request) error {
	email, err := p.Mailed.Verify(r.Context(), linkOf(r), seen(r))
	if err != nil {
		return p.verifyOver(w, err)
	}
	return p.tell(w, http.StatusOK, templates.VerifyTitle, templates.Told{
		Lead: templates.Say(templates.Verified, "email", email), Done: true,
		Ways: []templates.Link{way(accountPath, templates.ToAccount)},
	})
}

func (p *Pages) verifyOver(w http.ResponseWriter, err error) error {
	return p.linkOver(w, err, templates.VerifyOver, way(securityPath, templates.ToSecurity))
}

// askVerify serves POST /account/verify: the link once more.
func (p *Pages) askVerify(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := p.Mailed.AskVerify(r.Context(), v.standing, seen(r)); err != nil {
		return err
	}
	return p.sent(w, templates.Say(templates.SentVerify), way(securityPath, templates.ToSecurity))
}
