package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"
)

const (
	// DeskTicketLives is how long a ticket leads from the pages to the desk.
	DeskTicketLives = time.Minute
	// DeskIdle is how long the desk stays open in a browser that nobody uses it in.
	DeskIdle = time.Hour
	// DeskLasts is how long it stays open at most; then the pages lead there once more.
	DeskLasts = 12 * time.Hour

	deskPrefix  = "sj_dk_"
	ticketLen   = 16 + 16 + 8 + 8 + sha256.Size
	deskPassLen = 16 + 16 + 8 + 8 + 8
)

// DeskCookieName is the name of the cookie that opens the desk; see CookieName.
func DeskCookieName(secure bool) string { return CookieName(secure) + "-desk" }

// DeskKnockCookieName is the name of the cookie of a browser that asks for the desk; see CookieName.
func DeskKnockCookieName(secure bool) string { return CookieName(secure) + "-desk-knock" }

// Knock is a browser that asks for the desk: the pages hear only Challenge, the desk is shown Proof again.
type Knock struct{ Proof, Challenge string }

// NewKnock makes one.
func NewKnock() Knock { return KnockOf(RandomText(32)) }

// KnockOf is the knock that has a proof.
func KnockOf(proof string) Knock {
	sum := sha256.Sum256([]byte(proof))
	return Knock{proof, base64.RawURLEncoding.EncodeToString(sum[:])}
}

// DeskDoor is where a desk is, and which browser asks there.
type DeskDoor struct {
	Origin    string // scheme and host: what is sealed for one desk opens no other
	Challenge string
}

// AtDesk is who stands at the desk: the SignIn of the pages, the role, and the cookie's value where a new one is due.
type AtDesk struct {
	Standing
	Role   Role
	Cookie string
}

type deskStore interface {
	readers
	ender
	roleStore
}

// Desk lets operators from the pages to the desk, and says who stands there. It keeps nothing: what a browser has of the desk is a
// sealed pointer to the SignIn that it proved itself with, and is judged by that row, the person's and their role's at every
// request (DESIGN law 11).
type Desk struct {
	Store deskStore
	Keys  *Keyring
	Now   func() time.Time
}

// pass is what ticket and cookie say.
type pass struct {
	signIn ID
	secret Secret // of the SignIn, that its codes carry too
	epoch  int    // of the person's credentials
	at     time.Time
	used   time.Time
}

// Lacks returns what the person has yet to prove for the desk: a second factor, whatever the policy, and where fresh is asked
// for, all of it within the last ten minutes.
func (d Desk) Lacks(s Standing, fresh bool) Step {
	demand := Demand{Client: Client{Trusted: true}, MFA: true}
	if fresh {
		demand.Since = d.Now().Add(-FreshFor)
	}
	return demand.Missing(s, MFAOptional, Grant{})
}

// Ticket leads who stands before a page of the issuer to the desk, within a minute and in the browser that knocked there.
// Refusals: Forbidden for who has no role; Invalid for a challenge that is none.
func (d Desk) Ticket(ctx context.Context, s Standing, to DeskDoor) (string, error) {
	office, err := d.Store.OfficeOf(ctx, s.User.ID)
	if err != nil {
		return "", err
	}
	if office.Role == NoRole {
		return "", errNoRole()
	}
	challenge, err := base64.RawURLEncoding.DecodeString(to.Challenge)
	if err != nil || len(challenge) != sha256.Size {
		return "", RefuseField("", "This way to the desk is not one of ours. Open the desk once more.")
	}
	p := pass{signIn: s.SignIn.ID, secret: s.Pointer.CodeSecret, epoch: s.User.Epoch, at: d.Now()}
	return toText(deskPrefix, d.Keys.Seal(ForDesk, append(p.bytes(), challenge...), ticketFor(to.Origin))), nil
}

func errNoRole() error {
	return Refuse(Forbidden, "Your account has no role at this desk. Who runs the service gives one: sojourn user role.")
}

func ticketFor(origin string) []byte { return []byte("ticket\n" + origin) }

func cookieFor(origin string) []byte { return []byte("cookie\n" + origin) }

