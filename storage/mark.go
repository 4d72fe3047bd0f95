package storage

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// keepMarks is twice as long as an access token can live.
	keepMarks = 2 * time.Hour
	// numberAtOnce bounds one transaction that numbers marks.
	numberAtOnce = 5000
	// insertAtOnce bounds one statement that writes them.
	insertAtOnce = 500
)

// markRow is a mark of the feed of endings. It has no position until somebody numbers it, after its commit: so positions
// are in the order of commits, and whoever has read up to one has missed nothing.
type markRow struct {
	ID       uuid.UUID `gorm:"primaryKey"`
	Position *int64
	At       micros
	Kind     string
	Subject  string
	Epoch    int64
	Keep     string // sids, with blanks between them
}

// TableName is the table's name for GORM.
func (markRow) TableName() string { return "marks" }

// markLogRow is how many marks have a position.
type markLogRow struct {
	Name     string `gorm:"primaryKey"`
	Position int64
}

// TableName is the table's name for GORM.
func (markLogRow) TableName() string { return "mark_log" }

// addMarks writes marks in the transaction of what they tell, and wakes who follows them after its commit.
func (d *DB) addMarks(ctx context.Context, all ...identity.Mark) error {
	if len(all) == 0 {
		return nil
	}
	rows, at := make([]markRow, len(all)), fromTime(d.Now())
	for i, m := range all {
		keep := make([]string, len(m.Keep))
		for j, id := range m.Keep {
			keep[j] = id.String()
		}
		rows[i] = markRow{
			ID: identity.NewID(), At: at, Kind: string(m.Kind), Subject: m.Subject, Epoch: m.Epoch, Keep: strings.Join(keep, " "),
		}
	}
	if err := d.q(ctx).CreateInBatches(&rows, insertAtOnce).Error; err != nil {
		return d.fail("write marks", err)
	}
	d.afterCommit(ctx, func() {
		d.recent.strike(all...)
		d.tellMarks()
	})
	return nil
}

// markProfile marks that a person's profile reads otherwise now. It belongs in the transaction that changes it.
func (d *DB) markProfile(ctx context.Context, userID identity.ID) error {
	return d.addMarks(ctx, identity.Mark{Kind: identity.MarkProfile, Subject: userID.String()})
}

// markOf marks an ending that moved an epoch, however many Sessions it strikes: once, but for a person whom clients know by
// different subjects.
func (d *DB) markOf(ctx context.Context, b blow, sub string) error {
	if b.Client != "" {
		return d.addMarks(ctx, identity.Mark{Kind: identity.MarkClient, Subject: b.Client, Epoch: b.Below})
	}
	var kept []identity.ID
	if b.KeepSessions {
		var err error
		kept, err = d.ids(ctx, "SELECT id FROM sessions WHERE sign_in_id = ? AND user_id = ? AND epoch = ? AND ended_at IS NULL LIMIT 101", b.Keep, b.User, b.Below)
		if err != nil {
			return d.fail("read kept sessions", err)
		}
	}
	subs, err := d.subsOf(ctx, b, sub)
	if err != nil {
		return err
	}
	all := make([]identity.Mark, len(subs))
	for i, name := range subs {
		all[i] = identity.Mark{Kind: identity.MarkPerson, Subject: name, Epoch: b.Below}.Keeping(kept)
	}
	return d.addMarks(ctx, all...)
}

// maxSubs bounds as how many subjects one ending marks a person: no person has as many apps of different sectors.
const maxSubs = 10_000

// subsOf is what clients know a person by whose Sessions a blow may strike: the public subject, and those of pairwise clients.
// Access tokens say no other, so there is no one name that all of them could be marked by.
func (d *DB) subsOf(ctx context.Context, b blow, public string) ([]string, error) {
	subs := []string{public}
	err := d.each(ctx, func(found *sql.Rows) error {
		var sub string
		err := found.Scan(&sub)
		subs = append(subs, sub)
		return err
	}, "SELECT DISTINCT sub FROM sessions WHERE user_id = ? AND sub <> ? AND ended_at IS NULL LIMIT ?", b.User, public, maxSubs)
	return subs, d.fail("read a person's subjects", err)
}

// markSessions marks Sessions that ended by themselves: one that an epoch strikes has its mark already.
func (d *DB) markSessions(ctx context.Context, b blow, ended []identity.Ended) error {
	if b.Below != 0 {
		return nil
	}
	all := make([]identity.Mark, len(ended))
	for i, s := range ended {
		all[i] = identity.Mark{Kind: identity.MarkSession, Subject: s.SessionID.String()}
	}
	return d.addMarks(ctx, all...)
}

