package oauth

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ory/fosite"

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
		err = e.lead(w, a, authorizePath)
	} else if err == nil {
		err = e.answer(w, r, a)
	}
	if err != nil {
		e.sendBack(w, r, a, err)
	}
}

var errAuthorizeMethod = &fosite.RFC6749Error{
	ErrorField: "invalid_request", CodeField: http.StatusMethodNotAllowed, DescriptionField: "Use GET or POST.",
}

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
	a := newAuthorization(params, e.o.Now())
	if params == nil {
		return a, twice
	}
	if len(params["client_id"]) > 1 || len(params["redirect_uri"]) > 1 {
		return a, twice // which one would be the way back?
	}
	if next := params.Get("next"); next != "" && r.Method == http.MethodGet {
		asked, err := e.o.Keys.ReadAsked(next)
		if err != nil {
			return a, say(fosite.ErrInvalidRequest, "This link was not made here, or is too old.")
		}
		a.asked = asked
	}
	if err := e.match(r.Context(), a); err != nil {
		return a, err
	}
	return a, twice
}

// answer decides what a request still needs, and leads there.
func (e *Endpoints) answer(w http.ResponseWriter, r *http.Request, a *authorization) (err error) {
	if err := e.examine(r.Context(), a); err != nil {
		return err
	}
	if a.standing, err = e.current(r); err != nil {
		return err
	}
	missing, err := e.missing(r.Context(), a)
	switch {
	case err != nil:
		return err
	case missing.page == "":
		return e.issueCode(w, r, a)
	case a.silent():
		return missing.silently
	default:
		return e.lead(w, a, missing.page)
	}
}

// current tells who is signed in with this browser.
func (e *Endpoints) current(r *http.Request) (identity.Standing, error) {
	cookie, err := r.Cookie(identity.CookieName(strings.HasPrefix(e.o.Issuer, "https:")))
	if err != nil {
		return identity.Standing{}, nil
	}
	return e.o.SignIns.Current(r.Context(), cookie.Value)
}

// step is what a request still needs: the page that asks for it, and the error of prompt=none
// (OpenID Connect Core 1.0 §3.1.2.6).
type step struct {
	page     string
	silently error
}

var (
	signIn  = step{"/signin", say(fosite.ErrLoginRequired, "The person must sign in.")}
	factor  = step{"/signin/totp", say(fosite.ErrInteractionRequired, "The person must show a second factor.")}
	enrol   = step{"/account/totp", say(fosite.ErrInteractionRequired, "The person must set up a second factor.")}
	consent = step{"/consent", say(fosite.ErrConsentRequired, "The person must be asked for consent.")}
)

var errOtherUser = say(fosite.ErrLoginRequired, "Someone else signed in than id_token_hint names.")

// missing returns the first step that a request still needs, or the zero step.
func (e *Endpoints) missing(ctx context.Context, a *authorization) (step, error) {
	s := a.standing
	switch {
	case !s.SignedIn() || e.stale(a):
		return signIn, nil
	case a.hint != "" && a.hint != s.User.Sub && a.provedSince():
		return step{}, errOtherUser // who has just signed in would only be asked again
	case a.hint != "" && a.hint != s.User.Sub:
		return signIn, nil
	case e.o.Policy.Asks(s.Enrolled, a.client) && !s.SignIn.AMR.Has(identity.MFA) && s.Enrolled:
		return factor, nil
	case e.o.Policy.Asks(s.Enrolled, a.client) && !s.SignIn.AMR.Has(identity.MFA):
		return enrol, nil
	}
	return e.consentStep(ctx, a)
}

// stale reports whether the sign-in is too old for prompt and max_age. A proof no older than the request satisfies both,
// or the sign-in page would come again and again (DESIGN §9, Freshness).
func (e *Endpoints) stale(a *authorization) bool {
	if a.provedSince() {
		return false
	}
	again := slices.Contains(a.prompts, "login") || slices.Contains(a.prompts, "select_account")
	return again || a.maxAge >= 0 && e.o.Now().Sub(a.standing.SignIn.ProvedAt) > a.maxAge || a.maxAge == 0
}

// provedSince reports whether the person signed in after the app had asked.
func (a *authorization) provedSince() bool { return !a.standing.SignIn.ProvedAt.Before(a.asked.At) }

