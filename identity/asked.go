package identity

import (
	"encoding/binary"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const (
	askedPrefix = "sj_rq_"
	// PushedPrefix begins the request_uri of a pushed request (RFC 9126 §2.2).
	PushedPrefix = "urn:ietf:params:oauth:request_uri:"
	askedLen     = 8 + 16 + 16
	// MaxAsked bounds an authorization request in bytes, so that it fits in a URL once sealed.
	MaxAsked = 6 * 1024
	// AskedFor is how long a request may be on its way through the pages.
	AskedFor = time.Hour
)

// Asked is an authorization request on its way through the pages: what was asked, when, and in which browser. It says
// nothing of what was proved; that is in the SignIn behind the cookie (DESIGN law 6). It counts in its own browser and for
// an hour. Anywhere else, and later, it still says what was asked, and is asked anew: a sealed request that somebody kept
// gains nothing over one that was just made (DESIGN law 12).
type Asked struct {
	ID      ID       // which a proof was shown for; another one each time it is asked anew
	Browser [16]byte // hash of the cookie of its browser; zero while it has none
	Params  url.Values
	At      time.Time
	Reached int // how many of FunnelSteps it has come to; 0: nobody has counted it
}

// NewAsked is a request that has just been asked, and has no browser yet.
func NewAsked(params url.Values, now time.Time) Asked {
	return Asked{ID: NewID(), Params: params, At: now}
}

// In is the same request, asked just now in the browser with that cookie.
func (a Asked) In(browser string, now time.Time) Asked {
	reached := a.Reached
	a = NewAsked(a.Params, now)
	a.Browser, a.Reached = hash16(browser), reached
	return a
}

// funnelOf says how many of FunnelSteps a request has come to that waits for a step of its person.
var funnelOf = map[Step]int{StepSignIn: 2, StepOtherUser: 2, StepFactor: 3, StepEnrol: 3, StepConsent: 4, StepContinue: 4, StepNone: 5}

// Onward is the request on its way to a step, which is counted where it is further than it has been: whoever goes back, or opens
// a page twice, is counted once.
func (a Asked) Onward(trail *Trail, to Step, now time.Time) Asked {
	after := now.Sub(a.At)
	if a.Reached == 0 {
		trail.step("", FunnelSteps[0], 0)
		a.Reached = 1
	}
	if at := funnelOf[to]; at > a.Reached {
		trail.step(FunnelSteps[a.Reached-1], FunnelSteps[at-1], after)
		a.Reached = at
	}
	return a
}

// reachedParam is where a sealed request says how far it has come, beside its own parameters. An app that sends it says nothing.
const reachedParam = "sojourn_reached"

// Counts reports whether the request was asked in the browser with that cookie, and within the hour.
func (a Asked) Counts(browser string, now time.Time) bool {
	return browser != "" && same16(a.Browser, hash16(browser)) && now.Sub(a.At) < AskedFor
}

// NewRequestBrowser returns a value of the cookie that requests are bound to. It says nothing of anyone.
func NewRequestBrowser() string { return RandomText(16) }

// RequestCookieName is the name of the cookie that requests are bound to; see CookieName.
func RequestCookieName(secure bool) string { return CookieName(secure) + "-request" }

// Get returns a parameter of the request.
func (a Asked) Get(name string) string { return a.Params.Get(name) }

// Scopes returns the scopes asked for.
func (a Asked) Scopes() []string { return SplitScope(a.Get("scope")) }

// ScopesFor returns what of the scopes asked for client c could get beside these targets: not what exists nowhere or is not
// for it, nor offline_access where no refresh token can come of it (OpenID Connect Core 1.0 §3.1.2.1, §11).
func (a Asked) ScopesFor(c Client, targets []Resource) []string {
	return slices.DeleteFunc(c.Known(a.Scopes(), targets...), func(s string) bool {
		return s == "offline_access" && !c.Allows(GrantTypeRefresh)
	})
}

// RedirectURI returns where client c wants its answer, registered or not. It may be left out where the client has but one
// (RFC 6749 §3.1.2.3), though not with openid (OpenID Connect Core 1.0 §3.1.2.1), nor where that one waits for a port.
func (a Asked) RedirectURI(c Client) string {
	uri := a.Get("redirect_uri")
	if uri == "" && len(c.RedirectURIs) == 1 && !HasScope(a.Scopes(), "openid") && !onAnyPort(c.RedirectURIs[0]) {
		return c.RedirectURIs[0]
	}
	return uri
}

// AskedText seals a request for the `next` field of pages. It refuses one of more than MaxAsked bytes.
func (k *Keyring) AskedText(a Asked) (string, error) { return k.askedText(a, ForAsked, askedPrefix) }

// PushedText seals a request that was pushed, as its request_uri: it needs no row. It refuses what AskedText refuses.
func (k *Keyring) PushedText(a Asked) (string, error) { return k.askedText(a, ForPushed, PushedPrefix) }

func (k *Keyring) askedText(a Asked, purpose Purpose, prefix string) (string, error) {
	params := url.Values{}
	maps.Copy(params, a.Params)
	params.Del(reachedParam)
	query := params.Encode()
	if len(query) > MaxAsked {
		return "", Refuse(Invalid, "The request is too long: its parameters may have 6,144 bytes together.")
	}
	if a.Reached > 0 {
		params.Set(reachedParam, strconv.Itoa(a.Reached))
		query = params.Encode()
	}
	body := binary.BigEndian.AppendUint64(nil, uint64(a.At.UnixMicro()))
	body = append(append(body, a.ID[:]...), a.Browser[:]...)
	return toText(prefix, k.Seal(purpose, append(body, query...), nil)), nil
}

// ReadAsked returns what AskedText sealed, or ErrForged. Whether it still counts is for the caller.
func (k *Keyring) ReadAsked(text string) (Asked, error) {
	return k.readAsked(text, ForAsked, askedPrefix)
}

// ReadPushed returns what PushedText sealed, or ErrForged. Whether it is too old is for the caller.
func (k *Keyring) ReadPushed(uri string) (Asked, error) {
	return k.readAsked(uri, ForPushed, PushedPrefix)
}

func (k *Keyring) readAsked(text string, purpose Purpose, prefix string) (a Asked, err error) {
	raw, err := fromText(prefix, text)
	if err != nil {
		return a, err
	}
	body, err := k.Open(purpose, raw, nil)
	if err != nil || len(body) < askedLen {
		return a, ErrForged
	}
	if a.Params, err = url.ParseQuery(string(body[askedLen:])); err != nil {
		return Asked{}, ErrForged
	}
	if n, err := strconv.Atoi(a.Params.Get(reachedParam)); err == nil && n > 0 && n <= len(FunnelSteps) {
		a.Reached = n
	}
	a.Params.Del(reachedParam)
	a.At = time.UnixMicro(int64(binary.BigEndian.Uint64(body))).UTC()
	copy(a.ID[:], body[8:])
	copy(a.Browser[:], body[24:])
	return a, nil
}
