package server

import (
	"cmp"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sojourn-auth/sojourn/identity"
)

// sessionCounts count how Sessions fare: what came of refreshes, and which of them sent a person to the sign-in page. The
// rate of the latter is the promise that an operator watches first. All labels are words of ours.
type sessionCounts struct {
	refreshes *prometheus.CounterVec
	forced    *prometheus.CounterVec
	began     prometheus.Counter
	told      *toldOnce
}

func newSessionCounts() sessionCounts {
	c := sessionCounts{
		refreshes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_refreshes_total",
			Help: "Requests to refresh, by what came of them.",
		}, []string{"outcome"}),
		forced: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_forced_signins_total",
			Help: "Sessions whose app was told by a refresh that the person must sign in again, by why; each once in a process.",
		}, []string{"cause"}),
		began: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sojourn_sessions_started_total",
			Help: "Sessions that began.",
		}),
		told: newToldOnce(),
	}
	for _, outcome := range identity.RefreshOutcomes { // alarms have something to look at before the first one
		c.refreshes.WithLabelValues(string(outcome))
	}
	return c
}

// errorOver is the one error code of a refresh that sends people to the sign-in page (RFC 6749 §5.2).
const errorOver = "invalid_grant"

// count takes what was learnt about one request, and reports whether it sent a person to the sign-in page.
func (c sessionCounts) count(t *identity.Trail) (forced bool) {
	if t.Began {
		c.began.Inc()
	}
	if t.Refresh == "" {
		return false
	}
	c.refreshes.WithLabelValues(string(t.Refresh)).Inc()
	refused := t.Refresh == identity.Refused || t.Refresh == identity.Reused
	if refused && t.Refusal == errorOver && t.SessionID != (identity.ID{}) && c.told.first(t.SessionID) {
		c.forced.WithLabelValues(cmp.Or(t.Over, "unknown")).Inc() // such a Session is none, or none any more
		return true
	}
	return false
}

// showEnded adds what count counts: Sessions that ended, by cause.
func (m *metrics) showEnded(count func() map[string]int) {
	m.countsBy("sojourn_sessions_ended_total", "Sessions whose ending this process told, by cause; of those that expire, nothing tells.",
		"cause", count)
}

// maxTold is how many Sessions are remembered twice over: those of apps that ask again and again after they were told.
const maxTold = 5000

// toldOnce remembers whose app was told lately: an app that does not listen would look like thousands of people.
type toldOnce struct {
	mu          sync.Mutex
	newer, last map[identity.ID]bool
}

func newToldOnce() *toldOnce { return &toldOnce{newer: map[identity.ID]bool{}} }

// first reports whether this is the first time.
func (o *toldOnce) first(id identity.ID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.newer[id] || o.last[id] {
		return false
	}
	if len(o.newer) == maxTold {
		o.newer, o.last = map[identity.ID]bool{}, o.newer
	}
	o.newer[id] = true
	return true
}
