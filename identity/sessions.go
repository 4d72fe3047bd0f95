package identity

import (
	"context"
	"time"
)

// Turn is the ordinary refresh as one conditional write: the current token of a Session of which no other branch exists.
type Turn struct {
	SessionID  ID
	ClientID   string
	SecretHash []byte
	Generation uint32
	NeedMFA    bool // the Session must have begun with a second factor
	IdleEndsAt time.Time
	Address    string
}

type sessionStore interface {
	InTx(ctx context.Context, fn func(context.Context) error) error
	// RedeemCode inserts the Session of a promise if its SignIn and user are alive and no code of the request won before.
	RedeemCode(ctx context.Context, p Promise, s Session) (row Session, won bool, err error)
	SessionByID(ctx context.Context, id ID) (Session, error)
	// Advance makes the ordinary rotation in one statement; false when anything is not ordinary.
	Advance(ctx context.Context, t Turn) (row Session, done bool, err error)
	// LockSession reads a Session that no one else can write until the transaction ends.
	LockSession(ctx context.Context, id ID) (Session, error)
	// WriteLine writes where a locked Session's line stands, and its last use.
	WriteLine(ctx context.Context, s Session) error
	// EndSession ends a Session that lives, with its Event; false when it was over already.
	EndSession(ctx context.Context, id ID, cause EndCause) (bool, error)
	MarkClientUsed(ctx context.Context, clientID string) error
	AddEvent(ctx context.Context, e Event) error
}

// Sessions starts, continues and ends Sessions.
type Sessions struct {
	Store  sessionStore
	Keys   *Keyring
	Now    func() time.Time
	Policy MFAPolicy
	Lives  Lifetimes // the server's default
}

// What apps are told. None of it helps a thief: a wrong token and a session that is over sound alike.
var (
	errOver    = Refuse(SignInAgain, "The session is over. Sign in again.")
	errCode    = Refuse(SignInAgain, "The authorization code cannot be used any more. Start the sign-in again.")
	errNoMFA   = Refuse(SignInAgain, "A second factor is needed now. Sign in again.")
	errReused  = Refuse(SignInAgain, "The refresh token was used before, so the session has been ended. Sign in again.")
	errRefresh = Refuse(SignInAgain, "The refresh token is not valid here. Sign in again.")
)

// Start redeems a promise whose client, redirect_uri and verifier have all been checked, by the redemption table of
// DESIGN §2, and returns the Session with its first refresh token. Refusals are SignInAgain.
func (s Sessions) Start(ctx context.Context, p Promise, c Client, seen Seen) (Session, RefreshToken, error) {
	if s.Policy.AsksAtRefresh(c) && !p.AMR.Has(MFA) {
		return Session{}, RefreshToken{}, errNoMFA
	}
	row, won, err := s.redeem(ctx, p, c, seen)
	if err != nil {
		return Session{}, RefreshToken{}, err
	}
	token := NewRefreshToken(p.SessionID, p.SessionSecret, c.ID)
	if !won {
		row, err = s.redeemAgain(ctx, p)
		return row, token, err
	}
	if c.FirstUsedAt.IsZero() {
		err = s.Store.MarkClientUsed(ctx, c.ID)
	}
	return row, token, err
}

// redeem tries to be the first with a code. One that has expired can't be; whether it was used in time is the row's to
// say, so that a retry of the last second is still honest and a late replay still ends what it issued.
func (s Sessions) redeem(ctx context.Context, p Promise, c Client, seen Seen) (row Session, won bool, err error) {
	now, lives := s.Now(), c.LivesOr(s.Lives)
	if now.Sub(p.IssuedAt) >= CodeTTL {
		return Session{}, false, nil
	}
	ends := now.Add(lives.Absolute)
	return s.Store.RedeemCode(ctx, p, Session{
		ID: p.SessionID, ClientID: c.ID, SignInID: p.SignInID, SecretHash: p.SessionSecret.Hash(),
		Scopes: p.Scopes, AMR: p.AMR, AuthTime: p.AuthTime, CreatedAt: now, LastUsedAt: now,
		IdleEndsAt: lives.IdleFrom(now, ends), EndsAt: ends, Address: seen.Address, UserAgent: seen.UserAgent,
	})
}

