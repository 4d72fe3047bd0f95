package web

import (
	"net/http"

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
