package web

import (
	"net/http"
	"slices"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/templates"
)

// step is a page on the way to an authenticator that counts.
type step struct {
	path     string
	replaces bool // it is for whoever has an authenticator already
}

var (
	adds     = step{enrolPath, false}
	replaces = step{replacePath, true}
)

// showEnrol serves GET /account/totp.
func (p *Pages) showEnrol(w http.ResponseWriter, r *http.Request) error {
	return p.enrolling(w, r, adds, func(v visit) error { return p.showKey(w, r, v, nil) })
}

// submitEnrol serves POST /account/totp.
func (p *Pages) submitEnrol(w http.ResponseWriter, r *http.Request) error {
	return p.enrolling(w, r, adds, func(v visit) error {
		err := p.TOTP.Confirm(r.Context(), v.standing, confirmation(r))
		switch {
		case identity.KindOf(err) == identity.Conflict: // added meanwhile, in another tab or by another press
			return see(w, r, v.onward())
		case refuses(err, "enrolment") && v.standing.StepUp(p.Now()) != identity.StepNone:
			return p.stepUp(w, r, v)
		case err == nil:
			p.keepEnrolment(w, r.PostFormValue("enrolment")) // the codes to save are of the page that was confirmed
		}
		return p.proved(w, r, v, proof{err, identity.TOTP, v.to(savePath), func() error { return p.showKey(w, r, v, err) }})
	})
}

// showReplace serves GET /account/totp/replace.
func (p *Pages) showReplace(w http.ResponseWriter, r *http.Request) error {
	return p.enrolling(w, r, replaces, func(v visit) error { return p.showKey(w, r, v, nil) })
}

// submitReplace serves POST /account/totp/replace.
func (p *Pages) submitReplace(w http.ResponseWriter, r *http.Request) error {
	return p.enrolling(w, r, replaces, func(v visit) error {
		cookie, err := p.TOTP.Replace(r.Context(), p.Credentials, v.standing, confirmation(r))
		switch kind := identity.KindOf(err); {
		case kind == identity.SignInAgain || kind == identity.NotFound: // another press or tab was quicker
			return see(w, r, v.to(replacedPath))
		case refuses(err, "enrolment") && v.standing.StepUp(p.Now()) != identity.StepNone:
			return p.stepUp(w, r, v)
		case onForm(err):
			return p.showKey(w, r, v, err)
		case err != nil:
			return err
		}
		if err := p.keep(w, r, cookie); err != nil {
			return err
		}
		p.keepEnrolment(w, "")
		return see(w, r, v.to(replacedPath))
	})
}

// showReplaced serves GET /account/totp/replaced, which says so while it is news.
func (p *Pages) showReplaced(w http.ResponseWriter, r *http.Request) error {
	return p.enrolling(w, r, step{replacedPath, true}, func(v visit) error {
		at, err := p.TOTP.Since(r.Context(), v.standing.User.ID)
		if err != nil {
			return err
		}
		if p.Now().Sub(at) > identity.FreshFor {
			return see(w, r, v.afterwards())
		}
		left, err := p.Store.RecoveryCodesLeft(r.Context(), v.standing.User.ID)
		if err != nil {
			return err
		}
		told := templates.Told{Frame: p.frame(v), Done: true, Lead: templates.Say(templates.FactorReplaced)}
		told.More = templates.CodesKept(left)
		told.Ways = []templates.Link{p.wayOn(v, templates.ToSecurity)}
		if left <= templates.FewCodes {
			told.Ways = append(told.Ways, way(codesPath, templates.CodesNew))
		}
		return p.tell(w, http.StatusOK, templates.ReplacedTitle, told)
	})
}

// showSave serves GET /account/totp/codes: the recovery codes that came with the authenticator which was just added. They may
// be looked at for an hour, in this sign-in; after ten minutes the password is asked for once more.
func (p *Pages) showSave(w http.ResponseWriter, r *http.Request) error {
	return p.enrolling(w, r, step{savePath, true}, func(v visit) error {
		handed, err := p.TOTP.Handed(r.Context(), v.standing, p.begunHere(r))
		switch {
		case identity.KindOf(err) == identity.NotFound: // saved, too old, or void
			return see(w, r, v.afterwards())
		case err != nil:
			return err
		case p.Now().Sub(handed.At) > identity.FreshFor && v.standing.StepUp(p.Now()) != identity.StepNone:
			return p.stepUp(w, r, v)
		}
		return templates.Show(w, http.StatusOK, templates.Save{
			Frame: p.frame(v), Form: v.form(nil), Username: v.standing.User.Email, RecoveryCodes: handed.Codes,
		})
	})
}

