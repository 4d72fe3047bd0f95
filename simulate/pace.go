package simulate

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// pace is what all shards tell of their progress.
type pace struct {
	refreshes atomic.Int64
	furthest  atomic.Int64 // simulated microseconds
}

func (p *pace) count(at time.Duration) {
	p.refreshes.Add(1)
	if at := at.Microseconds(); at > p.furthest.Load() {
		p.furthest.Store(at)
	}
}

// show writes one line over itself every second until ctx ends.
func (p *pace) show(ctx context.Context, to io.Writer, days int) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var before int64
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(to)
			return
		case <-tick.C:
			now, at := p.refreshes.Load(), time.Duration(p.furthest.Load())*time.Microsecond
			fmt.Fprintf(to, "\rday %.1f of %d, %d refreshes, %d/s   ", at.Hours()/24, days, now, now-before)
			before = now
		}
	}
}
