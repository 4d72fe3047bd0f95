package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
)

// proof is a second factor that was judged.
type proof struct {
	err    error        // the verdict
	detail string       // what it was, for the Event
	again  func() error // shows the form with the verdict
}

// proved goes on after a second factor was judged: back to the form, or on with a stronger SignIn under a new cookie.
func (p *Pages) proved(w http.ResponseWriter, r *http.Request, v visit, judged proof) error {
	if onForm(judged.err) {
		return p.notProved(w, r, v, judged)
	}
	if judged.err != nil {
		return judged.err
	}
	cookie, err := p.SignIns.Strengthen(r.Context(), v.standing, judged.detail)
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
