package web

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/sojourn-auth/sojourn/templates"
)

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
