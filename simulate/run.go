package simulate

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

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
		w := &world{Options: o, pace: &f.pace}
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
	if o.Policy == Window {
		for _, w := range f.worlds {
			w.issuer = &windowRule{clock: &w.clock}
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
