package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/templates"
)

// showRecovery serves GET /signin/recovery.
func (p *Pages) showRecovery(w http.ResponseWriter, r *http.Request) error {
	return p.challenge(w, r, func(v visit) error {
		return templates.Show(w, http.StatusOK, p.recoveryPage(v, nil))
	})
}

// submitRecovery serves POST /signin/recovery.
func (p *Pages) submitRecovery(w http.ResponseWriter, r *http.Request) error {
	return p.challenge(w, r, func(v visit) error {
		err := p.TOTP.Recover(r.Context(), v.standing.User, r.PostFormValue("recovery_code"), seen(r))
		return p.proved(w, r, v, proof{err, "recovery code", func() error {
			return p.showAgain(w, err, p.recoveryPage(v, err))
		}})
	})
}

func (p *Pages) recoveryPage(v visit, refusal error) templates.Recovery {
	return templates.Recovery{
		Frame: p.frame(v), Form: v.form(refusal), Person: v.person(), TOTPURL: v.to(totpPath),
	}
}
