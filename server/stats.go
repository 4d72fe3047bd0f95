package server

import (
	"context"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

const (
	// addEvery is how often a process adds what it counted to the numbers of the day. What a crash takes is counted nowhere.
	addEvery = time.Minute
	// addWithin is how long the last time may take, once a server was told to stop.
	addWithin = 5 * time.Second
)

// counting hands what a process counts over to the database.
type counting struct {
	db      *storage.DB
	tally   *identity.Tally
	process identity.ID

	mu   sync.Mutex
	next identity.Batch // that is being added; kept as it is until it is, or what was added already could be added again
}

func newCounting(db *storage.DB) *counting {
	process := identity.NewID()
	return &counting{
		db: db, tally: identity.NewTally(db.Calendar()), process: process, next: identity.Batch{Process: process},
	}
}

// count takes what was learnt about one request.
func (c *counting) count(t *identity.Trail) {
	ticks := t.Ticks
	if t.Refresh != "" {
		ticks = append(ticks, identity.Tick{Measure: identity.MeasureRefreshes, Label: string(t.Refresh)})
	}
	if len(ticks) > 0 {
		c.tally.Count(c.db.Now(), t.Subject, ticks...)
	}
}

// add hands over what was counted, first of all what could not be handed over the last time.
func (c *counting) add(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range 2 {
		if len(c.next.Numbers) == 0 {
			c.next = identity.Batch{Process: c.process, Number: c.next.Number + 1, Numbers: c.tally.Take()}
		}
		if len(c.next.Numbers) == 0 {
			return nil
		}
		if err := c.db.AddNumbers(ctx, c.next); err != nil {
			return err
		}
		c.next.Numbers = nil
	}
	return nil
}

// addNumbers adds every minute what this process counted, until ctx ends, and then once more.
func (s *Server) addNumbers(ctx context.Context) {
	tick := time.NewTicker(addEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, stop := context.WithTimeout(context.WithoutCancel(ctx), addWithin)
			defer stop()
			if err := s.counting.add(last); err != nil {
				s.log.ErrorContext(ctx, "what was counted of the last minutes is lost", "error", err)
			}
			return
		case <-tick.C:
			if err := s.counting.add(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "what was counted waits for the database", "error", err)
			}
		}
	}
}

// rolling is whose turn it is to roll up. Where a process dies of it, another one goes on within two minutes.
var rolling = storage.Task{Name: "rollups", Hold: time.Minute, Every: sweepEvery}

// rollUp makes the numbers of the days out of rows and Events, until ctx ends: of all replicas, one does.
func (s *Server) rollUp(ctx context.Context) {
	nowAndThen(ctx, func() time.Duration {
		mine, err := s.db.Turn(ctx, rolling, s.db.RollUp)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "roll up the numbers of the days", "error", err)
		}
		if !mine {
			return rolling.Hold
		}
		return rolling.Every + spread()
	})
}

// AddNumbers adds at once what this process counted so far to the numbers of the days.
func (s *Server) AddNumbers(ctx context.Context) error { return s.counting.add(ctx) }
