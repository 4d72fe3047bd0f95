package oauth

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// beatEvery is between two signs of life, where Options don't tell. A stream is judged anew with each, so that what no
	// bell told is noticed.
	beatEvery = 15 * time.Second
	// resumable is how long after an event a stream may go on from it.
	resumable = 7 * 24 * time.Hour
	// clocksDiffer is how far ahead an id of another replica may be.
	clocksDiffer = time.Minute
	// maxMissed is how many changes are told one by one; after more the app reads everything anew.
	maxMissed = 500
)

// errStreamOver ends a stream that has said why.
var errStreamOver = errors.New("the stream is over")

// listener is an app that listens.
type listener struct {
	caller
	e     *Endpoints
	all   bool // it may know of all Sessions of the person's, not its own alone
	out   eventWriter
	since time.Time            // of the last look
	heard identity.Position    // of the last event
	known map[identity.ID]bool // what the last look found; the next one finds the latest of it again
}

func (l *listener) id() string { return l.heard.Text(l.live.User.ID, l.token.ClientID) }

// begin greets the app: it is told from when on it hears everything, so that it can read /me after that; or it goes on
// from the event that it heard last, for which nothing needs to be said. An id that is too old or not of ours is no error:
// the app is told to read everything anew.
func (l *listener) begin(ctx context.Context, lastID string) error {
	if err := l.out.write("retry: 1000\n\n"); err != nil {
		return err
	}
	now := l.e.o.Now()
	last, ok := identity.ReadPosition(lastID, l.live.User.ID, l.token.ClientID)
	if ok && now.Sub(last.At) < resumable && last.At.Sub(now) < clocksDiffer {
		missed, err := l.changes(ctx, last.At)
		if err == nil && len(missed) <= maxMissed {
			l.since, l.heard, l.known = last.At, last, map[identity.ID]bool{last.Change: true}
			return nil
		}
	}
	l.since, l.heard.At = now, now
	if before, err := l.changes(ctx, now); err == nil {
		l.remember(before)
	}
	greeting := "ready"
	if lastID != "" {
		greeting = "reset"
	}
	return l.out.send(l.id(), greeting, struct{}{})
}

// look judges the stream and tells what is new. It returns how long nothing needs to be looked at, or errStreamOver. While
// the database is away the stream goes on and says nothing.
func (l *listener) look(ctx context.Context) (rest time.Duration, err error) {
	began := l.e.o.Now()
	changes, err := l.changes(ctx, l.since)
	if err != nil {
		return awayPause, nil
	}
	news := l.news(changes)
	for _, c := range news {
		if c.SessionID == l.live.Session.ID { // its own end, and there is nothing more to ask
			return 0, errors.Join(l.ended(c.Cause, c.At), errStreamOver)
		}
	}
	over, err := l.over(ctx)
	if err != nil {
		return awayPause, nil
	}
	if over != nil {
		return 0, errors.Join(over(), errStreamOver)
	}
	if len(changes) > maxMissed && !l.known[changes[0].ID] { // there may be older ones that were not told
		return l.rest(), l.flooded(changes)
	}
	l.since = began
	l.remember(changes)
	return l.rest(), l.tell(ctx, news)
}

// news are the changes that were not told yet. A Session's own start is no news to it, and others' are not for every app.
func (l *listener) news(changes []identity.Change) (news []identity.Change) {
	for _, c := range changes {
		own := c.SessionID == l.live.Session.ID
		hidden := c.Kind == identity.ChangeStarted && own || c.SessionID != (identity.ID{}) && !own && !l.all
		if !l.known[c.ID] && !hidden {
			news = append(news, c)
		}
	}
	return news
}

func (l *listener) tell(ctx context.Context, news []identity.Change) error {
	for _, c := range news {
		if c.At.After(l.heard.At) {
			l.heard.At = c.At
		}
		l.heard.Change = c.ID
		if err := l.out.send(l.id(), string(c.Kind), l.e.tellChange(ctx, c)); err != nil {
			return err
		}
	}
	return nil
}

