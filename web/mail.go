package web

import (
	"cmp"
	"net/http"
	"net/url"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

var errNoMail = identity.Refuse(identity.NotFound, templates.Say(templates.NoMail))

// byMail guards a page that only makes sense where mail can be sent.
func (p *Pages) byMail(serve page) page {
	if p.MailOn {
		return serve
	}
	return func(http.ResponseWriter, *http.Request) error { return errNoMail }
}

// byLink is byMail for a page whose address holds a link, which is a secret: a Referer names the host alone. With no
// Referer at all browsers would send our own form as from nowhere (Origin: null), which is refused.
func (p *Pages) byLink(serve page) page {
	return p.byMail(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Referrer-Policy", "strict-origin")
		return serve(w, r)
	})
}

// tell shows a page that says something and leads on.
func (p *Pages) tell(w http.ResponseWriter, status int, title templates.Sentence, told templates.Told) error {
	told.Operator, told.Theme, told.Title = p.Operator, p.Theme, templates.Say(title)
	return templates.Show(w, status, told)
}

// sent says that a mail is on its way.
func (p *Pages) sent(w http.ResponseWriter, lead string, ways ...templates.Link) error {
	return p.tell(w, http.StatusOK, templates.MailTitle, templates.Told{Lead: lead, Ways: ways})
}

// linkOver says that a link does not work, whatever is wrong with it, and what to do instead. Any other error is left to
// the caller's caller.
func (p *Pages) linkOver(w http.ResponseWriter, err error, lead templates.Sentence, ways ...templates.Link) error {
	if identity.KindOf(err) != identity.NotFound {
		return err
	}
	told := templates.Told{Lead: templates.Say(lead), Ways: ways}
	return p.tell(w, http.StatusNotFound, templates.LinkTitle, told)
}

// linkOf is the link that a page was opened by, or that its form sends back.
func linkOf(r *http.Request) string { return r.FormValue("link") }

func way(path string, says templates.Sentence) templates.Link {
	return templates.Link{URL: path, Label: templates.Say(says)}
}

// showForgot serves GET /forgot.
func (p *Pages) showForgot(w http.ResponseWriter, r *http.Request) error {
	v, err := p.visit(w, r)
	if err != nil {
		return err
	}
	page := p.forgotPage(v, nil)
	page.Username = cmp.Or(p.typed(r), v.hint())
	return templates.Show(w, http.StatusOK, page)
}

// submitForgot serves POST /forgot. It looks nobody up: for an address with an account and for one without, it does the
// same and says the same.
func (p *Pages) submitForgot(w http.ResponseWriter, r *http.Request) error {
	v, err := p.request(w, r)
	if err != nil {
		return err
	}
	before, err := p.standing(r)
	if err != nil {
		return err
	}
	email := r.PostFormValue("username")
	err = p.ByMail.AskReset(r.Context(), email, identity.Asker{Seen: seen(r), Browser: p.knownBrowser(r), Before: before})
	if onForm(err) {
		page := p.forgotPage(v, err)
		page.Username = email
		return p.showAgain(w, err, page)
	}
	if err != nil {
		return err
	}
	p.keepTyped(w, email)
	return p.sent(w, templates.Say(templates.SentReset, "email", email), way(v.to(signInPath), templates.ToSignIn))
}

func (p *Pages) forgotPage(v visit, refusal error) templates.Forgot {
	return templates.Forgot{Frame: p.frame(v), Form: v.form(refusal), SignInURL: v.to(signInPath)}
}

// showReset serves GET /reset.
func (p *Pages) showReset(w http.ResponseWriter, r *http.Request) error {
	return p.resetting(w, r, nil)
}

// submitReset serves POST /reset. It signs no one in: who has a second factor is asked for it at sign-in. From then on the browser
// knows the person, or strangers who go on guessing would keep them out.
func (p *Pages) submitReset(w http.ResponseWriter, r *http.Request) error {
	user, detail, err := p.ByMail.Holder(r.Context(), linkOf(r), identity.LinkReset)
	if err != nil {
		return p.resetOver(w, err)
	}
	err = p.ByMail.Reset(r.Context(), linkOf(r), identity.NewPassword{
		New: r.PostFormValue("new_password"), Keep: r.PostFormValue("keep") != "", Seen: seen(r),
	})
	if err != nil {
		return p.resetting(w, r, err)
	}
	if user, err = p.ByMail.Store.UserByID(r.Context(), user.ID); err != nil {
		return err
	}
	p.remember(w, r, user)
	p.keepTyped(w, user.Email)
	if request, _ := identity.Contested(detail); p.stillAsked(r, request) {
		return see(w, r, signInPath+"?"+url.Values{"next": {request}, "notice": {"reset"}}.Encode())
	}
	return see(w, r, signInPath+"?notice=reset&switch=1") // whoever else is signed in here stays so
}

