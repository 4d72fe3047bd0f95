package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

const (
	// pollEvery is how soon a delivery is found that another process queued, or that is due again.
	pollEvery = time.Second
	// triesAtOnce bounds the tries of one kind in this process.
	triesAtOnce = 16
	// maxFailing bounds how many hosts are remembered for failing.
	maxFailing = 200
	// settleTimeout bounds the writing of what came of a try. A claim outlives try and writing together.
	settleTimeout = 5 * time.Second
)

// carrier says how the deliveries of one kind are brought.
type carrier struct {
	kind    identity.DeliveryKind
	bring   func(context.Context, identity.Delivery) error
	timeout time.Duration // of one try
	perHost int           // tries at once at one host, so that a slow one holds up nobody else
}

// courier brings the deliveries of one kind. Those that other processes claimed are theirs.
type courier struct {
	carrier
	db       *storage.DB
	log      *slog.Logger
	metrics  *metrics
	underWay map[string]int  // tries by host; this and what follows belongs to run
	total    int             // of underWay
	poll     time.Duration   // between two looks that nothing asked for
	failing  map[string]bool // hosts whose last try failed
	away     bool            // the database, when it was asked last
	over     chan tried
}

// tried is a try that is over.
type tried struct {
	host    string
	arrived bool
}

// couriers are one for each kind of delivery.
func (s *Server) couriers() []*courier {
	all := []*courier{
		s.courier(carrier{identity.LogoutDelivery, s.protocol.DeliverLogout, fetchTimeout, 2}),
	}
	if s.postman != nil {
		all = append(all, s.courier(carrier{identity.MailDelivery, s.postman.deliver, mailTimeout, mailsAtOnce}))
	}
	return all
}

func (s *Server) courier(c carrier) *courier {
	return &courier{
		carrier: c, db: s.db, log: s.log, metrics: s.metrics, poll: pollEvery,
		underWay: map[string]int{}, failing: map[string]bool{}, over: make(chan tried),
	}
}

// run brings what is due until ctx ends. Tries under way are finished; what they leave undone waits in the database.
func (c *courier) run(ctx context.Context) {
	poll := time.NewTicker(c.poll)
	defer poll.Stop()
	for ctx.Err() == nil {
		queued := c.db.Queued() // before looking, so that nothing queued meanwhile is missed
		c.takeAll(ctx)
		select {
		case <-ctx.Done():
		case <-queued:
		case <-poll.C:
		case one := <-c.over:
			c.left(one)
		}
	}
	for c.total > 0 {
		c.left(<-c.over)
	}
}

// takeAll begins a try of everything that is due, as far as the bounds let it.
func (c *courier) takeAll(ctx context.Context) {
	for c.total < triesAtOnce {
		d, found, err := c.db.ClaimDelivery(ctx, identity.DeliveryClaim{
			Kind: c.kind, Busy: c.busy(), Lease: c.timeout + 2*settleTimeout,
		})
		if err != nil && !c.away && ctx.Err() == nil {
			c.log.ErrorContext(ctx, "claim deliveries", "kind", c.kind, "error", err)
		}
		if c.away = err != nil; c.away || !found {
			return
		}
		if !d.DeadAt.IsZero() {
			c.tell(ctx, d)
			continue
		}
		c.underWay[d.Host]++
		c.total++
		go c.try(context.WithoutCancel(ctx), d)
	}
}

// busy are the hosts that get no more for now. Those that failed last share one half of all tries, so that whoever
// registers many clients that never answer leaves the other half alone.
func (c *courier) busy() (hosts []string) {
	failing := 0
	for host, n := range c.underWay {
		if n >= c.perHost {
			hosts = append(hosts, host)
		}
		if c.failing[host] {
			failing += n
		}
	}
	if failing >= triesAtOnce/2 {
		hosts = slices.AppendSeq(hosts, maps.Keys(c.failing))
	}
	return hosts
}

// left remembers how a try at a host went.
func (c *courier) left(one tried) {
	c.total--
	if c.underWay[one.host]--; c.underWay[one.host] == 0 {
		delete(c.underWay, one.host)
	}
	if one.arrived {
		delete(c.failing, one.host)
		return
	}
	if len(c.failing) >= maxFailing {
		clear(c.failing)
	}
	c.failing[one.host] = true
}

func (c *courier) try(ctx context.Context, d identity.Delivery) {
	within, cancel := context.WithTimeout(ctx, c.timeout)
	err := c.bring(within, d)
	cancel()
	c.settle(ctx, d, err)
	c.over <- tried{d.Host, err == nil}
}

// settle writes what came of a try.
func (c *courier) settle(ctx context.Context, d identity.Delivery, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err == nil {
		c.metrics.deliveries.WithLabelValues(string(c.kind), "delivered").Inc()
		err = c.db.DeliveryDone(ctx, d.ID)
	} else {
		jitter := rand.Float64() //nolint:gosec // it spreads load, and is no secret
		d = d.Failed(identity.FailedTry{At: c.db.Now(), Cause: err, Jitter: jitter})
		c.tell(ctx, d)
		err = c.db.DeliveryFailed(ctx, d)
	}
	if err != nil { // the claim runs out, and it is tried again
		c.log.WarnContext(ctx, "a delivery was not settled", "kind", c.kind, "delivery", d.ID, "error", err)
	}
}

// tell says that a delivery failed, or was given up: never what it carries.
func (c *courier) tell(ctx context.Context, d identity.Delivery) {
	level, what, outcome := slog.LevelInfo, "a delivery failed and waits", "failed"
	if !d.DeadAt.IsZero() {
		level, what, outcome = slog.LevelError, "a delivery was given up", "dead"
	}
	c.metrics.deliveries.WithLabelValues(string(c.kind), outcome).Inc()
	var to struct {
		ClientID string `json:"client_id"`
	}
	_ = json.Unmarshal(d.Body, &to) // mail has no client
	c.log.Log(ctx, level, what, "kind", c.kind, "delivery", d.ID, "client", to.ClientID, "host", d.Host, "tries", d.Tries,
		"error", d.LastError)
}
