package oauth

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// The client authentication methods, as RFC 7591 §2 and OpenID Connect Core 1.0 §9 call them.
const (
	methodBasic = "client_secret_basic"
	methodPost  = "client_secret_post"
	methodJWT   = "private_key_jwt"
	methodNone  = "none"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// errClient is the one answer to whoever could not prove to be a client. It does not say which part was wrong, nor
// whether the client exists.
var errClient = say(invalidClient, notAuthenticated)

// errGone is the same answer to an app that shows what was given to it while it was a client: it was deleted or disabled
// since, so what it holds is over. It tells nothing to whoever holds nothing.
var errGone = error(&protocolError{reply: invalidClient, description: notAuthenticated, action: actLogin})

const notAuthenticated = "Client authentication failed: the client is unknown, the secret or key is wrong, or the client is " +
	"registered for another method."

// unknown is the refusal of a client that there is none of: gone, if the form carries a refresh token or a code of it.
func (e *Endpoints) unknown(id string, form url.Values) error {
	for _, name := range []string{"refresh_token", "token"} {
		if t, err := e.o.Keys.ReadRefresh(form.Get(name)); err == nil && t.Of(id) {
			return errGone
		}
	}
	if p, err := e.o.Keys.ReadCode(form.Get("code")); err == nil && (p.Binding.OfClient(id) || p.Binding.OfClient(boundByKey(id))) {
		return errGone
	}
	return errClient
}

// maxClientID is the longest client id in bytes (DESIGN §9).
const maxClientID = 64

// clientByID looks a client up. Ids that no client can have are NotFound without asking the database.
func (e *Endpoints) clientByID(ctx context.Context, id string) (identity.Client, error) {
	return e.o.Clients.Client(ctx, id)
}

// claimant looks up whom a request names as its client. With a pushed request and with a code a Session begins, so what the
// client publishes is current then; everything else goes by what is known.
func (e *Endpoints) claimant(r *http.Request, form url.Values, id string) (identity.Client, error) {
	if form.Get("grant_type") != identity.GrantTypeCode && r.URL.Path != pushPath {
		return e.clientByID(r.Context(), id)
	}
	c, err := e.o.Clients.Current(r.Context(), id, addressOf(r))
	if refusal, ok := errors.AsType[*identity.Error](err); ok && refusal.Kind == identity.Invalid {
		err = say(invalidClient, refusal.Msg)
	}
	return c, err
}

// credentials are what a request says of its client.
type credentials struct {
	method    string
	id        string
	secret    string
	assertion string
}

// authenticate tells which client a token, revocation or introspection request comes from. A public client is only named;
// any other one has proved who it is (RFC 6749 §2.3). Refusals are invalid_client, or invalid_request for several methods
// at once; a database that is away stays identity.ErrUnavailable.
func (e *Endpoints) authenticate(ctx context.Context, r *http.Request, form url.Values) (identity.Client, error) {
	given, err := readCredentials(r, form)
	if err != nil {
		return identity.Client{}, err
	}
	if given.method == methodJWT {
		return e.authenticateByJWT(r, given, form)
	}
	c, err := e.claimant(r, form, given.id)
	identity.TrailOf(ctx).Requested(c)
	known := identity.KindOf(err) != identity.NotFound
	if err != nil && known {
		return identity.Client{}, err
	}
	refused := errClient
	if !known {
		refused = e.unknown(given.id, form)
	}
	if given.method == methodNone {
		return c, unless(known && c.Public(), refused)
	}
	key := guessKey(given.id, r)
	if err := e.guesses.wait(key, e.o.Now()); err != nil {
		return identity.Client{}, err
	}
	if !e.secretMatches(given.secret, c) || !known || !takes(c, given.method) {
		e.guesses.missed(key, known, e.o.Now())
		return identity.Client{}, refused
	}
	return c, e.rehash(ctx, given.secret, c)
}

// named is the form of a token request, with the client_id that an app left out of a refresh: RFC 6749 §6 asks for none where
// the client proves nothing. The refresh token names its Session, and that its client; one that must prove itself is still asked to.
func (e *Endpoints) named(ctx context.Context, r *http.Request, form url.Values) (url.Values, error) {
	if form.Get("grant_type") != identity.GrantTypeRefresh || form.Get("client_id") != "" || form.Has("client_assertion") ||
		form.Get("client_secret") != "" || len(basics(r)) > 0 {
		return form, nil
	}
	t, err := e.o.Keys.ReadRefresh(form.Get("refresh_token"))
	if err != nil {
		return form, nil // nothing is told to whoever holds nothing
	}
	s, err := e.store.SessionByID(ctx, t.SessionID)
	if identity.KindOf(err) == identity.NotFound || err == nil && !t.Secret.Matches(s.SecretHash) {
		return nil, errGone
	}
	form = maps.Clone(form)
	form.Set("client_id", s.ClientID)
	return form, err
}

// rehash keeps the hash of a client's secret under the first root secret, so that an older one can leave.
func (e *Endpoints) rehash(ctx context.Context, secret string, c identity.Client) error {
	if bytes.HasPrefix(c.SecretHash, e.o.Keys.First()) || !e.o.Keys.SecretMatches(secret, c.SecretHash) {
		return nil
	}
	return e.store.RehashSecret(ctx, c, e.o.Keys.HashSecret(secret))
}

func unless(proved bool, refused error) error {
	if proved {
		return nil
	}
	return refused
}

// secretMatches takes as long for a client that is unknown or has no secret as for any other.
func (e *Endpoints) secretMatches(secret string, c identity.Client) bool {
	hash, former := c.Secrets(e.o.Now())
	if len(hash) == 0 {
		hash, former = e.decoy, nil
	}
	if len(former) == 0 {
		former = e.decoy
	}
	now, before := e.o.Keys.SecretMatches(secret, hash), e.o.Keys.SecretMatches(secret, former)
	return now || before
}

// takes reports whether a client may use a method: the registered one; both ways to send a secret where none is said
// (DESIGN §9).
func takes(c identity.Client, method string) bool {
	if c.AuthMethod == "" {
		return method == methodBasic || method == methodPost
	}
	return c.AuthMethod == method
}

// readCredentials finds the one method that a request uses (RFC 6749 §2.3: "MUST NOT use more than one").
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	given := credentials{method: methodNone, id: form.Get("client_id")}
	used := 0
	if headers := basics(r); len(headers) > 0 {
		basic, err := readBasic(headers)
		if err != nil {
			return given, err
		}
		if given.id != "" && given.id != basic.id {
			return given, say(invalidRequest, "client_id differs from the one in the Authorization header.")
		}
		given = basic
		used++
	}
	if secret := form.Get("client_secret"); secret != "" {
		given.method, given.secret = methodPost, secret
		used++
	}
	if form.Has("client_assertion") {
		if form.Get("client_assertion_type") != jwtBearer {
			return given, sayf(invalidRequest, "client_assertion_type must be %s.", jwtBearer)
		}
		given.method, given.assertion = methodJWT, form.Get("client_assertion")
		used++
	}
	if used > 1 {
		return given, say(invalidRequest, "Authenticate the client in one way, not in several at once.")
	}
	return given, nil
}

