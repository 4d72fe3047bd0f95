package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	beatEvery = 250 * time.Millisecond
	// beatYoung is how old the last heartbeat may be that came back for the carrier to count as working.
	beatYoung = time.Second
	// silence is how long nothing may be heard, of beats of its own least, before the connection is given up.
	silence = 3 * time.Second
	// sayWithin bounds one packet on its way out, and what closing waits for what was not said yet.
	sayWithin = time.Second
	// redial is between two tries to connect, at first and at most; deafFor, where packets are said but none comes back.
	redial, redialMost, deafFor = 250 * time.Millisecond, 5 * time.Second, time.Minute

	// maxPacket is less than NOTIFY takes; maxUnsaid how many wake-ups wait for the next packet. One that finds no room
	// becomes wakeAll.
	maxPacket, maxUnsaid = 7_000, 2_000
	// A process looks for this many wake-ups of others in a second; of those above it, it looks for all at once.
	heardEvery = 5_000
)

// wire tells other processes what this one committed, hears what they tell, and knows how well that works. What it is told
// costs a look at most, however wrong it is. Without a carrier it does nothing.
type wire struct {
	carrier carrier
	log     *slog.Logger
	self    string // begins each packet of this process
	born    time.Time
	act     func(wake string)
	ring    chan struct{}

	mu      sync.Mutex
	unsaid  []string
	waiting map[string]bool          // what unsaid holds
	beats   map[string]time.Duration // when those were sent that have not come back
	beat    time.Duration            // when the last one was sent that came back; 0: none did
	counted Carrying
	second  int64 // of heardIn
	heardIn int
	up      bool
	warned  time.Duration // when it was last said that it does not work
}

// Carrying is how wake-ups go between processes.
type Carrying struct {
	Carrier  string // "redis" or "postgres"; empty: there is none
	Age      time.Duration
	Said     int
	Heard    int // of other processes
	Ignored  int // made no sense, or were too many
	Failures int // packets that were not taken, and connections that broke
}

func newWire(c carrier, log *slog.Logger, act func(string)) *wire {
	return &wire{
		carrier: c, log: log, self: rand.Text()[:12], born: time.Now(), act: act, ring: make(chan struct{}, 1),
		waiting: map[string]bool{}, beats: map[string]time.Duration{},
	}
}

// tell has the other processes woken, soon and without waiting for it.
func (w *wire) tell(wake string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.unsaid) >= maxUnsaid {
		wake = string(wakeAll)
	}
	if w.waiting[wake] || len(wake) > maxPacket/2 || strings.Contains(wake, "\n") {
		return
	}
	w.waiting[wake] = true
	w.unsaid = append(w.unsaid, wake)
	strike(w.ring)
}

// next is a packet of what was not said yet; empty where there is nothing.
func (w *wire) next() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.unsaid) == 0 {
		return ""
	}
	var packet strings.Builder
	packet.WriteString(w.self)
	n := 0
	for ; n < len(w.unsaid) && packet.Len()+len(w.unsaid[n]) < maxPacket; n++ {
		packet.WriteString("\n" + w.unsaid[n])
		delete(w.waiting, w.unsaid[n])
	}
	w.unsaid = append([]string(nil), w.unsaid[n:]...)
	w.counted.Said += n
	return packet.String()
}

// young reports whether a heartbeat came back that was sent less than a second ago: what others say is heard, as far as
// it can be known. That they could say it is not known, so nobody may stop looking for himself.
func (w *wire) young() bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.beat > 0 && time.Since(w.born)-w.beat < beatYoung
}

// run says and hears until ctx ends.
func (w *wire) run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { w.speak(ctx) })
	both.Go(func() { w.listen(ctx) })
	both.Wait()
}

// speak says what there is to say at once, and that the process is alive.
func (w *wire) speak(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.ring:
		case <-tick.C:
			w.tell(w.newBeat())
			w.judge(ctx)
		}
		w.flush(ctx)
	}
}

// flush says all that was not said yet. What could not be said is not said again: whoever should hear it looks anyway.
func (w *wire) flush(ctx context.Context) {
	for packet := w.next(); packet != ""; packet = w.next() {
		bound, stop := context.WithTimeout(ctx, sayWithin)
		err := w.carrier.say(bound, packet)
		stop()
		if err != nil {
			w.failed(ctx, err)
			return
		}
	}
}

