package identity

import (
	"context"
	"errors"
	"time"
)

// Session is one app on one device, signed in for one user: one row, and the whole family of its refresh tokens.
type Session struct {
	ID         ID // the sid claim; it may be public
	ClientID   string
	UserID     ID
	Sub        string // what the client knows the user by, kept here so that a refresh reads one row
	SignInID   ID
	SecretHash []byte     // SHA-256 of the Session's secret
	Key        Thumbprint // the key that its refresh tokens are bound to (RFC 9449 §5); zero: none
	Resources  []string   // the resource servers that were asked for (RFC 8707); empty: this server alone
	Claims     string     // ClaimsRequest.Text of what was asked beside the scopes; empty: nothing
	Line       Line
	Scopes     []string
	AMR        AMR
	AuthTime   time.Time
	CreatedAt  time.Time
	LastUsedAt time.Time
	IdleEndsAt time.Time // sliding
	EndsAt     time.Time // absolute
	EndedAt    time.Time // zero while it lives
	EndCause   EndCause
	Address    string // where it was last seen, as an IP address
	UserAgent  string // what the app called itself, untrusted, at most 256 bytes
	Device     Device
	Platform   string // PlatformOf, as it began

	Active       Active    // on which days it was used
	UsedBeforeAt time.Time // the use before LastUsedAt; zero: there was none
	ToldAt       time.Time // its app was told by a refresh, for the first time, that the person must sign in; zero: never
	ToldWhy      string    // why: an EndCause, OverFactor or OverResource
	RefusedAt    time.Time // it was told so again, as far as that is noted

	Epoch       int   // of the user, when it began; another one ended it
	ClientEpoch int64 // likewise of the client

	Person *User // with what apps are told of them, where whoever began or refreshed it wanted that; never kept here

	Crowded bool // as it begins: CrowdedFrom others of its person and client live already, or more
}

// MaxSessions is how many living Sessions a person has of one client. Beyond it the one that was used longest ago ends.
const MaxSessions = 100

// CrowdedFrom is from how many on a Session that began asks once more how many there are: those that begin at once do not see
// each other in their own statement, and no honest person has as many.
const CrowdedFrom = MaxSessions / 2

// Alive judges by the Session's own row; expiry is judged when read, never by a sweeper.
func (s Session) Alive(now time.Time) bool {
	return s.EndedAt.IsZero() && now.Before(s.IdleEndsAt) && now.Before(s.EndsAt)
}

// Offline reports whether the Session outlives its SignIn (OIDC Back-Channel Logout §2.7).
func (s Session) Offline() bool { return HasScope(s.Scopes, "offline_access") }

// Ending says why a Session is over at a time, and since when; false while it lives.
func (s Session) Ending(now time.Time) (cause EndCause, at time.Time, over bool) {
	switch {
	case !s.EndedAt.IsZero():
		return s.EndCause, s.EndedAt, true
	case !now.Before(s.EndsAt):
		return EndExpired, s.EndsAt, true
	case !now.Before(s.IdleEndsAt):
		return EndIdle, s.IdleEndsAt, true
	}
	return "", time.Time{}, false
}

// Lifetimes are the idle and absolute lives of something that slides.
type Lifetimes struct {
	Idle, Absolute time.Duration
}

// IdleFrom returns when something used now goes idle: never after its absolute end.
func (l Lifetimes) IdleFrom(now, endsAt time.Time) time.Time {
	if idle := now.Add(l.Idle); idle.Before(endsAt) {
		return idle
	}
	return endsAt
}

// Turn is the ordinary refresh as one conditional write: the current token of a Session of which no other branch exists.
type Turn struct {
	SessionID   ID
	ClientID    string
	SecretHash  []byte
	Generation  uint32
	Keep        bool       // the client does not rotate, and its holder proved more than the token: only the idle end slides
	Key         Thumbprint // the Session must be bound to just this key, or to none when it is zero
	ClientEpoch int64
	NeedMFA     bool // the Session must have begun with a second factor
	IdleEndsAt  time.Time
	Address     string
	Reach       Reach
	Device      Device // the parts that it says are written, the others stay
	Person      bool   // read the person along with the row
}

