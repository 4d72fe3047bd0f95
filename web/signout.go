package web

import (
	"context"
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// signOut is one request to sign out: by the person, or as an app asked.
type signOut struct {
	visit
	request identity.AskedSignOut // zero: the person came by themselves
	pressed bool                  // whether they pressed the button
	trusted bool                  // whether the app may end the browser's sign-in, and with it other apps, without asking
}

// signOutVisit reads what was asked, who asks and who is signed in. An app that is gone asks like one that is unknown.
func (p *Pages) signOutVisit(w http.ResponseWriter, r *http.Request) (o signOut, err error) {
	if o.visit, err = p.visit(w, r); err != nil {
		return o, err
	}
	o.pressed = r.Method == http.MethodPost
	text := r.FormValue("ask")
	if text == "" {
		return o, nil
	}
	if o.request, err = p.Keys.ReadSignOut(text); err != nil {
		return o, errBrokenNext
	}
	o.request = o.request.Within(p.Now())
	o.client, err = p.Store.ClientByID(r.Context(), o.request.ClientID)
	if identity.KindOf(err) == identity.NotFound {
		o.client = identity.Client{}
		return o, nil
	}
	if err != nil {
		return o, err
	}
	identity.TrailOf(r.Context()).ClientID = o.client.ID
	o.trusted, err = p.SignIns.MayEndAll(r.Context(), o.client, o.request)
	return o, err
}

// proved reports whether one of the operator's apps showed an ID token of its own. One that registered itself may be
// anyone's, with an ID token that its maker got for himself.
func (o signOut) proved() bool {
	return o.request.Sub != "" && o.client.ID != "" && !o.client.SelfRegistered
}

// showSignOut serves GET /signout. Without a request it is a restored tab. With one, whom the app names is signed out at
// once; anyone else is asked first, or any link could sign people out (RP-Initiated Logout 1.0 §2, §6).
func (p *Pages) showSignOut(w http.ResponseWriter, r *http.Request) error {
	o, err := p.signOutVisit(w, r)
	switch {
	case err != nil:
		return err
	case r.FormValue("ask") == "":
		return p.toSignIn(w, r)
	case o.standing.SignedIn() && !(o.trusted && o.request.Names(o.standing.User, p.Subjects.Of(o.client, o.standing.User))):
		return p.askSignOut(w, o)
	}
	return p.endSignIn(w, r, o)
}

// submitSignOut serves POST /signout. A second press finds nobody and says the same.
func (p *Pages) submitSignOut(w http.ResponseWriter, r *http.Request) error {
	o, err := p.signOutVisit(w, r)
	if err != nil {
		return err
	}
	return p.endSignIn(w, r, o)
}

func (p *Pages) askSignOut(w http.ResponseWriter, o signOut) error {
	frame := p.frame(visit{})
	frame.Title = templates.Say(templates.AskSignOut, "username", o.standing.User.Email)
	return templates.Show(w, http.StatusOK, templates.SignOut{Frame: frame, Asker: o.client.Called(), StayURL: signInPath})
}

// endSignIn signs the browser out. If nobody is signed in, a browser that was idle for a night say, the app's own Session
// still ends: whoever signs out of an app is not to find it among their devices.
func (p *Pages) endSignIn(w http.ResponseWriter, r *http.Request, o signOut) (err error) {
	var ended []identity.Ended
	if o.standing.SignedIn() || o.proved() {
		if ended, err = p.SignIns.SignOut(r.Context(), o.standing, o.request, seen(r)); err != nil {
			return err
		}
	}
	p.forget(w)
	return p.signedOut(w, r, o, p.framesOf(r.Context(), ended))
}

// signedOut leads back to the app, or says that it is done. It leads by itself where the person pressed the button, or
// where one of the operator's apps asked; an app on the device needs a tap after anything else than a button, since
// browsers open none without. To any other app there is a link (RFC 9700 §4.11.2).
func (p *Pages) signedOut(w http.ResponseWriter, r *http.Request, o signOut, frames []string) error {
	back := o.request.BackTo(o.client)
	leads := o.pressed || o.proved() && identity.WebOrigin(back) != ""
	if back != "" && leads && len(frames) == 0 {
		return see(w, r, back)
	}
	page := templates.SignedOut{
		Frame: p.frame(visit{}), SignInURL: o.to(signInPath), Frames: frames,
		Onward: leads && identity.WebOrigin(back) != "", Stranded: back == "" && o.request.Back != "",
		Asker: o.client.Called(),
	}
	if page.Stranded {
		identity.TrailOf(r.Context()).Refusal = "unregistered_post_logout_redirect_uri"
		p.Log.DebugContext(r.Context(), "post_logout_redirect_uri refused", "client_id", o.client.ID,
			"post_logout_redirect_uri", identity.LoggedURI(o.request.Back))
	}
	if back != "" {
		to := app(o.client, back)
		page.Back = templates.Link{URL: back, Label: templates.Say(templates.BackTo, "app", to.Called())}
		if o.client.SelfRegistered {
			page.Host = to.Host
		}
	}
	allowFrames(w, frames)
	return templates.Show(w, http.StatusOK, page)
}

// maxFrames bounds how many apps one page tells: a person with more has most of them on other devices.
const maxFrames = 20

// framesOf returns what the page loads so that apps in this browser learn of it (Front-Channel Logout 1.0 §3). The
// sign-out is done by now: an app that cannot be looked up is left out, not a reason to say that it failed.
func (p *Pages) framesOf(ctx context.Context, ended []identity.Ended) (frames []string) {
	for _, e := range ended {
		c, err := p.Store.ClientByID(ctx, e.ClientID)
		if identity.KindOf(err) == identity.NotFound {
			continue
		}
		if err != nil {
			p.Log.WarnContext(ctx, "apps are not told of a sign-out by front channel", "error", err)
			break
		}
		if frame := c.SignedOutFrame(p.Issuer, e.SessionID); frame != "" {
			frames = append(frames, frame)
		}
		if len(frames) == maxFrames {
			break
		}
	}
	return frames
}

// allowFrames lets this one page load just these, beside what every page may.
func allowFrames(w http.ResponseWriter, frames []string) {
	const header = "Content-Security-Policy"
	if len(frames) == 0 {
		return
	}
	policy := w.Header().Get(header) + "; frame-src"
	for _, frame := range frames {
		policy += " " + identity.WebOrigin(frame)
	}
	w.Header().Set(header, policy)
}
