package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// proof is a second factor that was judged.
type proof struct {
	err   error // the verdict
	shown identity.Factor
	on    string       // where it leads
	again func() error // shows the form with the verdict
}

// proved goes on after a second factor was judged: back to the form, or on with a stronger SignIn under a new cookie.
func (p *Pages) proved(w http.ResponseWriter, r *http.Request, v visit, judged proof) error {
	if onForm(judged.err) {
		return p.notProved(w, r, judged)
	}
	if judged.err != nil {
		return judged.err
	}
	cookie, err := p.SignIns.Strengthen(r.Context(), v.standing, judged.shown)
	if identity.KindOf(err) == identity.SignInAgain { // it changed meanwhile; authorize knows what counts now
		return see(w, r, judged.on)
	}
	if err != nil {
		return err
	}
	if err := p.keep(w, r, cookie); err != nil {
		return err
	}
	return see(w, r, judged.on)
}

// notProved shows the form again, unless another press of the same button was served before this one: the cookie's old
// value is dead then, and the code was used up by ourselves.
func (p *Pages) notProved(w http.ResponseWriter, r *http.Request, judged proof) error {
	now, err := p.standing(r)
	if err != nil {
		return err
	}
	if !now.SignedIn() {
		return see(w, r, judged.on)
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
		return p.proved(w, r, v, proof{err, identity.TOTP, v.onward(), func() error {
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
