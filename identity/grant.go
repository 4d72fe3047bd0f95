package identity

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Grant is what a user allowed a client.
type Grant struct {
	UserID    ID
	ClientID  string
	Scopes    []string // those of resources, and the resources themselves, as Resource.consented spells them
	UpdatedAt time.Time
	Epoch     int    // the user's credential epoch when it was given
	Shown     []byte // Demand.Shown of the page that it was given on
}

// Covers reports whether everything asked was allowed before.
func (g Grant) Covers(asked []string) bool {
	return !slices.ContainsFunc(asked, func(s string) bool { return !HasScope(g.Scopes, s) })
}

// HasScope reports whether s is among scopes.
func HasScope(scopes []string, s string) bool { return slices.Contains(scopes, s) }

// SplitScope reads a scope parameter: names between spaces, each once, in the order given (RFC 6749 §3.3).
func SplitScope(scope string) []string {
	return once(slices.DeleteFunc(strings.Split(scope, " "), func(s string) bool { return s == "" }))
}

type grantStore interface {
	ledger
	// LockUser keeps everyone else from changing the user until the transaction ends.
	LockUser(ctx context.Context, userID ID) error
	GrantOf(ctx context.Context, userID ID, clientID string) (Grant, error)
	// SaveGrant writes what a person allows a client in the place of what they allowed it before. Where they allow most others something,
	// the one gives way that was allowed longest ago and that no Session and no document rests on; where there is none, saved is false.
	SaveGrant(ctx context.Context, g Grant, most int) (saved bool, err error)
	keeper
}

// MaxGrants is how many clients a person allows something. At one more the oldest gives way that they have neither a Session of nor
// documents with; where all are in use the page says so, since no app that goes on ends for it.
const MaxGrants = 200

var errManyApps = Refuse(Conflict, "You have allowed 200 apps to use your account, and use all of them. Take one back at “Apps with access” first.")

// keeper keeps what a client published, once somebody signs in with it. Before that nothing of it is written: whoever sends
// people here with addresses that they made up fills nothing.
type keeper interface {
	// KeepDocument writes what was read of a client. It reports whether the client is new; NotFound where the operator removed
	// or disabled it.
	KeepDocument(ctx context.Context, c Client) (added bool, err error)
	tryCounter
}

// Grants keeps what people allowed.
type Grants struct {
	Store grantStore
	Now   func() time.Time
}

// Allow adds what a page asked for to what the person of s allows the client, with its Event. What they allowed under
// other credentials, or by a page that showed something else, is not taken over (DESIGN law 12). It locks the user's row:
// of consents that are given at once none is lost, and one that is withdrawn meanwhile does not come back.
func (g Grants) Allow(ctx context.Context, s Standing, d Demand) error {
	now := g.Now()
	given := Grant{
		UserID: s.User.ID, ClientID: d.Client.ID, Scopes: d.consented(d.allowed()), UpdatedAt: now, Epoch: s.User.Epoch, Shown: d.Shown(),
	}
	if err := g.admit(ctx, s, d.Client); err != nil {
		return err
	}
	return g.Store.InTx(ctx, func(ctx context.Context) error {
		if err := g.Store.LockUser(ctx, s.User.ID); err != nil {
			return err
		}
		if err := g.keep(ctx, d.Client); err != nil {
			return err
		}
		before, err := g.Store.GrantOf(ctx, s.User.ID, d.Client.ID)
		if err != nil {
			return err
		}
		if before.of(given.Epoch, given.Shown) {
			kept := slices.DeleteFunc(slices.Clone(before.Scopes), func(s string) bool {
				return s == "offline_access" && d.OffersStay() // the page asked about it anew
			})
			given.Scopes = withConsents(given.Scopes, kept)
		}
		if saved, err := g.Store.SaveGrant(ctx, given, MaxGrants); err != nil || !saved {
			return cmp.Or(err, error(errManyApps))
		}
		return g.Store.AddRepeat(ctx, Event{
			ID: NewID(), At: now, Kind: ConsentGiven, UserID: s.User.ID, ClientID: d.Client.ID,
			Detail: d.told(), Address: s.SignIn.Address,
		})
	})
}