// resetting shows the form, with a refusal of what was sent by it if there is one, unless the link does not work.
func (p *Pages) resetting(w http.ResponseWriter, r *http.Request, refusal error) error {
	if refusal != nil && !onForm(refusal) {
		return p.resetOver(w, refusal)
	}
	user, detail, err := p.ByMail.Holder(r.Context(), linkOf(r), identity.LinkReset)
	if err != nil {
		return p.resetOver(w, err)
	}
	page := templates.Reset{
		Frame: p.frame(visit{}), Form: visit{}.form(refusal), Link: linkOf(r),
		Username: user.Email, MinPassword: identity.MinPassword,
	}
	page.Action = resetPath
	_, page.Contested = identity.Contested(detail)
	if identity.ProvesMailbox(detail) {
		changed, err := p.ByMail.ChangedLately(r.Context(), user)
		if err != nil {
			return err
		}
		page.Changed, page.Clean = parts(changed), !user.EmailVerified
	}
	if refusal != nil {
		return p.showAgain(w, refusal, page)
	}
	return templates.Show(w, http.StatusOK, page)
}

func (p *Pages) resetOver(w http.ResponseWriter, err error) error {
	return p.linkOver(w, err, templates.ResetOver, way(forgotPath, templates.ResetAnew), way(signInPath, templates.ToSignIn))
}

// showNewEmail serves GET /account/email.
func (p *Pages) showNewEmail(w http.ResponseWriter, _ *http.Request, v visit) error {
	return templates.Show(w, http.StatusOK, p.newEmailPage(v, nil))
}

// submitNewEmail serves POST /account/email. Nothing changes until the link is followed that goes to the new address, and
// whether that has an account already is not told here.
func (p *Pages) submitNewEmail(w http.ResponseWriter, r *http.Request, v visit) error {
	email := r.PostFormValue("new_email")
	err := p.ByMail.AskAddressChange(r.Context(), v.standing, email, seen(r))
	if onForm(err) {
		page := p.newEmailPage(v, err)
		page.NewEmail = email
		return p.showAgain(w, err, page)
	}
	if err != nil {
		return err
	}
	return p.sent(w, templates.Say(templates.SentAddress, "email", email), way(securityPath, templates.ToSecurity))
}

func (p *Pages) newEmailPage(v visit, refusal error) templates.NewEmail {
	page := templates.NewEmail{
		Frame: p.frame(visit{}), Form: visit{}.form(refusal), Username: v.standing.User.Email, BackURL: securityPath,
	}
	page.Action = emailPath
	return page
}

// showAddressChange serves GET /email.
func (p *Pages) showAddressChange(w http.ResponseWriter, r *http.Request) error {
	_, detail, err := p.ByMail.Holder(r.Context(), linkOf(r), identity.LinkEmail)
	if err != nil {
		return p.moveOver(w, err)
	}
	page := templates.ChangeAddress{Frame: p.frame(visit{}), Link: linkOf(r), Email: identity.NewAddress(detail)}
	page.Action = addressPath
	return templates.Show(w, http.StatusOK, page)
}

// submitAddressChange serves POST /email. The browser stays signed in if it is this account's.
func (p *Pages) submitAddressChange(w http.ResponseWriter, r *http.Request) error {
	standing, err := p.standing(r)
	if err != nil {
		return err
	}
	email, cookie, err := p.ByMail.ChangeAddress(r.Context(), standing, linkOf(r), seen(r))
	if identity.KindOf(err) == identity.Conflict {
		return p.tell(w, http.StatusConflict, templates.AddressStays, templates.Told{
			Lead: templates.Say(templates.AddressTaken), Ways: []templates.Link{way(emailPath, templates.AddressAnew)},
		})
	}
	if err != nil {
		return p.moveOver(w, err)
	}
	on := way(signInPath, templates.ToSignIn)
	if cookie != "" {
		if err := p.keep(w, r, cookie); err != nil {
			return err
		}
		on = way(accountPath, templates.ToAccount)
	}
	return p.tell(w, http.StatusOK, templates.AddressChangedTitle, templates.Told{
		Lead: templates.Say(templates.AddressChanged, "email", email), Done: true, Ways: []templates.Link{on},
	})
}

