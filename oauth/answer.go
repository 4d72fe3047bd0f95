package oauth

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/sojourn-auth/sojourn/identity"
)

// The response modes that there are: in the query of the redirect URI, which is the default for a code (OAuth 2.0 Multiple
// Response Type Encoding Practices §2.1), or by a form that the browser posts there (OAuth 2.0 Form Post Response Mode §2).
const (
	modeQuery    = "query"
	modeFormPost = "form_post"
)

// posts reports whether the answer reaches the app by a form. Browsers post forms to web addresses alone: on a device, where
// an app has claimed a scheme, there is nobody to take one.
func (a *authorization) posts() bool {
	return a.asked.Get("response_mode") == modeFormPost && identity.WebOrigin(a.back) != ""
}

// sendToApp is how every answer to an authorization request reaches the app, a code or an error.
func (e *Endpoints) sendToApp(w http.ResponseWriter, r *http.Request, a *authorization, answer url.Values) {
	answer = e.complete(a, answer)
	if a.posts() {
		e.o.Handover(w, r, Handover{Client: a.client, To: identity.WithoutAnswer(a.back), Answer: answer})
		return
	}
	redirect(w, a.backWith(answer))
}

// backWith is the way back with an answer in its query.
func (a *authorization) backWith(answer url.Values) string {
	return identity.AddQuery(identity.WithoutAnswer(a.back), answer)
}

// complete adds what every answer says: state comes back if it was sent, and iss says who answers (RFC 9207 §2).
func (e *Endpoints) complete(a *authorization, answer url.Values) url.Values {
	if state := a.asked.Get("state"); state != "" {
		answer.Set("state", state)
	}
	answer.Set("iss", e.o.Issuer)
	return answer
}

// redirect answers 303 (RFC 9700 §4.12: a 307 would post a password on to the app).
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// issueCode answers with a code.
func (e *Endpoints) issueCode(w http.ResponseWriter, r *http.Request, a *authorization) error {
	resp, err := e.engine.NewAuthorizeResponse(r.Context(), a.authorize, a)
	if err != nil {
		return inOurWords(err)
	}
	answer := resp.GetParameters()
	e.addSessionState(r, a, answer)
	e.sendToApp(w, r, a, answer)
	return nil
}

// sendBack tells the app about an error where that is safe, and the person otherwise (DESIGN §9, The way back).
func (e *Endpoints) sendBack(w http.ResponseWriter, r *http.Request, a *authorization, err error) {
	v := surface(atAuthorize).judge(err)
	e.note(r.Context(), v, err)
	answer := url.Values{"error": {v.Code}, "error_description": {v.Description}}
	if a.back != "" && e.mayReturn(r, a, v.Code) {
		e.sendToApp(w, r, a, answer)
		return
	}
	problem := Problem{
		Status: v.status, Title: "This sign-in cannot go on", Client: a.client,
		Msg:    "What the app asked us for is not right. Go back to the app and try again. If it happens again, only the people who make the app can help.",
		Detail: v.Description,
	}
	switch {
	case v.passing():
		w.Header().Set("Retry-After", identity.RetryAfter(v.wait))
		problem.Title, problem.Msg, problem.Detail = "That did not work just now", "Nothing was lost. Try again in a moment.", ""
		problem.BackURL, problem.BackLabel = e.again(a), "Try again"
	case a.posts():
		problem.BackURL, problem.Answer = identity.WithoutAnswer(a.back), e.complete(a, answer)
		problem.BackLabel = "Back to " + placeOf(a.back)
	case a.back != "":
		problem.BackURL = a.backWith(e.complete(a, answer))
		problem.BackLabel = "Back to " + placeOf(a.back)
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

// silenced are the errors of prompt=none (OpenID Connect Core 1.0 §3.1.2.6). They come of valid requests alone.
var silenced = []string{loginRequired.code, interactionRequired.code, consentRequired.code}

// mayReturn reports whether an error is sent to the app by itself. A client that registered itself may belong to anyone, so
// before the person has signed in it gets no redirect from us that could look like ours (RFC 9700 §4.11.2), except for what
// prompt=none answers to a valid request, where no person is looking.
func (e *Endpoints) mayReturn(r *http.Request, a *authorization, code string) bool {
	if !a.client.SelfRegistered || a.standing.SignedIn() || a.asked.Silent() && slices.Contains(silenced, code) {
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