// redeemAgain decides about a code that did not win: no such SignIn any more, a retry, a replay, or a second tab's code.
func (s Sessions) redeemAgain(ctx context.Context, p Promise) (Session, error) {
	row, err := s.Store.SessionByID(ctx, p.SessionID)
	if KindOf(err) == NotFound {
		return Session{}, errCode
	}
	if err != nil {
		return Session{}, err
	}
	switch p.Redeem(row, s.Now()) {
	case RetryCode:
		return row, nil
	case RefuseCode:
	case ReplayCode:
		// RFC 6749 §4.1.2: a code that is used twice revokes what it issued.
		if _, err := s.Store.EndSession(ctx, row.ID, EndReplay); err != nil {
			return Session{}, err
		}
	}
	return Session{}, errCode
}

// Holder is who presents a refresh token.
type Holder struct {
	Client Client
	Proved bool // authenticated as the client, so a copied token alone would not do
	Seen   Seen
}

// Refresh presents an authentic refresh token and returns its Session and the token that takes its place, by the
// rotation rule of DESIGN §2. Refusals are SignInAgain.
func (s Sessions) Refresh(ctx context.Context, t RefreshToken, h Holder) (Session, RefreshToken, error) {
	if t.Branch == 0 {
		row, done, err := s.Store.Advance(ctx, Turn{
			SessionID: t.SessionID, ClientID: h.Client.ID, SecretHash: t.Secret.Hash(), Generation: t.Generation,
			NeedMFA:    s.Policy.AsksAtRefresh(h.Client),
			IdleEndsAt: s.Now().Add(h.Client.LivesOr(s.Lives).Idle), Address: h.Seen.Address,
		})
		if err != nil {
			return Session{}, RefreshToken{}, err
		}
		if done {
			return row, t.At(row.Line.Generation, row.Line.Branch), nil
		}
	}
	return s.settle(ctx, t, h)
}

// settle decides everything that is not an ordinary rotation, under the row's lock. A reuse commits although the caller
// is refused (DESIGN law 3).
func (s Sessions) settle(ctx context.Context, t RefreshToken, h Holder) (row Session, next RefreshToken, err error) {
	var refusal error
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
			return nil
		}
		move, line := row.Line.Present(t.Generation, t.Branch, h.Proved)
		if move == Reuse || move == Exhausted {
			refusal = errReused
			_, err := s.Store.EndSession(ctx, row.ID, move.cause())
			return err
		}
		next = t.At(line.Generation, line.Branch)
		if move == SameAgain {
			return nil
		}
		event := move.event(row.Line)
		row.Line = line
		return s.write(ctx, &row, h, event)
	})
	if err == nil {
		err = refusal
	}
	return row, next, err
}

// admits checks what comes before the rule: the token's own Session, alive, and as well proved as the policy asks now.
func (s Sessions) admits(row Session, t RefreshToken, h Holder) error {
	switch {
	case !t.Secret.Matches(row.SecretHash) || row.ClientID != h.Client.ID:
		return errRefresh
	case !row.Alive(s.Now()):
		return errOver
	case s.Policy.AsksAtRefresh(h.Client) && !row.AMR.Has(MFA):
		return errNoMFA
	}
	return nil
}

// write carries out what the rule decided, with the Event where there is one to tell.
func (s Sessions) write(ctx context.Context, row *Session, h Holder, event EventKind) error {
	now := s.Now()
	row.LastUsedAt, row.Address = now, h.Seen.Address
	row.IdleEndsAt = h.Client.LivesOr(s.Lives).IdleFrom(now, row.EndsAt)
	if err := s.Store.WriteLine(ctx, *row); err != nil || event == "" {
		return err
	}
	return s.Store.AddEvent(ctx, Event{
		ID: NewID(), At: now, Kind: event, UserID: row.UserID, SessionID: row.ID, ClientID: row.ClientID,
		Address: row.Address,
	})
}

// Revoke ends the Session of any authentic refresh token of client c, however old (RFC 7009 §2.1). It touches nothing
// when the token is another client's or does not carry the Session's secret.
func (s Sessions) Revoke(ctx context.Context, t RefreshToken, c Client) error {
	row, err := s.Store.SessionByID(ctx, t.SessionID)
	if KindOf(err) == NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if !t.Secret.Matches(row.SecretHash) || row.ClientID != c.ID {
		return nil
	}
	_, err = s.Store.EndSession(ctx, row.ID, EndRevoked)
	return err
}
