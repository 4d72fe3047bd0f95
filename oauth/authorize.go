package oauth

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
)

// authorize serves GET and POST /oauth2/authorize (RFC 6749 §3.1). It writes nothing: it looks at what was asked and at
// what the browser has proved, and leads to the page that proves the rest, or back to the app. Pages lead here again, with
// the request sealed in `next`.
func (e *Endpoints) authorize(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		e.sendBack(w, r, newAuthorization(nil, e.o.Now()), errAuthorizeMethod)
		return
	}
	a, err := e.readAuthorization(w, r)
	if err == nil && r.Method == http.MethodPost {
		// The cookie is SameSite=Lax: a post from the app's page comes without it, the redirect after it with it.
		err = e.lead(w, a, authorizePath) // which binds it to the browser
	} else if err == nil {
		err = e.answer(w, r, a)
	}
	if err != nil {
		e.sendBack(w, r, a, err)
	}
}

var errAuthorizeMethod = say(methodNotAllowed, "Use GET or POST.")

// readAuthorization reads the parameters, or the request that `next` seals, and finds the client. The authorization that
// it returns is never nil, and knows the way back as far as there is one.
func (e *Endpoints) readAuthorization(w http.ResponseWriter, r *http.Request) (*authorization, error) {
	var params url.Values
	var twice error
	if r.Method == http.MethodPost {
		params, twice = readForm(w, r)
	} else {
		params, twice = readParams(r.URL.RawQuery)
	}
	a := newAuthorization(plain(params), e.o.Now())
	a.from = addressOf(r)
	if params == nil {
		return a, twice
	}
	if len(params["client_id"]) > 1 || len(params["redirect_uri"]) > 1 {
		return a, twice // which one would be the way back?
	}
	if next := params.Get("next"); next != "" && r.Method == http.MethodGet {
		asked, err := e.o.Keys.ReadAsked(next)
		if err != nil {
			return a, say(invalidRequest, "This link was not made here, or is too old.")
		}
		a.take(asked, params)
		if !asked.Counts(e.browser(r), e.o.Now()) {
			a.asked, a.next = identity.NewAsked(asked.Params, e.o.Now()), "" // asked anew, here and now
		}
	} else if twice == nil && (params.Has(paramRequest) || params.Has(paramRequestURI)) {
		return e.unfolded(r.Context(), a, params)
	}
	if err := e.match(r.Context(), a); err != nil {
		return a, err
	}
	return a, twice
}

// unfolded is the request that a request object says. What is wrong with the object is told the app where the parameters
// beside it say, if that is registered.
func (e *Endpoints) unfolded(ctx context.Context, outside *authorization, params url.Values) (*authorization, error) {
	c, err := e.asker(ctx, params.Get("client_id"), outside.from)
	if err != nil {
		return outside, err
	}
	inside, err := e.unfold(ctx, c, params)
	if err != nil {
		if lost := e.returns(ctx, outside, c); lost != nil {
			e.o.Log.DebugContext(ctx, "no way back for a refused request object", "client_id", c.ID)
		}
		return outside, err
	}
	a := newAuthorization(inside, e.o.Now())
	a.from = outside.from
	return a, e.returns(ctx, a, c)
}

// take makes of a what a page of ours sent here: the request, and the button that was pressed there.
func (a *authorization) take(asked identity.Asked, params url.Values) {
	a.asked, a.next, a.denial, a.allowal = asked, params.Get("next"), params.Get("denied"), params.Get("allowed")
}

// answer decides what a request still needs, and leads there.
func (e *Endpoints) answer(w http.ResponseWriter, r *http.Request, a *authorization) (err error) {
	if err := e.examine(r.Context(), a); err != nil {
		return err
	}
	if a.standing, err = e.current(r); err != nil {
		return err
	}
	step, err := e.missing(r.Context(), a)
	if err != nil {
		return err
	}
	switch way := ways[step]; {
	case step == identity.StepNone:
		e.onward(r, a, step)
		return e.issueCode(w, r, a)
	case step == identity.StepConsent && a.pressed(e, identity.ForDenial, a.denial):
		return errDenied
	case a.asked.Silent() || way.page == "":
		return way.silently
	default:
		a.asked = e.bind(w, r, a.asked)
		e.onward(r, a, step)
		if step == identity.StepSignIn && a.asked.Creates() {
			return e.lead(w, a, signUpPage)
		}
		return e.lead(w, a, way.page)
	}
}

