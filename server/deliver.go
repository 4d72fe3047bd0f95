package server

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/anomaly"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

const (
	// pollEvery is how soon a delivery is found that another process queued, or that is due again.
	pollEvery = time.Second
	// triesAtOnce bounds the tries of one kind in this process.
	triesAtOnce = 16
	// triesOfFailing bounds those for clients whose last try failed or took long, triesOfUnknown those together with clients
	// of whom nothing is known yet: whoever registers many that never answer leaves the rest alone.
	triesOfFailing, triesOfUnknown = triesAtOnce / 2, triesAtOnce * 3 / 4
	// perAddress bounds the tries at one network address, whatever its names.
	perAddress = 4
	// slowAfter is when a try that arrived took long.
	slowAfter = time.Second
	// maxKnown bounds of how many clients is remembered how their last try went.
	maxKnown = 1000
	// settleTimeout bounds the writing of what came of a try. A claim outlives try and writing together.
	settleTimeout = 5 * time.Second
)

// carrier says how the deliveries of one kind are brought.
type carrier struct {
	kind    identity.DeliveryKind
	bring   func(context.Context, identity.Delivery) error
	host    func(context.Context, identity.Delivery) string // that a try would call now; nil: our own mail server
	timeout time.Duration                                   // of one try
	perHost int                                             // tries at once for one client, and at one host
}

// courier brings the deliveries of one kind. Those that other processes claimed are theirs.
type courier struct {
	carrier
	db      *storage.DB
	log     *slog.Logger
	metrics *metrics
	watch   *anomaly.Watch
	calls   calls
	resolve func(ctx context.Context, host string) string
	poll    time.Duration // between two looks that nothing asked for
	over    chan tried

	// This belongs to run.
	underWay map[string]int    // tries by client
	total    int               // of underWay
	last     string            // the client whose turn was last
	good     map[string]bool   // whether the last try of a client arrived soon
	held     map[string]string // clients that wait for an address at which enough is under way
	away     bool              // the database, when it was asked last
}

// tried is a try that is over, or that could not begin since enough was under way at full.
type tried struct {
	client, host, address, full string
	good                        bool
}

// couriers are one for each kind of delivery.
func (s *Server) couriers() []*courier {
	all := []*courier{
		s.courier(carrier{identity.LogoutDelivery, s.protocol.DeliverLogout, s.protocol.LogoutHost, fetchTimeout, 2}),
		s.courier(carrier{identity.WebhookDelivery, s.herald.deliver, hostOfWebhook, fetchTimeout, hooksAtOnce}),
	}
	if s.postman != nil {
		all = append(all, s.courier(carrier{identity.MailDelivery, s.postman.deliver, nil, mailTimeout, mailsAtOnce}))
	}
	return all
}

