package web

import (
	"errors"
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/templates"
)

// proof is a second factor that was judged.
type proof struct {
	err   error // the verdict
	shown identity.Factor
	again func() error // shows the form with the verdict
}

// proved goes on after a second factor was judged: back to the form, or on with a stronger SignIn under a new cookie.
func (p *Pages) proved(w http.ResponseWriter, r *http.Request, v visit, judged proof) error {
	if onForm(judged.err) {
		return p.notProved(w, r, v, judged)
	}
	if judged.err != nil {
		return judged.err
	}
	cookie, err := p.SignIns.Strengthen(r.Context(), v.standing, judged.shown)
	if identity.KindOf(err) == identity.SignInAgain { // it changed meanwhile; authorize knows what counts now
		return see(w, r, v.onward())
	}
	if err != nil {
		return err
	}
	if err := p.keep(w, r, cookie); err != nil {
		return err
	}
	return see(w, r, v.onward())
}

// notProved shows the form again, unless another press of the same button was served before this one: the cookie's old
// value is dead then, and the code was used up by ourselves.
func (p *Pages) notProved(w http.ResponseWriter, r *http.Request, v visit, judged proof) error {
	now, err := p.standing(r)
	if err != nil {
		return err
	}
	if !now.SignedIn() {
		return see(w, r, v.onward())
	}
	return judged.again()
}

// nobody leads on when no one is signed in. A form that was sent goes by authorize: the answer to an earlier press of
// its button may have brought a new cookie meanwhile.
func (p *Pages) nobody(w http.ResponseWriter, r *http.Request, v visit) error {
	if r.Method == http.MethodPost {
		return see(w, r, v.onward())
	}
	return see(w, r, v.to(signInPath))
}

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
		return p.proved(w, r, v, proof{err, identity.TOTP, func() error {
			return p.showAgain(w, err, p.totpPage(v, err))
		}})
	})
}

// challenge leads on whoever has nothing to show here, and lets ask whoever has.
func (p *Pages) challenge(w http.ResponseWriter, r *http.Request, ask func(visit) error) error {
	v, err := p.visit(w, r)
	switch {
	case err != nil:
		return err
	case !v.standing.SignedIn():
		return p.nobody(w, r, v)
	case !v.standing.Enrolled() || v.standing.SignIn.AMR.Has(identity.MFA):
		return see(w, r, v.onward())
	}
	return ask(v)
}

func (p *Pages) totpPage(v visit, refusal error) templates.TOTP {
	return templates.TOTP{
		Frame: p.frame(v), Form: v.form(refusal), Person: v.person(), RecoveryURL: v.to(recoveryPath),
	}
}

// showEnrol serves GET /account/totp.
func (p *Pages) showEnrol(w http.ResponseWriter, r *http.Request) error {
	return p.enrolling(w, r, func(v visit) error {
		page, err := p.enrolPage(v, "", nil)
		if err != nil {
			return err
		}
		return templates.Show(w, http.StatusOK, page)
	})
}

// submitEnrol serves POST /account/totp.
func (p *Pages) submitEnrol(w http.ResponseWriter, r *http.Request) error {
	return p.enrolling(w, r, func(v visit) error {
		sealed := r.PostFormValue("enrolment")
		err := p.TOTP.Confirm(r.Context(), v.standing.User, mfa.Confirmation{
			Sealed: sealed, Code: r.PostFormValue("totp"), Seen: seen(r),
		})
		switch {
		case identity.KindOf(err) == identity.Conflict: // added meanwhile, in another tab or by another press
			return see(w, r, v.onward())
		case beginsAnew(err) && v.standing.StepUp(p.Now()) != identity.StepNone:
			return p.stepUp(w, r, v)
		}
		return p.proved(w, r, v, proof{err, identity.TOTP, func() error {
			page, pageErr := p.enrolPage(v, sealed, err)
			if pageErr != nil {
				return pageErr
			}
			return p.showAgain(w, err, page)
		}})
	})
}

// enrolling lets add only whoever has no authenticator: one is never replaced without a word. Whoever has a factor and
// has not shown it in this browser is asked for it first. A key is shown only on a fresh proof: an authenticator that a
// thief of a cookie adds would keep the owner out.
func (p *Pages) enrolling(w http.ResponseWriter, r *http.Request, add func(visit) error) error {
	v, err := p.visit(w, r)
	if v.next == "" {
		v = p.backTo(enrolPath).by(v.standing)
	}
	switch {
	case err != nil:
		return err
	case !v.standing.SignedIn():
		return p.nobody(w, r, v)
	case v.standing.Enrolled() && !v.standing.SignIn.AMR.Has(identity.MFA):
		return see(w, r, v.to(totpPath))
	case v.standing.Has(identity.TOTP) && v.target == enrolPath:
		return see(w, r, securityPath)
	case v.standing.Has(identity.TOTP):
		return see(w, r, v.onward())
	case r.Method == http.MethodGet && v.standing.StepUp(p.Now()) != identity.StepNone:
		return p.stepUp(w, r, v)
	}
	return add(v)
}

// enrolPage shows the enrolment that the form sent back, so that what was typed into an app stays right, or a new one.
func (p *Pages) enrolPage(v visit, sealed string, refusal error) (templates.Enrol, error) {
	e, err := p.enrolment(v.standing.User, sealed, refusal)
	if err != nil {
		return templates.Enrol{}, err
	}
	page := templates.Enrol{
		Frame: p.frame(v), Form: v.form(refusal), Person: v.person(),
		OtpauthURL: e.URI, Secret: e.Secret, QR: e.QR, RecoveryCodes: e.Codes, Enrolment: e.Sealed,
	}
	if v.target == enrolPath { // anything else leads here only where an authenticator is required
		page.LaterURL = securityPath
	}
	return page, nil
}

func (p *Pages) enrolment(user identity.User, sealed string, refusal error) (mfa.Enrolment, error) {
	if sealed == "" || beginsAnew(refusal) {
		return p.TOTP.Begin(user)
	}
	return p.TOTP.Resume(user, sealed)
}

// beginsAnew reports whether the form's enrolment is of no use any more.
func beginsAnew(refusal error) bool {
	why, _ := errors.AsType[*identity.Error](refusal)
	return why != nil && why.Field == "enrolment"
}
