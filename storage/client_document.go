package storage

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

// checkDocumentEvery is how long after a document was read it is read again, whoever signs in.
const checkDocumentEvery = 24 * time.Hour

// KeepDocument writes what was read in a client's document, and that it is not gone; of two readings the later one stays. It
// reports whether the client is new here. NotFound where an operator removed or disabled it, or added it himself; Conflict
// while what a former client of that id had is still being removed.
func (d *DB) KeepDocument(ctx context.Context, c identity.Client) (added bool, err error) {
	if known, err := d.readClient(ctx, c.ID); err == nil && known.FromDocument() && !known.Published.ReadAt.Before(c.Published.ReadAt) {
		return false, nil // of many people who agree to the same page none waits for another
	}
	err = d.InTx(ctx, func(ctx context.Context) error {
		if added, err = d.addDocument(ctx, c); added || err != nil {
			return err
		}
		return d.rereadDocument(ctx, c)
	})
	d.clientChanged(ctx, c.ID)
	return added, err
}

// documentRow is the row of a client whose document was read.
func (d *DB) documentRow(c identity.Client) clientRow {
	row := newClientRow(c)
	check := fromTime(d.Now().Add(checkDocumentEvery))
	row.DocumentGoneSince, row.DocumentCheckAt = nil, &check
	return row
}

func (d *DB) addDocument(ctx context.Context, c identity.Client) (added bool, err error) {
	if err := d.checkForgotten(ctx, c.ID); err != nil {
		return false, err
	}
	now := d.Now()
	c.CreatedAt, c.Epoch = now, now.UnixMicro() // later than any that a former client of its id had
	row := d.documentRow(c)
	res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	return res.RowsAffected > 0, d.fail("add client", res.Error)
}

func (d *DB) rereadDocument(ctx context.Context, c identity.Client) error {
	known, err := d.LockClient(ctx, c.ID)
	switch {
	case err != nil:
		return err
	case !known.FromDocument() || !known.DisabledAt.IsZero():
		return notFound("client")
	case c.Published.ReadAt.Before(known.Published.ReadAt):
		return nil
	}
	row := d.documentRow(c)
	res := d.q(ctx).Model(&clientRow{}).Where("id = ?", row.ID).
		Select("Metadata", "DocumentReadAt", "DocumentFreshUntil", "DocumentGoneSince", "DocumentCheckAt").Updates(&row)
	return d.wrote(res, "client")
}

// DocumentsDue returns at most limit clients whose documents are to be read again by now. Until the time again nobody else
// gets them: of many processes one reads.
func (d *DB) DocumentsDue(ctx context.Context, limit int, again time.Time) ([]identity.Client, error) {
	var rows []clientRow
	err := d.q(ctx).Raw(`WITH due AS MATERIALIZED (
			SELECT id FROM clients WHERE document_check_at <= ? AND disabled_at IS NULL
			ORDER BY document_check_at LIMIT ?`+d.lock("FOR UPDATE SKIP LOCKED")+`)
		UPDATE clients SET document_check_at = ? WHERE id IN (SELECT id FROM due) RETURNING *`,
		fromTime(d.Now()), limit, fromTime(again)).Scan(&rows).Error
	clients := make([]identity.Client, len(rows))
	for i, r := range rows {
		clients[i] = r.client()
	}
	return clients, d.fail("find documents to read", err)
}

// DropIdleDocument removes a client that publishes what it says of itself and that nothing rests on: no Session that lives, no
// consent, nothing that people keep with it. It comes back when somebody signs in with it. A client of which a document was
// kept since its check was claimed for again stays.
func (d *DB) DropIdleDocument(ctx context.Context, id string, again time.Time) (dropped bool, err error) {
	now := fromTime(d.Now())
	res := d.q(ctx).Exec(`DELETE FROM clients WHERE id = ? AND document_check_at = ? AND disabled_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.client_id = clients.id AND s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ?)
			AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.client_id = clients.id)
			AND NOT EXISTS (SELECT 1 FROM states t WHERE t.client_id = clients.id)`,
		id, fromTime(again), now, now)
	d.clientChanged(ctx, id)
	return res.RowsAffected > 0, d.fail("drop client", res.Error)
}

// DocumentGone notes that a client's document was not there, and when to look again. It returns since when that is so.
func (d *DB) DocumentGone(ctx context.Context, id string, again time.Time) (since time.Time, err error) {
	var at micros
	found, err := d.one(ctx, []any{&at}, `UPDATE clients SET document_gone_since = COALESCE(document_gone_since, ?), document_check_at = ?
		WHERE id = ? AND document_read_at IS NOT NULL RETURNING document_gone_since`, fromTime(d.Now()), fromTime(again), id)
	if err == nil && !found {
		return time.Time{}, notFound("client")
	}
	return at.time(), d.fail("note that a document is gone", err)
}

// RetireClient is DeleteClient for one that would come back by itself, because it publishes what it says of itself: its row stays,
// disabled, and nothing else does.
func (d *DB) RetireClient(ctx context.Context, id string) error {
	return d.removeClient(ctx, id, func(ctx context.Context) error {
		_, err := d.SetClientDisabled(ctx, id, d.Now())
		return err
	})
}