// basics returns the Authorization headers that authenticate a client. Whatever else a proxy or an HTTP client adds, such
// as the access token that it puts on every request, is none of RFC 6749 §2.3's ways and says nothing here.
func basics(r *http.Request) (headers []string) {
	for _, header := range r.Header.Values("Authorization") {
		if scheme, _, _ := strings.Cut(header, " "); strings.EqualFold(scheme, "Basic") {
			headers = append(headers, header)
		}
	}
	return headers
}

// readBasic reads HTTP Basic. Both parts are form-urlencoded before they are joined (RFC 6749 §2.3.1). A client without a
// secret may send an empty one, which names it and proves nothing.
func readBasic(headers []string) (credentials, error) {
	r := http.Request{Header: http.Header{"Authorization": headers}}
	user, password, ok := r.BasicAuth()
	id, err := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(password)
	if !ok || err != nil || err2 != nil || len(headers) > 1 {
		return credentials{}, say(invalidClient, "Send client id and secret as HTTP Basic, each form-urlencoded.")
	}
	if secret == "" {
		return credentials{method: methodNone, id: id}, nil
	}
	return credentials{method: methodBasic, id: id, secret: secret}, nil
}

// clientThrottle is how many wrong secrets are free for one client from one network (RFC 6749 §2.3.1: "MUST protect any
// endpoint utilizing it against brute force attacks").
var clientThrottle = identity.Throttle{Free: 20, First: 10 * time.Second, Max: 5 * time.Minute, Forget: time.Hour}

// maxGuessers is how many are remembered of each kind: networks that guess at clients there are, and at ids that nobody has.
const maxGuessers = 10_000

// guesses counts wrong client secrets in this process: each replica gives a guesser as little, and a right secret costs
// the database nothing. Ids that nobody has are counted apart, so that whoever invents them makes nobody forget a guess at
// a client. The zero value is empty.
type guesses struct {
	mu             sync.Mutex
	known, unknown map[string]guesser
}

type guesser struct {
	misses       int
	last         time.Time
	blockedUntil time.Time
}

// guessKey is what wrong secrets are counted against: a client can't be locked out from another network.
func guessKey(clientID string, r *http.Request) string {
	return identity.ThrottleKey("client", clientID+"\n"+identity.Network(identity.SeenFrom(r.RemoteAddr, "").Address))
}

// wait refuses (Throttled) while a key is blocked.
func (g *guesses) wait(key string, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if left := max(g.known[key].blockedUntil.Sub(now), g.unknown[key].blockedUntil.Sub(now)); left > 0 {
		return &identity.Error{
			Kind: identity.Throttled, Wait: left, Msg: "Too many wrong client secrets from this network. Try again later.",
		}
	}
	return nil
}

// missed counts a wrong secret of a client that there is, or of none.
func (g *guesses) missed(key string, known bool, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	counted := &g.unknown
	if known {
		counted = &g.known
	}
	if *counted == nil {
		*counted = map[string]guesser{}
	}
	who, counting := (*counted)[key]
	if !counting && len(*counted) >= maxGuessers {
		forgetOldest(*counted)
	}
	if now.Sub(who.last) > clientThrottle.Forget {
		who.misses = 0
	}
	who.misses++
	who.last, who.blockedUntil = now, now.Add(clientThrottle.Wait(who.misses))
	(*counted)[key] = who
}

// forgetOldest makes room for a tenth more guessers: those who guessed last long ago go first.
func forgetOldest(counted map[string]guesser) {
	keys := slices.SortedFunc(maps.Keys(counted), func(a, b string) int { return counted[a].last.Compare(counted[b].last) })
	for _, key := range keys[:maxGuessers/10] {
		delete(counted, key)
	}
}
