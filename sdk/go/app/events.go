package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/clock"
)

const (
	silence  = 40 * time.Second // after which a stream is dead: signs of life come every 15 seconds
	maxEvent = maxBody
)

// Listen hears what happens to the session until Unlisten: call it while the app is in front. It does nothing where the server has no
// events. What is heard comes to Config.Notify: the end of the session within a second, and all that docs/mobile.md lists.
func (a *App) Listen() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.listening != nil {
		return
	}
	ctx, stop := context.WithCancel(a.life)
	a.listening = stop
	go a.listen(ctx)
}

// Unlisten ends Listen.
func (a *App) Unlisten() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.listening != nil {
		a.listening()
		a.listening = nil
	}
}

// errReplaced is a stream that must not be opened again.
var errReplaced = errors.New("another stream took its place")

// listen opens the stream again and again.
func (a *App) listen(ctx context.Context) {
	for n := 0; ; n++ {
		began := a.clock.Elapsed()
		err := a.hearOnce(ctx)
		if errors.Is(err, errReplaced) || errors.Is(err, errNoEvents) || ctx.Err() != nil {
			return
		}
		if a.clock.Elapsed()-began > silence {
			n = 0
		}
		wait := clock.Backoff(n, 2*firstWait, longWait)
		if lost, ok := errors.AsType[*again](err); ok {
			wait = max(wait, lost.after)
		}
		if a.clock.Wait(ctx, wait) != nil {
			return
		}
	}
}

var errNoEvents = errors.New("this server tells no events")

// hearOnce opens the stream and reads it to its end.
func (a *App) hearOnce(ctx context.Context) error {
	t, err := a.token(ctx, "")
	if err != nil {
		return err
	}
	r, err := a.current()
	if err != nil {
		return err
	}
	p, err := a.served(ctx)
	if err != nil {
		return err
	}
	if p.Me == "" {
		return errNoEvents
	}
	ctx, hangUp := context.WithCancelCause(ctx)
	defer hangUp(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Me+"/events", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	if r.Heard != "" {
		request.Header.Set("Last-Event-ID", r.Heard)
	}
	if err := a.authorize(request, t); err != nil {
		return err
	}
	response, err := endpoints{a}.RoundTrip(request) // no limit on the whole; a redirect is not followed
	if err != nil {
		return err
	}
	defer response.Body.Close()
	a.takeNonce(request.URL, response.Header.Get("DPoP-Nonce"))
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		a.refuse(t.Access)
		return errors.New("the stream needs another token")
	case response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream"):
		after := retryAfter(response.Header.Get("Retry-After"), a.serverTime())
		return &again{after, fmt.Errorf("the stream answers %s", response.Status)}
	}
	return a.readEvents(response, t, hangUp)
}

// readEvents reads text/event-stream (WHATWG HTML §9.2) until it ends, or nothing has come for too long.
func (a *App) readEvents(response *http.Response, t *tokens, hangUp context.CancelCauseFunc) error {
	var last atomic.Int64
	alive := func() { last.Store(int64(a.clock.Elapsed())) }
	alive()
	watch := time.NewTicker(time.Second)
	defer watch.Stop()
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-watch.C:
				if a.clock.Elapsed()-time.Duration(last.Load()) > silence {
					hangUp(errors.New("the stream is silent"))
				}
			}
		}
	}()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxEvent)
	var now heard
	for lines.Scan() {
		alive()
		whole := now.take(lines.Text())
		if len(now.data) > maxEvent {
			return errors.New("this event is far too large")
		}
		if !whole {
			continue
		}
		if err := a.hear(now, t); err != nil {
			return err
		}
		now = heard{}
	}
	return &again{0, errors.New("the stream ended")}
}

// heard is an event as it is read.
type heard struct {
	id, name string
	data     []byte
}

// take reads a line, and reports whether the event is whole.
func (h *heard) take(line string) bool {
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "id":
		h.id = value
	case "event":
		h.name = value
	case "data":
		if h.data != nil {
			h.data = append(h.data, '\n')
		}
		h.data = append(h.data, value...)
	case "":
		if line == "" && h.name == "" {
			*h = heard{} // nobody would know what it is
		}
		return line == "" && h.name != ""
	}
	return false
}

// hear does what an event says.
func (a *App) hear(e heard, t *tokens) error {
	var about struct {
		SessionID string `json:"sid"`
		Reason    string `json:"reason"`
	}
	_ = json.Unmarshal(e.data, &about) // what is not there is empty
	switch e.name {
	case "session.ended":
		if about.SessionID != "" && about.SessionID == t.SessionID {
			return a.heardEnd(about.SessionID, about.Reason)
		}
	case "token.expired":
		a.refuse(t.Access)
		return errors.New("the token is over")
	case "replaced":
		return errReplaced
	case "profile.changed":
		if err := a.askUserInfo(a.life); KindOf(err) == Offline {
			return err // the stream is opened again, and tells it again
		}
	}
	a.cfg.Notify(Event{Name: e.name, Data: e.data})
	if e.id == "" {
		return nil
	}
	return a.change(a.life, func(r *record) error {
		r.Heard = e.id
		return a.save(r)
	})
}

// heardEnd ends the session that the server told is over, unless it is another one's by now.
func (a *App) heardEnd(id, reason string) error {
	return a.change(a.life, func(r *record) error {
		if r.Tokens == nil || r.Tokens.SessionID != id {
			return nil
		}
		return a.end(r, &Ended{Reason: reason})
	})
}
