package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// showRecovery serves GET /signin/recovery.
func (p *Pages) showRecovery(w http.ResponseWriter, r *http.Request) error {
	return p.challenge(w, r, func(v visit) error {
		return templates.Show(w, http.StatusOK, p.recoveryPage(v, nil))
	})
}

// submitRecovery serves POST /signin/recovery. Whoever needed a code has lost the app, most likely: setting it up anew comes
// next, and may be passed over.
func (p *Pages) submitRecovery(w http.ResponseWriter, r *http.Request) error {
	return p.challenge(w, r, func(v visit) error {
		err := p.Recovery.Recover(r.Context(), v.standing.User, r.PostFormValue("recovery_code"), seen(r))
		return p.proved(w, r, v, proof{err, identity.RecoveryCode, v.to(newPhonePath), func() error {
			return p.showAgain(w, err, p.recoveryPage(v, err))
		}})
	})
}

func (p *Pages) recoveryPage(v visit, refusal error) templates.Recovery {
	return templates.Recovery{
		Frame: p.frame(v), Form: v.form(refusal), Person: v.person(), TOTPURL: v.to(totpPath),
	}
}

// showNewPhone serves GET /account/totp/new.
func (p *Pages) showNewPhone(w http.ResponseWriter, r *http.Request) error {
	return p.enrolling(w, r, step{newPhonePath, true}, func(v visit) error {
		return p.tell(w, http.StatusOK, templates.NewPhone, templates.Told{
			Frame: p.frame(v), Lead: templates.Say(templates.NewPhoneWhy),
			Ways: []templates.Link{way(v.to(replacePath), templates.NewPhoneGo), p.wayOn(v, templates.NotNow)},
		})
	})
}

// showCodes serves GET /account/codes: it hands out recovery codes that do not count yet.
func (p *Pages) showCodes(w http.ResponseWriter, r *http.Request, v visit) error {
	return p.handOut(w, r, v, nil)
}

// submitCodes serves POST /account/codes: the codes that the page showed count from now on. The page was shown only to
// whoever had a fresh proof, and what it carries is sealed for an hour.
func (p *Pages) submitCodes(w http.ResponseWriter, r *http.Request, v visit) error {
	err := p.Recovery.Renew(r.Context(), v.standing.User, r.PostFormValue("renewal"), seen(r))
	if identity.KindOf(err) == identity.Conflict {
		return p.fresh(func(w http.ResponseWriter, r *http.Request, v visit) error {
			return p.handOut(w, r, v, err)
		})(w, r, v)
	}
	if err != nil {
		return err
	}
	return see(w, r, noticed(securityPath, templates.CodesRenewed))
}

func (p *Pages) handOut(w http.ResponseWriter, r *http.Request, v visit, refusal error) error {
	if !v.standing.Enrolled() {
		return see(w, r, securityPath)
	}
	renewal, err := p.Recovery.Begin(r.Context(), v.standing.User)
	if err != nil {
		return err
	}
	page := templates.Renewal{
		Frame: p.frame(v), Form: own(refusal), Username: v.standing.User.Email, RecoveryCodes: renewal.Codes,
		Renewal: renewal.Sealed, BackURL: securityPath,
	}
	if refusal != nil {
		return p.showAgain(w, refusal, page)
	}
	return templates.Show(w, http.StatusOK, page)
}
