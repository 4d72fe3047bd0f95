package simulate

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"time"
)

// pace is what the shards tell of their progress.
type pace struct {
	refreshes atomic.Int64
	clocks    []*clock
}

// day is how far the slowest shard is.
func (p *pace) day() float64 {
	at := time.Duration(math.MaxInt64)
	for _, c := range p.clocks {
		at = min(at, c.elapsed())
	}
	return max(0, at-arrivals).Hours() / 24
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
			now := p.refreshes.Load()
			fmt.Fprintf(to, "\rday %.1f of %d, %d refreshes, %d/s   ", p.day(), days, now, now-before)
			before = now
		}
	}
}
