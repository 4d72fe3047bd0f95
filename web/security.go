package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// showSecurity serves GET /account/security.
func (p *Pages) showSecurity(w http.ResponseWriter, r *http.Request, v visit) error {
	page, err := p.securityPage(r, v)
	if err != nil {
		return err
	}
	page.Notice = notice(r)
	return templates.Show(w, http.StatusOK, page)
}

// submitSecurity serves POST /account/security: it changes the password. The current one is the proof.
func (p *Pages) submitSecurity(w http.ResponseWriter, r *http.Request, v visit) error {
	cookie, err := p.Credentials.ChangePassword(r.Context(), v.standing, identity.NewPassword{
		Current: r.PostFormValue("current_password"), New: r.PostFormValue("new_password"), Seen: seen(r),
	})
	if onForm(err) {
		page, pageErr := p.securityPage(r, v)
		if pageErr != nil {
			return pageErr
		}
		page.Form = own(err)
		return p.showAgain(w, err, page)
	}
	return p.changed(w, r, change{cookie, err, templates.PasswordChanged})
}

// removeTOTP serves POST /account/totp/remove.
func (p *Pages) removeTOTP(w http.ResponseWriter, r *http.Request, v visit) error {
	switch {
	case !v.standing.Has(identity.TOTP): // one press too many
		return see(w, r, securityPath)
	case p.keeps(v.standing):
		return identity.Refuse(identity.Forbidden, templates.Say(templates.FactorRequired))
	}
	removal := identity.CredentialChange{
		Cause: identity.EndFactor, Event: identity.FactorRemoved, Detail: identity.TOTP.Name, Seen: seen(r),
	}
	cookie, err := p.Credentials.Change(r.Context(), v.standing, removal, func(ctx context.Context) error {
		return p.TOTP.Remove(ctx, v.standing.User.ID)
	})
	if identity.KindOf(err) == identity.NotFound {
		return see(w, r, securityPath)
	}
	return p.changed(w, r, change{cookie, err, templates.FactorRemoved})
}

// keeps reports whether the person must keep the factor that they have: the policy asks for one, and it is the last.
func (p *Pages) keeps(s identity.Standing) bool {
	return p.Policy == identity.MFARequired && len(s.Factors) <= 1
}

// change is a change of what opens the account, and what came of it.
type change struct {
	cookie string
	err    error
	said   templates.Sentence
}

// changed gives the browser the cookie that it stays signed in by, and says what was done.
func (p *Pages) changed(w http.ResponseWriter, r *http.Request, c change) error {
	if c.err != nil {
		return c.err
	}
	if err := p.keep(w, r, c.cookie); err != nil {
		return err
	}
	return see(w, r, noticed(securityPath, c.said))
}

func (p *Pages) securityPage(r *http.Request, v visit) (templates.Security, error) {
	ctx, user := r.Context(), v.standing.User
	page := templates.Security{
		Frame: p.frame(v), PasswordSet: p.moment(user.PasswordSetAt), MinPassword: identity.MinPassword,
		Name: user.Name, NameURL: namePath, Contact: p.contact(user),
	}
	var err error
	if page.Authenticator, err = p.authenticator(ctx, v); err != nil {
		return page, err
	}
	if page.Authenticator.On && p.unsaved(r, v) {
		page.Authenticator.SaveURL = savePath
	}
	page.Activity, err = p.activity(ctx, user.ID)
	return page, err
}

// contact is the person's address, which is changed and confirmed by mail.
func (p *Pages) contact(user identity.User) templates.Contact {
	c := templates.Contact{Email: user.Email, Verified: user.EmailVerified}
	if p.MailOn {
		c.ChangeURL = emailPath
		if !c.Verified {
			c.VerifyAction = askVerifyPath
		}
	}
	return c
}

func (p *Pages) authenticator(ctx context.Context, v visit) (templates.Authenticator, error) {
	a := templates.Authenticator{On: v.standing.Has(identity.TOTP), CodesURL: codesPath, ReplaceURL: replacePath}
	if !a.On && p.Policy != identity.MFAOff {
		a.EnrolURL = enrolPath
	}
	if !p.keeps(v.standing) {
		a.RemoveAction = removePath
	}
	left, err := p.Store.RecoveryCodesLeft(ctx, v.standing.User.ID)
	a.CodesLeft = left
	return a, err
}

const maxActivity = 20

// activity is what happened to a person lately, as they would tell it.
func (p *Pages) activity(ctx context.Context, userID identity.ID) ([]templates.Happening, error) {
	events, err := p.Store.Activity(ctx, userID, maxActivity)
	if err != nil {
		return nil, err
	}
	known := clients{}
	var all []templates.Happening
	for i, e := range events {
		byCode := e.Kind == identity.SignedIn && e.Detail == identity.RecoveryCode.Name // RecoveryCodeUsed says it, and how many are left
		if byCode || quiet(e) || toldBy(events[max(0, i-2):min(len(events), i+3)], e) {
			continue
		}
		told, err := p.happening(ctx, known, e)
		if err != nil {
			return nil, err
		}
		told.When.Now = p.Now()
		all = append(all, told)
	}
	return all, nil
}

// quiet reports whether an Event is for operators alone: what a rule only noted.
func quiet(e identity.Event) bool {
	d := identity.ReadDecision(e.Detail)
	return e.Kind == identity.AnomalyFound && d.Rule != "" && d.Answer&(identity.AnswerTell|identity.AnswerAsk) == 0
}

// fuller are the Events that tell the whole of an act of which another Event tells a part: one act is one line.
var fuller = map[identity.EventKind]func(part identity.Event) bool{
	identity.FactorAdded: func(e identity.Event) bool {
		return e.Kind == identity.SignedIn && e.Detail == identity.TOTP.Name
	},
	identity.NewBrowser:   func(e identity.Event) bool { return e.Kind == identity.SignedIn && e.Detail == "pwd" },
	identity.EmailChanged: func(e identity.Event) bool { return e.Kind == identity.ProfileChanged },
}

// toldBy reports whether one of the Events beside it, of the same seconds, tells of what e does and of more.
func toldBy(beside []identity.Event, e identity.Event) bool {
	return slices.ContainsFunc(beside, func(other identity.Event) bool {
		tells := fuller[other.Kind]
		return tells != nil && tells(e) && e.Repeats == 0 && e.At.Sub(other.At).Abs() < 3*time.Second
	})
}

func (p *Pages) happening(ctx context.Context, known clients, e identity.Event) (templates.Happening, error) {
	c, err := p.client(ctx, known, e.ClientID)
	if e.Kind == identity.NewBrowser { // what was written before Events named it themselves
		e.Browser = e.Detail
	}
	if e.Kind == identity.AnomalyFound {
		e.Detail = p.Unusual(identity.ReadDecision(e.Detail).Rule)
	}
	return templates.Happening{
		Kind: string(e.Kind), Detail: e.Detail, App: c.Called(), Operator: e.Actor != "",
		When: templates.Moment{At: e.At}, Times: e.Repeats + 1, Place: p.Place(e.Address), Network: network(e.Address),
		Browser: e.Browser,
	}, err
}

// network is where an Event came from, as its mail says it, or empty.
func network(address string) string {
	if address == "" {
		return ""
	}
	return identity.Network(address)
}