// submitSave serves POST /account/totp/codes: the person says that they have them.
func (p *Pages) submitSave(w http.ResponseWriter, r *http.Request) error {
	v, err := p.request(w, r)
	if err != nil {
		return err
	}
	p.keepEnrolment(w, "")
	return see(w, r, v.afterwards())
}

// enrolling lets add or replace only whoever proved all that they have: one authenticator never takes another's place without
// a word. A key is shown only on a fresh proof: an authenticator that a thief of a cookie adds would keep the owner out.
func (p *Pages) enrolling(w http.ResponseWriter, r *http.Request, at step, serve func(visit) error) error {
	v, err := p.visit(w, r)
	if v.next == "" {
		v = p.backTo(at.path).by(v.standing)
	}
	shows := r.Method == http.MethodGet && (at == adds || at == replaces)
	switch {
	case err != nil:
		return err
	case !v.standing.SignedIn():
		return p.nobody(w, r, v)
	case v.standing.Enrolled() && !v.standing.SignIn.AMR.Has(identity.MFA):
		return see(w, r, v.to(totpPath))
	case v.standing.Has(identity.TOTP) && !at.replaces && p.unsaved(r, v):
		return see(w, r, v.to(savePath))
	case v.standing.Has(identity.TOTP) != at.replaces:
		return see(w, r, v.afterwards())
	case shows && v.standing.StepUp(p.Now()) != identity.StepNone:
		return p.stepUp(w, r, v)
	}
	return serve(v)
}

// showKey shows the enrolment that this sign-in has begun, or a new one.
func (p *Pages) showKey(w http.ResponseWriter, r *http.Request, v visit, refusal error) error {
	e, err := p.enrolment(r, v)
	if err != nil {
		return err
	}
	p.keepEnrolment(w, e.Sealed)
	page := templates.Enrol{
		Frame: p.frame(v), Form: v.form(refusal), Person: v.person(), Replaces: v.standing.Has(identity.TOTP),
		OtpauthURL: e.URI, Secret: e.Secret, QR: e.QR, Enrolment: e.Sealed,
	}
	if page.Replaces || v.target == enrolPath { // anything else leads to adding one only where it is required
		page.LaterURL = v.afterwards()
	}
	if refusal != nil {
		return p.showAgain(w, refusal, page)
	}
	return templates.Show(w, http.StatusOK, page)
}

// enrolment is the one that the form is of, else the one that the browser keeps: what was typed into an app stays right over
// a reload, a discarded tab and a second one.
func (p *Pages) enrolment(r *http.Request, v visit) (mfa.Enrolment, error) {
	for _, sealed := range []string{r.PostFormValue("enrolment"), p.begunHere(r)} {
		if e, err := p.TOTP.Resume(v.standing, sealed); err == nil || !refuses(err, "enrolment") {
			return e, err
		}
	}
	return p.TOTP.Begin(v.standing)
}

func confirmation(r *http.Request) mfa.Confirmation {
	return mfa.Confirmation{Sealed: r.PostFormValue("enrolment"), Code: r.PostFormValue("totp"), Seen: seen(r)}
}

// unsaved reports whether this sign-in was handed recovery codes that the person has not said to have saved.
func (p *Pages) unsaved(r *http.Request, v visit) bool {
	_, err := p.TOTP.Handed(r.Context(), v.standing, p.begunHere(r))
	return err == nil
}

// begunHere is the sealed enrolment that the browser keeps, or empty.
func (p *Pages) begunHere(r *http.Request) string {
	return cookieOf(r, identity.EnrolmentCookieName(p.Secure))
}

// keepEnrolment has the browser keep a sealed enrolment, or forget it: what is empty.
func (p *Pages) keepEnrolment(w http.ResponseWriter, sealed string) {
	lasts := int(mfa.EnrolmentLasts / time.Second)
	if sealed == "" {
		lasts = -1
	}
	cookie := p.cookie(sealed, lasts)
	cookie.Name = identity.EnrolmentCookieName(p.Secure)
	http.SetCookie(w, cookie)
}

// afterwards is where whoever is done here goes on to: where they came from, or the page that says what is on.
func (v visit) afterwards() string {
	if slices.Contains([]string{enrolPath, replacePath, replacedPath, savePath, newPhonePath}, v.target) {
		return securityPath
	}
	return v.onward()
}

// wayOn leads there: back to the app by its name, or in the words given.
func (p *Pages) wayOn(v visit, says templates.Sentence) templates.Link {
	if v.forApp() {
		return templates.Link{URL: v.afterwards(), Label: templates.Say(templates.ContinueTo, "app", p.frame(v).App.Called())}
	}
	return way(v.afterwards(), says)
}
