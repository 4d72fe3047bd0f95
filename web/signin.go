package web

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// toSignIn leads to the sign-in page, which says what is the case.
func (p *Pages) toSignIn(w http.ResponseWriter, r *http.Request) error { return see(w, r, signInPath) }

// showSignIn serves GET /signin.
func (p *Pages) showSignIn(w http.ResponseWriter, r *http.Request) error {
	v, err := p.visit(w, r)
	if err != nil {
		return err
	}
	other := r.FormValue("switch") != ""
	if v.next == "" && v.standing.SignedIn() && !other {
		return see(w, r, accountPath)
	}
	page := p.signInPage(v, nil)
	switch {
	case r.FormValue("notice") != "":
		page.Username = cmp.Or(p.typed(r), v.hint())
	case !other:
		page.Username = cmp.Or(v.hint(), p.typed(r))
	}
	who := v.standing.User.Email
	switch {
	case r.FormValue("notice") == "signup":
		page.Notice = p.signedUp()
	case r.FormValue("notice") == "confirmed":
		page.Notice = templates.Say(templates.Confirmed)
	case r.FormValue("notice") == "reset":
		page.Notice = templates.Say(templates.ResetDone)
	case p.asksNobody(v) && !other: // the back button: where it leads would not ask again
		page.Person, page.ContinueURL = who, v.onward()
	case v.next != "" && !v.forApp() && v.standing.SignedIn() && !other:
		page.Notice = templates.Say(templates.StepUp)
	case v.standing.SignedIn() && !other:
		page.Notice = templates.Say(templates.SignInAgain, "username", who)
	default:
		page.Notice = over(v.standing.Over)
	}
	return templates.Show(w, http.StatusOK, page)
}

// asksNobody reports whether who is signed in would be led on from the page that v is for. Whom the app's hint names only
// authorize knows.
func (p *Pages) asksNobody(v visit) bool {
	demand, err := v.asked.Demand(v.client, v.all, p.Now())
	demand.Subjects = p.Subjects
	switch {
	case !v.forApp() || !v.standing.SignedIn():
		return v.standing.ProvedSince(v.asked.At)
	case err != nil || v.asked.Get("id_token_hint") != "":
		return v.standing.ProvedFor(v.asked.ID)
	default:
		return demand.Missing(v.standing, p.Policy, identity.Grant{}) != identity.StepSignIn
	}
}

// over says kindly why nobody is signed in where somebody was, or nothing.
func over(cause identity.EndCause) string {
	if cause == "" {
		return ""
	}
	if cause == identity.EndIdle || cause == identity.EndExpired {
		return templates.Say(templates.SignInOver)
	}
	return templates.Say(templates.SignInEnded)
}

// signedUp is the same whether the address was free or taken.
func (p *Pages) signedUp() string {
	if p.MailOn {
		return templates.Say(templates.SignedUpBy)
	}
	return templates.Say(templates.SignedUp)
}

// hint is who probably signs in: whom the app names (OpenID Connect Core §3.1.2.1, login_hint), else who did before.
func (v visit) hint() string {
	if email, err := identity.KnownEmail(v.asked.Get("login_hint")); err == nil {
		return email
	}
	return v.standing.User.Email
}

// submitSignIn serves POST /signin.
func (p *Pages) submitSignIn(w http.ResponseWriter, r *http.Request) error {
	v, err := p.visit(w, r)
	if err != nil {
		return err
	}
	cookie, err := p.begin(r, v)
	if errors.Is(err, identity.ErrUnconfirmed) {
		return templates.Show(w, http.StatusForbidden, p.unconfirmedPage(r, v, nil))
	}
	if onForm(err) {
		page := p.signInPage(v, err)
		page.Username = r.PostFormValue("username")
		p.keepTyped(w, page.Username)
		return p.showAgain(w, err, page)
	}
	if err != nil {
		return err
	}
	if err := p.keep(w, r, cookie); err != nil {
		return err
	}
	return see(w, r, v.onward())
}

// begin checks the password. When the browser's SignIn changed meanwhile, which a double click does, a fresh one begins:
// the password was right, so both answers lead on.
func (p *Pages) begin(r *http.Request, v visit) (cookie string, err error) {
	before := v.standing
	a := identity.Attempt{
		Email: r.PostFormValue("username"), Password: r.PostFormValue("password"), Seen: seen(r), Before: before,
		Browser: p.knownBrowser(r), SignUp: p.signedUpHere(r), Request: v.asked.ID,
	}
	cookie, err = p.SignIns.Begin(r.Context(), a)
	if identity.KindOf(err) == identity.SignInAgain && before.SignedIn() {
		a.Before = identity.Standing{}
		return p.SignIns.Begin(r.Context(), a)
	}
	return cookie, err
}

func (p *Pages) signInPage(v visit, refusal error) templates.SignIn {
	page := templates.SignIn{Frame: p.frame(v), Form: v.form(refusal)}
	if p.SignupOpen {
		page.SignUpURL = v.to(signUpPath)
	}
	if p.MailOn {
		page.ForgotURL = v.to(forgotPath)
	}
	return page
}
