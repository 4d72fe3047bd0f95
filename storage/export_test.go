package storage

import (
	"context"
	"io/fs"
	"time"

	"gorm.io/gorm"
)

// Q gives tests outside the package the statements' starting point.
func (d *DB) Q(ctx context.Context) *gorm.DB { return d.q(ctx) }

// Fail gives them the errors that storage methods return.
func (d *DB) Fail(what string, err error) error { return d.fail(what, err) }

// UseMigrations gives d another schema than the embedded one.
func (d *DB) UseMigrations(files fs.FS) { d.migrations = files }

// Micros and its kin give them the times of rows.
type Micros = micros

// FromTime is fromTime.
func FromTime(t time.Time) Micros { return fromTime(t) }

// FromTimeOrNull is fromTimeOrNull.
func FromTimeOrNull(t time.Time) *Micros { return fromTimeOrNull(t) }

// Time is micros.time.
func (m Micros) Time() time.Time { return m.time() }

// TimeOrZero is micros.timeOrZero.
func (m *Micros) TimeOrZero() time.Time { return m.timeOrZero() }

// NewTestClock returns a clock that started at a wall time, counts with elapsed and asks database.
func NewTestClock(started time.Time, elapsed func() time.Duration, database func(context.Context) (time.Time, error)) *Clock {
	c := &Clock{started: started, elapsed: elapsed, database: database}
	c.measured.Store(-1)
	return c
}
