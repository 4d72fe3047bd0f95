package storage

import (
	"context"
	"errors"
	"time"
)

type leaseRow struct {
	Name  string `gorm:"primaryKey"`
	Until micros
}

// TableName is the table's name for GORM.
func (leaseRow) TableName() string { return "leases" }

// Lease gives a task to the caller alone for a while; false while another one has it. Of many processes that would do the
// same, one does.
func (d *DB) Lease(ctx context.Context, name string, lasts time.Duration) (mine bool, err error) {
	_, mine, err = d.HoldLease(ctx, name, time.Time{}, lasts)
	return mine, err
}

// HoldLease gives a task to the caller for a while, or for longer where was is until when it had it; false while another one
// has it. Of many processes that would do the same, one goes on.
func (d *DB) HoldLease(ctx context.Context, name string, was time.Time, lasts time.Duration) (until time.Time, mine bool, err error) {
	now := d.Now()
	until = now.Add(lasts).Truncate(time.Microsecond)
	res := d.q(ctx).Exec(`INSERT INTO leases (name, until) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE leases.until <= ? OR leases.until = ?`,
		name, fromTime(until), fromTime(now), fromTime(was))
	return until, res.RowsAffected == 1, d.fail("lease "+name, res.Error)
}

// Task is something that one process of many does, now and then.
type Task struct {
	Name  string
	Hold  time.Duration // after who does it was killed another one does it this much later
	Every time.Duration // once it was done nobody does it again until this long after it was begun
}

// errLost is that another process took a task over from one that was too slow to say that it lives.
var errLost = errors.New("another process does it now")

// Turn does a task unless it is another one's turn, and says whether it did. As long as do runs the lease is renewed; where that fails
// for as long as it holds, do's context ends, since somebody else may have begun. Who is told to stop leaves it to the others at once.
func (d *DB) Turn(ctx context.Context, t Task, do func(context.Context) error) (mine bool, err error) {
	began := d.Now()
	until, mine, err := d.HoldLease(ctx, t.Name, time.Time{}, t.Hold)
	if err != nil || !mine {
		return false, err
	}
	doing, stop := context.WithCancelCause(ctx)
	held := make(chan time.Time, 1)
	go func() { held <- d.renew(doing, t, until, stop) }()
	err = do(doing)
	lost := errors.Is(context.Cause(doing), errLost)
	stop(nil)
	if until = <-held; lost {
		return true, errors.Join(errLost, err)
	}
	next := began.Add(t.Every)
	if ctx.Err() != nil {
		next = d.Now()
	}
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.Hold)
	defer cancel()
	_, _, left := d.HoldLease(leaving, t.Name, until, next.Sub(d.Now()))
	return true, errors.Join(err, left)
}

// renew holds a task until ctx ends, and returns until when it is held.
func (d *DB) renew(ctx context.Context, t Task, until time.Time, stop context.CancelCauseFunc) time.Time {
	tick := time.NewTicker(t.Hold / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return until
		case <-tick.C:
		}
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.Hold) // or nobody knows until when it is held
		next, mine, err := d.HoldLease(whole, t.Name, until, t.Hold)
		cancel()
		switch {
		case err == nil && mine:
			until = next
		case err == nil || !d.Now().Before(until):
			stop(errLost)
		}
	}
}
