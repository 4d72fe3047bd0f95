package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what Run simulates. Shares are between 0 and 1.
type Options struct {
	Devices  int
	Days     int
	Loss     float64 // of the answers: lost on the way, or killed with the app before it stored them
	Late     float64 // of the requests: given up by the phone, delivered half a minute to five minutes later
	Parallel float64 // of the refreshes: asked twice at once, either answer kept
	Stores   float64 // of the phones: their app has two stores that each go on by themselves
	Bound    bool    // every phone has a key that can't be copied, and its tokens are bound to that (RFC 9449)
	Thieves  int     // each copies the refresh token of one device, once
	Policy   Policy
	Database string           // postgres://…; empty: temporary SQLite files
	Seed     uint64           // the same seed, the same lives
	Progress io.Writer        // one line, written over every second; nil: none
	Wall     func() time.Time // the time of the world outside, for the speed alone
}

// Policy is the rotation rule that is put to the test.
type Policy string

// The policies.
const (
	Ours   Policy = "ours"   // refresh_rotation rotate, the server's default
	Strict Policy = "strict" // refresh_rotation strict
	// References, simulated without a server or a database.
	Window  Policy = "window"  // the usual 30 s grace
	Latest  Policy = "latest"  // 30 s grace, in which each answer takes the place of the one before
	Counter Policy = "counter" // the predecessor is always good for the newest token
)

// references are the rules of others, and what they are called.
var references = map[Policy]struct {
	words string
	on    func(*clock) issuer
}{
	Window:  {"the usual 30 s grace", func(c *clock) issuer { return &windowRule{book{clock: c}} }},
	Latest:  {"30 s grace in which the latest answer counts", func(c *clock) issuer { return &latestRule{book{clock: c}} }},
	Counter: {"the predecessor is always good", func(c *clock) issuer { return &counterRule{book{clock: c}} }},
}

const (
	maxDevices = 1_000_000
	maxDays    = 3650
	maxShare   = .5 // beyond it phones hardly ever get through
)

// problems returns every one, each in the words of the command line.
func (o Options) problems() error {
	var all []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	refuse(o.Devices < 1 || o.Devices > maxDevices, "--devices: between 1 and %d", maxDevices)
	refuse(o.Days < 1 || o.Days > maxDays, "--days: between 1 and %d", maxDays)
	refuse(o.Thieves < 0 || o.Thieves > o.Devices, "--thieves: between 0 and the number of devices, since each robs another one")
	for _, share := range []struct {
		flag  string
		value float64
	}{{"loss", o.Loss}, {"late", o.Late}, {"parallel", o.Parallel}} {
		refuse(!(share.value >= 0 && share.value <= maxShare), "--%s: between 0%% and 50%%", share.flag)
	}
	refuse(!(o.Stores >= 0 && o.Stores <= 1), "--two-stores: between 0%% and 100%%")
	_, reference := references[o.Policy]
	refuse(o.Policy != Ours && o.Policy != Strict && !reference, "--policy: ours, strict, window, latest or counter")
	postgres := strings.HasPrefix(o.Database, "postgres://") || strings.HasPrefix(o.Database, "postgresql://")
	refuse(o.Database != "" && !postgres, "--database: a postgres:// address; without one a temporary SQLite database is made and removed")
	refuse(o.Bound && reference, "--bound: the policy %s knows no keys", o.Policy)
	refuse(o.Database != "" && reference, "--database: the policy %s is simulated without one", o.Policy)
	return errors.Join(all...)
}

// Run simulates and returns what happened. It fails on bad options, and when the server answers anything but tokens or
// invalid_grant.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.problems(); err != nil {
		return Report{}, err
	}
	began := o.Wall()
	f := settle(o)
	if o.Progress != nil {
		showing, stop := context.WithCancel(ctx)
		var shown sync.WaitGroup
		shown.Go(func() { f.pace.show(showing, o.Progress, o.Days) })
		defer shown.Wait()
		defer stop()
	}
	if err := f.build(ctx, o); err != nil {
		return Report{}, errors.Join(err, f.close())
	}
	before, after, err := f.run(ctx)
	if err = errors.Join(err, f.close()); err != nil {
		return Report{}, err
	}
	r := newReport(o, f.tally())
	r.counted(before, after)
	r.timed(o.Wall().Sub(began))
	return r, nil
}

// fleet is all shards.
type fleet struct {
	site   *site
	worlds []*world
	houses []*house // none where the rule is simulated without a server
	shared bool     // all of them on one database
	pace   pace
}

// perCore is how many shards there are for each core where they wait for a database elsewhere.
const perCore = 4

// settle deals the people out to shards, with all their devices.
func settle(o Options) *fleet {
	shards := runtime.GOMAXPROCS(0)
	if o.Database != "" {
		shards *= perCore
	}
	people := (o.Devices + devicesEach - 1) / devicesEach
	shards = min(shards, people)
	f := &fleet{shared: o.Database != ""}
	for range shards {
		w := &world{Options: o, pace: &f.pace, truths: [len(makes)]truth{newTruth(), newTruth(), newTruth()}}
		f.worlds, f.pace.clocks = append(f.worlds, w), append(f.pace.clocks, &w.clock)
	}
	for n := range people {
		from := n * devicesEach
		f.worlds[n%shards].populate(from, min(from+devicesEach, o.Devices))
	}
	return f
}

// build gives every shard its issuer. A fleet that is half built must be closed as well.
func (f *fleet) build(ctx context.Context, o Options) (err error) {
	if reference, ok := references[o.Policy]; ok {
		for _, w := range f.worlds {
			w.issuer = reference.on(&w.clock)
		}
		return nil
	}
	if f.site, err = newSite(ctx, o); err != nil {
		return err
	}
	dsns, err := f.site.databases(ctx, len(f.worlds))
	if err != nil {
		return err
	}
	for i, w := range f.worlds {
		h, err := openHouse(ctx, f.site, dsns[i], w.clock.now)
		if err != nil {
			return err
		}
		w.issuer = h
		f.houses = append(f.houses, h)
	}
	return nil
}

// close gives everything back.
func (f *fleet) close() (err error) {
	for _, h := range f.houses {
		err = errors.Join(err, h.db.Close())
	}
	if f.site != nil {
		err = errors.Join(err, f.site.remove())
	}
	return err
}

// run lets everyone sign in, then lets the days pass; rows are counted before and after that.
func (f *fleet) run(ctx context.Context) (before, after map[string]int, err error) {
	if err = f.each(ctx, (*world).arrive); err != nil {
		return nil, nil, err
	}
	if before, err = f.rows(ctx); err != nil {
		return nil, nil, err
	}
	if err = f.each(ctx, (*world).live); err != nil {
		return nil, nil, err
	}
	after, err = f.rows(ctx)
	return before, after, err
}

// each does the same in all shards at once; the first failure stops the others.
func (f *fleet) each(ctx context.Context, do func(*world, context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	for _, w := range f.worlds {
		all.Go(func() {
			if err := do(w, ctx); err != nil {
				stop(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// rows sums up the tables of all databases.
func (f *fleet) rows(ctx context.Context) (map[string]int, error) {
	sum := map[string]int{}
	for _, h := range f.houses {
		rows, err := h.db.Count(ctx)
		if err != nil {
			return nil, err
		}
		for table, n := range rows {
			sum[table] += n
		}
		if f.shared {
			break
		}
	}
	return sum, nil
}

func (f *fleet) tally() (sum tally) {
	for _, w := range f.worlds {
		sum.add(w.tally)
	}
	return sum
}

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
