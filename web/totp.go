package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// showTOTP serves GET /signin/totp.
func (p *Pages) showTOTP(w http.ResponseWriter, r *http.Request) error {
	return p.challenge(w, r, func(v visit) error {
		return templates.Show(w, http.StatusOK, p.totpPage(v, nil))
	})
}

// submitTOTP serves POST /signin/totp.
func (p *Pages) submitTOTP(w http.ResponseWriter, r *http.Request) error {
	return p.challenge(w, r, func(v visit) error {
		err := p.TOTP.Verify(r.Context(), v.standing.User, r.PostFormValue("totp"), seen(r))
		return p.proved(w, r, v, proof{err, "otp", func() error {
			return p.showAgain(w, err, p.totpPage(v, err))
		}})
	})
}

// challenge leads on whoever has nothing to show here, and lets ask whoever has.
func (p *Pages) challenge(w http.ResponseWriter, r *http.Request, ask func(visit) error) error {
	v, err := p.visit(r)
	switch {
	case err != nil:
		return err
	case !v.standing.SignedIn():
		return p.nobody(w, r, v)
	case !v.standing.Enrolled || v.standing.SignIn.AMR.Has(identity.MFA):
		return see(w, r, v.onward())
	}
	return ask(v)
}

func (p *Pages) totpPage(v visit, refusal error) templates.TOTP {
	return templates.TOTP{
		Frame: p.frame(v), Form: v.form(refusal), Person: v.person(), RecoveryURL: v.to(recoveryPath),
	}
}
