package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// tidyBatch is how many rows of a large ending are written at once: some 20 ms of SQLite's one writer.
	tidyBatch = 500
	maxHalved = 9 // tidyBatch halved so often is less than one
)

// endingRow is an ending whose marks were moved and whose rows are still to be written, and how far that has got.
type endingRow struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	Body      string
	SignIn    uuid.UUID // the last one that was written
	Session   uuid.UUID
	CreatedAt micros
	ClientID  string // whose ending it is: until it is done no other client may have that id
}

// TableName is the table's name for GORM.
func (endingRow) TableName() string { return "endings" }

// queueEnding leaves the rows of an ending to Tidy.
func (d *DB) queueEnding(ctx context.Context, b blow) error {
	body, err := json.Marshal(b)
	if err != nil {
		return err
	}
	row := endingRow{ID: identity.NewID(), Body: string(body), CreatedAt: fromTime(d.Now()), ClientID: b.Client}
	if err := d.q(ctx).Create(&row).Error; err != nil {
		return d.fail("queue ending", err)
	}
	d.afterCommit(ctx, d.untidy.tell)
	return nil
}

// Untidy returns a channel that is closed once this process has left the rows of an ending to Tidy.
func (d *DB) Untidy() <-chan struct{} { return d.untidy.listen() }

// Tidy writes one more batch of rows, Events and notices of the ending that waits longest, in a transaction of its own, and
// reports whether there may be more. What it writes has been refused since the ending was committed. Several processes may
// tidy at once, and one that dies leaves its batch to the next. A row that can't be written is passed over and logged: it
// stays refused, and untold of.
//
// What takes the database longer than a statement may is tried with half as much the next time, or it would never be written.
func (d *DB) Tidy(ctx context.Context) (more bool, err error) {
	halved := d.halved.Load()
	more, err = d.tidy(ctx, max(1, tidyBatch>>halved))
	switch {
	case err == nil:
		d.halved.Store(max(0, halved-1))
		return more, nil
	case tooSlow(err):
		d.halved.Store(min(halved+1, maxHalved))
		return more, err
	case Away(err):
		return more, err
	}
	if more, err = d.tidy(ctx, 1); err == nil || Away(err) { // all others go on, one by one
		return more, err
	}
	return true, d.passOver(ctx, err)
}

func (d *DB) tidy(ctx context.Context, limit int) (more bool, err error) {
	err = d.InTx(ctx, func(ctx context.Context) error {
		row, b, err := d.nextEnding(ctx)
		if more = row.ID != uuid.Nil; err != nil || !more {
			return err
		}
		if b.Cause == identity.EndDeleted {
			return d.tidyDeleted(ctx, row, b, limit)
		}
		signIns, sessions := row.rest(b)
		ended, err := d.endSignIns(ctx, b, limit, signIns)
		if err != nil {
			return err
		}
		row.SignIn = furthest(row.SignIn, ended)
		if len(ended) == limit {
			return d.keepEnding(ctx, row)
		}
		struck, err := d.endSessions(ctx, b, limit, sessions)
		if err != nil {
			return err
		}
		for _, s := range struck {
			row.Session = furthest(row.Session, []uuid.UUID{s.SessionID})
		}
		if len(struck) == limit {
			return d.keepEnding(ctx, row)
		}
		if b.Cause == identity.EndClientGone {
			if more, err := d.forgetClient(ctx, b.Client, limit); err != nil || more {
				return err
			}
		}
		return d.fail("finish ending", d.q(ctx).Delete(&row).Error)
	})
	return more, err
}

// tidyDeleted deletes what a user who is gone had.
func (d *DB) tidyDeleted(ctx context.Context, row endingRow, b blow, limit int) error {
	if more, err := d.forgetUser(ctx, b.Ending, limit); err != nil || more {
		return err
	}
	return d.fail("finish ending", d.q(ctx).Delete(&row).Error)
}

// nextEnding locks the ending that waits longest; the zero row where none does, or others are at them.
func (d *DB) nextEnding(ctx context.Context) (row endingRow, b blow, err error) {
	err = d.q(ctx).Raw("SELECT * FROM endings ORDER BY id LIMIT 1" + d.lock("FOR UPDATE SKIP LOCKED")).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return endingRow{}, blow{}, nil
	}
	if err != nil {
		return endingRow{}, blow{}, d.fail("read ending", err)
	}
	err = json.Unmarshal([]byte(row.Body), &b)
	b.now = d.Now()
	return row, b, err
}

func (d *DB) keepEnding(ctx context.Context, row endingRow) error {
	return d.fail("keep ending", d.q(ctx).Save(&row).Error)
}

// rest are the conditions for what of a blow is still to be written.
func (row endingRow) rest(b blow) (signIns, sessions conditions) {
	signIns, sessions = b.signIns(), b.sessions()
	signIns.and(true, "id > ?", row.SignIn)
	sessions.and(true, "id > ?", row.Session)
	return signIns, sessions
}

// passOver goes on behind the first row of the ending that waits longest, which could not be written.
func (d *DB) passOver(ctx context.Context, why error) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		row, b, err := d.nextEnding(ctx)
		if err != nil || row.ID == uuid.Nil {
			return err
		}
		signIns, sessions := row.rest(b)
		for _, of := range []struct {
			table string
			where conditions
			last  *uuid.UUID
		}{{"sign_ins", signIns, &row.SignIn}, {"sessions", sessions, &row.Session}} {
			c := d.living(of.where)
			found, err := d.one(ctx, []any{of.last}, "SELECT id FROM "+of.table+" WHERE "+c.where+" ORDER BY id LIMIT 1", c.args...)
			if err != nil {
				return d.fail("pass over", err)
			}
			if found {
				d.tellUntidied(ctx, of.table, *of.last, why)
				return d.keepEnding(ctx, row)
			}
		}
		return d.fail("finish ending", d.q(ctx).Delete(&row).Error)
	})
}

// tellUntidied logs a row that could not be written.
func (d *DB) tellUntidied(ctx context.Context, table string, id uuid.UUID, why error) {
	if d.journal.log != nil {
		d.journal.log.ErrorContext(ctx, "a row of an ending could not be written; it stays refused", "table", table, "id", id, "error", why)
	}
}

// furthest is the last of the ids, in the order in which both databases compare them.
func furthest(last uuid.UUID, ids []uuid.UUID) uuid.UUID {
	return slices.MaxFunc(append(ids, last), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}