// NewClientThrottle is how many apps that nobody here has signed in with yet one person may bring: each is a row.
var NewClientThrottle = Throttle{Free: 20, First: time.Hour, Max: 24 * time.Hour, Forget: 24 * time.Hour}

// admit counts an app that has no row yet against the person who brings it.
func (g Grants) admit(ctx context.Context, s Standing, c Client) error {
	if !c.FromDocument() || c.Epoch != 0 {
		return nil
	}
	return TryOrWait(ctx, g.Store, ThrottleKey("newclient", s.User.ID.String()), NewClientThrottle)
}

// keep writes what the page showed of a client that publishes it.
func (g Grants) keep(ctx context.Context, c Client) error {
	if !c.FromDocument() {
		return nil
	}
	added, err := g.Store.KeepDocument(ctx, c)
	if err != nil || !added {
		return err
	}
	return g.Store.AddEvent(ctx, Event{ID: NewID(), At: g.Now(), Kind: ClientRegistered, ClientID: c.ID, Detail: "document"})
}

// of reports whether the grant was given under these credentials, on a page that showed that.
func (g Grant) of(epoch int, shown []byte) bool {
	return g.Epoch == epoch && bytes.Equal(g.Shown, shown)
}

// Suffices reports whether the grant answers a request of a person whose credential epoch is that: it covers the scopes,
// it was given under the same credentials on a page that showed the same, and it is either remembered or was given for
// this request, which also answers prompt=consent (DESIGN §9, Freshness).
func (g Grant) Suffices(d Demand, epoch int) bool {
	if g.UpdatedAt.IsZero() || !g.of(epoch, d.Shown()) || !g.Covers(d.consented(d.Scopes)) {
		return false
	}
	return d.Pressed || d.Client.RemembersConsent() && !d.Again
}

// Shown is a digest of what a consent page shows of the client: its name, logo, pages and keys, and where the answer goes.
func (d Demand) Shown() []byte {
	c, h := d.Client, sha256.New()
	parts := []string{c.Name, c.LogoURI, c.URI, c.PolicyURI, c.TermsURI, c.JWKSURI, string(c.JWKS), placeOf(d.Redirect)}
	if c.FromDocument() { // it is shown before it has a row, and a row spells JSON in its own way
		parts[6] = compact(c.JWKS)
		parts = append(parts, c.AuthMethod)
	}
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	return h.Sum(nil)[:16]
}

// compact spells JSON in one way.
func compact(text json.RawMessage) string {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return ""
	}
	spelt, _ := json.Marshal(v) // cannot fail: it was read from JSON
	return string(spelt)
}

// placeOf is what of a redirect URI counts for consent: scheme and host, and not the port on loopback, which changes.
func placeOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || onLoopback(uri) {
		return "loopback"
	}
	return u.Scheme + "://" + u.Host
}

// RemembersConsent reports whether a consent lasts beyond one request. Anyone can pose as a self-registered public
// client that is reached on a private-use scheme or on loopback (RFC 8252 §8.6), so its consent never does; nor does that
// of one whose scheme is nobody's domain, however it proves itself.
func (c Client) RemembersConsent() bool {
	lent := undotted
	if c.Public() {
		lent = func(uri string) bool { return !claimed(uri) }
	}
	return !c.SelfRegistered || !slices.ContainsFunc(c.RedirectURIs, lent)
}

// PosableAt reports whether someone else could pose as the client by having its answers sent to uri: it proves nothing of
// itself, and any app on the device can listen on loopback or take a private-use scheme. The operator may say that it is
// safe all the same.
func (c Client) PosableAt(uri string) bool { return c.Public() && !c.TrustedNative && !claimed(uri) }