// Reach says for which resources a Session may be refreshed as an ordinary one, before it is read: of the zero Reach, one of this
// server alone. One that none of it says is judged with its row.
type Reach struct {
	Named string   // the Session was granted this one, beside others or alone; "": nothing is said by name
	Alone []string // or it was granted one of these and no other; "" among them is none
	Twice []string // or one of these and no other, and began with a second factor
}

// NoReach is of a refresh that is always judged with its Session's row: no resource has that mark.
var NoReach = Reach{Named: "#"}

// Only returns the marks that may be the Session's only one.
func (r Reach) Only() []string {
	if r.Named == "" && r.Alone == nil && r.Twice == nil {
		return []string{""}
	}
	return r.Alone
}

type sessionStore interface {
	ledger
	readers
	ender
	// RedeemCode inserts the Session of a promise if its SignIn and user are alive and no code of the request won before.
	RedeemCode(ctx context.Context, p Promise, s Session) (row Session, won bool, err error)
	// Surplus returns which living Sessions of a person and a client are more than keep, those that were used longest ago,
	// and locks the person until the transaction ends.
	Surplus(ctx context.Context, userID ID, clientID string, keep int) ([]ID, error)
	// Advance makes the ordinary rotation in one statement; false when anything is not ordinary.
	Advance(ctx context.Context, t Turn) (row Session, done bool, err error)
	// LockSession reads a Session that no one else can write until the transaction ends.
	LockSession(ctx context.Context, id ID) (Session, error)
	// WriteLine writes where a locked Session's line stands, its last use, the one before, and its Device.
	WriteLine(ctx context.Context, s Session) error
	// NoteTold writes that the app of a locked Session was told to sign the person in, and why where it is the first time.
	NoteTold(ctx context.Context, id ID, why string, at time.Time) error
	MarkClientUsed(ctx context.Context, clientID string) error
}

// Sessions starts, continues and ends Sessions.
type Sessions struct {
	Store  sessionStore
	Keys   *Keyring
	Now    func() time.Time
	Policy MFAPolicy
	Lives  Lifetimes // the server's default
	// RolledForward is told of each Session that was ahead of its row, once that is repaired; nil: nobody is.
	RolledForward func(ctx context.Context, s Session)
	// Refreshed is told of each request to refresh once it is decided; it must not wait. nil: nobody is.
	Refreshed func(Refreshed)
}

// Refreshed is what came of a request to refresh.
type Refreshed struct {
	At      time.Time
	Outcome RefreshOutcome
	Session Session // as it is now; zero where it is not known
	Client  string
	Version string // of the app, as the request says
	Seen    Seen
}

// What apps are told. None of it helps a thief: a wrong token and a session that is over sound alike.
var (
	errOver    = Refuse(SignInAgain, "The session is over. Sign in again.")
	errCode    = Refuse(SignInAgain, "The authorization code cannot be used any more. Start the sign-in again.")
	errReused  = Refuse(SignInAgain, "The refresh token was used before, so the session has been ended. Sign in again.")
	errKey     = Refuse(NoProof, "This session is bound to a key: send a DPoP proof of that key (RFC 9449 section 5).")
	errRefresh = Refuse(SignInAgain, "The refresh token is not valid here. Sign in again.")
)

// ErrNoMFA refuses a Session that did not begin as well proved as it must be now.
var ErrNoMFA = Refuse(SignInAgain, "A second factor is needed now. Sign in again.")

// ErrLost refuses a Session whose client may not reach any more what it was granted: nothing is left that a token would be
// for.
var ErrLost = Refuse(SignInAgain, "The app may not reach any more what this session was granted. Sign in again.")