// consentStep asks the Grant. The operator's own clients need none, unless they want the page (prompt=consent).
func (e *Endpoints) consentStep(ctx context.Context, a *authorization) (step, error) {
	if a.client.Trusted && !slices.Contains(a.prompts, "consent") {
		return step{}, nil
	}
	grant, err := e.store.GrantOf(ctx, a.standing.User.ID, a.client.ID)
	if err != nil || grant.Suffices(a.client, a.asked, a.scopes) {
		return step{}, err
	}
	return consent, nil
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

// redirect answers 303 (RFC 9700 §4.12: a 307 would post a password on to the app).
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// issueCode answers with a code.
func (e *Endpoints) issueCode(w http.ResponseWriter, r *http.Request, a *authorization) error {
	resp, err := e.provider.NewAuthorizeResponse(r.Context(), a.frame, a)
	if err != nil {
		return err
	}
	answer := resp.GetParameters()
	e.addSessionState(r, a, answer)
	redirect(w, e.wayBack(a, answer))
	return nil
}

// codeIssuer is our fosite.AuthorizeEndpointHandler: it seals the Session that will be into a code.
type codeIssuer struct{ e *Endpoints }

// HandleAuthorizeEndpointRequest adds the code to the answer.
func (h codeIssuer) HandleAuthorizeEndpointRequest(
	_ context.Context, req fosite.AuthorizeRequester, resp fosite.AuthorizeResponder,
) error {
	a, ok := req.GetSession().(*authorization)
	if !ok || !req.GetResponseTypes().ExactOne("code") {
		return nil
	}
	s := a.standing
	binding := identity.NewBinding(a.client.ID, a.asked.Get("redirect_uri"), a.challenge)
	binding.Key = a.key
	code, err := h.e.o.Keys.CodeText(identity.Promise{
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(),
		SignInID: s.SignIn.ID, SignInSecret: s.Pointer.CodeSecret,
		Binding: binding, AuthTime: s.SignIn.ProvedAt, IssuedAt: h.e.o.Now(), AMR: s.SignIn.AMR,
		Scopes: a.scopes, Resources: identity.ResourcesOf(a.asked.Params), Nonce: a.asked.Get("nonce"),
		Device: identity.DeviceFrom(a.asked.Get),
	})
	if err != nil {
		return err
	}
	resp.AddParameter("code", code)
	req.SetResponseTypeHandled("code")
	return nil
}

// wayBack is the app's redirect URI with an answer.
func (e *Endpoints) wayBack(a *authorization, answer url.Values) string {
	return a.asked.AnswerAt(a.back, e.o.Issuer, answer)
}

// sendBack tells the app about an error where that is safe, and the person otherwise (DESIGN §9, The way back).
func (e *Endpoints) sendBack(w http.ResponseWriter, r *http.Request, a *authorization, err error) {
	v := surface(atAuthorize).judge(err)
	e.note(r.Context(), v, err)
	answer := url.Values{"error": {v.Code}, "error_description": {v.Description}}
	if a.back != "" && e.mayReturn(r, a) {
		redirect(w, e.wayBack(a, answer))
		return
	}
	problem := identity.Problem{
		Status: v.status, Title: "This sign-in cannot go on", Client: a.client,
		Msg: v.Description + " Go back to the app and try again.",
	}
	switch {
	case v.passing():
		w.Header().Set("Retry-After", seconds(v.wait))
		problem.Title, problem.Msg = "That did not work just now", "Nothing was lost. Try again in a moment."
		problem.BackURL, problem.BackLabel = e.again(a), "Try again"
	case a.back != "":
		problem.BackURL, problem.BackLabel = e.wayBack(a, answer), "Back to "+placeOf(a.back)
	}
	e.o.Problem(w, r, problem)
}

// again is where the same request can be sent once more, or empty.
func (e *Endpoints) again(a *authorization) string {
	next, err := e.o.Keys.AskedText(a.asked)
	if err != nil {
		return ""
	}
	return authorizePath + "?next=" + next
}

// mayReturn reports whether an error is sent to the app by itself. A client that registered itself may belong to anyone, so
// before the person has signed in it gets no redirect from us that could look like ours (RFC 9700 §4.11.2), except for
// prompt=none, where no person is looking.
func (e *Endpoints) mayReturn(r *http.Request, a *authorization) bool {
	if !a.client.SelfRegistered || a.silent() || a.standing.SignedIn() {
		return true
	}
	standing, err := e.current(r)
	return err == nil && standing.SignedIn()
}

// placeOf names where a redirect URI leads, for people: its host, or the scheme that an app has claimed.
func placeOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "the app"
	}
	if u.Host != "" {
		return u.Host
	}
	return u.Scheme
}
