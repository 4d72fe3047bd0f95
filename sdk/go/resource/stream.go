package resource

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	firstByte = 3 * time.Second       // in which a stream must begin, or something buffers it
	proven    = 10 * time.Second      // a stream that lived so long is a good one
	pollPause = 50 * time.Millisecond // at least, from one poll to the next
	maxEvent  = 4 << 20               // a batch of 500 people who keep 100 sessions each
	maxPolled = 16 << 20
)

// errBuffered is a way to the server on which streams don't work.
var errBuffered = errors.New("no stream of events comes through")

// connection is one stream, and what proves that it is live.
type connection struct {
	f     *follower
	nonce string
	sent  moment

	heard atomic.Int64 // when something last proved it, on the elapsed clock; 0: not yet
	begun atomic.Bool  // a byte came

	beats int
	lead  time.Duration // of the server's clock over ours, the greatest so far: at that beat, nothing was delayed
}

// ask opens the feed where the follower is.
func (f *follower) ask(ctx context.Context, endpoint, nonce string) (*http.Request, error) {
	fields := url.Values{"nonce": {nonce}, "wait": {"2"}}
	if cursor := f.cursorText(); cursor != "" {
		fields.Set("after", cursor)
	}
	return f.guard.server.form(ctx, endpoint, fields)
}

// stream reads server-sent events until they end.
func (f *follower) stream(ctx context.Context, endpoint string) error {
	c := &connection{f: f, nonce: rand.Text(), sent: momentOf(f.clock)}
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp()
	go c.watch(ctx, hangUp)
	request, err := f.ask(ctx, endpoint, c.nonce)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	f.guard.server.feed.Add(1)
	response, err := f.guard.server.client.Do(request)
	switch {
	case err != nil && ctx.Err() != nil:
		return errBuffered
	case err != nil:
		return err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode != http.StatusOK:
		return &refusedError{response.StatusCode, retryAfter(response.Header.Get("Retry-After"), f.guard.cfg.Clock.Wall())}
	case !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream"):
		return errBuffered
	}
	err = c.read(ctx, bufio.NewScanner(response.Body))
	switch {
	case !c.begun.Load() && ctx.Err() != nil:
		return errBuffered
	case errors.Is(err, errOver) && f.clock.Elapsed()-c.sent.elapsed > proven:
		return nil
	}
	return err
}

// watch hangs up when nothing comes, or nothing that proves that it is of now.
func (c *connection) watch(ctx context.Context, hangUp func()) {
	for {
		end := c.sent.elapsed + firstByte
		if c.begun.Load() {
			end = max(time.Duration(c.heard.Load()), c.sent.elapsed) + freshness
		}
		left := end - c.f.clock.Elapsed()
		if left < 0 {
			hangUp()
			return
		}
		if c.f.clock.Wait(ctx, left+time.Millisecond) != nil {
			return
		}
	}
}

// errOver is the end of a stream, which the server may wish.
var errOver = errors.New("the stream ended")

// read reads text/event-stream (WHATWG HTML §9.2).
func (c *connection) read(ctx context.Context, lines *bufio.Scanner) error {
	lines.Buffer(nil, maxEvent)
	var name, data string
	for lines.Scan() {
		c.begun.Store(true)
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if err := c.hear(ctx, name, data); err != nil {
				return err
			}
			name, data = "", ""
		case field == "event":
			name = value
		case field == "data" && len(data)+len(value) > maxEvent:
			return errors.New("an event of the feed is over 4 MB")
		case field == "data":
			data += value
		}
		if c.f.clock.Elapsed()-c.sent.elapsed > proven && c.beats > 1 {
			c.f.good()
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the stream broke: %w", err)
	}
	return errOver
}

// hear takes an event. Those of other names are for newer libraries, but an ending never comes as one.
func (c *connection) hear(ctx context.Context, name, data string) error {
	if name != "endings" && name != "beat" {
		return nil
	}
	members, err := c.f.message(ctx, data)
	if err != nil {
		return err
	}
	if name == "endings" {
		b, err := readBatch(members)
		if err != nil {
			return err
		}
		return c.f.takeBatch(b)
	}
	b, err := readBeat(members)
	if err != nil {
		return err
	}
	at, err := c.judge(b)
	if err != nil {
		return err
	}
	return c.f.takeBeat(b, at)
}

// judge says from when a beat's age counts. Only what carries the nonce of this connection was made after it was opened; what
// comes ever later than the server's own clock says was held back on the way.
func (c *connection) judge(b beat) (at moment, err error) {
	if b.nonce != c.nonce {
		return at, errors.New("a beat of another connection: it proves nothing")
	}
	at = momentOf(c.f.clock)
	now := at.elapsed
	if c.sent.age(c.f.clock)-(now-c.sent.elapsed) > freshness { // what waited in between may be of before
		return at, errors.New("the machine slept, or its clock was set ahead: the stream proves nothing")
	}
	lead := time.Duration(b.issuedAt)*time.Second - now
	if c.beats++; c.beats == 1 {
		c.lead, at = lead, c.sent
	} else {
		c.lead = max(c.lead, lead)
	}
	if c.lead-lead > freshness {
		return at, errors.New("the stream is held back, or the server's clock went back")
	}
	c.heard.Store(int64(now))
	return at, nil
}

// poll asks again and again, until streams may be tried again.
func (f *follower) poll(ctx context.Context, endpoint string) error {
	for f.clock.Elapsed() < f.pollUntil {
		sent := f.clock.Elapsed()
		more, err := f.pollOnce(ctx, endpoint)
		if err != nil {
			return err
		}
		f.good()
		if left := pollPause - (f.clock.Elapsed() - sent); !more && left > 0 {
			if err := f.clock.Wait(ctx, left); err != nil {
				return err
			}
		}
	}
	return nil
}

// pollOnce reads what there is, or waits a moment for it. The beat's age counts from when it was asked for.
func (f *follower) pollOnce(ctx context.Context, endpoint string) (more bool, err error) {
	nonce, sent := rand.Text(), momentOf(f.clock)
	request, err := f.ask(ctx, endpoint, nonce)
	if err != nil {
		return false, err
	}
	request.Header.Set("Accept", "application/json")
	var said struct {
		Endings []string `json:"endings"`
		Beat    string   `json:"beat"`
		More    bool     `json:"more"`
	}
	f.guard.server.feed.Add(1)
	if err := f.guard.server.fetch(request, maxPolled, &said); err != nil {
		return false, err
	}
	for _, text := range said.Endings {
		members, err := f.message(ctx, text)
		if err != nil {
			return false, err
		}
		b, err := readBatch(members)
		if err != nil {
			return false, err
		}
		if err := f.takeBatch(b); err != nil {
			return false, err
		}
	}
	if said.More {
		return true, nil
	}
	members, err := f.message(ctx, said.Beat)
	if err != nil {
		return false, err
	}
	b, err := readBeat(members)
	if err != nil {
		return false, err
	}
	if b.nonce != nonce {
		return false, errors.New("a beat of another question: it proves nothing")
	}
	return false, f.takeBeat(b, sent)
}
