package templates

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

// Problem is the friendly error page. It never is a dead end: without Back it leads to /signin.
type Problem struct {
	Frame
	Cause Cause
	// Sentence says what happened and what to do. Empty: the catalogue's for Cause.
	Sentence string
	// Mistake is whether the person did something wrong. Mostly not, and then the page says so.
	Mistake bool
	// Back is the way on. An empty label says "Back to <app>".
	Back Link
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

// Interstitial has one button, for where a redirect needs a tap.
type Interstitial struct {
	Frame
	// URL is where the button leads: https, http, a path of ours or a private-use scheme.
	URL string
	// Sentence says why the tap is needed. Empty: the catalogue's.
	Sentence string
}

func (Interstitial) template() string { return "interstitial" }
