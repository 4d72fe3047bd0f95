package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

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
	case identity.ChangeState:
		if c.State.Deleted {
			return stateChanged{Key: c.State.Key, Deleted: true}
		}
		return stateChanged{Key: c.State.Key, ETag: c.State.ETag()}
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
	stateChanged struct {
		Key     string `json:"key"`
		ETag    string `json:"etag,omitempty"`
		Deleted bool   `json:"deleted,omitempty"`
	}
	tokenOver struct {
		Reason string `json:"reason"` // expired or revoked
	}
)
