package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// writeWithin is how long a listener may take to read what it is sent. After that it is cut off.
	writeWithin = 10 * time.Second
	// eventsPause is at least between two looks for changes, however often the bell rings.
	eventsPause = 50 * time.Millisecond
	// movedWithin is how soon the apps come to other servers when this one leaves: all of them at once would be a burden there.
	movedWithin = 3 * time.Second
	// awayPause is before the next look while the database is away.
	awayPause = time.Second
)

// events serves GET /me/events: server-sent events (WHATWG HTML §9.2) for as long as the app listens, its access token is
// good and its Session lives.
func (e *Endpoints) events(w http.ResponseWriter, r *http.Request, c caller) error {
	all, err := e.manages(r.Context(), c)
	if err != nil {
		return err
	}
	s, err := e.streams.add(c.live.User.ID, identity.Held{SessionID: c.live.Session.ID, JTI: c.token.ID}, c.token.keyID)
	if err != nil {
		return err
	}
	defer e.streams.remove(s)
	// Before the first look, so that nothing happens in between unheard.
	wake, cancel := e.store.Subscribe(identity.Feed{UserID: c.live.User.ID, ClientID: c.token.ClientID, Own: !all})
	defer cancel()
	out := eventWriter{w, http.NewResponseController(w)}
	e.unkept(w, "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would wait for more
	w.WriteHeader(http.StatusOK)
	l := &listener{e: e, caller: c, all: all, out: out}
	if l.begin(r.Context(), r.Header.Get("Last-Event-ID")) == nil {
		l.listen(r.Context(), s, wake)
	}
	return nil // the answer has begun: what comes now can only end it
}

// listen tells what happens until the stream is over.
func (l *listener) listen(ctx context.Context, s *stream, wake <-chan struct{}) {
	beat, pause := time.NewTimer(0), time.NewTimer(0)
	defer beat.Stop()
	defer pause.Stop()
	for {
		pause.Reset(eventsPause)
		rest, err := l.look(ctx)
		if err != nil {
			return
		}
		beat.Reset(rest)
		select {
		case <-ctx.Done():
			return
		case <-l.e.streams.leaving:
			_ = l.out.write(fmt.Sprintf("retry: %d\n\n", rand.N(movedWithin).Milliseconds())) //nolint:gosec // it spreads load, and is no secret
			return
		case last := <-s.over:
			_ = l.out.send("", last.name, last.data)
			return
		case <-wake:
		case <-beat.C:
			if l.out.comment() != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// eventWriter writes server-sent events.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// send writes an event; without an id the listener keeps the one that it has.
func (o eventWriter) send(id, event string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return o.write(fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, event, body))
}

// comment is a sign of life.
func (o eventWriter) comment() error { return o.write(":\n\n") }

func (o eventWriter) write(text string) error { return o.within(writeWithin, text) }

// within has a limit of its own for each write; the server's for a whole answer does not hold any more.
func (o eventWriter) within(limit time.Duration, text string) error {
	_ = o.control.SetWriteDeadline(time.Now().Add(limit)) //nolint:forbidigo // sockets know no other clock
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.control.Flush()
}

// tellChange spells a change as an event's data.
func (e *Endpoints) tellChange(ctx context.Context, c identity.Change) any {
	switch c.Kind {
	case identity.ChangeEnded:
		return sessionOver{c.SessionID.String(), c.Cause, c.At.Unix()}
	case identity.ChangeStarted:
		return sessionBegun{
			c.SessionID.String(), c.ClientID, e.nameOf(ctx, c.ClientID),
			c.Device.Name, c.Device.Model, c.Device.AppVersion, c.At.Unix(),
		}
	case identity.ChangeDocument:
		if c.Document.Deleted {
			return documentChanged{Key: c.Document.Key, Deleted: true}
		}
		return documentChanged{Key: c.Document.Key, ETag: c.Document.ETag()}
	case identity.ChangeProfile:
	}
	return struct{}{}
}

// What events say.
type (
	sessionOver struct {
		ID     string            `json:"sid"`
		Reason identity.EndCause `json:"reason"`
		At     int64             `json:"at"`
	}
	sessionBegun struct {
		ID         string `json:"sid"`
		ClientID   string `json:"client_id"`
		ClientName string `json:"client_name,omitempty"`
		DeviceName string `json:"device_name,omitempty"`
		Model      string `json:"device_model,omitempty"`
		AppVersion string `json:"app_version,omitempty"`
		At         int64  `json:"at"`
	}
	documentChanged struct {
		Key     string `json:"key"`
		ETag    string `json:"etag,omitempty"`
		Deleted bool   `json:"deleted,omitempty"`
	}
	tokenOver struct {
		Reason string `json:"reason"` // expired or revoked
	}
)

// sharedWithin bounds one read for all who wait for it.
const sharedWithin = 5 * time.Second

// shared reads something once for all streams that ask at the same time: what wakes one of a person's wakes others.
type shared[V any] struct{ under singleflight.Group }

// get returns what read returns; others get the same value. Whoever joins a read that was under way asks once more: it may
// have begun before that was committed which woke him.
func (s *shared[V]) get(ctx context.Context, key string, read func(context.Context) (V, error)) (V, error) {
	v, led, err := s.once(ctx, key, read)
	if err != nil || led {
		return v, err
	}
	v, _, err = s.once(ctx, key, read)
	return v, err
}

// once reads, or joins whoever reads the same.
func (s *shared[V]) once(ctx context.Context, key string, read func(context.Context) (V, error)) (v V, led bool, err error) {
	all, err, _ := s.under.Do(key, func() (any, error) {
		led = true
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), sharedWithin) // the others go on when this one leaves
		defer stop()
		return read(ctx)
	})
	if err != nil {
		return v, led, err
	}
	return all.(V), led, nil
}

// feeds reads what happened to a person.
type feeds struct {
	shared[[]identity.Change]
	read func(context.Context, identity.Feed) ([]identity.Change, error)
}

// since returns what happened since a little before a time, the oldest first; others read the same slice.
func (f *feeds) since(ctx context.Context, feed identity.Feed) ([]identity.Change, error) {
	feed.After = feed.After.Truncate(time.Second) // so that those who were woken together ask the same
	key := fmt.Sprint(feed.UserID, feed.ClientID, feed.Own, feed.After.Unix())
	return f.get(ctx, key, func(ctx context.Context) ([]identity.Change, error) { return f.read(ctx, feed) })
}

// verdicts judges all streams of a person by one read.
type verdicts struct {
	shared[map[identity.Held]identity.Live]
	read func(context.Context, []identity.Held) (map[identity.Held]identity.Live, error)
}

// of returns what stands behind an access token now; NotFound as LiveSession says it. The others of the person's streams
// are those that held returns.
func (v *verdicts) of(ctx context.Context, user identity.ID, h identity.Held, held func() []identity.Held) (identity.Live, error) {
	all, err := v.get(ctx, user.String(), func(ctx context.Context) (map[identity.Held]identity.Live, error) {
		return v.read(ctx, held())
	})
	if err != nil {
		return identity.Live{}, err
	}
	live, found := all[h]
	if !found {
		return live, identity.Refuse(identity.NotFound, "There is no such session.")
	}
	return live, nil
}

const (
	maxStreams    = 10_000 // of one process
	maxPerPerson  = 32     // of those: a few devices with a few apps each
	maxPerSession = 4      // an app needs one; dead connections linger for a while
)

var (
	errStreams = &identity.Error{
		Kind: identity.Busy, Msg: "Too many apps listen here. Ask again in a moment.", Wait: 10 * time.Second,
	}
	errPerPerson = &identity.Error{
		Kind: identity.Throttled, Msg: "32 apps of this account listen already. Close one, or ask again later.", Wait: time.Minute,
	}
)

// streams are the event streams that are open in this process.
type streams struct {
	mu      sync.Mutex
	open    int
	turned  int                       // away, since the process started
	of      map[identity.ID][]*stream // by Session, the oldest first
	byUser  map[identity.ID]map[*stream]bool
	leaving chan struct{} // closed when the process stops
	left    sync.Once
}

// stream is one of them.
type stream struct {
	userID identity.ID
	held   identity.Held
	keyID  string        // of the key that signed its access token; empty for a reference
	over   chan farewell // what it says last
}

// farewell is the event that a stream ends with.
type farewell struct {
	name string
	data any
}

// end has a stream say goodbye, if it was not told to before.
func (s *stream) end(name string, data any) {
	select {
	case s.over <- farewell{name, data}:
	default:
	}
}

func newStreams() *streams {
	return &streams{
		of: map[identity.ID][]*stream{}, byUser: map[identity.ID]map[*stream]bool{}, leaving: make(chan struct{}),
	}
}

// add makes room for one more stream of a person's Session. The oldest of the Session gives way to a fifth: a phone that
// changed networks has left dead ones behind and must not be locked out by them. It refuses when the person has as many as
// one may (Throttled), or the process is full (Busy).
func (s *streams) add(userID identity.ID, h identity.Held, keyID string) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.of[h.SessionID]
	switch {
	case len(s.byUser[userID]) >= maxPerPerson && len(all) < maxPerSession:
		s.turned++
		return nil, errPerPerson
	case s.open >= maxStreams:
		s.turned++
		return nil, errStreams
	}
	s.open++
	added := &stream{userID: userID, held: h, keyID: keyID, over: make(chan farewell, 1)}
	if all = append(all, added); len(all) > maxPerSession {
		all[0].end("replaced", struct{}{}) // newer ones took its place
		delete(s.byUser[userID], all[0])
		all = all[1:]
	}
	s.of[h.SessionID] = all
	if s.byUser[userID] == nil {
		s.byUser[userID] = map[*stream]bool{}
	}
	s.byUser[userID][added] = true
	return added, nil
}

