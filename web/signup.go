package web

import (
	"errors"
	"maps"
	"net/http"
	"net/url"

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
// one in: who has an account here is no stranger's business. Where mail can be sent, that says how to go on.
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
	on := v.hinting(p.Keys, user.Email)
	err = p.signUp(r, user, on.next)
	if onForm(err) {
		page := p.signUpPage(v, err)
		page.Username, page.Name = user.Email, user.Name
		return p.showAgain(w, err, page)
	}
	if err != nil && identity.KindOf(err) != identity.Conflict {
		return err
	}
	p.keepTyped(w, user.Email)
	if p.SignIns.ConfirmFirst {
		p.keepSignUp(w, user)
		return p.sent(w, templates.Say(templates.SentSignUp, "email", user.Email), way(on.to(signInPath), templates.ToSignIn))
	}
	query := on.query()
	query.Set("notice", "signup")
	return see(w, r, signInPath+"?"+query.Encode())
}

// signUp makes the account. What a network, and all together, may send in is limited; typing errors are not counted.
func (p *Pages) signUp(r *http.Request, user identity.NewUser, next string) (err error) {
	ctx, now := r.Context(), p.Now()
	if err := identity.SignUpDoor.Pass(ctx, p.Store, user.Address, now); err != nil {
		return err
	}
	if p.SignIns.ConfirmFirst {
		err = p.Users.Begin(ctx, user, next)
	} else {
		_, err = p.Users.Add(ctx, user)
	}
	if identity.KindOf(err) == identity.Invalid {
		return errors.Join(err, identity.SignUpDoor.Forgive(ctx, p.Store, user.Address, now))
	}
	return err
}

// confirmed leads on after a link confirmed a new account: to a new password where that is void, to the sign-in for the app's request, in the browser where that is
// on its way; elsewhere the page says where to go on.
func (p *Pages) confirmed(w http.ResponseWriter, r *http.Request, c identity.Confirmed) error {
	switch {
	case c.Choose != "":
		return see(w, r, resetPath+"?"+url.Values{"link": {c.Choose}}.Encode())
	case p.stillAsked(r, c.Request):
		query := url.Values{"next": {c.Request}, "notice": {"confirmed"}}
		return see(w, r, signInPath+"?"+query.Encode())
	}
	return p.tell(w, http.StatusOK, templates.VerifyTitle, templates.Told{
		Lead: templates.Say(templates.ConfirmedNew, "email", c.Email), Done: true,
		Ways: []templates.Link{way(signInPath, templates.ToSignIn)},
	})
}

// stillAsked reports whether an app's request counts in this browser.
func (p *Pages) stillAsked(r *http.Request, request string) bool {
	asked, err := p.Keys.ReadAsked(request)
	return err == nil && asked.Counts(cookieOf(r, identity.RequestCookieName(p.Secure)), p.Now())
}

// askConfirm serves POST /confirm: the link once more. It looks nobody up, and says the same for every address.
func (p *Pages) askConfirm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.request(w, r)
	if err != nil {
		return err
	}
	email := r.PostFormValue("username")
	err = p.ByMail.AskConfirm(r.Context(), email, v.next, seen(r))
	if onForm(err) {
		return p.showAgain(w, err, p.unconfirmedPage(r, v, err))
	}
	if err != nil {
		return err
	}
	return p.sent(w, templates.Say(templates.SentConfirm, "email", email), way(v.to(signInPath), templates.ToSignIn))
}

func (p *Pages) unconfirmedPage(r *http.Request, v visit, refusal error) templates.Unconfirmed {
	page := templates.Unconfirmed{
		Frame: p.frame(v), Form: v.form(refusal), Username: r.PostFormValue("username"), SignInURL: v.to(signInPath),
	}
	page.Action, page.ProblemField = confirmPath, "" // the page has no field of its own
	return page
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
