package templates

import (
	"maps"
	"net/url"
	"slices"
)

// SignIn asks for e-mail address and password (fields "username", "password", hidden "next").
type SignIn struct {
	Frame
	Form
	// Username is what was typed before, or the request's login_hint.
	Username string
	// Notice is a calm sentence above the form that is not a problem; see Say.
	Notice string
	// Person is who may go on without the form, by ContinueURL, which comes first then. Empty: it is left out.
	Person      string
	ContinueURL string
	// SignUpURL leads to SignUp. Empty: the link is left out.
	SignUpURL string
	// ForgotURL leads to Forgot. Empty: the link is left out.
	ForgotURL string
}

func (SignIn) template() string { return "signin" }

// Inputs are the page's fields. Whoever may go on without them is not led into them.
func (p SignIn) Inputs() inputs {
	in := p.arrange(usernameField(p.Username, "username webauthn"), currentPasswordField())
	if p.ContinueURL != "" {
		for i := range in.Fields {
			in.Fields[i].Focus = false
		}
	}
	return in
}

// SignUp makes an account (fields "username", "name", "password", hidden "next").
type SignUp struct {
	Frame
	Form
	Username string
	Name     string
	// MinPassword is the fewest characters a password may have. Zero: no hint.
	MinPassword int
	// SignInURL leads back to SignIn. Empty: the link is left out.
	SignInURL string
}

func (SignUp) template() string { return "signup" }

// Inputs are the page's fields.
func (p SignUp) Inputs() inputs {
	return p.arrange(usernameField(p.Username, "username"), nameField(p.Name), newPasswordField(p.MinPassword))
}

// Consent asks whether the app may have what it asked for
// (buttons name=consent value=allow|deny, hidden "next" and "binding").
type Consent struct {
	Frame
	Form
	Person
	// Binding ties the answer to cookie, user and request.
	Binding string
	// Scopes are scope names; their wording is the catalogue's.
	Scopes []string
	// Places are where else the app may act for the person, and what it may do there.
	Places []Place
	// ClientURL, PolicyURL and TermsURL are the client's own pages
	// (RFC 7591 §2: client_uri, policy_uri, tos_uri). What is not http(s) is left out.
	ClientURL, PolicyURL, TermsURL string
	// SelfRegistered is whether the app registered itself, so that its name proves nothing.
	SelfRegistered bool
	// PublishedBy is the host that the app's name and logo come from; empty: they were registered here.
	PublishedBy string
	// Posable is whether another app on the device could pose as this one.
	Posable bool
	// Stay is whether the person may let the app stay connected (a box called stay).
	Stay bool
}

func (Consent) template() string { return "consent" }

// Place is a resource server that an app may use for a person, in the words of who runs it: what it is called, and what the app
// may do there; nothing where it may only be there.
type Place struct {
	Name  string
	Words []string
}

// Continue asks whether it was the person who opened the app, where another could pose as it
// (buttons name=consent value=allow|deny, hidden "next" and "binding").
type Continue struct {
	Frame
	Form
	Person
	// Binding ties the answer to cookie, user and request.
	Binding string
	// Called is what the person is called, on the button.
	Called string
}

func (Continue) template() string { return "continue" }

// SignOut asks whether the person wants to be signed out. Its form posts to the page's own address.
type SignOut struct {
	Frame
	Form
	// Asker is the name of the app that asks. Empty: it is not known.
	Asker string
	// StayURL leads on without signing out.
	StayURL string
}

func (SignOut) template() string { return "signout" }

// SignedOut says that this browser is signed out.
type SignedOut struct {
	Frame
	SignInURL string
	// Back leads back to the app. Empty URL: the link is left out.
	Back Link
	// Host is where Back leads, for an app whose name proves nothing. Empty: it is not said.
	Host string
	// Onward is whether the page goes Back by itself, once Frames have loaded.
	Onward bool
	// Frames are the addresses of other apps that learn of it by being loaded.
	Frames []string
	// Stranded is whether a way back was asked for that is not registered.
	Stranded bool
	// Asker is the name of the app that asked. Empty: it is not known.
	Asker string
}

func (SignedOut) template() string { return "signedout" }

// Handover brings an answer to the app by a form, which goes by itself where scripts run.
type Handover struct {
	Frame
	// To is the app's redirect URI, on the web.
	To     string
	Answer []Parameter
}

func (Handover) template() string { return "handover" }

// Parameter is one hidden field of a form that leads to an app.
type Parameter struct{ Name, Value string }

// Answer puts what an app is answered into an order.
func Answer(values url.Values) (answer []Parameter) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		answer = append(answer, Parameter{Name: name, Value: values.Get(name)})
	}
	return answer
}

// Cause is why a page could not be shown; it chooses the words of Problem.
type Cause string

// What can go wrong, in the catalogue under "problem.".
const (
	// OurFault is a failure of ours, and the zero value.
	OurFault Cause = ""
	// BadRequest is a request of the app that we can't answer.
	BadRequest Cause = "request"
	// NothingHere is an address that leads nowhere.
	NothingHere Cause = "missing"
	// NotAllowed is something that this account may not do.
	NotAllowed Cause = "forbidden"
	// ForeignForm is a form that another site sent.
	ForeignForm Cause = "foreign"
	// TooManyTries is a wait that throttling asks for.
	TooManyTries Cause = "throttled"
	// Away is a server that can't work right now.
	Away Cause = "away"
)

// Problem is the friendly error page. It never is a dead end: without Back it leads to /signin, or, where an app asked for
// what cannot be, to the person's account.
type Problem struct {
	Frame
	Cause Cause
	// Sentence says what happened and what to do. Empty: the catalogue's for Cause.
	Sentence string
	// Detail is the same in the words of the protocol, for whoever builds the app. Empty: it is left out.
	Detail string
	// Mistake is whether the person did something wrong. Mostly not, and then the page says so.
	Mistake bool
	// Back is the way on. An empty label says "Back to <app>".
	Back Link
	// Answer is what a form posts there. Empty: Back is a link.
	Answer []Parameter
}

func (Problem) template() string { return "problem" }

// Key is where the catalogue has the words for Cause.
func (p Problem) Key() string {
	if p.Cause == OurFault {
		return "problem.ours"
	}
	return "problem." + string(p.Cause)
}

// Blameless is whether the page says that the person did nothing wrong.
func (p Problem) Blameless() bool { return !p.Mistake && p.Cause != TooManyTries }
