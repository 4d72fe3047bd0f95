package oauth

import (
	"bytes"
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	maxFollowers   = 1000 // of one process
	maxPerFollower = 64   // of one client: as many processes of an API
	// endingsBeat is between two beats of a stream.
	endingsBeat = time.Second
	// streamLife is how long a stream lives. Its follower resumes, perhaps at another process.
	streamLife = 10 * time.Minute
	// followerReads is how long a follower may take to read what it is sent.
	followerReads = 5 * time.Second
	// maxPolled is how many messages one poll gets, maxPolledBytes how many bytes before the last of them: 500 people who keep
	// 100 sessions each are a message of nearly 3 MB, and no follower reads an answer over 16 MB, or for longer than ten seconds: over a
	// thin way a long answer would never arrive, however often it is asked for. It is also what 64 slow readers of a client hold here.
	maxPolled      = 200
	maxPolledBytes = 1 << 20

	defaultWait, maxWait = 2, 3 // of a poll, in seconds
)

var (
	// followPace is of one client's streams and polls that begin.
	followPace = pace{burst: 256, every: 10 * time.Millisecond}

	errFollowers = &identity.Error{
		Kind: identity.Busy, Msg: "Too many follow here. Ask again in a moment.", Wait: 2 * time.Second,
	}
	errPerFollower = &identity.Error{
		Kind: identity.Throttled, Msg: "64 processes of this client follow already. Close one, or use another client.", Wait: 10 * time.Second,
	}
	errNoFollower = say(accessDenied, "The feed of endings is for confidential clients that the operator added.")

	errFollowerLost = errors.New("the follower lagged behind, or the process stops")
)

// following is what a follower asks for.
type following struct {
	client  identity.Client
	secrets [2][]byte // of the client, that were good then
	after   identity.MarkPlace
	nonce   string
	wait    time.Duration
	known   bool          // it names a place to go on from
	asked   time.Duration // when, as the feed counts
}

// endings serves POST /oauth2/endings: signed marks of what APIs must not believe any more, and beats that say that there
// were no more, as server-sent events or by long polls (docs/endings.md).
func (e *Endpoints) endings(w http.ResponseWriter, r *http.Request) {
	if err := e.follow(w, r); err != nil {
		e.refuse(w, r, atToken, err)
	}
}

// follow answers, or returns why it can't.
func (e *Endpoints) follow(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	c, err := e.authenticate(r.Context(), r, form)
	switch {
	case err != nil:
		return err
	case c.Public():
		return say(invalidClient, "The feed of endings is for clients that authenticate.")
	case !mayFollow(c):
		return errNoFollower
	}
	asked, err := readFollowing(form)
	if err != nil {
		return err
	}
	asked.asked = e.followed.elapsed()
	if err := e.polls.take(c.ID, followPace, e.o.Now()); err != nil {
		return err
	}
	asked.client = c
	asked.secrets[0], asked.secrets[1] = c.Secrets(e.o.Now())
	for range 2 { // the feed may begin anew this very moment
		if err = e.inform(w, r, asked); !errors.Is(err, errFollowerLost) {
			return err
		}
	}
	return errFollowers
}

// inform answers a follower, or returns why it can't: errFollowerLost where it is to be asked once more.
func (e *Endpoints) inform(w http.ResponseWriter, r *http.Request, asked following) error {
	one, at, err := e.followed.join(r.Context(), asked.client.ID)
	if err != nil {
		return err
	}
	defer e.followed.leave(one)
	l := &endingsListener{e: e, following: asked, follower: one, at: at, told: at}
	if err := l.place(r.Context()); err != nil {
		return err
	}
	if wantsEvents(r) {
		return l.stream(w, r)
	}
	return l.poll(w, r)
}

// mayFollow reports whether a client may read the feed: whoever may introspect every token.
func mayFollow(c identity.Client) bool { return !c.Public() && !c.SelfRegistered }

var nonceShape = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)