func (s *Server) courier(c carrier) *courier {
	return &courier{
		carrier: c, db: s.db, log: s.log, watch: s.watch, metrics: s.metrics, poll: pollEvery,
		underWay: map[string]int{}, good: map[string]bool{}, held: map[string]string{}, over: make(chan tried),
		calls: calls{at: map[string]int{}}, resolve: addressOf,
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

// takeAll begins a try of everything that is due, as far as the bounds let it, one client after the other.
func (c *courier) takeAll(ctx context.Context) {
	for c.total < triesAtOnce {
		d, found, err := c.db.ClaimDelivery(ctx, c.next())
		if err != nil && !c.away && ctx.Err() == nil {
			c.log.ErrorContext(ctx, "claim deliveries", "kind", c.kind, "error", err)
		}
		if c.away = err != nil; c.away || !found {
			return
		}
		c.last = d.ClientID
		if !d.DeadAt.IsZero() {
			c.tell(ctx, d)
			continue
		}
		c.underWay[d.ClientID]++
		c.total++
		go c.try(context.WithoutCancel(ctx), d)
	}
}

// next says whose delivery may be claimed.
func (c *courier) next() identity.DeliveryClaim {
	claim := identity.DeliveryClaim{Kind: c.kind, After: c.last, Lease: c.timeout + 2*settleTimeout}
	failing, unknown := 0, 0
	for client, n := range c.underWay {
		if n >= c.perHost {
			claim.Busy = append(claim.Busy, client)
		}
		switch good, known := c.good[client]; {
		case !known:
			unknown += n
		case !good:
			failing += n
		}
	}
	claim.Busy = slices.AppendSeq(claim.Busy, maps.Keys(c.held))
	if failing+unknown >= triesOfUnknown {
		claim.Only = c.standing(true)
	} else if failing >= triesOfFailing {
		claim.Busy = append(claim.Busy, c.standing(false)...)
	}
	return claim
}

// standing are the clients whose last try was as good as asked for; never nil.
func (c *courier) standing(good bool) []string {
	all := []string{}
	for client, was := range c.good {
		if was == good {
			all = append(all, client)
		}
	}
	return all
}

// left remembers how a try went, and lets those go on who waited for its place.
func (c *courier) left(one tried) {
	c.total--
	if c.underWay[one.client]--; c.underWay[one.client] == 0 {
		delete(c.underWay, one.client)
	}
	if one.full != "" {
		if c.calls.count(one.full) >= most(one.full, c.perHost) {
			c.held[one.client] = one.full
		}
		return
	}
	for other := range c.good {
		if len(c.good) < maxKnown {
			break
		}
		delete(c.good, other)
	}
	c.good[one.client] = one.good
	for _, place := range []string{one.host, one.address} {
		c.letGo(place)
	}
}

// letGo lets one client go on that waited for a place; all, once nothing is under way there.
func (c *courier) letGo(place string) {
	for client, at := range c.held {
		if at != place {
			continue
		}
		if delete(c.held, client); c.calls.count(place) > 0 {
			return
		}
	}
}

// try makes one try, unless enough is under way already at the host or address that it would call, or the process stood still for so
// long that the delivery is, or may soon be, another one's.
func (c *courier) try(ctx context.Context, d identity.Delivery) {
	one := tried{client: d.ClientID}
	if c.host != nil {
		d.Host = c.host(ctx, d)
		one.host, one.address = d.Host, c.resolve(ctx, d.Host)
	}
	left := d.NextTryAt.Sub(c.db.Now()) - settleTimeout
	if left <= 0 {
		c.over <- one
		return
	}
	if c.host != nil {
		if one.full = c.calls.enter(one.host, one.address, c.perHost); one.full != "" {
			if err := c.db.PutBack(ctx, d); err != nil { // its claim runs out
				c.log.WarnContext(ctx, "a delivery was not put back", "delivery", d.ID, "error", err)
			}
			c.over <- one
			return
		}
	}
	ctx, end := c.metrics.alone(ctx, "deliver "+string(c.kind))
	bound, cancel := context.WithTimeout(ctx, min(c.timeout, left))
	began := time.Now()
	err := c.bring(bound, d)
	end(err)
	one.good = err == nil && time.Since(began) < slowAfter
	cancel()
	c.settle(ctx, d, err)
	c.calls.leave(one.host, one.address)
	c.over <- one
}

// calls counts the tries under way by host and by address.
type calls struct {
	mu sync.Mutex
	at map[string]int
}

// enter takes a place at a host and an address, or says which of them is full. Unknown ones have no bound here.
func (c *calls) enter(host, address string, perHost int) (full string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, place := range []string{host, address} {
		if place != "" && c.at[place] >= most(place, perHost) {
			return place
		}
	}
	c.at[host]++
	c.at[address]++
	return ""
}

func (c *calls) leave(places ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, place := range places {
		if c.at[place]--; c.at[place] <= 0 {
			delete(c.at, place)
		}
	}
}

func (c *calls) count(place string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[place]
}

func most(place string, perHost int) int {
	if strings.HasPrefix(place, addressMark) {
		return perAddress
	}
	return perHost
}

// addressMark tells an address from a host.
const addressMark = "at "

// addressOf is the network that a host's first address lies in: whoever has a domain has as many names as they like.
func addressOf(ctx context.Context, host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil || len(found) == 0 {
		return ""
	}
	return addressMark + identity.Network(slices.MinFunc(found, netip.Addr.Compare).Unmap().String())
}

// settle writes what came of a try.
func (c *courier) settle(ctx context.Context, d identity.Delivery, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	c.watch.Delivered(c.kind, d.ClientID, c.db.Now(), err == nil)
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
	c.log.Log(ctx, level, what, "kind", c.kind, "delivery", d.ID, "client", d.ClientID, "host", d.Host, "tries", d.Tries,
		"error", d.LastError)
}
