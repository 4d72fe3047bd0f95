package web

import (
	"errors"
	"maps"
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

var errClosed = identity.Refuse(identity.NotFound, templates.Say(templates.SignUpClosed))

// showSignUp serves GET /signup.
func (p *Pages) showSignUp(w http.ResponseWriter, r *http.Request) error {
	if !p.SignupOpen {
		return errClosed
	}
	v, err := p.request(w, r)
	if err != nil {
		return err
	}
	return templates.Show(w, http.StatusOK, p.signUpPage(v, nil))
}

// submitSignUp serves POST /signup. It says the same for a free address and for a taken one, takes as long, and signs no
// one in: who has an account here is no stranger's business.
func (p *Pages) submitSignUp(w http.ResponseWriter, r *http.Request) error {
	if !p.SignupOpen {
		return errClosed
	}
	v, err := p.request(w, r)
	if err != nil {
		return err
	}
	user := identity.NewUser{
		Email: r.PostFormValue("username"), Name: r.PostFormValue("name"), Password: r.PostFormValue("password"),
		Address: seen(r).Address,
	}
	err = p.signUp(r, user)
	if onForm(err) {
		page := p.signUpPage(v, err)
		page.Username, page.Name = user.Email, user.Name
		return p.showAgain(w, err, page)
	}
	if err != nil && identity.KindOf(err) != identity.Conflict {
		return err
	}
	query := v.hinting(p.Keys, user.Email).query()
	query.Set("notice", "signup")
	return see(w, r, signInPath+"?"+query.Encode())
}

// signUp makes the account. What a network may send in is limited; typing errors are not counted.
func (p *Pages) signUp(r *http.Request, user identity.NewUser) error {
	ctx, key := r.Context(), identity.ThrottleKey("signup", identity.Network(user.Address))
	if err := identity.TryOrWait(ctx, p.Store, key, identity.SignUpThrottle); err != nil {
		return err
	}
	_, err := p.Users.Add(ctx, user)
	if identity.KindOf(err) == identity.Invalid {
		return errors.Join(err, p.Store.ForgiveTry(ctx, key))
	}
	return err
}

// hinting returns the visit with the request's login_hint changed, so that the sign-in page knows the address. Where the
// request would get too long by it, the hint stays away.
func (v visit) hinting(keys *identity.Keyring, email string) visit {
	if v.next == "" {
		return v
	}
	asked := v.asked
	asked.Params = maps.Clone(asked.Params)
	asked.Params.Set("login_hint", email)
	if next, err := keys.AskedText(asked); err == nil {
		v.asked, v.next = asked, next
	}
	return v
}

func (p *Pages) signUpPage(v visit, refusal error) templates.SignUp {
	return templates.SignUp{
		Frame: p.frame(v), Form: v.form(refusal),
		MinPassword: identity.MinPassword, SignInURL: v.to(signInPath),
	}
}