// readFollowing reads the parameters.
func readFollowing(form url.Values) (f following, err error) {
	if f.nonce = form.Get("nonce"); !nonceShape.MatchString(f.nonce) {
		return f, say(invalidRequest, "Send a nonce of 16 to 128 characters of base64url, another one each time.")
	}
	if after := form.Get("after"); after != "" {
		if f.after, f.known = identity.ReadMarkPlace(after); !f.known {
			return f, say(invalidRequest, `after is a place of this feed, like "41.0a1b2c3d". Leave it out to begin.`)
		}
	}
	seconds := defaultWait
	if text := form.Get("wait"); text != "" {
		if seconds, err = strconv.Atoi(text); err != nil || seconds < 0 || seconds > maxWait {
			return f, say(invalidRequest, "wait is a number of seconds from 0 to 3.")
		}
	}
	f.wait = time.Duration(seconds) * time.Second
	return f, nil
}

// wantsEvents reads Accept.
func wantsEvents(r *http.Request) bool {
	for _, item := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if kind, params, err := mime.ParseMediaType(item); err == nil && kind == "text/event-stream" && quality(params) > 0 {
			return true
		}
	}
	return false
}

// endingsListener is a follower while it is answered.
type endingsListener struct {
	following
	*follower
	e     *Endpoints
	at    identity.MarkPlace // behind which the feed hands it everything
	since int64              // behind which it must be told what is up to there
	whole bool               // a snapshot is still to begin
	held  []batch            // were handed over, and are still to be told
	told  identity.MarkPlace // up to which it was told
}

// place finds where to go on from. A place that there isn't, be it swept or of a database that was put back, is no error:
// everything that matters is told anew.
func (l *endingsListener) place(ctx context.Context) (err error) {
	if l.known = l.known && l.after.Position > 0; l.known {
		if l.known, err = l.e.store.HasMark(ctx, l.after); err != nil {
			return err
		}
	}
	if l.since = l.after.Position; !l.known {
		l.whole = true
		l.since, err = l.e.store.MarksFrom(ctx, l.e.followed.since(ctx), l.at)
	}
	return err
}

// behind reports whether there is something to be told that the feed does not hand over.
func (l *endingsListener) behind() bool { return l.whole || l.since < l.at.Position }

// next is the next message of what is behind.
func (l *endingsListener) next(ctx context.Context) (batch, error) {
	from := l.since
	if l.whole {
		from = 0
	}
	b, err := l.e.followed.page(ctx, stretch{l.since, from, l.at})
	if err == nil {
		l.since, l.whole, l.told = b.to.Position, false, b.to
	}
	return b, err
}

// beatMessage says that there was no more up to now.
type beatMessage struct {
	Issuer   string `json:"iss"`
	IssuedAt int64  `json:"iat"`
	Nonce    string `json:"nonce"`
	At       int64  `json:"at"`
	Tag      string `json:"tag"`
	Window   int64  `json:"window"`        // how many seconds a mark must be held
	ACR      string `json:"acr,omitempty"` // that tokens of a Session must have
}

// beat vouches for the place up to which the follower was told.
func (l *endingsListener) beat(ctx context.Context) (string, error) {
	said := beatMessage{
		Issuer: l.e.o.Issuer, IssuedAt: l.e.o.Now().Unix(), Nonce: l.nonce, At: l.told.Position, Tag: l.told.Tag,
		Window: int64(l.e.followed.window(ctx) / time.Second),
	}
	if l.e.o.Policy == identity.MFARequired {
		said.ACR = "mfa"
	}
	return l.e.signEndings(said)
}

// stream tells everything as it happens, until something ends it. The follower resumes by its cursor.
func (l *endingsListener) stream(w http.ResponseWriter, r *http.Request) error {
	out := eventWriter{w, http.NewResponseController(w)}
	_ = out.control.SetReadDeadline(time.Time{}) // that of an ordinary request does not hold any more
	l.e.unkept(w, "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would wait for more
	w.WriteHeader(http.StatusOK)
	ctx, stop := context.WithTimeout(r.Context(), streamLife)
	defer stop()
	for l.behind() {
		b, err := l.next(ctx)
		if err != nil || out.endings(b) != nil {
			return nil // the answer has begun: what comes now can only end it
		}
	}
	_ = l.listen(ctx, out)
	return nil
}

func (l *endingsListener) listen(ctx context.Context, out eventWriter) error {
	tick := time.NewTicker(endingsBeat)
	defer tick.Stop()
	for {
		if err := l.pulse(ctx, out); err != nil {
			return err
		}
		for beating := false; !beating; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-l.over:
				return errFollowerLost
			case b := <-l.batches:
				if l.told = b.to; out.endings(b) != nil {
					return errFollowerLost
				}
			case <-tick.C:
				beating, l.asked = true, l.e.followed.elapsed()
			}
		}
	}
}