// Start redeems a promise whose client, redirect_uri and verifier have all been checked, by the redemption table of
// DESIGN §2, and returns the Session with its first refresh token. Refusals are SignInAgain.
func (s Sessions) Start(ctx context.Context, p Promise, h Holder) (Session, RefreshToken, error) {
	if s.Policy.AsksAtRefresh(h.Client) && !p.AMR.Has(MFA) {
		return Session{}, RefreshToken{}, ErrNoMFA
	}
	// First: clients that nobody uses are swept, whatever stops between here and the end.
	if h.Client.FirstUsedAt.IsZero() {
		if err := s.Store.MarkClientUsed(ctx, h.Client.ID); err != nil {
			return Session{}, RefreshToken{}, err
		}
	}
	row, won, err := s.redeem(ctx, p, h)
	if err != nil {
		return Session{}, RefreshToken{}, err
	}
	token := NewRefreshToken(p.SessionID, p.SessionSecret, h.Client.ID)
	if !won {
		row, err = s.redeemAgain(ctx, p, h)
		return row, token, err
	}
	trail := TrailOf(ctx)
	trail.Began, trail.Subject = true, SubjectOf(h.Client, row)
	trail.step("code", "tokens", s.Now().Sub(p.IssuedAt))
	if row.Crowded {
		if err := s.makeRoom(ctx, row); err != nil {
			return Session{}, RefreshToken{}, err
		}
	}
	return row, token, nil
}

// makeRoom ends what a Session that began is too many of. It is committed by now, as are all that began at once with it and
// came here first, so that whoever comes last sees them all.
func (s Sessions) makeRoom(ctx context.Context, began Session) error {
	return s.Store.InTx(ctx, func(ctx context.Context) error {
		surplus, err := s.Store.Surplus(ctx, began.UserID, began.ClientID, MaxSessions)
		if err != nil {
			return err
		}
		for _, id := range surplus {
			if _, err := s.Store.End(ctx, Ending{Session: id, Cause: EndCrowded, Address: began.Address}); err != nil {
				return err
			}
		}
		return nil
	})
}

// redeem tries to be the first with a code. One that has expired can't be; whether it was used in time is the row's to
// say, so that a retry of the last second is still honest and a late replay still ends what it issued.
func (s Sessions) redeem(ctx context.Context, p Promise, h Holder) (row Session, won bool, err error) {
	now, lives := s.Now(), h.Client.LivesOr(s.Lives)
	if now.Sub(p.IssuedAt) >= CodeTTL {
		return Session{}, false, nil
	}
	if p.Stay {
		lives.Absolute = min(lives.Absolute, StayFor)
	}
	ends := now.Add(lives.Absolute)
	described := h.Device.Or(p.Device).Or(h.Client.Device)
	var person *User
	if h.Person {
		person = &User{}
	}
	return s.Store.RedeemCode(ctx, p, Session{
		ID: p.SessionID, ClientID: h.Client.ID, Sub: p.Sub, SignInID: p.SignInID, SecretHash: p.SessionSecret.Hash(), Key: h.sessionKey(),
		Scopes: p.Scopes, Claims: p.Claims, Resources: p.Resources, AMR: p.AMR, AuthTime: p.AuthTime, CreatedAt: now, LastUsedAt: now,
		IdleEndsAt: lives.IdleFrom(now, ends), EndsAt: ends, Address: h.Seen.Address, UserAgent: h.Seen.UserAgent,
		Device: described, Platform: PlatformOf(h.Seen.UserAgent, described), Person: person,
	})
}