// onward counts how far the request has come, of the client and of the platform that the browser is of. One without pages (prompt=none) has
// no way that anybody could leave.
func (e *Endpoints) onward(r *http.Request, a *authorization, to identity.Step) {
	if a.asked.Silent() {
		return
	}
	trail := identity.TrailOf(r.Context())
	trail.Subject = identity.SubjectOf(a.client, identity.Session{Platform: identity.PlatformOf(r.UserAgent(), identity.Device{})})
	a.asked = a.asked.Onward(trail, to, e.o.Now())
}

// pressed reports whether text says that the person pressed that button for this request.
func (a *authorization) pressed(e *Endpoints, button identity.Purpose, text string) bool {
	return e.o.Keys.Pressed(text, identity.Press{Button: button, By: a.standing, Next: a.next}, e.o.Now())
}

// secure reports whether the cookies are those of an https issuer.
func (e *Endpoints) secure() bool { return strings.HasPrefix(e.o.Issuer, "https:") }

// browser is the cookie that requests are bound to, or empty.
func (e *Endpoints) browser(r *http.Request) string {
	cookie, err := r.Cookie(identity.RequestCookieName(e.secure()))
	if err != nil { // http.ErrNoCookie is the only one there is
		return ""
	}
	return cookie.Value
}

// bind returns the request as one of this browser, which gets a cookie for it where it has none.
func (e *Endpoints) bind(w http.ResponseWriter, r *http.Request, asked identity.Asked) identity.Asked {
	browser, now := e.browser(r), e.o.Now()
	if asked.Counts(browser, now) {
		return asked
	}
	if browser == "" {
		browser = identity.NewRequestBrowser()
		http.SetCookie(w, &http.Cookie{ // of this visit alone: it lasts as long as the browser runs
			Name: identity.RequestCookieName(e.secure()), Value: browser, Path: "/", Secure: e.secure(), HttpOnly: true,
			SameSite: http.SameSiteLaxMode, // the way here from an app is a cross-site navigation
		})
	}
	return asked.In(browser, now)
}

// current tells who is signed in with this browser.
func (e *Endpoints) current(r *http.Request) (identity.Standing, error) {
	cookie, err := r.Cookie(identity.CookieName(e.secure()))
	if err != nil {
		return identity.Standing{}, nil
	}
	return e.o.SignIns.Current(r.Context(), cookie.Value)
}

// ways say of each step which page asks for it, and the error of prompt=none (OpenID Connect Core 1.0 §3.1.2.6).
var ways = map[identity.Step]struct {
	page     string // none: the app gets the error in any case
	silently error
}{
	identity.StepSignIn:    {"/signin", say(loginRequired, "The person must sign in.")},
	identity.StepOtherUser: {"", say(loginRequired, "Someone else signed in than id_token_hint names.")},
	identity.StepFactor:    {"/signin/totp", say(interactionRequired, "The person must show a second factor.")},
	identity.StepEnrol:     {"/account/totp", say(interactionRequired, "The person must set up a second factor.")},
	identity.StepConsent:   {"/consent", say(consentRequired, "The person must be asked for consent.")},
	identity.StepContinue:  {"/consent", say(interactionRequired, "The person must say that they opened the app (RFC 8252 section 8.6).")},
}

// signUpPage is where people make an account; from there they sign in, and come here again.
const signUpPage = "/signup"

var errDenied = say(accessDenied, "The person did not allow it.")

// missing returns the first step that a request still needs. The Grant is read only where it matters.
func (e *Endpoints) missing(ctx context.Context, a *authorization) (identity.Step, error) {
	a.demand.Stay = a.demand.OffersStay() && a.pressed(e, identity.ForStay, a.allowal)
	a.demand.Pressed = a.demand.Stay || a.pressed(e, identity.ForAllowal, a.allowal)
	step := a.demand.Missing(a.standing, e.o.Policy, identity.Grant{})
	// A client without a row is one that nobody agreed to yet, or whose row went since: the yes brings it.
	if step == identity.StepConsent && (!a.client.FromDocument() || a.client.Epoch != 0) {
		grant, err := e.store.GrantOf(ctx, a.standing.User.ID, a.client.ID)
		if err != nil {
			return step, err
		}
		step = a.demand.Missing(a.standing, e.o.Policy, grant)
		a.demand.Stay = a.demand.Stay || !a.demand.Pressed && a.demand.StaysBy(grant)
	}
	asks := step == identity.StepNone || step == identity.StepContinue
	if asks && a.denial != "" {
		step = identity.StepConsent // a link that says no never leads to a yes
	}
	return step, nil
}

// lead sends the browser to a page of ours, or here again, with the request sealed.
func (e *Endpoints) lead(w http.ResponseWriter, a *authorization, page string) error {
	next, err := e.o.Keys.AskedText(a.asked)
	if err != nil {
		return err
	}
	redirect(w, page+"?next="+next)
	return nil
}
