package simulate

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/sojourn-auth/sojourn/anomaly"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

// town is people with homes, travels and habits, and whoever is after them: one database, one clock, one server.
type town struct {
	timeline
	dice
	*house
	totp      mfa.TOTP
	watch     *anomaly.Watch
	folk      []*citizen
	incidents []*incident
	signedIn  int           // by honest people
	badUntil  time.Duration // until when a version loses answers
}

// citizen is one of them.
type citizen struct {
	user     identity.User
	country  int
	home     string // the address there
	browser  identity.Browser
	enrolled bool
	vpn      bool
	trip     int           // where they are; -1: at home
	back     time.Duration // when that is over
	phone    handset
}

// handset is the app on a phone.
type handset struct {
	token, before string // before: the token that was replaced
	agent         string
	version       string
	gone          bool // signed out, until somebody signs in again
}

// How people live, in shares: of days, of sign-ins, or of refreshes.
const (
	signInDays = .35
	mobile     = .2   // away from home, in the same country
	airport    = .01  // in a crowd behind one address
	byVPN      = .2   // of those who have one
	mistype    = .08  // first
	forget     = .003 // and give up
	newDevice  = .006 // a new browser, at home
	setOut     = .004 // for a week abroad
	borrowed   = .015 // a browser abroad that is not theirs
	lostShare  = .03
	badShare   = .45 // of the answers to a version that loses them
)

const (
	goodVersion = "3.1"
	badVersion  = "3.2" // sometimes: shipBadVersion
)

// lands are where they live: a country, and where it lies.
var lands = []struct {
	code     string
	lat, lon float64
}{{"DE", 52, 13}, {"FR", 48, 2}, {"US", 40, -74}, {"JP", 35, 139}, {"BR", -23, -46}, {"IN", 19, 73}}

// Parts of a country: a second octet each.
const (
	regions   = 3
	onMobile  = 10
	atAirport = 20
	atVPN     = 30
	far       = 40 // where nobody lives
)

// at is an address in a part of a country.
func at(land, region, n int) string {
	return netip.AddrFrom4([4]byte{byte(20 + land), byte(region), byte(n >> 8), byte(n)}).String()
}

// locate is what a database of places would say of at.
func locate(address string) anomaly.Place {
	addr, err := netip.ParseAddr(address)
	if err != nil || !addr.Is4() || addr.As4()[0] < 20 || int(addr.As4()[0]) >= 20+len(lands) {
		return anomaly.Place{}
	}
	land := lands[addr.As4()[0]-20]
	return anomaly.Place{Country: land.code, Lat: land.lat + float64(addr.As4()[1])/20, Lon: land.lon, Located: true}
}

// move lets a citizen in, who has an account for a while.
func (t *town) move(ctx context.Context, n int) (*citizen, error) {
	c := &citizen{country: n % len(lands), trip: -1, enrolled: t.chance(.4), vpn: t.chance(.05)}
	c.home = at(c.country, n%regions, n)
	now := t.clock.now()
	c.user = identity.User{
		ID: identity.NewID(), Sub: identity.RandomText(16), Email: fmt.Sprintf("citizen-%d@simulation.example", n), PasswordHash: t.hash,
		CreatedAt: now, UpdatedAt: now,
	}
	if err := t.db.CreateUser(ctx, c.user); err != nil {
		return nil, err
	}
	if c.enrolled {
		if err := t.totp.Import(ctx, c.user.ID, []byte(identity.RandomText(16))); err != nil {
			return nil, err
		}
	}
	c.phone = handset{agent: "Notes/3 CFNetwork/1568 Darwin/24.0.0", version: goodVersion}
	if n%2 == 1 {
		c.phone.agent, c.phone.version = "okhttp/5.0", badVersion
	}
	t.folk = append(t.folk, c)
	return c, nil
}

// visit is a sign-in: whose, from where, in a browser that knows them or not.
type visit struct {
	who   *citizen
	from  string
	known bool
	whole bool // with the second factor, where they have one
}

// enter signs in and returns what the browser may do then.
func (t *town) enter(ctx context.Context, v visit) (identity.Standing, error) {
	attempt := identity.Attempt{Email: v.who.user.Email, Password: password, Seen: identity.Seen{Address: v.from, UserAgent: "simulation"}}
	if v.known {
		attempt.Browser = v.who.browser
	}
	cookie, err := t.signIns.Begin(ctx, attempt)
	if identity.KindOf(err) == identity.Throttled { // whoever guesses makes them wait, too
		return identity.Standing{}, nil
	}
	if err != nil {
		return identity.Standing{}, err
	}
	s, err := t.signIns.Current(ctx, cookie)
	if err != nil || !v.whole || !v.who.enrolled {
		return s, err
	}
	cookie, err = t.signIns.Strengthen(ctx, s, identity.TOTP)
	if err != nil {
		return s, err
	}
	return t.signIns.Current(ctx, cookie)
}