// redeemAgain decides about a code that did not win: no such SignIn any more, a retry, a replay, or a second tab's code.
func (s Sessions) redeemAgain(ctx context.Context, p Promise, h Holder) (Session, error) {
	row, err := s.Store.SessionByID(ctx, p.SessionID)
	if KindOf(err) == NotFound {
		return Session{}, errCode
	}
	if err != nil {
		return Session{}, err
	}
	if p.SessionSecret.Matches(row.SecretHash) && row.Key != h.sessionKey() {
		return Session{}, errKey // a code without the key that won with it is no lever either
	}
	switch p.Redeem(row, s.Now()) {
	case RetryCode:
		trail := TrailOf(ctx)
		trail.Subject = SubjectOf(h.Client, row)
		trail.Tick(MeasureRetries, "")
		return row, nil
	case RefuseCode:
	case ReplayCode:
		// RFC 6749 §4.1.2: a code that is used twice revokes what it issued.
		if _, err := s.Store.End(ctx, Ending{Session: row.ID, Cause: EndReplay, Address: h.Seen.Address}); err != nil {
			return Session{}, err
		}
	}
	return Session{}, errCode
}

// Refresh presents an authentic refresh token and returns its Session and the token that takes its place, by the
// rotation rule of DESIGN §2. Refusals are SignInAgain.
func (s Sessions) Refresh(ctx context.Context, t RefreshToken, h Holder) (Session, RefreshToken, error) {
	row, next, err := s.present(ctx, t, h)
	if s.Refreshed != nil && err == nil {
		s.Refreshed(Refreshed{
			At: s.Now(), Outcome: TrailOf(ctx).Refresh, Session: row, Client: h.Client.ID, Version: h.Device.AppVersion, Seen: h.Seen,
		})
	}
	return row, next, err
}

// present is Refresh, of which nobody is told yet.
func (s Sessions) present(ctx context.Context, t RefreshToken, h Holder) (Session, RefreshToken, error) {
	trail := TrailOf(ctx)
	trail.Subject = h.subject()
	if t.Branch == 0 {
		row, done, err := s.Store.Advance(ctx, Turn{
			SessionID: t.SessionID, ClientID: h.Client.ID, SecretHash: t.Secret.Hash(), Generation: t.Generation,
			Keep: h.Client.Rotation == RotateNone && h.proves(), Key: h.sessionKey(), ClientEpoch: h.Client.Epoch, NeedMFA: s.Policy.AsksAtRefresh(h.Client),
			IdleEndsAt: s.Now().Add(h.Client.LivesOr(s.Lives).Idle), Address: h.Seen.Address,
			Reach: h.Reach, Device: h.Device, Person: h.Person,
		})
		if err != nil {
			return Session{}, RefreshToken{}, err
		}
		if done {
			trail.Refresh = Rotated
			if row.Line.Generation == t.Generation {
				trail.Refresh = Kept
			}
			trail.used(row, h)
			return row, t.At(row.Line.Generation, row.Line.Branch), nil
		}
	}
	return s.settle(ctx, t, h)
}

// settle decides everything that is not an ordinary rotation, under the row's lock. A reuse commits although the caller
// is refused (DESIGN law 3).
func (s Sessions) settle(ctx context.Context, t RefreshToken, h Holder) (row Session, next RefreshToken, err error) {
	var refusal error
	var event EventKind
	trail := TrailOf(ctx)
	err = s.Store.InTx(ctx, func(ctx context.Context) error {
		row, err = s.Store.LockSession(ctx, t.SessionID)
		if KindOf(err) == NotFound {
			refusal = errRefresh
			return nil
		}
		if err != nil {
			return err
		}
		if refusal = s.admits(row, t, h); refusal != nil {
			trail.Over = s.over(row, refusal)
			return s.tell(ctx, row, trail.Over)
		}
		trail.Subject = SubjectOf(h.Client, row)
		move, line := row.Line.Present(h.presents(row, t))
		trail.Refresh = move.outcome()
		if move == Reuse || move == Exhausted {
			refusal, trail.Over = errReused, string(move.cause())
			if _, err := s.Store.End(ctx, Ending{Session: row.ID, Cause: move.cause(), Address: h.Seen.Address}); err != nil {
				return err
			}
			return s.tell(ctx, row, trail.Over)
		}
		next = t.At(line.Generation, line.Branch)
		if move == SameAgain {
			return nil
		}
		event = move.event(row.Line)
		row.Line = line
		return s.write(ctx, &row, h, event)
	})
	if err != nil {
		return row, next, err
	}
	if event == SessionRolled && s.RolledForward != nil {
		s.RolledForward(ctx, row)
	}
	return row, next, refusal
}

