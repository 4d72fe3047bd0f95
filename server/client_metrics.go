package server

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sojourn-auth/sojourn/identity"
)

// clientCounts count what becomes of clients' requests for tokens, each under its own id as long as there is room, and of
// registrations. Clients that registered themselves get a name once tokens were given to one, and half of the names at most:
// whoever registers thousands takes none from the operator's.
type clientCounts struct {
	requests      *prometheus.CounterVec
	forced        *prometheus.CounterVec
	registrations *prometheus.CounterVec

	most int

	mu    sync.Mutex
	named map[string]bool // by id, whether the client registered itself
	own   int             // how many of those did
}

// otherClients is the name of all clients that have none of their own.
const otherClients = "other"

func newClientCounts(most int) *clientCounts {
	c := &clientCounts{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_client_token_requests_total",
			Help: "Requests for tokens, by client (as many as SOJOURN_METRICS_CLIENTS names, the rest are other) and whether they were granted, refused or failed.",
		}, []string{"client", "outcome"}),
		forced: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_client_forced_signins_total",
			Help: "What sojourn_forced_signins_total counts, by client.",
		}, []string{"client"}),
		registrations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_registrations_total",
			Help: "Clients that asked to be registered, by programs or on the page, by what came of it.",
		}, []string{"outcome"}),
		most: most, named: map[string]bool{},
	}
	for _, word := range identity.RegistrationWords {
		c.registrations.WithLabelValues(string(word))
	}
	return c
}

// outcomeOf is a status in one of three words.
func outcomeOf(status int) string {
	switch {
	case status >= http.StatusInternalServerError || status == 0:
		return "failed"
	case status >= http.StatusBadRequest:
		return "refused"
	}
	return "granted"
}

// count takes what was learnt about one request; forced says that it sent a person to the sign-in page.
func (c *clientCounts) count(t *identity.Trail, status int, forced bool) {
	if t.Registering != "" {
		c.registrations.WithLabelValues(string(t.Registering)).Inc()
	}
	if t.Grant == "" || t.ClientID == "" {
		return
	}
	name := c.name(t, status)
	c.requests.WithLabelValues(name, outcomeOf(status)).Inc()
	if forced {
		c.forced.WithLabelValues(name).Inc()
	}
}

// name returns what a client is called.
func (c *clientCounts) name(t *identity.Trail, status int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, named := c.named[t.ClientID]; named {
		return t.ClientID
	}
	room := len(c.named) < c.most
	if t.SelfRegistered {
		room = room && c.own < c.most/2 && status == http.StatusOK
	}
	if !room || t.ClientID == otherClients {
		return otherClients
	}
	c.named[t.ClientID] = t.SelfRegistered
	if t.SelfRegistered {
		c.own++
	}
	return t.ClientID
}
