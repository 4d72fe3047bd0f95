package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// accountPages are where a person may be led back to after signing in, when no app asks.
var accountPages = []string{
	accountPath, devicesPath, appsPath, securityPath, namePath, codesPath, enrolPath, emailPath,
	replacePath, replacedPath, savePath, newPhonePath, deskPath,
}

// accountPage serves a page of the account of whoever stands before it.
type accountPage func(w http.ResponseWriter, r *http.Request, v visit) error

// account guards a page of the person's own account: it is served to whoever has proved all that signing in takes, and
// anyone else is led by that to path.
func (p *Pages) account(path string, serve accountPage) page {
	return func(w http.ResponseWriter, r *http.Request) (err error) {
		v := p.backTo(path)
		v.languages = languagesOf(r, v.asked)
		if v.standing, err = p.standing(r); err != nil {
			return err
		}
		to := p.lacking(v)
		if to == "" {
			err = serve(w, r, v)
		}
		again := to != "" || identity.KindOf(err) == identity.SignInAgain
		if again && r.Method == http.MethodPost {
			return see(w, r, path) // an earlier press may have brought a new cookie meanwhile: the page itself asks
		}
		if to != "" {
			return see(w, r, to)
		}
		return err
	}
}

// pages are where each step is taken.
var pages = map[identity.Step]string{
	identity.StepSignIn: signInPath, identity.StepFactor: totpPath, identity.StepEnrol: enrolPath, identity.StepConsent: consentPath,
	identity.StepContinue: consentPath,
}

// lacking is the page for what the person has yet to prove, or empty. The account is part of the service: it needs no
// consent.
func (p *Pages) lacking(v visit) string {
	account := identity.Demand{Client: identity.Client{Trusted: true}}
	step := account.Missing(v.standing, p.Policy, identity.Grant{})
	if step == identity.StepNone {
		return ""
	}
	return v.to(pages[step])
}

// fresh guards a change of what opens the account: whoever has not just proved who they are does so once more.
func (p *Pages) fresh(serve accountPage) accountPage {
	return func(w http.ResponseWriter, r *http.Request, v visit) error {
		if v.standing.StepUp(p.Now()) != identity.StepNone {
			return p.stepUp(w, r, v)
		}
		return serve(w, r, v)
	}
}

// stepUp leads by what makes a proof fresh to where the person was: by the second factor alone where the password has
// just been shown.
func (p *Pages) stepUp(w http.ResponseWriter, r *http.Request, v visit) (err error) {
	now := p.Now()
	step := v.standing.StepUp(now)
	if step == identity.StepSignIn {
		v.asked = identity.NewAsked(v.asked.Params, now) // from here on, an older proof is not enough
		if v.next, err = p.Keys.AskedText(v.asked); err != nil {
			return err
		}
	}
	return see(w, r, v.to(pages[step]))
}

// backTo is a visit that leads to a page of the account.
func (p *Pages) backTo(path string) visit {
	v := visit{target: path, asked: identity.NewAsked(map[string][]string{pageParam: {path}}, p.Now())}
	v.next, _ = p.Keys.AskedText(v.asked) // refused is only what is too long
	return v
}

// by is the visit with who stands there.
func (v visit) by(standing identity.Standing) visit {
	v.standing = standing
	return v
}

// showAccount serves GET /account.
func (p *Pages) showAccount(w http.ResponseWriter, _ *http.Request, v visit) error {
	user := v.standing.User
	return templates.Show(w, http.StatusOK, templates.Account{
		Frame: p.frame(v), Username: user.Email, Name: user.Name, SignOutAction: signOutPath,
	})
}

// showName serves GET /account/name.
func (p *Pages) showName(w http.ResponseWriter, _ *http.Request, v visit) error {
	return templates.Show(w, http.StatusOK, templates.Name{Frame: p.frame(v), Name: v.standing.User.Name})
}

// submitName serves POST /account/name.
func (p *Pages) submitName(w http.ResponseWriter, r *http.Request, v visit) error {
	name := r.PostFormValue("name")
	err := p.Users.Rename(r.Context(), v.standing, name, seen(r))
	if onForm(err) {
		return p.showAgain(w, err, templates.Name{Frame: p.frame(v), Form: own(err), Name: name})
	}
	if err != nil {
		return err
	}
	return see(w, r, noticed(securityPath, templates.NameChanged))
}

// own is a form of the account: it posts to its own page and carries no request of an app.
func own(refusal error) templates.Form { return visit{}.form(refusal) }

// notices are what pages of the account may be told to say. The address carries only the name of a sentence: nobody's
// link can put words on the page.
var notices = []templates.Sentence{
	templates.DeviceEnded, templates.OthersEnded, templates.AccessWithdrawn, templates.PasswordChanged,
	templates.FactorRemoved, templates.CodesRenewed, templates.NameChanged,
}

// noticed is the address of a page of the account that says what was done.
func noticed(path string, s templates.Sentence) string {
	return path + "?" + url.Values{"notice": {string(s)}}.Encode()
}

// notice is what a page of the account is to say, or nothing.
func notice(r *http.Request) string {
	if s := templates.Sentence(r.URL.Query().Get("notice")); slices.Contains(notices, s) {
		return templates.Say(s)
	}
	return ""
}

// accountStore is what the pages of the account show.
type accountStore interface {
	FindSessions(ctx context.Context, q identity.SessionQuery) ([]identity.Live, error)
	SessionsPast(ctx context.Context, userID identity.ID, since time.Time, limit int) ([]identity.Session, error)
	BareSignIns(ctx context.Context, userID identity.ID, limit int) ([]identity.SignIn, error)
	GrantsOf(ctx context.Context, userID identity.ID, limit int) ([]identity.Grant, error)
	Activity(ctx context.Context, userID identity.ID, limit int) ([]identity.Event, error)
	RecoveryCodesLeft(ctx context.Context, userID identity.ID) (int, error)
}

// clients reads clients by their ids, each once: a page names one app many times.
type clients map[string]identity.Client

// client returns a client, or one that says only its id when it is gone.
func (p *Pages) client(ctx context.Context, known clients, id string) (identity.Client, error) {
	if c, ok := known[id]; ok {
		return c, nil
	}
	c, err := p.Store.ClientByID(ctx, id)
	if err != nil && identity.KindOf(err) != identity.NotFound {
		return identity.Client{}, err
	}
	c.ID = id
	known[id] = c
	return c, nil
}
