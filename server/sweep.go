package server

import (
	"context"
	"time"
)

const (
	sweepFirst = time.Minute // after the start, when the rush is over
	sweepEvery = 10 * time.Minute
)

// sweep removes what is over for good, until ctx ends. Nothing depends on it but the size of the database: expiry is
// judged when rows are read.
func (s *Server) sweep(ctx context.Context) {
	wait := time.NewTimer(sweepFirst)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
			s.sweepOnce(ctx)
			wait.Reset(sweepEvery)
		}
	}
}

func (s *Server) sweepOnce(ctx context.Context) {
	rows, err := s.db.Sweep(ctx)
	if err != nil {
		s.log.ErrorContext(ctx, "sweep", "error", err)
		return
	}
	clients, err := s.db.SweepClients(ctx, s.db.Now().Add(-s.cfg.ClientIdleExpiry))
	if err != nil {
		s.log.ErrorContext(ctx, "sweep clients", "error", err)
		return
	}
	s.log.DebugContext(ctx, "swept", "rows", rows, "clients", clients)
}
