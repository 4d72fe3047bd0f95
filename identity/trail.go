package identity

import (
	"context"
	"net/netip"
	"strings"
	"time"
)

// Trail is what is learnt about one request on its way, for the one line that is logged at its end and for what is counted.
// Only ids and names of ours go into it.
type Trail struct {
	ClientID  string
	UserID    ID
	SessionID ID
	Actor     string // the operator who acts
	Refusal   string // the error that was answered, or empty

	SelfRegistered bool             // the client is a stranger's
	Grant          string           // a request for tokens: one of GrantTypes; empty: it was none, or of no such kind
	Registering    RegistrationWord // what came of registering a client; empty: nobody asked
	Began          bool             // a Session began
	Refresh        RefreshOutcome   // what came of a refresh; empty: it was none
	Over           string           // why a refresh found its Session over: an EndCause, or one of the words below; empty: nobody knows

	Subject Subject // whom the request is counted of
	Ticks   []Tick  // what is counted of it beside
}

// Tick is one thing that is counted of a request.
type Tick struct {
	Measure Measure
	Label   string
}

// Tick counts something of the request.
func (t *Trail) Tick(m Measure, label string) { t.Ticks = append(t.Ticks, Tick{m, label}) }

// used counts how long a Session that was just used had rested.
func (t *Trail) used(row Session, h Holder) {
	t.Subject = SubjectOf(h.Client, row)
	if !row.UsedBeforeAt.IsZero() {
		t.Tick(MeasureRefreshAge, onScale(row.LastUsedAt.Sub(row.UsedBeforeAt)))
	}
}

// step counts that somebody who signs in has passed one step of FunnelSteps and reached another, so long after the request.
func (t *Trail) step(passed, reached string, after time.Duration) {
	if passed != "" {
		t.Tick(MeasurePassed, passed+"/"+onScale(after))
	}
	t.Tick(MeasureReached, reached+"/"+onScale(after))
}

// Why a Session that did not end is of no use any more, beside the causes of endings.
const (
	OverFactor   = "factor_needed" // it began without the second factor that is asked for now
	OverResource = "resource_lost" // its client may not reach any more what it was granted
)

// Requested notes which client a request is about.
func (t *Trail) Requested(c Client) { t.ClientID, t.SelfRegistered = c.ID, c.SelfRegistered }

// RegistrationWord is what came of a registration, as it is counted.
type RegistrationWord string

// The words.
const (
	RegistrationMade    RegistrationWord = "registered"
	RegistrationRefused RegistrationWord = "refused"
	RegistrationFailed  RegistrationWord = "unavailable"
)

// RegistrationWords are all of them.
var RegistrationWords = []RegistrationWord{RegistrationMade, RegistrationRefused, RegistrationFailed}

// RefreshOutcome is what came of a request to refresh, as it is counted (DESIGN §6).
type RefreshOutcome string

// The outcomes. Those of a Move have its place.
const (
	Rotated    RefreshOutcome = "rotated"
	Forked     RefreshOutcome = "forked"
	SameGiven  RefreshOutcome = "same_again"
	RolledOn   RefreshOutcome = "rolled_forward"
	Kept       RefreshOutcome = "kept"
	Reused     RefreshOutcome = "reuse"       // and so the Session ended
	Refused    RefreshOutcome = "refused"     // whatever else was wrong
	Unanswered RefreshOutcome = "unavailable" // the database did not answer: nothing was decided
)

// RefreshOutcomes are all of them.
var RefreshOutcomes = []RefreshOutcome{Rotated, Forked, SameGiven, RolledOn, Kept, Reused, Refused, Unanswered}

type trailKey struct{}

// WithTrail returns a context in which the surfaces find the trail that is returned with it.
func WithTrail(ctx context.Context) (context.Context, *Trail) {
	t := &Trail{}
	return context.WithValue(ctx, trailKey{}, t), t
}

// TrailOf returns the trail of a request, never nil: without one it is written for nobody.
func TrailOf(ctx context.Context) *Trail {
	if t, ok := ctx.Value(trailKey{}).(*Trail); ok {
		return t
	}
	return &Trail{}
}