// ended tells the app that its own Session is over.
func (l *listener) ended(cause identity.EndCause, at time.Time) error {
	return l.out.send(l.id(), string(identity.ChangeEnded), sessionOver{l.live.Session.ID.String(), cause, at.Unix()})
}

// flooded has the app read everything anew.
func (l *listener) flooded(changes []identity.Change) error {
	l.since = l.e.o.Now()
	l.heard = identity.Position{At: l.since}
	l.remember(changes)
	return l.out.send(l.id(), "reset", struct{}{})
}

func (l *listener) changes(ctx context.Context, after time.Time) ([]identity.Change, error) {
	return l.e.feeds.since(ctx, identity.Feed{
		UserID: l.live.User.ID, ClientID: l.token.ClientID, Own: !l.all, After: after, Limit: maxMissed + 1,
	})
}

func (l *listener) remember(changes []identity.Change) {
	l.known = make(map[identity.ID]bool, len(changes))
	for _, c := range changes {
		l.known[c.ID] = true
	}
}

// over judges the stream. Where it has to end, it returns what says so to the app.
func (l *listener) over(ctx context.Context) (tell func() error, err error) {
	now := l.e.o.Now()
	user, held := l.live.User.ID, identity.Held{SessionID: l.live.Session.ID, JTI: l.token.ID}
	live, err := l.e.verdicts.of(ctx, user, held, func() []identity.Held { return l.e.streams.held(user) })
	live, ok, err := l.e.judged(&l.token, live, err)
	if err != nil {
		return nil, err
	}
	if !ok {
		cause, at, over, err := l.ending(ctx, live)
		if err != nil {
			return nil, err
		}
		if over {
			return func() error { return l.ended(cause, at) }, nil
		}
		return func() error { return l.out.send("", "token.expired", tokenOver{"revoked"}) }, nil // RFC 7009: this one alone
	}
	l.live = live
	if now.Unix() >= l.token.Expires && !l.endsWithToken() {
		return func() error { return l.out.send("", "token.expired", tokenOver{"expired"}) }, nil
	}
	return nil, nil
}

// endsWithToken reports whether the token expires because its Session does: a token never outlives its Session, and its exp is
// in whole seconds, so it is over up to a second earlier. The app shall hear of the greater end.
func (l *listener) endsWithToken() bool {
	s := l.live.Session
	return l.token.Expires == min(s.IdleEndsAt.Unix(), s.EndsAt.Unix())
}

// ending finds out why a Session is over that does not live any more; false when only the access token was revoked.
func (l *listener) ending(ctx context.Context, live identity.Live) (identity.EndCause, time.Time, bool, error) {
	now := l.e.o.Now()
	if live.Session.ID == l.live.Session.ID { // there with its user and its client
		if cause, at, over := live.Session.Ending(now); over {
			return cause, at, true, nil
		}
		return identity.EndLocked, now, !live.User.DisabledAt.IsZero(), nil
	}
	row, err := l.e.store.SessionByID(ctx, l.live.Session.ID)
	if identity.KindOf(err) == identity.NotFound {
		return identity.EndDeleted, now, true, nil // rows go with their user; others stay for weeks
	}
	if err != nil {
		return "", now, false, err
	}
	if cause, at, over := row.Ending(now); over {
		return cause, at, true, nil
	}
	return identity.EndClientOff, now, true, nil // the row is there and lives, its client does not
}

// rest is how long the stream need not be judged if no bell rings.
func (l *listener) rest() time.Duration {
	now, rest := l.e.o.Now(), cmp.Or(l.e.o.Beat, beatEvery)
	for _, end := range []time.Time{time.Unix(l.token.Expires, 0), l.live.Session.IdleEndsAt, l.live.Session.EndsAt} {
		rest = min(rest, end.Sub(now))
	}
	return max(rest, eventsPause)
}
