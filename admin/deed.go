package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// noun is a kind of thing that something can be done to at the desk. Its page is where its deeds' pages lead back to.
type noun[S any] struct {
	path  string // under the desk, with {id} where there is one
	find  func(*Desk, visitor) (S, error)
	home  func(S) string // the address of its page
	about func(S) identity.Act
	named func(S) string
	deeds []deed[S]
}

// deed is one thing that can be done. Its page says what will happen and asks why; the same address does it when it is posted.
type deed[S any] struct {
	name     string // the last part of its address
	needs    identity.Role
	fresh    bool // whoever does it has just proved who they are
	danger   bool
	button   string                                  // what leads to its page, and what the page is called
	says     string                                  // what will happen
	done     string                                  // what the page says afterwards
	ends     func(*Desk, visitor, S) (string, error) // what it ends as things are, or nil
	noReason bool                                    // it asks for none: its own Event says all
	gone     bool                                    // the thing is there no more afterwards: the list of its kind follows
	fits     func(*Desk, S) bool
	inputs   func(S) []templates.DeskInput
	seen     func(*Desk, visitor) (templates.DeskInput, error) // a hidden input: how things were when the page was shown
	do       func(d *Desk, v visitor, s S) (once, error)
}

// errand is a deed and the thing that it is done to.
type errand[S any] struct {
	deed[S]
	s S
}

// once is what is shown after a deed and never again: what it is, and for what. Empty: the thing's own page follows.
type once struct{ secret, says string }

// errOwnAccount keeps people from the pages of the desk for what the pages of their account do.
var errOwnAccount error = identity.Refuse(identity.Forbidden, "That is your own account. Use its pages, or ask another operator.")

// links are the buttons of what a visitor may do to a thing as it is.
func (n noun[S]) links(v visitor, s S) (acts []templates.DeskAct) {
	for _, deed := range n.deeds {
		if v.may(deed.needs) && (deed.fits == nil || deed.fits(v.d, s)) {
			at := templates.Link{URL: n.home(s) + "/" + deed.name, Label: deed.button}
			acts = append(acts, templates.DeskAct{Link: at, Danger: deed.danger && deed.gone}) // red is what cannot be undone
		}
	}
	return acts
}

func (n noun[S]) serve(w http.ResponseWriter, v visitor, deed deed[S]) error {
	if deed.fresh && v.d.o.Desk.Lacks(v.Standing, true) != identity.StepNone {
		origin, _ := v.d.origin(v.r)
		v.d.knock(w, v.r, origin, true)
		return nil
	}
	s, err := n.find(v.d, v)
	if err != nil {
		return err
	}
	if v.r.Method != http.MethodPost {
		return n.ask(w, v, errand[S]{deed, s}, nil)
	}
	if deed.fits != nil && !deed.fits(v.d, s) { // somebody was quicker
		return n.seeHome(w, v, deed, s)
	}
	shown, err := n.perform(v, deed, s)
	switch {
	case onForm(err):
		return n.ask(w, v, errand[S]{deed, s}, err)
	case err != nil:
		return err
	case shown.secret != "":
		return n.show(w, v, errand[S]{deed, s}, shown)
	}
	return n.seeHome(w, v, deed, s)
}

func (n noun[S]) perform(v visitor, deed deed[S], s S) (shown once, err error) {
	if deed.noReason {
		return deed.do(v.d, v, s)
	}
	act := n.about(s)
	act.What, act.Reason = deed.name, v.r.PostFormValue("reason")
	return shown, v.d.o.Operators.Because(v.ctx(), act, func(ctx context.Context) error {
		v.r = v.r.WithContext(ctx)
		if s, err = n.find(v.d, v); err != nil { // once more, now that nobody changes whom it is done to, nor their role
			return err
		}
		if err = v.stillMay(deed.needs); err != nil {
			return err
		}
		shown, err = deed.do(v.d, v, s)
		return err
	})
}

// stillMay refuses who has lost their role since the request began.
func (v visitor) stillMay(needs identity.Role) error {
	office, err := v.d.o.Rows.OfficeOf(v.ctx(), v.User.ID)
	if err == nil && !office.Role.Covers(needs) {
		return identity.Refuse(identity.Forbidden, "Your role here was changed meanwhile.")
	}
	return err
}

// onForm reports whether a refusal belongs on the form that it came from.
func onForm(err error) bool {
	kind := identity.KindOf(err)
	return err != nil && (kind == identity.Invalid || kind == identity.Conflict)
}

// ask shows the page of a deed, with a refusal where there is one and what was typed.
func (n noun[S]) ask(w http.ResponseWriter, v visitor, deed errand[S], refusal error) error {
	page := templates.DeskForm{Submit: deed.button, Danger: deed.danger}
	page.DeskFrame = v.framed(templates.DeskFrame{
		Frame: templates.Frame{Title: deed.button}, Lead: deed.says, Back: templates.Link{URL: n.home(deed.s), Label: n.named(deed.s)},
	})
	if deed.ends != nil {
		ends, err := deed.ends(v.d, v, deed.s)
		if err != nil {
			return err
		}
		page.Lead += " " + ends
	}
	if deed.inputs != nil {
		page.Inputs = deed.inputs(deed.s)
	}
	if deed.seen != nil {
		seen, err := deed.seen(v.d, v)
		if err != nil {
			return err
		}
		page.Inputs = append(page.Inputs, seen)
	}
	if !deed.noReason {
		page.Inputs = append(page.Inputs, templates.DeskInput{
			Name: "reason", Label: "Why", Hint: "Like: lost phone, ticket 4711. It stands in the history, with your name.",
		})
	}
	status := http.StatusOK
	if refusal != nil {
		status = table[identity.KindOf(refusal)].status
		if why, ok := errors.AsType[*identity.Error](refusal); ok {
			page.Problem, page.ProblemField = why.Msg, why.Field
		}
		for i, in := range page.Inputs {
			if in.Type != "password" {
				page.Inputs[i].Value = v.r.PostFormValue(in.Name)
			}
		}
	}
	return templates.Show(w, status, page)
}

// show shows a secret that was just made.
func (n noun[S]) show(w http.ResponseWriter, v visitor, deed errand[S], shown once) error {
	return templates.Show(w, http.StatusOK, templates.Desk{
		DeskFrame: v.framed(templates.DeskFrame{
			Frame: templates.Frame{Title: deed.button}, Notice: deed.done, Lead: shown.says,
			Back: templates.Link{URL: n.home(deed.s), Label: n.named(deed.s)},
		}),
		Parts: []templates.DeskPart{{Once: shown.secret}},
	})
}

func (n noun[S]) seeHome(w http.ResponseWriter, v visitor, deed deed[S], s S) error {
	to := n.home(s)
	if kind, _, _ := strings.Cut(n.path, "/"); deed.gone {
		to = DeskPrefix + kind
	}
	to += "?" + url.Values{"done": {n.path + "/" + deed.name}}.Encode()
	http.Redirect(w, v.r, to, http.StatusSeeOther)
	return nil
}
