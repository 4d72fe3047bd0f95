package identity_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// asked is when the requests of these tests were first asked.
var asked = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// request is which one they all are.
var request = identity.NewID()

const bothFactors = identity.PWD | identity.OTP | identity.MFA

// proved is someone with this sub who showed their password at a time, by these methods.
func proved(sub string, at time.Time, amr identity.AMR, enrolled bool) identity.Standing {
	signIn := identity.SignIn{ID: identity.NewID(), ProvedAt: at, AMR: amr}
	standing := identity.Standing{SignIn: signIn, User: identity.User{Sub: sub}}
	if enrolled {
		standing.Factors = []identity.Factor{identity.TOTP}
	}
	return standing
}

// anew is the same person after they signed in for the request.
func anew(s identity.Standing) identity.Standing {
	s.SignIn.ProvedFor = request
	return s
}

// want is what a request asks, in its parameters, and who it means.
type want struct {
	prompt, maxAge, scope, sub, to string
	client                         identity.Client
}

func (w want) demand(t *testing.T, now time.Time) identity.Demand {
	t.Helper()
	sent := identity.Asked{ID: request, At: asked, Params: map[string][]string{
		"prompt": {w.prompt}, "max_age": {w.maxAge}, "scope": {w.scope}, "redirect_uri": {w.to},
	}}
	d, err := sent.Demand(w.client, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	d.Sub = w.sub
	return d
}

// Who asks, and who is there.
const optional, required, off = identity.MFAOptional, identity.MFARequired, identity.MFAOff

var (
	own         = identity.Client{Trusted: true}
	app, strict = identity.Client{Metadata: identity.Metadata{Scope: "openid files"}}, identity.Client{Trusted: true, Metadata: identity.Metadata{RequireMFA: true}}
	week        = 7 * 24 * 3600
	impatient   = identity.Client{Trusted: true, Metadata: identity.Metadata{DefaultMaxAge: &week}}
	stranger    = identity.Client{SelfRegistered: true, Metadata: identity.Metadata{
		AuthMethod: "none", RedirectURIs: []string{"com.example:/cb"},
	}}
	nobody           = identity.Standing{}
	before, since    = asked.Add(-time.Hour), asked.Add(time.Minute)
	ada              = proved("ada", before, identity.PWD, false)
	again, elsewhere = anew(proved("ada", since, identity.PWD, false)), proved("ada", since, identity.PWD, false)
	careful, shown   = proved("ada", before, identity.PWD, true), proved("ada", before, bothFactors, true)
	eve, eveAnew     = proved("eve", before, identity.PWD, false), anew(proved("eve", since, identity.PWD, false))
	changed          = func(s identity.Standing) identity.Standing { s.User.Epoch = 1; return s }(ada)
	phone            = identity.Client{Trusted: true, Metadata: identity.Metadata{AuthMethod: "none"}}
	app2, vouched    = identity.Client{Metadata: phone.Metadata}, identity.Client{Trusted: true, TrustedNative: true, Metadata: phone.Metadata}
	none             = identity.Grant{}
	old              = identity.Grant{Scopes: []string{"openid", "email"}, UpdatedAt: before}
	given            = identity.Grant{Scopes: []string{"openid", "email"}, UpdatedAt: since}
)

// The request was asked at noon, and is judged five minutes later.
func TestMissing_isTheFirstStepThatAPersonHasYetToTake(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct {
		want   want
		who    identity.Standing
		policy identity.MFAPolicy
		grant  identity.Grant
		step   identity.Step
	}{
		"nobody signs in":                                          {want{client: own}, nobody, optional, none, identity.StepSignIn},
		"who is signed in goes on":                                 {want{client: own}, ada, optional, none, identity.StepNone},
		"prompt=login asks who signed in before":                   {want{client: own, prompt: "login"}, ada, optional, none, identity.StepSignIn},
		"prompt=login asks no one twice":                           {want{client: own, prompt: "login"}, again, optional, none, identity.StepNone},
		"prompt=login is not answered by a sign-in for another":    {want{client: own, prompt: "login"}, elsewhere, optional, none, identity.StepSignIn},
		"nor is max_age=0":                                         {want{client: own, maxAge: "0"}, elsewhere, optional, none, identity.StepSignIn},
		"nor max_age=1, by the clock":                              {want{client: own, maxAge: "1"}, elsewhere, optional, none, identity.StepSignIn},
		"who signed in for another goes on where any sign-in does": {want{client: own}, elsewhere, optional, none, identity.StepNone},
		"select_account is a sign-in":                              {want{client: own, prompt: "select_account"}, ada, optional, none, identity.StepSignIn},
		"prompt=none asks for no more than none":                   {want{client: own, prompt: "none"}, ada, optional, none, identity.StepNone},
		"max_age=0 asks who signed in before":                      {want{client: own, maxAge: "0"}, ada, optional, none, identity.StepSignIn},
		"max_age=0 asks no one twice":                              {want{client: own, maxAge: "0"}, again, optional, none, identity.StepNone},
		"max_age=1 lets the page stay open for minutes":            {want{client: own, maxAge: "1"}, again, optional, none, identity.StepNone},
		"a sign-in as old as max_age will do":                      {want{client: own, maxAge: "3900"}, ada, optional, none, identity.StepNone},
		"an older one won't":                                       {want{client: own, maxAge: "3899"}, ada, optional, none, identity.StepSignIn},
		"prompt=login wins over a long max_age":                    {want{client: own, maxAge: "999999", prompt: "login"}, ada, optional, none, identity.StepSignIn},
		"the client's own max_age counts where none is sent":       {want{client: impatient}, proved("ada", asked.Add(-8*24*time.Hour), identity.PWD, false), optional, none, identity.StepSignIn},
		"a max_age that is sent wins over the client's":            {want{client: impatient, maxAge: "999999"}, proved("ada", asked.Add(-8*24*time.Hour), identity.PWD, false), optional, none, identity.StepNone},
		"the hint names who it is":                                 {want{client: own, sub: "ada"}, ada, optional, none, identity.StepNone},
		"the hint names someone else, who may sign in":             {want{client: own, sub: "ada"}, eve, optional, none, identity.StepSignIn},
		"someone else signed in than the hint names":               {want{client: own, sub: "ada"}, eveAnew, optional, none, identity.StepOtherUser},
		"someone else did so after prompt=login":                   {want{client: own, sub: "ada", prompt: "login"}, eveAnew, optional, none, identity.StepOtherUser},
		"who has a second factor shows it":                         {want{client: own}, careful, optional, none, identity.StepFactor},
		"who has shown it goes on":                                 {want{client: own}, shown, optional, none, identity.StepNone},
		"where factors are off it is not asked for":                {want{client: strict}, careful, off, none, identity.StepNone},
		"a strict client makes people add one":                     {want{client: strict}, ada, optional, none, identity.StepEnrol},
		"a strict server makes people add one":                     {want{client: own}, ada, required, none, identity.StepEnrol},
		"a strict server asks who has one for it":                  {want{client: own}, careful, required, none, identity.StepFactor},
		"a sign-in comes before the factor":                        {want{client: strict, prompt: "login"}, careful, required, none, identity.StepSignIn},
		"an app needs consent":                                     {want{client: app, scope: "openid"}, ada, optional, none, identity.StepConsent},
		"an app that asks for nothing needs consent too":           {want{client: app}, ada, optional, none, identity.StepConsent},
		"consent comes after the factor":                           {want{client: app, scope: "openid"}, careful, optional, none, identity.StepFactor},
		"consent is remembered":                                    {want{client: app, scope: "openid"}, ada, optional, old, identity.StepNone},
		"for what was allowed, and no more":                        {want{client: app, scope: "openid files"}, ada, optional, old, identity.StepConsent},
		"prompt=consent asks again":                                {want{client: app, scope: "openid", prompt: "consent"}, ada, optional, old, identity.StepConsent},
		"prompt=consent asks no one twice":                         {want{client: app, scope: "openid", prompt: "consent"}, ada, optional, given, identity.StepNone},
		"prompt=consent is asked for the operator's own app too":   {want{client: own, scope: "openid", prompt: "consent"}, ada, optional, none, identity.StepConsent},
		"who opened an app that others could pose as says so":      {want{client: phone, to: "com.example:/cb"}, ada, optional, none, identity.StepContinue},
		"on loopback too":                                          {want{client: phone, to: "http://127.0.0.1:9/cb"}, ada, optional, none, identity.StepContinue},
		"also where consent is remembered":                         {want{client: app2, scope: "openid", to: "com.example:/cb"}, ada, optional, old, identity.StepContinue},
		"and once is enough":                                       {want{client: app2, scope: "openid", to: "com.example:/cb"}, ada, optional, given, identity.StepNone},
		"consent says it already":                                  {want{client: app2, scope: "openid email", to: "com.example:/cb"}, ada, optional, given, identity.StepNone},
		"nobody poses as who has the host":                         {want{client: phone, to: "https://example.com/cb"}, ada, optional, none, identity.StepNone},
		"nor as who proves itself":                                 {want{client: own, to: "http://127.0.0.1:9/cb"}, ada, optional, none, identity.StepNone},
		"the operator may vouch for an app":                        {want{client: vouched, to: "com.example:/cb"}, ada, optional, none, identity.StepNone},
		"what was allowed under other credentials is asked again":  {want{client: app, scope: "openid"}, changed, optional, old, identity.StepConsent},
		"what anyone can pose as is never remembered":              {want{client: stranger, scope: "openid"}, ada, optional, old, identity.StepConsent},
		"but asks no one twice":                                    {want{client: stranger, scope: "openid"}, ada, optional, given, identity.StepNone},
	} {
		d := c.want.demand(t, asked.Add(5*time.Minute))
		c.grant.Shown, d.Pressed = d.Shown(), c.grant.UpdatedAt.Equal(since)
		if got := d.Missing(c.who, c.policy, c.grant); got != c.step {
			t.Errorf("%s: step %v, want %v", sentence, got, c.step)
		}
	}
}

// anyOf returns one of its arguments.
func anyOf[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// wander makes a request, a client, a policy and a person up.
func wander(r *rand.Rand) (want, identity.Standing, identity.MFAPolicy) {
	age := anyOf(r, -1, 0, 1, 600)
	c := identity.Client{Trusted: anyOf(r, true, false), SelfRegistered: anyOf(r, true, false), Metadata: identity.Metadata{
		AuthMethod: anyOf(r, "none", ""), RequireMFA: anyOf(r, true, false), RedirectURIs: []string{anyOf(r, "https://a.example/", "a.b:/")},
	}}
	if age >= 0 {
		c.DefaultMaxAge = &age
	}
	w := want{
		prompt: anyOf(r, "", "none", "login", "consent", "select_account", "login consent", "consent select_account"),
		maxAge: anyOf(r, "", "0", "1", "600", "999999999"), scope: anyOf(r, "", "openid", "openid email"), sub: anyOf(r, "", "ada"), client: c,
		to: c.RedirectURIs[0],
	}
	who := anyOf(r, identity.Standing{}, proved("ada", asked.Add(-time.Duration(r.IntN(4000))*time.Second), anyOf(r, identity.PWD, bothFactors), anyOf(r, true, false)))
	return w, who, anyOf(r, identity.MFAOff, identity.MFAOptional, identity.MFARequired)
}

// Whoever does what is missing signs in at most once, takes each step once after that, and is then asked for nothing. The
// pages may take ten minutes together.
func TestMissing_neverAsksForTheSameStepTwice(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 0))
		w, who, policy := wander(r)
		var grant identity.Grant
		var taken []identity.Step
		pressed := false
		for now := asked; ; now = now.Add(time.Duration(r.IntN(200)) * time.Second) { // each page stays open for a while
			d := w.demand(t, now)
			d.Pressed = pressed
			step := d.Missing(who, policy, grant)
			if step == identity.StepNone {
				break
			}
			if slices.Contains(taken, step) {
				t.Fatalf("seed %d: %+v asks for %v after %v", seed, w, step, taken)
			}
			taken = append(taken, step)
			switch step {
			case identity.StepSignIn:
				who, taken = anew(proved("ada", now, identity.PWD, who.Enrolled())), taken[len(taken)-1:] // max_age was over before
			case identity.StepFactor, identity.StepEnrol:
				who.SignIn.AMR, who.Factors = bothFactors, []identity.Factor{identity.TOTP}
			case identity.StepConsent:
				grant, pressed = identity.Grant{Scopes: identity.SplitScope(w.scope), UpdatedAt: now, Shown: d.Shown()}, true
			case identity.StepContinue:
				pressed = true
			default:
				t.Fatalf("seed %d: %+v ends with %v, though ada signs in as ada", seed, w, step)
			}
		}
	}
}

