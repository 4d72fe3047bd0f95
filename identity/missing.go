package identity

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Step is what a person has yet to do before a request of theirs may go on.
type Step int

// The steps, in the order in which they are asked for.
const (
	StepNone      Step = iota // nothing is missing
	StepSignIn                // show who they are, for the first time or once more
	StepOtherUser             // none leads on: someone else has just signed in than the request means
	StepFactor                // show the second factor that they have
	StepEnrol                 // add a second factor
	StepConsent               // allow the client what it asks for
	StepContinue              // say that it is they who opened the app, since another could pose as it
)

// Steps are all of them, for tables.
var Steps = []Step{StepNone, StepSignIn, StepOtherUser, StepFactor, StepEnrol, StepConsent, StepContinue}

// Demand is what a request asks of the person behind a browser. Where it came from does not matter: an app's redirect, a
// device that shows a code, a page of the account.
type Demand struct {
	Client   Client    // for whom; zero asks for consent as a stranger would
	Redirect string    // where the answer goes
	Scopes   []string  // that the person must have allowed it
	Targets  Resources // where it may use them; empty: at this server alone
	Request  ID        // which request it is; zero: none of an app
	Again    bool      // ask for consent even where one is remembered or not needed (prompt=consent)
	Stay     bool      // the person chose on that page that the app stays connected
	Pressed  bool      // the person said yes on a page that was shown for this request
	Posable  bool      // somebody else could pose as the client (RFC 8252 §8.6): a yes for this request is needed
	Anew     bool      // no sign-in does but one for this request
	Since    time.Time // an older sign-in does not do. Zero: any does
	Here     time.Time // an older sign-in does not do even where it was for this request; never later than Since
	Sub      string    // who must sign in, as the client knows them; empty: anyone
	Subjects Subjects  // what clients know people by
	Factors  bool      // whoever has a second factor shows it, whatever the policy
	MFA      bool      // everyone shows one, whatever the policy
	ACRs     []string  // of which one must be met (OpenID Connect Core 1.0 §5.5.1.1); empty: any
}

// Missing returns the first step that the person of s has yet to take: the one rule for authorize, the consent page and
// the account. It ends: a proof that was shown for the request satisfies its age, or pages would come again and again
// (DESIGN §9, Freshness), and so does a yes. The Grant matters only to StepConsent and what comes after it: without one
// at hand, ask with the zero Grant first.
func (d Demand) Missing(s Standing, policy MFAPolicy, grant Grant) Step {
	asked := policy.Asks(s.Enrolled(), d.Client) || d.Factors && s.Enrolled() || d.MFA
	switch {
	case !d.proved(s):
		return StepSignIn
	case d.meansOther(s.User) && s.ProvedFor(d.Request):
		return StepOtherUser // who has just signed in would only be asked again
	case d.meansOther(s.User):
		return StepSignIn
	case asked && !s.SignIn.AMR.Has(MFA) && s.Enrolled():
		return StepFactor
	case asked && !s.SignIn.AMR.Has(MFA):
		return StepEnrol
	case (!d.Client.Trusted || d.Again) && !grant.Suffices(d, s.User.Epoch):
		return StepConsent
	case d.Posable && !d.Pressed:
		return StepContinue
	}
	return StepNone
}

// meansOther reports whether the request names somebody else. A client's own subject alone names a person: one of another
// client would tell it who is the same.
func (d Demand) meansOther(u User) bool { return d.Sub != "" && d.Sub != d.Subjects.Of(d.Client, u) }

// proved reports whether the sign-in is as fresh as it must be.
func (d Demand) proved(s Standing) bool {
	if s.ProvedFor(d.Request) {
		return !s.SignIn.ProvedAt.Before(d.Here)
	}
	return s.SignedIn() && !d.Anew && !s.SignIn.ProvedAt.Before(d.Since)
}

// ProvedFor reports whether somebody is signed in who showed their password for that request of an app.
func (s Standing) ProvedFor(request ID) bool {
	return s.SignedIn() && request != ID{} && s.SignIn.ProvedFor == request
}

// ProvedSince reports whether somebody is signed in who showed their password at that time or later.
func (s Standing) ProvedSince(at time.Time) bool {
	return s.SignedIn() && !s.SignIn.ProvedAt.Before(at)
}

