package web

import (
	"net/http"
	"net/url"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// deskForm is how the operators' desk asks to be opened: where it is, in which browser, for which of its pages, and whether
// the proof must be fresh.
type deskForm struct{ at, knock, to, fresh string }

const maxDeskForm = 1024 // bytes of each

func readDeskForm(r *http.Request) (f deskForm, err error) {
	for name, to := range map[string]*string{"at": &f.at, "knock": &f.knock, "to": &f.to, "fresh": &f.fresh} {
		if *to = r.FormValue(name); len(*to) > maxDeskForm {
			return f, identity.RefuseField("", templates.Say(templates.DeskUnknown))
		}
	}
	return f, nil
}

// path is the address of the page with all of that, which signing in on the way must not lose.
func (f deskForm) path() string {
	return deskPath + "?" + url.Values{"at": {f.at}, "knock": {f.knock}, "to": {f.to}, "fresh": {f.fresh}}.Encode()
}

// desk serves a page that leads to the operators' desk, to whoever has proved all that it takes.
func (p *Pages) desk(serve func(http.ResponseWriter, *http.Request, visit, deskForm) error) page {
	return func(w http.ResponseWriter, r *http.Request) error {
		f, err := readDeskForm(r)
		if err != nil {
			return err
		}
		if f.at == "" { // a restored tab, or somebody typed it
			return see(w, r, accountPath)
		}
		if !p.Door(f.at) {
			return identity.RefuseField("", templates.Say(templates.DeskUnknown))
		}
		return p.account(f.path(), func(w http.ResponseWriter, r *http.Request, v visit) error {
			switch step := p.Desk.Lacks(v.standing, f.fresh != ""); step {
			case identity.StepNone:
				return serve(w, r, v, f)
			case identity.StepEnrol:
				return p.toldOfDesk(w, v, templates.DeskNoFactor, way(v.to(enrolPath), templates.DeskEnrol))
			case identity.StepFactor:
				return see(w, r, v.to(totpPath))
			default:
				return p.stepUp(w, r, v)
			}
		})(w, r)
	}
}

// toldOfDesk says why the desk stays closed, and what to do.
func (p *Pages) toldOfDesk(w http.ResponseWriter, v visit, why templates.Sentence, ways ...templates.Link) error {
	page := templates.Told{Frame: p.frame(v), Lead: templates.Say(why), Ways: append(ways, way(accountPath, templates.ToAccount))}
	page.Title = templates.Say(templates.DeskClosed)
	return templates.Show(w, http.StatusForbidden, page)
}

// showDesk serves GET /account/desk. It takes a press: whoever sent the person here may be no operator of ours.
func (p *Pages) showDesk(w http.ResponseWriter, r *http.Request, v visit, f deskForm) error {
	_, err := p.ticket(r, v, f)
	if identity.KindOf(err) == identity.Forbidden {
		return p.toldOfDesk(w, v, templates.DeskNoRole)
	}
	if err != nil {
		return err
	}
	return templates.Show(w, http.StatusOK, templates.OpenDesk{
		Frame: p.frame(v), Form: templates.Form{Action: deskPath}, Username: v.standing.User.Email,
		At: f.at, Knock: f.knock, To: f.to, Fresh: f.fresh,
	})
}

// submitDesk serves POST /account/desk: with a ticket it leads to the desk.
func (p *Pages) submitDesk(w http.ResponseWriter, r *http.Request, v visit, f deskForm) error {
	ticket, err := p.ticket(r, v, f)
	if identity.KindOf(err) == identity.Forbidden {
		return p.toldOfDesk(w, v, templates.DeskNoRole)
	}
	if err != nil {
		return err
	}
	return see(w, r, f.at+"/desk/enter?"+url.Values{"ticket": {ticket}, "to": {f.to}}.Encode())
}

func (p *Pages) ticket(r *http.Request, v visit, f deskForm) (string, error) {
	return p.Desk.Ticket(r.Context(), v.standing, identity.DeskDoor{Origin: f.at, Challenge: f.knock})
}
