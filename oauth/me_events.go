package oauth

import (
	"context"
	"encoding/json"
	"fmt"
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
	// awayPause is before the next look while the database is away.
	awayPause = time.Second
)

// events serves GET /me/events: server-sent events (WHATWG HTML §9.2) for as long as the app listens, its access token is
// good and its Session lives.
func (e *Endpoints) events(w http.ResponseWriter, r *http.Request, c caller) error {
	visible, err := e.visibleTo(r.Context(), c)
	if err != nil {
		return err
	}
	s, err := e.streams.add(c.live.Session.ID)
	if err != nil {
		return err
	}
	defer e.streams.remove(s)
	wake, cancel := e.store.Subscribe(c.live.User.ID) // before the first look: nothing happens in between unheard
	defer cancel()
	out := eventWriter{w, http.NewResponseController(w)}
	e.unkept(w, "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would wait for more
	w.WriteHeader(http.StatusOK)
	l := &listener{e: e, caller: c, visible: visible, out: out}
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
			return
		case <-s.replaced:
			_ = l.out.send("", "replaced", struct{}{})
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

// write has a limit of its own for each write; the server's for a whole answer does not hold any more.
func (o eventWriter) write(text string) error {
	_ = o.control.SetWriteDeadline(time.Now().Add(writeWithin)) //nolint:forbidigo // sockets know no other clock
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

// feedWithin bounds one read for all who wait for it.
const feedWithin = 5 * time.Second

// feeds reads what happened to a person once for all streams that ask at the same time: what wakes one of them wakes all.
type feeds struct {
	read  func(context.Context, identity.Feed) ([]identity.Change, error)
	under singleflight.Group
}

// since returns what happened since a little before a time, the oldest first; others read the same slice. Whoever joins a
// read that was under way asks once more: it may have begun before that was committed which woke him.
func (f *feeds) since(ctx context.Context, feed identity.Feed) ([]identity.Change, error) {
	feed.After = feed.After.Truncate(time.Second) // so that those who were woken together ask the same
	changes, led, err := f.once(ctx, feed)
	if err != nil || led {
		return changes, err
	}
	changes, _, err = f.once(ctx, feed)
	return changes, err
}

// once reads, or joins whoever reads the same.
func (f *feeds) once(ctx context.Context, feed identity.Feed) (changes []identity.Change, led bool, err error) {
	key := fmt.Sprint(feed.UserID, feed.ClientID, feed.Own, feed.After.Unix())
	all, err, _ := f.under.Do(key, func() (any, error) {
		led = true
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), feedWithin) // the others go on when this one leaves
		defer stop()
		return f.read(ctx, feed)
	})
	if err != nil {
		return nil, led, err
	}
	return all.([]identity.Change), led, nil
}

const (
	maxStreams    = 10_000 // of one process
	maxPerSession = 4      // an app needs one; dead connections linger for a while
)

var errStreams = &identity.Error{
	Kind: identity.Unavailable, Msg: "Too many apps listen here. Ask again in a moment.", Wait: 10 * time.Second,
}

// streams are the event streams that are open in this process.
type streams struct {
	mu      sync.Mutex
	open    int
	of      map[identity.ID][]*stream // by Session, the oldest first
	leaving chan struct{}             // closed when the process stops
	left    sync.Once
}

// stream is one of them.
type stream struct {
	sessionID identity.ID
	replaced  chan struct{} // closed when newer ones of the Session took its place
}

func newStreams() *streams {
	return &streams{of: map[identity.ID][]*stream{}, leaving: make(chan struct{})}
}

// add makes room for one more stream of a Session. The oldest gives way to a fifth: a phone that changed networks has left
// dead ones behind and must not be locked out by them. It refuses (Unavailable) when the process is full.
func (s *streams) add(sessionID identity.ID) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= maxStreams {
		return nil, errStreams
	}
	s.open++
	added := &stream{sessionID: sessionID, replaced: make(chan struct{})}
	all := append(s.of[sessionID], added)
	if len(all) > maxPerSession {
		close(all[0].replaced)
		all = all[1:]
	}
	s.of[sessionID] = all
	return added, nil
}

func (s *streams) remove(gone *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.of[gone.sessionID] = slices.DeleteFunc(s.of[gone.sessionID], func(other *stream) bool { return other == gone })
	if len(s.of[gone.sessionID]) == 0 {
		delete(s.of, gone.sessionID)
	}
}

// count is how many are open.
func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// OpenStreams is how many apps listen to this process.
func (e *Endpoints) OpenStreams() int { return e.streams.count() }

// stop ends all streams.
func (s *streams) stop() { s.left.Do(func() { close(s.leaving) }) }