// keep ends the streams whose access token was signed by none of these keys, by their ids: such a token opens none any more.
func (s *streams) keep(published map[string]*signingKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range s.of {
		for _, one := range all {
			if one.keyID != "" && published[one.keyID] == nil {
				one.end("token.expired", tokenOver{"revoked"})
			}
		}
	}
}

func (s *streams) remove(gone *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	id := gone.held.SessionID
	s.of[id] = slices.DeleteFunc(s.of[id], func(other *stream) bool { return other == gone })
	if len(s.of[id]) == 0 {
		delete(s.of, id)
	}
	delete(s.byUser[gone.userID], gone)
	if len(s.byUser[gone.userID]) == 0 {
		delete(s.byUser, gone.userID)
	}
}

// held returns what a person's streams are judged by.
func (s *streams) held(userID identity.ID) (all []identity.Held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.byUser[userID] {
		if !slices.Contains(all, one.held) {
			all = append(all, one.held)
		}
	}
	return all
}

// refused is how many were turned away.
func (s *streams) refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turned
}

// count is how many are open.
func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// OpenStreams is how many apps listen to this process.
func (e *Endpoints) OpenStreams() int { return e.streams.count() }

// RefusedStreams is how many were turned away since this process started, being one too many.
func (e *Endpoints) RefusedStreams() int { return e.streams.refused() }

// stop ends all streams.
func (s *streams) stop() { s.left.Do(func() { close(s.leaving) }) }