// claimed reports whether a redirect URI leads only to whoever has the host (RFC 8252 §7.2).
func claimed(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Scheme == "https"
}

// Question is a page that asks a person for a yes or a no.
type Question struct {
	To     Standing
	Next   string // the request that it was shown for, as the page carries it
	Step   Step   // what it asks for
	Demand Demand
}

func (q Question) body() []byte {
	asked := sha256.Sum256([]byte(strings.Join(q.Demand.consented(q.Demand.Scopes), " ")))
	return append(append(append(bindingBody(q.To, q.Next), byte(q.Step)), q.Demand.Shown()...), asked[:16]...)
}

// ConsentBinding ties a page to the browser, the person and the request it was shown for, and to what it showed, so that
// none of them can be swapped under the button.
func (k *Keyring) ConsentBinding(q Question) string { return toText("", k.Sign(ForBinding, q.body())) }

// BoundTo reports whether binding is ConsentBinding of the same question.
func (k *Keyring) BoundTo(binding string, q Question) bool {
	body, ok := k.signed(ForBinding, binding)
	return ok && string(body) == string(q.body())
}

func bindingBody(s Standing, next string) []byte {
	sum := sha256.Sum256([]byte(next))
	body := append([]byte{}, s.SignIn.ID[:]...)
	body = append(body, s.SignIn.SecretHash...)
	body = append(body, s.User.ID[:]...)
	return append(body, sum[:]...)
}

// StayFor is how long a connected app stays connected where the person allows it.
const StayFor = 90 * 24 * time.Hour

// OffersStay reports whether the person is asked if the app may stay connected: one that registered itself and could refresh,
// but whose request did not say that it wants to (offline_access), as connected apps don't. Without it the Session ends with
// the browser's sign-in.
func (d Demand) OffersStay() bool {
	return d.Client.SelfRegistered && d.Client.Allows(GrantTypeRefresh) && !HasScope(d.Scopes, "offline_access")
}

// StaysBy reports whether the app may stay connected by a consent that was remembered.
func (d Demand) StaysBy(g Grant) bool { return d.OffersStay() && HasScope(g.Scopes, "offline_access") }

// allowed are the scopes that the person allowed: with what lets the app stay connected, where they chose that.
func (d Demand) allowed() []string {
	if d.Stay && d.OffersStay() {
		return append(slices.Clone(d.Scopes), "offline_access")
	}
	return d.Scopes
}

// Press is a button of a Question that was pressed: ForAllowal, ForStay or ForDenial, by whom, for which request.
type Press struct {
	Button Purpose
	By     Standing
	Next   string
}

// PressFor is how long a pressed button is good for: as long as the redirect may take that carries it.
const PressFor = time.Minute

// PressText says for a minute, in the address that a page leads on to, what the person pressed. Nobody else can say it for
// them, and it is worth nothing in another browser, after another sign-in there, for another request, or later (DESIGN
// law 12).
func (k *Keyring) PressText(p Press, now time.Time) string {
	sum := p.sum() // an address is no place for what the binding is made of
	return toText("", k.Sign(p.Button, binary.BigEndian.AppendUint64(sum[:], uint64(now.UnixMicro()))))
}

// Pressed reports whether text is PressText of the same press, and not too old.
func (k *Keyring) Pressed(text string, p Press, now time.Time) bool {
	sum := p.sum()
	body, ok := k.signed(p.Button, text)
	if !ok || len(body) != len(sum)+8 || string(body[:len(sum)]) != string(sum[:]) {
		return false
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(body[len(sum):])))
	return now.Sub(at) < PressFor
}

func (p Press) sum() [32]byte { return sha256.Sum256(bindingBody(p.By, p.Next)) }

func (k *Keyring) signed(p Purpose, text string) (body []byte, ok bool) {
	raw, err := fromText("", text)
	if err != nil {
		return nil, false
	}
	body, err = k.Verify(p, raw)
	return body, err == nil
}
