package storage

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// longOver is how long ago a Session must have expired to be left alone by endings: by then no replica, whatever its
	// clock, takes it for alive, and its history keeps saying that it expired.
	longOver = time.Minute
	// strikeAtOnce is how many Sessions an ending writes in its own transaction: all that a person has, mostly. Of more,
	// none is: they are refused by their mark, and tidied in batches.
	strikeAtOnce = 1000
)

// blow is an ending under way: what it strikes lies below a mark that it moved.
type blow struct {
	identity.Ending
	Below  int64 `json:"below,omitempty"`  // the epoch that began with it, of the user or the client; 0: no mark was moved
	Replay bool  `json:"replay,omitempty"` // it happened before the database was put back

	now time.Time // when its rows are written, which is the time of their Events: listeners go by it
}

// End ends what an Ending names, in one short transaction: the marks that every check reads are moved (the user's or
// client's epoch, the SignIn's own end), and where it strikes no more than a thousand Sessions, their rows end with an Event
// and a notice each. More follow by Tidy. NotFound where the user is not there; nothing where the rest isn't.
//
// Rows are locked in one order: user, client, SignIns, Sessions by their ids. A code that is being exchanged holds locks on
// the first three, so it is either seen here or sees the mark.
func (d *DB) End(ctx context.Context, e identity.Ending) (s identity.Struck, err error) {
	if e.Named() != 1 || !keepable(e.Client) || !keepable(e.Of) {
		return s, notFound("session, sign-in, user or client")
	}
	b := blow{Ending: e, Replay: !e.At.IsZero()}
	b.now, b.Actor, b.Browser = d.Now(), cmp.Or(e.Actor, identity.ActorOf(ctx)), cmp.Or(e.Browser, identity.BrowserOf(ctx))
	if !b.Replay {
		b.At = b.now
	}
	if b.Replay {
		return d.replay(ctx, b)
	}
	err = d.InTx(ctx, func(ctx context.Context) error {
		if err := d.mark(ctx, &b); err != nil {
			return err
		}
		s.Mark = b.Below
		if s.More, err = d.isMuch(ctx, b); err != nil {
			return err
		}
		if s.More {
			return d.queueEnding(ctx, b)
		}
		return d.strike(ctx, b, math.MaxInt32, &s)
	})
	if err == nil && (s.SignIns+len(s.Sessions) > 0 || b.User != uuid.Nil || b.Client != "") {
		d.record(ctx, b.Ending)
	}
	return s, err
}

// replay ends what an ending of the past ended and lives again, since the database was put back to before it. What began
// afterwards is left alone, so it moves no mark, and goes by batches until nothing is left.
func (d *DB) replay(ctx context.Context, b blow) (s identity.Struck, err error) {
	for {
		var now identity.Struck
		err := d.InTx(ctx, func(ctx context.Context) error {
			if b.User != uuid.Nil {
				if err := d.lockUser(ctx, b.User); err != nil && identity.KindOf(err) != identity.NotFound {
					return err // who is gone has nothing left but Sessions
				}
			}
			return d.strike(ctx, b, strikeAtOnce, &now)
		})
		s.SignIns, s.Sessions = s.SignIns+now.SignIns, append(s.Sessions, now.Sessions...)
		if err != nil || now.SignIns < strikeAtOnce && len(now.Sessions) < strikeAtOnce {
			return s, err
		}
	}
}

// strike ends at most limit SignIns and limit Sessions that a blow strikes.
func (d *DB) strike(ctx context.Context, b blow, limit int, s *identity.Struck) error {
	ended, err := d.endSignIns(ctx, b, limit, b.signIns())
	if err != nil {
		return err
	}
	s.SignIns = len(ended)
	s.Sessions, err = d.endSessions(ctx, b, limit, b.sessions())
	return err
}

// mark moves what every check reads.
func (d *DB) mark(ctx context.Context, b *blow) error {
	switch {
	case b.Of != "":
		return d.lockUser(ctx, b.User)
	case b.User != uuid.Nil:
		return d.markUser(ctx, b)
	case b.Client != "":
		at := fromTime(b.At)
		found, err := d.one(ctx, []any{&b.Below}, "UPDATE clients SET epoch = CASE WHEN epoch < ? THEN ? ELSE epoch + 1 END WHERE id = ? RETURNING epoch",
			at, at, b.Client)
		switch {
		case err != nil:
			return d.fail("mark client", err)
		case !found:
			return notFound("client")
		}
		return d.markOf(ctx, *b, "")
	}
	return nil
}