// Enter takes a ticket in the browser that knocked, and returns who stands there now, with the cookie's value. Refusals:
// SignInAgain where the ticket is too old, another browser's or over; Forbidden for who has no role any more.
func (d Desk) Enter(ctx context.Context, ticket, proof string, door DeskDoor) (AtDesk, error) {
	raw, err := fromText(deskPrefix, ticket)
	if err != nil {
		return AtDesk{}, errDeskAgain()
	}
	body, err := d.Keys.Open(ForDesk, raw, ticketFor(door.Origin))
	if err != nil || len(body) != ticketLen {
		return AtDesk{}, errDeskAgain()
	}
	said := sha256.Sum256([]byte(proof))
	p, now := passOf(body), d.Now()
	if subtle.ConstantTimeCompare(body[ticketLen-sha256.Size:], said[:]) != 1 || now.Sub(p.at) >= DeskTicketLives || p.at.After(now.Add(DeskTicketLives)) {
		return AtDesk{}, errDeskAgain()
	}
	p.at, p.used = now, now
	at, err := d.judge(ctx, p)
	if err != nil {
		return AtDesk{}, err
	}
	at.Cookie = d.cookie(p, door.Origin)
	return at, d.Store.AddEvent(ctx, Event{ID: NewID(), At: now, Kind: DeskEntered, UserID: at.User.ID, Detail: string(at.Role), Address: at.SignIn.Address})
}

func errDeskAgain() error {
	return Refuse(SignInAgain, "The desk is closed in this browser. Open it once more.")
}

func (d Desk) cookie(p pass, origin string) string {
	body := binary.BigEndian.AppendUint64(p.bytes(), uint64(p.used.UnixMicro()))
	return toText(deskPrefix, d.Keys.Seal(ForDesk, body, cookieFor(origin)))
}

// slideEvery is how often the cookie is made anew while the desk is used.
const slideEvery = 5 * time.Minute

// Current returns who stands at the desk by the cookie's value. Refusals: SignInAgain for none, and where anything that it rests
// on is over: the SignIn, the person's credentials, the role since when it was opened, an hour without use, twelve hours.
func (d Desk) Current(ctx context.Context, cookie string, door DeskDoor) (AtDesk, error) {
	raw, err := fromText(deskPrefix, cookie)
	if err != nil {
		return AtDesk{}, errDeskAgain()
	}
	body, err := d.Keys.Open(ForDesk, raw, cookieFor(door.Origin))
	if err != nil || len(body) != deskPassLen {
		return AtDesk{}, errDeskAgain()
	}
	p, now := passOf(body), d.Now()
	p.used = timeIn(body[deskPassLen-8:])
	if now.Sub(p.used) >= DeskIdle || now.Sub(p.at) >= DeskLasts {
		return AtDesk{}, errDeskAgain()
	}
	at, err := d.judge(ctx, p)
	if err == nil && now.Sub(p.used) >= slideEvery {
		p.used = now
		at.Cookie = d.cookie(p, door.Origin)
	}
	return at, err
}

// judge asks the rows what a pass is worth.
func (d Desk) judge(ctx context.Context, p pass) (AtDesk, error) {
	s, err := d.Store.StandingOf(ctx, p.signIn)
	if err != nil {
		return AtDesk{}, err
	}
	alive := s.SignedIn() && p.secret.Matches(s.SignIn.CodeSecretHash) && s.ending(d.Now()) == "" && s.User.Epoch == p.epoch
	if !alive || d.Lacks(s, false) != StepNone {
		return AtDesk{}, errDeskAgain()
	}
	office, err := d.Store.OfficeOf(ctx, s.User.ID)
	switch {
	case err != nil:
		return AtDesk{}, err
	case office.Role == NoRole:
		return AtDesk{}, errNoRole()
	case !office.Since.Before(p.at):
		return AtDesk{}, errDeskAgain()
	}
	return AtDesk{Standing: s, Role: office.Role}, nil
}

// Leave signs the browser out: of the desk and of the pages, which are one SignIn.
func (d Desk) Leave(ctx context.Context, at AtDesk, seen Seen) error {
	_, err := d.Store.End(ctx, Ending{SignIn: at.SignIn.ID, Cause: EndSignedOut, Address: seen.Address})
	return err
}

func (p pass) bytes() []byte {
	out := append(append([]byte{}, p.signIn[:]...), p.secret[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(p.epoch))
	return binary.BigEndian.AppendUint64(out, uint64(p.at.UnixMicro()))
}

func passOf(body []byte) (p pass) {
	copy(p.signIn[:], body)
	copy(p.secret[:], body[16:])
	p.epoch, p.at = int(binary.BigEndian.Uint64(body[32:])), timeIn(body[40:])
	return p
}

func timeIn(b []byte) time.Time { return time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC() }