func TestDemand_refusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, params := range []map[string][]string{
		{"prompt": {"creates"}},
		{"prompt": {"none login"}},
		{"prompt": {"none none"}},
		{"max_age": {"soon"}},
		{"max_age": {"-1"}},
		{"max_age": {"99999999999"}},
		{"max_age": {"0000000001"}},
	} {
		if _, err := (identity.Asked{Params: params}).Demand(identity.Client{}, nil, asked); identity.KindOf(err) != identity.Invalid {
			t.Errorf("%v: %v", params, err)
		}
	}
}

// DESIGN law 12: a no is worth nothing for anyone or anything else, and later.
func TestDenial_isOfOnePersonInOneBrowserForOneRequestForAMinute(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		ada, other := w.standing(w.signIn()), w.standing(w.signIn())
		now := w.clock.now()
		denial := w.keys.PressText(identity.Press{Button: identity.ForDenial, By: ada, Next: "request"}, now)
		eve, again := ada, ada
		eve.User.ID, again.SignIn.SecretHash = identity.NewID(), identity.NewSecret().Hash()
		for what, c := range map[string]struct {
			denial string
			who    identity.Standing
			next   string
			after  time.Duration
			want   bool
		}{
			"just pressed":           {denial, ada, "request", 0, true},
			"after nearly a minute":  {denial, ada, "request", time.Minute - time.Microsecond, true},
			"after a minute":         {denial, ada, "request", time.Minute, false},
			"another request":        {denial, ada, "another", 0, false},
			"another browser":        {denial, other, "request", 0, false},
			"another person":         {denial, eve, "request", 0, false},
			"another sign-in there":  {denial, again, "request", 0, false},
			"nobody":                 {denial, identity.Standing{}, "request", 0, false},
			"none":                   {"", ada, "request", 0, false},
			"altered":                {denial[1:], ada, "request", 0, false},
			"the page's own binding": {w.keys.ConsentBinding(identity.Question{To: ada, Next: "request"}), ada, "request", 0, false},
		} {
			press := identity.Press{Button: identity.ForDenial, By: c.who, Next: c.next}
			if got := w.keys.Pressed(c.denial, press, now.Add(c.after)); got != c.want {
				t.Errorf("%s: %v", what, got)
			}
			if press.Button = identity.ForAllowal; w.keys.Pressed(c.denial, press, now) {
				t.Errorf("%s: a no is a yes", what)
			}
		}
		if w.keys.BoundTo(denial, identity.Question{To: ada, Next: "request"}) {
			t.Error("a no counts as the page's binding")
		}
	})
}