func (p *Pages) moveOver(w http.ResponseWriter, err error) error {
	return p.linkOver(w, err, templates.AddressOver, way(accountPath, templates.ToAccount), way(emailPath, templates.AddressAnew))
}

// showVerify serves GET /verify. It changes nothing: mail scanners follow links, too.
func (p *Pages) showVerify(w http.ResponseWriter, r *http.Request) error {
	_, detail, err := p.ByMail.Holder(r.Context(), linkOf(r), identity.LinkVerify)
	if err != nil {
		return p.verifyOver(w, err)
	}
	page := templates.Verify{Frame: p.frame(visit{}), Link: linkOf(r), Email: identity.ReadConfirmed(detail).Email}
	page.Action = verifyPath
	return templates.Show(w, http.StatusOK, page)
}

// submitVerify serves POST /verify.
func (p *Pages) submitVerify(w http.ResponseWriter, r *http.Request) error {
	c, err := p.ByMail.Verify(r.Context(), linkOf(r), seen(r))
	if err != nil {
		return p.verifyOver(w, err)
	}
	if c.First {
		return p.confirmed(w, r, c)
	}
	return p.tell(w, http.StatusOK, templates.VerifyTitle, templates.Told{
		Lead: templates.Say(templates.Verified, "email", c.Email), Done: true,
		Ways: []templates.Link{way(accountPath, templates.ToAccount)},
	})
}

func (p *Pages) verifyOver(w http.ResponseWriter, err error) error {
	return p.linkOver(w, err, templates.VerifyOver, way(securityPath, templates.ToSecurity))
}

// askVerify serves POST /account/verify: the link once more.
func (p *Pages) askVerify(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := p.ByMail.AskVerify(r.Context(), v.standing); err != nil {
		return err
	}
	return p.sent(w, templates.Say(templates.SentVerify), way(securityPath, templates.ToSecurity))
}

// showNotMe serves GET /not-me.
func (p *Pages) showNotMe(w http.ResponseWriter, r *http.Request) error {
	told, err := p.ByMail.ToldBy(r.Context(), linkOf(r))
	if err != nil {
		return p.notMeOver(w, err)
	}
	page := templates.NotMe{Frame: p.frame(visit{}), Link: linkOf(r), Username: told.User.Email}
	page.Action = notMePath
	if !told.Moment.Keeps {
		page.Since = p.moment(told.Moment.Before)
	}
	return templates.Show(w, http.StatusOK, page)
}

// submitNotMe serves POST /not-me: everything ends first, and only then is anything asked.
func (p *Pages) submitNotMe(w http.ResponseWriter, r *http.Request) error {
	if r.PostFormValue("mail") != "" {
		return p.mailAfterNotMe(w, r)
	}
	standing, err := p.standing(r)
	if err != nil {
		return err
	}
	told, undone, err := p.ByMail.NotMe(r.Context(), linkOf(r), seen(r))
	if err != nil {
		return p.notMeOver(w, err)
	}
	if standing.User.ID == told.User.ID {
		p.forget(w)
	}
	page := p.stoppedPage(r, nil)
	page.Undone, page.Void = parts(undone), told.User.PasswordHash == ""
	return templates.Show(w, http.StatusOK, page)
}

// mailAfterNotMe has a link for a new password mailed.
func (p *Pages) mailAfterNotMe(w http.ResponseWriter, r *http.Request) error {
	err := p.ByMail.AskResetBy(r.Context(), linkOf(r))
	if onForm(err) {
		return p.showAgain(w, err, p.stoppedPage(r, err))
	}
	if err != nil {
		return p.notMeOver(w, err)
	}
	return p.sent(w, templates.Say(templates.SentAnew), way(signInPath, templates.ToSignIn))
}

// parts are the names by which the catalogue knows what is undone.
func parts(undone []identity.Undoable) (names []string) {
	for _, part := range undone {
		names = append(names, string(part))
	}
	return names
}

func (p *Pages) stoppedPage(r *http.Request, refusal error) templates.Stopped {
	page := templates.Stopped{Frame: p.frame(visit{}), Form: visit{}.form(refusal), Link: linkOf(r)}
	page.Action = notMePath
	return page
}

func (p *Pages) notMeOver(w http.ResponseWriter, err error) error {
	return p.linkOver(w, err, templates.NotMeOver, way(devicesPath, templates.ToDevices), way(forgotPath, templates.NotMeAnew))
}
