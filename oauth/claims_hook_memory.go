package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	maxHeard     = 10_000          // answers kept at once, of at most 4 KiB of claims each
	hooksAtOnce  = 64              // questions under way
	hookPause    = 5 * time.Second // of a question, and of all of them, after a failure
	hookFailures = 5               // people whom it failed for in a row: then it is asked for nobody
	refusalLife  = time.Minute     // how long a refusal counts at most
	lastGoodLife = 24 * time.Hour  // how long an answer may stand in for one that does not come
)

// hookPace is of questions about one person: whoever asks for tokens in ever new ways asks no more of the operator's program.
var hookPace = pace{burst: 60, every: time.Second}

// ErrHookAnswer is of an answer that came and is of no use. It says nothing of whether the program answers for others.
var ErrHookAnswer = errors.New("the answer is of no use")

// errHookAway refuses while the program does not answer. It never means "signed out".
var errHookAway = &identity.Error{
	Kind: identity.Unavailable, Wait: hookPause,
	Msg: "What there is to say of people cannot be asked just now. Send the same request again; nothing was lost.",
}

// HookOptions are what a ClaimsHook is made of.
type HookOptions struct {
	// Ask puts a question about a person to the operator's program. It must bound its time and its answer.
	Ask     func(context.Context, HookQuestion, identity.User) (HookAnswer, error)
	Timeout time.Duration // of Ask
	Life    time.Duration // of an answer
	Open    bool          // without an answer, tokens are issued all the same
	Now     func() time.Time
	Log     *slog.Logger
}

// ClaimsHook is the operator's own program that says more of people, and remembers what it said. Many goroutines may use it.
type ClaimsHook struct {
	o      HookOptions
	under  singleflight.Group // one question of a kind at a time
	people paces
	slots  chan struct{}

	mu      sync.Mutex
	kept    map[string]heardOnce
	failing map[identity.ID]bool // whom it failed for since it answered last, no more than hookFailures
	until   time.Time            // all questions rest until then
	counts  map[string]int
}

// heardOnce is what the last questions of a kind brought.
type heardOnce struct {
	answer   HookAnswer
	at       time.Time // of the answer; zero: there was none yet
	failedAt time.Time // of the last try, where it failed
}

// What came of a request that needed an answer.
const (
	hookKept        = "kept"        // it was known
	hookAnswered    = "answered"    // the program said it
	hookRefused     = "refused"     // it, or what it said before, refuses
	hookStale       = "stale"       // it failed, and what it said last stands in
	hookWithout     = "without"     // it failed, and nothing stands in
	hookUnavailable = "unavailable" // it failed, and so did the request
	hookThrottled   = "throttled"   // too much about one person
)

// NewClaimsHook returns a hook that remembers nothing yet.
func NewClaimsHook(o HookOptions) *ClaimsHook {
	h := &ClaimsHook{
		o: o, slots: make(chan struct{}, hooksAtOnce), kept: map[string]heardOnce{}, failing: map[identity.ID]bool{}, counts: map[string]int{},
	}
	for _, outcome := range []string{hookKept, hookAnswered, hookRefused, hookStale, hookWithout, hookUnavailable, hookThrottled} {
		h.counts[outcome] = 0 // so that alarms have something to look at
	}
	return h
}

// Outcomes is what came of the requests that needed an answer, since this process started.
func (h *ClaimsHook) Outcomes() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.counts)
}

// key tells questions apart: what an answer counts for.
func (q HookQuestion) key() string {
	return fmt.Sprintf("%s %d %q %q %s %s", q.UserID, q.Epoch, q.ClientID, q.Resource, q.ACR, strings.Join(q.Scopes, " "))
}

// ask returns what is said of a person: from memory while that counts, else by the program. Errors: Throttled, and Unavailable where
// nothing may be issued without an answer.
func (h *ClaimsHook) ask(ctx context.Context, q HookQuestion) (HookAnswer, error) {
	key := q.key()
	if known, fresh := h.known(key); fresh {
		return h.count(hookKept, known), nil
	}
	got, err, _ := h.under.Do(key, func() (any, error) {
		if known, fresh := h.known(key); fresh { // by whoever was before us
			return known, nil
		}
		return h.askNow(context.WithoutCancel(ctx), key, q)
	})
	answer, _ := got.(HookAnswer)
	switch {
	case errors.As(err, new(hookFailure)):
		return h.standIn(key)
	case identity.KindOf(err) == identity.Throttled:
		return h.count(hookThrottled, HookAnswer{}), err
	case err != nil:
		return HookAnswer{}, err
	}
	return h.count(hookAnswered, answer), nil
}