// maxActor is how many bytes are kept of an operator's name.
const maxActor = MaxDevice

// Actor names who of the operators acts and from where: cli:ada, api:deploy. What cannot be shown of the name is left out.
func Actor(from, name string) string { return from + ":" + cleanFact(name) }

type actorKey struct{}

// WithActor returns a context whose Events name who of the operators acts, like cli:ada.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorOf returns who acts; empty: the person, their app or the server itself.
func ActorOf(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

type browserKey struct{}

// WithBrowser returns a context whose Events name the browser that a request came from.
func WithBrowser(ctx context.Context, s Seen) context.Context {
	return context.WithValue(ctx, browserKey{}, s.Browser())
}

// BrowserOf returns in a few words which browser a request came from; empty: nobody knows, or it was an operator's.
func BrowserOf(ctx context.Context) string {
	if ActorOf(ctx) != "" {
		return ""
	}
	browser, _ := ctx.Value(browserKey{}).(string)
	return browser
}

// Live is what an access token's Session looks like at the moment it is asked about: read in one statement.
type Live struct {
	Session Session
	User    User
	Denied  bool // this very access token was revoked (RFC 7009)
}

// Held names an access token of a Session: what LiveSessions asks about.
type Held struct {
	SessionID ID
	JTI       string
}

// Seen is where a request came from. Both parts are untrusted.
type Seen struct {
	Address   string // IP address without port
	UserAgent string // at most 256 bytes
	Platform  string // Sec-CH-UA-Platform, where the program said it (W3C User-Agent Client Hints); at most 32 bytes
}

// On returns where a request came from, with the platform that its Sec-CH-UA-Platform names.
func (s Seen) On(platform string) Seen {
	s.Platform = cut(platform, 32)
	return s
}

// Family is the family of platforms that the request says it came from. The hint is the better word: a User-Agent may be frozen.
func (s Seen) Family() Family {
	if f := FamilyOf(s.Platform); f != FamilyUnknown {
		return f
	}
	return FamilyOf(s.UserAgent)
}

const maxUserAgent = 256

// SeenFrom reads a request's remote address ("host:port") and User-Agent header.
func SeenFrom(remoteAddr, userAgent string) Seen {
	address := ""
	if ap, err := netip.ParseAddrPort(remoteAddr); err == nil {
		address = ap.Addr().Unmap().WithZone("").String()
	}
	if len(userAgent) > maxUserAgent {
		userAgent = userAgent[:maxUserAgent]
	}
	// PostgreSQL's text takes neither NUL nor broken UTF-8.
	userAgent = strings.ReplaceAll(strings.ToValidUTF8(userAgent, ""), "\x00", "")
	return Seen{Address: address, UserAgent: userAgent}
}

// sign is a part of a User-Agent, and what it tells.
type sign struct{ part, name string }

// The first that is found counts: newer browsers name older ones too.
var (
	platforms = []sign{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"okhttp", "Android"},
		{"CrOS", "ChromeOS"},
		{"Windows", "Windows"},
		{"Macintosh", "Mac"},
		{"Linux", "Linux"},
	}
	browsers = []sign{
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser", "Samsung Internet"},
		{"Firefox", "Firefox"},
		{"FxiOS", "Firefox"},
		{"CriOS", "Chrome"},
		{"Chrome", "Chrome"},
		{"Safari", "Safari"},
	}
)

// ReadUserAgent guesses which browser a User-Agent is of and on which platform, each empty where none is known. It is a rough
// guess, for people to recognise what they use: nothing is decided by it. What it returns are names of ours.
func ReadUserAgent(userAgent string) (browser, platform string) {
	find := func(signs []sign) string {
		for _, s := range signs {
			if strings.Contains(userAgent, s.part) {
				return s.name
			}
		}
		return ""
	}
	return find(browsers), find(platforms)
}

// Browser is the browser in a few words, like "Chrome on Android", or nothing.
func (s Seen) Browser() string {
	browser, platform := ReadUserAgent(s.UserAgent)
	if browser == "" || platform == "" {
		return browser + platform
	}
	return browser + " on " + platform
}
