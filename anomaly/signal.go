package anomaly

import "github.com/sojourn-auth/sojourn/identity"

// Signal is what a rule looks at. Each says a number about a subject.
type Signal string

// The signals.
const (
	// Of many.
	LostAnswers    Signal = "lost_answers"         // of an app's version: the share of refreshes after which the answer was lost
	GuessedPeople  Signal = "guessed_people"       // of a network: people whose password was refused there, and who did not sign in there
	RefusedAll     Signal = "refused_passwords"    // of everywhere: how far the hour's refused passwords are off their normal
	ReusePeople    Signal = "reuse_people"         // of an app: people whose refresh token came back
	Registrations  Signal = "registrations"        // of a network: clients that registered themselves
	Registered     Signal = "registrations_of_all" // of everywhere: the same
	SignUps        Signal = "signups"              // of a network: accounts that people made themselves
	FailedDelivery Signal = "failed_deliveries"    // of a client or webhook: tries without an answer in a row
	ForcedSignIns  Signal = "forced_signins"       // of everywhere: how far the hour's sessions that ended unasked are off their normal
	// Of one person.
	NewCountry   Signal = "new_country"   // 1: they never signed in from there
	NewNetwork   Signal = "new_network"   // 1: they never signed in from that part of the internet
	Travel       Signal = "travel"        // km/h since the sign-in before
	Dormant      Signal = "dormant"       // days since anything of theirs was used
	FactorMisses Signal = "factor_misses" // wrong codes
	RecoveryActs Signal = "recovery_acts" // different things that whoever takes an account over does: docs/anomalies.md
	// Of one Session.
	Platform Signal = "platform" // 2: it changed its platform; 1: one of both is a script
)

// trait is what can be asked of a signal.
type trait struct {
	about   subjectKind
	signIn  bool // taken at a sign-in: facts of it may be asked for
	season  bool // compared with what is normal in that hour of the week
	history bool // facts about the network may be asked for
}

type subjectKind int

const (
	aboutMany subjectKind = iota
	aboutPerson
	aboutSession
)

var traits = map[Signal]trait{
	LostAnswers: {}, GuessedPeople: {}, ReusePeople: {}, Registrations: {}, Registered: {}, SignUps: {}, FailedDelivery: {},
	RefusedAll: {season: true}, ForcedSignIns: {season: true},
	NewCountry:   {about: aboutPerson, signIn: true, history: true},
	NewNetwork:   {about: aboutPerson, signIn: true, history: true},
	Travel:       {about: aboutPerson, signIn: true, history: true},
	Dormant:      {about: aboutPerson, signIn: true, history: true},
	FactorMisses: {about: aboutPerson, history: true},
	RecoveryActs: {about: aboutPerson, history: true},
	Platform:     {about: aboutSession},
}

// answers are those that a signal's rules may give.
func (t trait) answers() identity.Answers {
	switch t.about {
	case aboutPerson:
		return identity.AnswerTell | identity.AnswerAsk | identity.AnswerWebhook
	case aboutSession:
		return identity.AnswerTell | identity.AnswerAsk | identity.AnswerEnd | identity.AnswerWebhook
	case aboutMany:
	}
	return identity.AnswerWebhook
}

// Fact is something that must hold beside a rule's signal.
type Fact string

// The facts.
const (
	InNewBrowser Fact = "new_browser" // the browser is new to the person
	AtNewNetwork Fact = "new_network" // the part of the internet is
	AtNewCountry Fact = "new_country" // the country is
)