// markUser raises the user's epoch, and lifts what is kept to it.
func (d *DB) markUser(ctx context.Context, b *blow) error {
	var sub string
	found, err := d.one(ctx, []any{&b.Below, &sub}, "UPDATE users SET epoch = epoch + 1, ended_at = ?, end_cause = ? WHERE id = ? RETURNING epoch, sub",
		fromTime(b.At), string(b.Cause), b.User)
	switch {
	case err != nil:
		return d.fail("mark user", err)
	case !found:
		return notFound("user")
	}
	if err := d.lift(ctx, b); err != nil {
		return err
	}
	return d.markOf(ctx, *b, sub)
}

// lift lifts what an ending of a user keeps to the epoch that begins with it.
func (d *DB) lift(ctx context.Context, b *blow) error {
	if b.Keep == uuid.Nil {
		return nil
	}
	const lift = " SET epoch = ? WHERE user_id = ? AND epoch = ? AND ended_at IS NULL AND "
	if err := d.q(ctx).Exec("UPDATE sign_ins"+lift+"id = ?", b.Below, b.User, b.Below-1, b.Keep).Error; err != nil || !b.KeepSessions {
		return d.fail("keep sign-in", err)
	}
	return d.fail("keep sessions",
		d.q(ctx).Exec("UPDATE sessions"+lift+"sign_in_id = ?", b.Below, b.User, b.Below-1, b.Keep).Error)
}

// lockUser keeps every exchange of a code of this user waiting until the transaction ends; NotFound where there is none.
func (d *DB) lockUser(ctx context.Context, userID identity.ID) error {
	var id uuid.UUID
	found, err := d.one(ctx, []any{&id}, "SELECT id FROM users WHERE id = ?"+d.lock("FOR UPDATE"), userID)
	if err == nil && !found {
		return notFound("user")
	}
	return d.fail("lock user", err)
}

// isMuch reports whether an ending strikes more than a thousand Sessions or SignIns. Those of one SignIn it always writes:
// what they are judged by besides is their own row.
func (d *DB) isMuch(ctx context.Context, b blow) (bool, error) {
	if b.User == uuid.Nil && b.Client == "" {
		return false, nil
	}
	sessions, signIns := d.living(b.sessions()), b.signIns()
	signIns.and(true, "ended_at IS NULL")
	first := func(table string, c conditions) string {
		return "(SELECT count(*) FROM (SELECT 1 FROM " + table + " WHERE " + c.where + " LIMIT ?) AS found)"
	}
	args := append(append(sessions.args, strikeAtOnce+1), append(signIns.args, strikeAtOnce+1)...)
	var n, m int
	_, err := d.one(ctx, []any{&n, &m}, "SELECT "+first("sessions", sessions)+", "+first("sign_ins", signIns), args...)
	return n > strikeAtOnce || m > strikeAtOnce, d.fail("count what ends", err)
}

// signIns picks the SignIns that a blow strikes.
func (b blow) signIns() conditions {
	switch {
	case b.SignIn != uuid.Nil:
		return conditions{"id = ?", []any{b.SignIn}}
	case b.User == uuid.Nil || b.Of != "":
		return conditions{where: "FALSE"}
	case b.Replay:
		return conditions{"user_id = ? AND id <> ? AND created_at <= ?", []any{b.User, b.Keep, fromTime(b.At)}}
	}
	return conditions{"user_id = ? AND epoch < ?", []any{b.User, b.Below}}
}

// sessions picks the Sessions that a blow strikes.
func (b blow) sessions() conditions {
	c := conditions{where: "TRUE"}
	c.and(b.Session != uuid.Nil, "id = ?", b.Session)
	c.and(b.User != uuid.Nil, "user_id = ?", b.User)
	c.and(b.Of != "", "client_id = ?", b.Of)
	c.and(b.Client != "", "client_id = ?", b.Client)
	c.and(b.Replay && b.KeepSessions, "sign_in_id <> ?", b.Keep)
	switch all := b.User != uuid.Nil && b.Of == ""; {
	case b.SignIn != uuid.Nil:
		c.and(true, "(sign_in_id = ? AND (? OR NOT offline) OR id = ?)", b.SignIn, b.Offline, b.With)
	case b.Session != uuid.Nil:
	case b.Replay || b.Of != "":
		c.and(true, "created_at <= ?", fromTime(b.At))
	case all:
		c.and(true, "epoch < ?", b.Below)
	default:
		c.and(true, "client_epoch < ?", b.Below)
	}
	return c
}