// newBeat is a heartbeat that nobody can foretell.
func (w *wire) newBeat() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Since(w.born)
	for beat, sent := range w.beats {
		if now-sent > silence {
			delete(w.beats, beat)
		}
	}
	beat := string(wakeBeat) + rand.Text()
	w.beats[beat] = now
	return beat
}

// listen hears until ctx ends, and connects again as often as it takes.
func (w *wire) listen(ctx context.Context) {
	for wait := redial; ctx.Err() == nil; wait = min(2*wait, redialMost) {
		began, connected := time.Since(w.born), false
		err := w.carrier.hear(ctx, func() {
			connected = true
			w.act(string(wakeAll)) // what was said meanwhile was not heard
		}, w.heard)
		if ctx.Err() != nil {
			return
		}
		w.failed(ctx, err)
		switch {
		case w.lastBeat() > began:
			wait = redial
		case errors.Is(err, errPooled):
			wait = deafFor
		case connected:
			wait = deafFor
			w.warn(ctx, "wake-ups are sent but do not come back, as behind a pooler in transaction mode", err)
		}
		pause(ctx, wait)
	}
}

func pause(ctx context.Context, d time.Duration) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	}
}

func (w *wire) lastBeat() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.beat
}

// heard acts upon a packet of another process, once for each wake-up, and knows its own beats again.
func (w *wire) heard(packet string) {
	if len(packet) > 2*maxPacket {
		w.ignore(1)
		return
	}
	from, rest, _ := strings.Cut(packet, "\n")
	for wake := range strings.SplitSeq(rest, "\n") {
		switch {
		case wake == "" || wake[0] == wakeBeat:
			w.came(wake)
		case from == w.self: // acted upon when it was committed
		case !w.mayLook():
		default:
			w.act(wake)
		}
	}
}

// came notes a beat of this process that came back.
func (w *wire) came(beat string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if sent, ours := w.beats[beat]; ours {
		delete(w.beats, beat)
		w.beat = max(w.beat, sent)
	}
}

// mayLook bounds what a flood costs: the first wake-up above the bound becomes one for everything, the others become another
// one when the second is over.
func (w *wire) mayLook() bool {
	w.mu.Lock()
	now := time.Since(w.born)
	second := int64(now / time.Second)
	if second != w.second {
		w.second, w.heardIn = second, 0
	}
	w.heardIn++
	n := w.heardIn
	if n <= heardEvery {
		w.counted.Heard++
	} else {
		w.counted.Ignored++
	}
	w.mu.Unlock()
	if n == heardEvery+1 {
		w.act(string(wakeAll))
		time.AfterFunc(time.Duration(second+1)*time.Second-now, func() { w.act(string(wakeAll)) })
	}
	return n <= heardEvery
}

func (w *wire) ignore(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counted.Ignored += n
}

// failed counts a failure, and says what is wrong once for as long as it lasts.
func (w *wire) failed(ctx context.Context, err error) {
	w.mu.Lock()
	w.counted.Failures++
	w.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		w.warn(ctx, "wake-ups between processes do not get through; each looks for itself, less soon", err)
	}
}

// warnEvery is how often it is said at most that wake-ups do not work.
const warnEvery = time.Minute

func (w *wire) warn(ctx context.Context, what string, err error) {
	w.mu.Lock()
	now := time.Since(w.born)
	again := w.warned > 0 && now-w.warned < warnEvery
	if !again {
		w.warned = now
	}
	w.mu.Unlock()
	if w.log != nil && !again {
		w.log.WarnContext(ctx, what, "carrier", w.carrier.name(), "why", problemOf(err))
	}
}

// judge says when wake-ups get through again.
func (w *wire) judge(ctx context.Context) {
	young := w.young()
	w.mu.Lock()
	came := young && !w.up
	w.up = young
	w.mu.Unlock()
	if came && w.log != nil {
		w.log.DebugContext(ctx, "wake-ups between processes get through", "carrier", w.carrier.name())
	}
}

// carrying is what it did.
func (w *wire) carrying() Carrying {
	if w == nil {
		return Carrying{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.counted
	all.Carrier, all.Age = w.carrier.name(), time.Since(w.born)-w.beat
	return all
}
