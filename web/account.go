package web

import (
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
)

// accountPages are where a person may be led back to after signing in, when no app asks.
var accountPages = []string{
	accountPath, devicesPath, appsPath, securityPath, namePath, codesPath, enrolPath, emailPath,
}

// accountPage serves a page of the account of whoever stands before it.
type accountPage func(w http.ResponseWriter, r *http.Request, v visit) error

// account guards a page of the person's own account: it is served to whoever has proved all that signing in takes, and
// anyone else is led by that to path.
func (p *Pages) account(path string, serve accountPage) page {
	return func(w http.ResponseWriter, r *http.Request) (err error) {
		v := p.backTo(path)
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

// lacking is the page for what the person has yet to prove, or empty.
func (p *Pages) lacking(v visit) string {
	proved := v.standing.SignIn.AMR.Has(identity.MFA)
	switch {
	case !v.standing.SignedIn():
		return v.to(signInPath)
	case proved || !p.Policy.Asks(v.standing.Enrolled, identity.Client{}):
		return ""
	case v.standing.Enrolled:
		return v.to(totpPath)
	}
	return v.to(enrolPath)
}

// fresh guards a change of what opens the account: whoever has not just proved who they are does so once more.
func (p *Pages) fresh(serve accountPage) accountPage {
	return func(w http.ResponseWriter, r *http.Request, v visit) error {
		if !v.standing.Fresh(p.Now()) {
			return p.stepUp(w, r, v)
		}
		return serve(w, r, v)
	}
}

// stepUp leads by what makes a proof fresh to where the person was: by the second factor alone where the password has
// just been shown.
func (p *Pages) stepUp(w http.ResponseWriter, r *http.Request, v visit) error {
	now := p.Now()
	if v.standing.Enrolled && now.Sub(v.standing.SignIn.ProvedAt) <= identity.FreshFor &&
		!v.standing.SignIn.AMR.Has(identity.MFA) {
		return see(w, r, v.to(totpPath))
	}
	v.asked.At = now // from here on, an older proof is not enough
	next, err := p.Keys.AskedText(v.asked)
	if err != nil {
		return err
	}
	v.next = next
	return see(w, r, v.to(signInPath))
}

// backTo is a visit that leads to a page of the account.
func (p *Pages) backTo(path string) visit {
	v := visit{page: path, asked: identity.Asked{Params: map[string][]string{pageParam: {path}}, At: p.Now()}}
	v.next, _ = p.Keys.AskedText(v.asked) // refused is only what is too long
	return v
}

// by is the visit with who stands there.
func (v visit) by(standing identity.Standing) visit {
	v.standing = standing
	return v
}