// living picks of what c picks what was not over for long.
func (d *DB) living(c conditions) conditions {
	over := fromTime(d.Now().Add(-longOver))
	c.and(true, "ended_at IS NULL AND idle_ends_at > ? AND ends_at > ?", over, over)
	return c
}

// endSessions ends at most limit of the living Sessions that c picks, the oldest first, with an Event each and a notice to
// their clients' back channels. Rows are locked in the order of their ids, so that two endings never wait for each other.
func (d *DB) endSessions(ctx context.Context, b blow, limit int, c conditions) ([]identity.Ended, error) {
	c = d.living(c)
	var ended []struct {
		ID       uuid.UUID
		UserID   uuid.UUID
		Sub      string
		ClientID string
	}
	err := d.q(ctx).Raw(`WITH doomed AS MATERIALIZED (
			SELECT id FROM sessions WHERE `+c.where+` ORDER BY id LIMIT ?`+d.lock("FOR UPDATE")+`)
		UPDATE sessions SET ended_at = ?, end_cause = ? WHERE id IN (SELECT id FROM doomed)
		RETURNING id, user_id, sub, client_id`,
		append(c.args, limit, fromTime(b.endedAt()), string(b.Cause))...).Scan(&ended).Error
	if err != nil {
		return nil, d.fail("end session", err)
	}
	events := make([]identity.Event, len(ended))
	notices, all := make([]identity.LogoutNotice, len(ended)), make([]identity.Ended, len(ended))
	for i, s := range ended {
		all[i] = identity.Ended{SessionID: s.ID, UserID: s.UserID, ClientID: s.ClientID}
		notices[i] = identity.LogoutNotice{SessionID: s.ID, Sub: s.Sub, ClientID: s.ClientID}
		events[i] = b.event(identity.SessionEnded, s.UserID)
		events[i].SessionID, events[i].ClientID = s.ID, s.ClientID
	}
	if err := d.addEvents(ctx, events); err != nil {
		return nil, err
	}
	if err := d.markSessions(ctx, b, all); err != nil {
		return nil, err
	}
	return all, d.queueLogouts(ctx, notices)
}

// endSignIns ends at most limit of the SignIns that c picks and nobody ended, the oldest first, with an Event each.
func (d *DB) endSignIns(ctx context.Context, b blow, limit int, c conditions) ([]uuid.UUID, error) {
	if b.SignIn == uuid.Nil && (b.User == uuid.Nil || b.Of != "") {
		return nil, nil
	}
	var ended []struct{ ID, UserID uuid.UUID }
	err := d.q(ctx).Raw(`WITH doomed AS MATERIALIZED (
			SELECT id FROM sign_ins WHERE `+c.where+` AND ended_at IS NULL ORDER BY id LIMIT ?`+d.lock("FOR UPDATE")+`)
		UPDATE sign_ins SET ended_at = ?, end_cause = ? WHERE id IN (SELECT id FROM doomed) RETURNING id, user_id`,
		append(c.args, limit, fromTime(b.endedAt()), string(b.Cause))...).Scan(&ended).Error
	if err != nil {
		return nil, d.fail("end sign-in", err)
	}
	events, ids := make([]identity.Event, len(ended)), make([]uuid.UUID, len(ended))
	for i, s := range ended {
		ids[i], events[i] = s.ID, b.event(identity.SignInEnded, s.UserID)
	}
	return ids, d.addEvents(ctx, events)
}

// endedAt is when what a blow strikes ended: when it was refused first, though its row may be written later.
func (b blow) endedAt() time.Time {
	if b.Replay {
		return b.now
	}
	return b.At
}

// event tells of one thing that ended.
func (b blow) event(kind identity.EventKind, userID identity.ID) identity.Event {
	return identity.Event{
		ID: identity.NewID(), At: b.now, Kind: kind, UserID: userID, Detail: string(b.Cause), Address: b.Address, Actor: b.Actor,
		Browser: b.Browser,
	}
}