// Marked returns a channel that is closed once this process has committed a mark, or another one said that it has. Whoever
// takes it before looking misses none of this process; those of others have to be looked for, too: Carried says how often.
func (d *DB) Marked() <-chan struct{} { return d.marked.listen() }

const tagLen = 8

// tagOf are the last digits of a mark's id, which are random.
func tagOf(id uuid.UUID) string {
	text := id.String()
	return text[len(text)-tagLen:]
}

// markEnd asks, at little cost, where the feed ends and whether marks wait for a number.
const markEnd = `SELECT l.position, m.id, EXISTS (SELECT 1 FROM marks w WHERE w.position IS NULL AND w.at > ?)
	FROM mark_log l LEFT JOIN marks m ON m.position = l.position WHERE l.name = 'endings'`

// MarkEnd numbers the marks that were committed since a time and have no number yet, and returns the place of the last one
// of all. Many processes may ask at once.
func (d *DB) MarkEnd(ctx context.Context, since time.Time) (end identity.MarkPlace, err error) {
	for {
		var last *uuid.UUID
		var waiting bool
		if _, err := d.one(ctx, []any{&end.Position, &last, &waiting}, markEnd, fromTime(since)); err != nil {
			return end, d.fail("read the end of the marks", err)
		}
		if !waiting {
			if end.Tag = identity.NoTag; last != nil {
				end.Tag = tagOf(*last)
			}
			return end, nil
		}
		if err := d.numberMarks(ctx, since); err != nil {
			return end, err
		}
	}
}

// numberMarks gives marks that have none the next numbers. Whoever numbers locks the log first, so the numbers become
// visible in their order.
func (d *DB) numberMarks(ctx context.Context, since time.Time) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		var log markLogRow
		if err := d.q(ctx).Raw("SELECT * FROM mark_log WHERE name = 'endings'" + d.lock("FOR UPDATE")).Take(&log).Error; err != nil {
			return d.fail("lock the log of marks", err)
		}
		res := d.q(ctx).Exec(`UPDATE marks SET position = ? + w.n FROM (
				SELECT id, row_number() OVER (ORDER BY at, id) AS n FROM (
					SELECT id, at FROM marks WHERE position IS NULL AND at > ? ORDER BY at LIMIT ?) AS waiting) AS w
			WHERE marks.id = w.id`, log.Position, fromTime(since), numberAtOnce)
		if res.Error != nil {
			return d.fail("number marks", res.Error)
		}
		return d.fail("move the log of marks",
			d.q(ctx).Exec("UPDATE mark_log SET position = position + ? WHERE name = 'endings'", res.RowsAffected).Error)
	})
}

// HasMark reports whether there is such a place: one that was swept, or is of a database that was put back since, is not.
func (d *DB) HasMark(ctx context.Context, at identity.MarkPlace) (bool, error) {
	if at.Position == 0 {
		return at.Tag == identity.NoTag, nil
	}
	var id uuid.UUID
	found, err := d.one(ctx, []any{&id}, "SELECT id FROM marks WHERE position = ?", at.Position)
	return found && tagOf(id) == at.Tag, d.fail("look for a mark", err)
}

// MarksFrom returns the place behind which all marks are that were written after a time, and perhaps older ones; the end
// where there are none.
func (d *DB) MarksFrom(ctx context.Context, since time.Time, end identity.MarkPlace) (int64, error) {
	var first *int64
	if _, err := d.one(ctx, []any{&first}, "SELECT min(position) FROM marks WHERE at > ?", fromTime(since)); err != nil {
		return 0, d.fail("read the first mark", err)
	}
	if first == nil {
		return end.Position, nil
	}
	return min(*first-1, end.Position), nil
}

// MarksBetween returns the marks behind one position up to another, in their order and at most limit.
func (d *DB) MarksBetween(ctx context.Context, from, to int64, limit int) (all []identity.PlacedMark, err error) {
	err = d.each(ctx, func(rows *sql.Rows) error {
		m, err := scanMark(rows)
		all = append(all, m)
		return err
	}, `SELECT id, position, at, kind, subject, epoch, keep FROM marks WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
		from, to, limit)
	return all, d.fail("read marks", err)
}

func scanMark(rows *sql.Rows) (m identity.PlacedMark, err error) {
	var id identity.ID
	var keep string
	err = rows.Scan((*scannedID)(&id), &m.Position, (*moment)(&m.At), &m.Kind, &m.Subject, &m.Epoch, &keep)
	for _, sid := range strings.Fields(keep) {
		kept, bad := uuid.Parse(sid)
		m.Keep, err = append(m.Keep, kept), cmp.Or(err, bad)
	}
	m.Tag, m.Keep = tagOf(id), slices.Clip(m.Keep)
	return m, err
}