// pulse sends a beat, once a look vouches for it, and judges the follower anew.
func (l *endingsListener) pulse(ctx context.Context, out eventWriter) error {
	if err := l.stillMay(ctx); err != nil {
		return err
	}
	if _, err := l.e.followed.seen(ctx, l.follower, l.asked); err != nil {
		return err
	}
	for _, b := range l.waiting(queued) { // all that was committed before has been handed over
		if err := out.endings(b); err != nil {
			return err
		}
	}
	text, err := l.beat(ctx)
	if err != nil {
		return err
	}
	return out.message("beat", text, "")
}

// stillMay refuses a client that was deleted, disabled or may not follow any more, or whose secrets are others than when the stream
// began: it may have begun by one that leaked. Who has a good one resumes. A database that is away is no verdict.
func (l *endingsListener) stillMay(ctx context.Context) error {
	c, err := l.e.clientByID(ctx, l.client.ID)
	switch {
	case identity.KindOf(err) == identity.NotFound, err == nil && !mayFollow(c):
		return errNoFollower
	case err != nil:
		return nil
	}
	newest, former := c.Secrets(l.e.o.Now())
	if !bytes.Equal(newest, l.secrets[0]) || !bytes.Equal(former, l.secrets[1]) {
		return errNoFollower
	}
	return nil
}

// waiting takes at most limit messages that were handed over.
func (l *endingsListener) waiting(limit int) (all []batch) {
	all, l.held = l.held, nil
	for len(all) < limit {
		select {
		case b := <-l.batches:
			all, l.told = append(all, b), b.to
		default:
			return all
		}
	}
	return all
}

func (o eventWriter) endings(b batch) error { return o.message("endings", b.text, b.to.Text()) }

// message writes a signed message as an event.
func (o eventWriter) message(event, text, id string) error {
	if id != "" {
		id = "id: " + id + "\n"
	}
	return o.within(followerReads, id+"event: "+event+"\ndata: "+text+"\n\n")
}

// polled is the answer to a long poll.
type polled struct {
	Endings []string `json:"endings"`
	Beat    string   `json:"beat"`
	More    bool     `json:"more,omitempty"`
	bytes   int
}

func (p *polled) add(b batch) { p.Endings, p.bytes = append(p.Endings, b.text), p.bytes+len(b.text) }

func (p *polled) full() bool { return len(p.Endings) >= maxPolled || p.bytes >= maxPolledBytes }

// poll answers at once where there is something to tell, and else when there is, or when the follower's wait is over.
func (l *endingsListener) poll(w http.ResponseWriter, r *http.Request) error {
	if !l.behind() {
		if err := l.await(r.Context()); err != nil {
			return err
		}
	}
	ctx, stop := context.WithTimeout(r.Context(), lookWithin)
	defer stop()
	at, err := l.e.followed.seen(ctx, l.follower, l.asked)
	if err != nil {
		return err
	}
	answer := polled{Endings: []string{}}
	for l.behind() && !answer.full() {
		b, err := l.next(ctx)
		if err != nil {
			return err
		}
		answer.add(b)
	}
	for !l.behind() && !answer.full() {
		b := l.waiting(1)
		if len(b) == 0 {
			break
		}
		answer.add(b[0])
	}
	answer.More = l.told.Position < at.Position
	if answer.Beat, err = l.beat(ctx); err != nil {
		return err
	}
	l.e.writeJSON(w, http.StatusOK, answer)
	return nil
}

// await waits until something is handed over, which it leaves where it is, or for as long as the follower wants.
func (l *endingsListener) await(ctx context.Context) error {
	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.over:
		return errFollowerLost
	case b := <-l.batches:
		l.held, l.told = []batch{b}, b.to
	case <-timer.C:
	}
	return nil
}