// FreshFor is how old a proof may be for a change of what opens the account (step-up), and how long the pages may take
// that follow on one that an app wants to be fresh.
const FreshFor = 10 * time.Minute

// StepUp returns what the person has yet to do for a change of what opens their account: to have proved within the last
// ten minutes who they are, with every factor that they have.
func (s Standing) StepUp(now time.Time) Step {
	own := Client{Trusted: true}
	return Demand{Client: own, Since: now.Add(-FreshFor), Factors: true}.Missing(s, MFAOff, Grant{})
}

// Prompts are the values of prompt. There is one account per browser, so selecting one means signing in.
var Prompts = []string{"none", "login", "consent", "select_account", PromptCreate}

// PromptCreate asks for a new account (Initiating User Registration via OpenID Connect 1.0 §4): whoever is signed in already
// is another person.
const PromptCreate = "create"

// Creates reports whether the app wants the person to make an account.
func (a Asked) Creates() bool { return slices.Contains(a.prompts(), PromptCreate) }

// maxAgeDigits keeps max_age far from the end of time.Duration: 31 years.
const maxAgeDigits = 9

func (a Asked) prompts() []string { return strings.Fields(a.Get("prompt")) }

// Silent reports whether no page may be shown (prompt=none).
func (a Asked) Silent() bool { return slices.Contains(a.prompts(), "none") }

// Demand reads what a request of client c asks of the person (OpenID Connect Core 1.0 §3.1.2.1), but for the hint, whose
// token others know to verify. It refuses a prompt or max_age that is none; a resource that c may not ask for it leaves out.
func (a Asked) Demand(c Client, all Resources, now time.Time) (Demand, error) {
	to, targets := a.RedirectURI(c), all.targets(c, a.Params)
	c.RequireMFA = c.RequireMFA || slices.ContainsFunc(targets, func(r Resource) bool { return r.RequireMFA })
	d := Demand{
		Client: c, Redirect: to, Scopes: a.ScopesFor(c, targets), Targets: targets, Request: a.ID, Posable: c.PosableAt(to),
	}
	prompts := a.prompts()
	for _, p := range prompts {
		if !slices.Contains(Prompts, p) {
			return d, Refuse(Invalid, "prompt must be one or more of "+strings.Join(Prompts, ", ")+".")
		}
	}
	if a.Silent() && len(prompts) > 1 {
		return d, Refuse(Invalid, "prompt=none goes with no other value.")
	}
	age, bounded, err := a.maxAge(c)
	if err != nil {
		return d, err
	}
	d.Anew = slices.Contains(prompts, "login") || slices.Contains(prompts, "select_account") || a.Creates() || bounded && age == 0
	if bounded { // by the clock, but for the pages that follow on a sign-in for this very request
		d.Since, d.Here = now.Add(-age), now.Add(-max(age, FreshFor))
	}
	d.Again = slices.Contains(prompts, "consent")
	return d, d.read(a.Get("claims"))
}

// read adds what the claims parameter demands. Levels are in order: whoever wants no more than pwd is content with mfa.
func (d *Demand) read(claims string) error {
	asked, err := ReadClaims(claims)
	if err != nil {
		return err
	}
	d.Sub, d.ACRs = asked.Sub(), asked.ACRs()
	d.MFA = HasScope(d.ACRs, "mfa") && !HasScope(d.ACRs, "pwd")
	d.Scopes = SplitScope(strings.Join(append(d.Scopes, asked.Scopes(d.Client)...), " "))
	return nil
}

// Meets reports whether anything that this policy has people do meets the level that is essential.
func (d Demand) Meets(policy MFAPolicy) bool {
	values := policy.ACRValues()
	return len(d.ACRs) == 0 || slices.ContainsFunc(values, func(v string) bool {
		return HasScope(d.ACRs, v) || v == "mfa" && HasScope(d.ACRs, "pwd")
	})
}

// maxAge is how old a sign-in may be, if the request or else the client says so.
func (a Asked) maxAge(c Client) (age time.Duration, bounded bool, err error) {
	text := a.Get("max_age")
	if text == "" && c.DefaultMaxAge != nil {
		return time.Duration(*c.DefaultMaxAge) * time.Second, true, nil
	}
	if text == "" {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || len(text) > maxAgeDigits {
		return 0, false, Refuse(Invalid, "max_age must be a number of seconds.")
	}
	return time.Duration(n) * time.Second, true, nil
}