// known is what was said lately.
func (h *ClaimsHook) known(key string) (HookAnswer, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one, life := h.kept[key], h.o.Life
	if one.answer.Refusal != "" {
		life = min(life, refusalLife)
	}
	return one.answer, !one.at.IsZero() && h.o.Now().Sub(one.at) < life
}

func (h *ClaimsHook) count(outcome string, answer HookAnswer) HookAnswer {
	h.mu.Lock()
	defer h.mu.Unlock()
	if answer.Refusal != "" {
		outcome = hookRefused
	}
	h.counts[outcome]++
	return answer
}

// hookFailure says that the program gave no answer that is of use.
type hookFailure struct{ error }

var errHookResting = errors.New("it failed just now")

// askNow puts the question, unless that failed just now. Who the person is is read before.
func (h *ClaimsHook) askNow(ctx context.Context, key string, q HookQuestion) (HookAnswer, error) {
	if h.rests(key) {
		return HookAnswer{}, hookFailure{errHookResting}
	}
	if err := h.people.take(q.UserID.String(), hookPace, h.o.Now()); err != nil {
		return HookAnswer{}, err
	}
	user, err := q.Person(ctx)
	if err != nil {
		return HookAnswer{}, err
	}
	answer, err := h.inTime(ctx, q, user)
	h.note(key, q.UserID, answer, err)
	if err != nil {
		h.o.Log.WarnContext(ctx, "the claims hook failed", "error", err, "client_id", q.ClientID)
		return HookAnswer{}, hookFailure{err}
	}
	return answer, nil
}

// inTime waits for a slot and for the answer, for the timeout in all.
func (h *ClaimsHook) inTime(ctx context.Context, q HookQuestion, user identity.User) (HookAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, h.o.Timeout)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return HookAnswer{}, errors.New("so many questions are under way that this one found no place in time")
	}
	defer func() { <-h.slots }()
	return h.o.Ask(ctx, q, user)
}

// rests reports whether a question is not to be put now. After a pause of all one is, which shows whether it answers again.
func (h *ClaimsHook) rests(key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, failed := h.o.Now(), h.kept[key].failedAt
	switch {
	case now.Before(h.until) || !failed.IsZero() && now.Sub(failed) < hookPause:
		return true
	case len(h.failing) >= hookFailures:
		h.until = now.Add(hookPause)
	}
	return false
}

// note keeps what came of a question. Which one makes room matters little: it is asked again.
func (h *ClaimsHook) note(key string, user identity.ID, answer HookAnswer, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one, known := h.kept[key]
	for other := range h.kept {
		if known || len(h.kept) < maxHeard {
			break
		}
		delete(h.kept, other)
	}
	now := h.o.Now()
	if one.failedAt = now; err == nil {
		one = heardOnce{answer: answer, at: now}
	}
	h.kept[key] = one
	switch {
	case err == nil || errors.Is(err, ErrHookAnswer): // it answers
		clear(h.failing)
		h.until = time.Time{}
	case len(h.failing) < hookFailures:
		if h.failing[user] = true; len(h.failing) == hookFailures {
			h.until = now.Add(hookPause)
		}
	}
}

// standIn is what counts where no answer came: nothing (closed), what was said last, or that there is nothing to say (open).
func (h *ClaimsHook) standIn(key string) (HookAnswer, error) {
	if !h.o.Open {
		h.count(hookUnavailable, HookAnswer{})
		return HookAnswer{}, errHookAway
	}
	h.mu.Lock()
	last := h.kept[key]
	h.mu.Unlock()
	if last.at.IsZero() || h.o.Now().Sub(last.at) >= lastGoodLife {
		return h.count(hookWithout, HookAnswer{}), nil
	}
	return h.count(hookStale, last.answer), nil
}