// admits checks what comes before the rule: the token's own Session, alive, and as well proved as the policy asks now.
func (s Sessions) admits(row Session, t RefreshToken, h Holder) error {
	switch {
	case !t.Secret.Matches(row.SecretHash) || row.ClientID != h.Client.ID:
		return errRefresh
	case row.Key != (Thumbprint{}) && row.Key != h.sessionKey():
		return errKey
	case !row.Alive(s.Now()):
		return errOver
	case s.Policy.AsksAtRefresh(h.Client) && !row.AMR.Has(MFA):
		return ErrNoMFA
	case h.Admits != nil:
		return h.Admits(row)
	}
	return nil
}

// Welcomes reports whether Refresh would go on with this row, of the Session that the token names, as it is now. It writes
// nothing; what it says no to only Refresh may answer.
func (s Sessions) Welcomes(row Session, t RefreshToken, h Holder) bool {
	if s.admits(row, t, h) != nil {
		return false
	}
	move, _ := row.Line.Present(h.presents(row, t))
	return move != Reuse && move != Exhausted
}

// over says in a word why a Session that admits refused is of no use to its app any more; empty: it may be, or it is another's.
func (s Sessions) over(row Session, refusal error) string {
	switch {
	case errors.Is(refusal, errOver):
		cause, _, _ := row.Ending(s.Now())
		return string(cause)
	case errors.Is(refusal, ErrNoMFA):
		return OverFactor
	case errors.Is(refusal, ErrLost):
		return OverResource
	}
	return ""
}

// tellEvery is how often it is noted at most that an app was told so once more.
const tellEvery = time.Hour

// tell notes that the app is told to sign the person in, for the numbers of a day: the first time for good, and afterwards now
// and then for LastRefusals. Without a reason nobody is told anything about this Session.
func (s Sessions) tell(ctx context.Context, row Session, why string) error {
	now := s.Now()
	_, over := row.overAt()
	again := now.Sub(row.lastRefusal()) >= tellEvery && now.Sub(over) < LastRefusals
	if why == "" || !row.ToldAt.IsZero() && !again {
		return nil
	}
	return s.Store.NoteTold(ctx, row.ID, why, now)
}

// write carries out what the rule decided, with the Event where there is one to tell.
func (s Sessions) write(ctx context.Context, row *Session, h Holder, event EventKind) error {
	now := s.Now()
	row.UsedBeforeAt = row.LastUsedAt
	row.LastUsedAt, row.Address, row.Device = now, h.Seen.Address, h.Device.Or(row.Device)
	row.IdleEndsAt = h.Client.LivesOr(s.Lives).IdleFrom(now, row.EndsAt)
	TrailOf(ctx).used(*row, h)
	if err := s.Store.WriteLine(ctx, *row); err != nil || event == "" {
		return err
	}
	return s.Store.AddRepeat(ctx, Event{
		ID: NewID(), At: now, Kind: event, UserID: row.UserID, SessionID: row.ID, ClientID: row.ClientID,
		Address: row.Address,
	})
}

// Revoke ends the Session of any authentic refresh token of h's client, however old (RFC 7009 §2.1). It touches nothing
// when the token is another client's or does not carry the Session's secret. NoProof: a bound Session without its key.
func (s Sessions) Revoke(ctx context.Context, t RefreshToken, h Holder) error {
	row, err := s.Store.SessionByID(ctx, t.SessionID)
	if KindOf(err) == NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if !t.Secret.Matches(row.SecretHash) || row.ClientID != h.Client.ID {
		return nil
	}
	if !h.mayEnd(row) {
		return errKey
	}
	_, err = s.Store.End(ctx, Ending{Session: row.ID, Cause: EndRevoked, Address: h.Seen.Address})
	return err
}