// mistake is a wrong password.
func (t *town) mistake(ctx context.Context, c *citizen, from string, known bool) error {
	attempt := identity.Attempt{Email: c.user.Email, Password: "not that one", Seen: identity.Seen{Address: from}}
	if known {
		attempt.Browser = c.browser
	}
	_, err := t.signIns.Begin(ctx, attempt)
	if kind := identity.KindOf(err); kind != identity.BadLogin && kind != identity.Throttled {
		return fmt.Errorf("a wrong password: %w", err)
	}
	return nil
}

// day plans what an honest citizen does today.
func (t *town) day(c *citizen) {
	if t.clock.elapsed() > c.back {
		c.trip = -1
	}
	if c.trip < 0 && t.chance(setOut) {
		c.trip, c.back = t.IntN(len(lands)), t.clock.elapsed()+7*24*time.Hour
	}
	if t.chance(signInDays) {
		t.after(t.between(6*time.Hour, 23*time.Hour), func(ctx context.Context) error { return t.comeBy(ctx, c) })
	}
	t.after(12*time.Hour+t.between(0, 40*time.Minute), func(ctx context.Context) error { return t.refresh(ctx, c) })
}

// comeBy is an honest sign-in, with what goes wrong at one.
func (t *town) comeBy(ctx context.Context, c *citizen) error {
	v := visit{who: c, from: t.whereabouts(c), known: !t.chance(newDevice), whole: true}
	if c.trip >= 0 {
		v.known = !t.chance(borrowed)
	}
	if t.chance(mistype) {
		if err := t.mistake(ctx, c, v.from, v.known); err != nil || t.chance(forget/mistype) {
			return err
		}
	}
	s, err := t.enter(ctx, v)
	if err != nil || !s.SignedIn() {
		return err
	}
	t.signedIn++
	c.browser = c.browser.With(c.user)
	if c.phone.gone || c.phone.token == "" {
		return t.install(ctx, c, s)
	}
	return nil
}

func (t *town) whereabouts(c *citizen) string {
	switch {
	case c.trip >= 0:
		return at(c.trip, onMobile, t.IntN(1000))
	case c.vpn && t.chance(byVPN):
		return at((c.country+1)%len(lands), atVPN, 1)
	case t.chance(airport):
		return at(c.country, atAirport, 1)
	case t.chance(mobile):
		return at(c.country, onMobile, t.IntN(1000))
	}
	return c.home
}

// install signs the app on the phone in.
func (t *town) install(ctx context.Context, c *citizen, s identity.Standing) error {
	code, err := t.keys.CodeText(identity.Promise{
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(),
		SignInID: s.Pointer.SignInID, SignInSecret: s.Pointer.CodeSecret, Epoch: s.User.Epoch,
		Binding:  identity.NewBinding(clientID, redirectURI, sha256.Sum256([]byte(verifier))),
		AuthTime: s.SignIn.ProvedAt, IssuedAt: t.db.Now(), AMR: s.SignIn.AMR, Scopes: []string{"openid", "offline_access"},
	})
	if err != nil {
		return err
	}
	c.phone.token, err = t.ask(ctx, c.phone.agent, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {code}, "redirect_uri": {redirectURI},
		"code_verifier": {verifier}, "app_version": {c.phone.version},
	})
	c.phone.gone, c.phone.before = c.phone.token == "", ""
	return err
}

// refresh is the phone's at noon. Where the answer is lost it asks again.
func (t *town) refresh(ctx context.Context, c *citizen) error {
	p := &c.phone
	if p.token == "" || p.gone {
		return nil
	}
	next, err := t.present(ctx, p.token, p.agent, p.version)
	if err != nil {
		return err
	}
	loss := lostShare
	if p.version == badVersion && t.clock.elapsed() < t.badUntil {
		loss = badShare
	}
	if next != "" && t.chance(loss) {
		if next, err = t.present(ctx, p.token, p.agent, p.version); err != nil {
			return err
		}
	}
	if p.gone = next == ""; !p.gone {
		p.before, p.token = p.token, next
	}
	return nil
}

// present presents a refresh token from some program.
func (t *town) present(ctx context.Context, token, agent, version string) (string, error) {
	return t.ask(ctx, agent, url.Values{
		"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {token}, "app_version": {version},
	})
}
