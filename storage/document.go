package storage

import (
	"context"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// documentRow is one document of an app about a person.
type documentRow struct {
	UserID    uuid.UUID `gorm:"primaryKey"`
	ClientID  string    `gorm:"primaryKey"`
	Key       string    `gorm:"primaryKey"`
	Value     string    // JSON; empty once deleted
	Version   int64     // grows with every write; the ETag
	UpdatedAt micros
	Deleted   bool
}

// TableName is the table's name for GORM.
func (documentRow) TableName() string { return "states" }

func (r documentRow) document() identity.Document {
	return identity.Document{
		DocumentKey: identity.DocumentKey{UserID: r.UserID, ClientID: r.ClientID, Key: r.Key},
		Value:       r.Value, Version: r.Version, UpdatedAt: r.UpdatedAt.time(), Deleted: r.Deleted,
	}
}

// Document returns a document; the zero Version when there is none.
func (d *DB) Document(ctx context.Context, at identity.DocumentKey) (identity.Document, error) {
	s := identity.Document{DocumentKey: at}
	var updated micros
	found, err := d.one(ctx, []any{&s.Value, &s.Version, &updated},
		"SELECT value, version, updated_at FROM states WHERE user_id = ? AND client_id = ? AND key = ? AND NOT deleted",
		at.UserID, at.ClientID, at.Key)
	if found {
		s.UpdatedAt = updated.time()
	}
	return s, d.fail("read document", err)
}

// Documents returns the documents of a client for a user, by key.
func (d *DB) Documents(ctx context.Context, userID identity.ID, clientID string) ([]identity.Document, error) {
	var rows []documentRow
	err := d.q(ctx).Where("user_id = ? AND client_id = ? AND NOT deleted", userID, clientID).Order("key").Find(&rows).Error
	if err != nil {
		return nil, d.fail("list documents", err)
	}
	documents := make([]identity.Document, len(rows))
	for i, r := range rows {
		documents[i] = r.document()
	}
	return documents, nil
}

// WriteDocument makes next of a document that is still as was says, in one conditional write, and returns it with its new
// version; false when another write came first. A new document that would be one too many is refused: Conflict. A next
// that is Deleted leaves a mark, so that other devices hear of it.
func (d *DB) WriteDocument(ctx context.Context, was, next identity.Document) (identity.Document, bool, error) {
	now := d.Now()
	next.UpdatedAt, next.Version = now, max(was.Version+1, now.UnixMicro())
	write := d.replaceDocument
	if !was.Exists() {
		write = d.createDocument
	}
	won, err := write(ctx, was, &next)
	if err != nil || !won {
		return identity.Document{}, false, err
	}
	d.afterCommit(ctx, func() { d.tellNews(next.UserID, news{next.ClientID, true}) })
	return next, true, nil
}

func (d *DB) replaceDocument(ctx context.Context, was identity.Document, next *identity.Document) (bool, error) {
	res := d.q(ctx).Exec(`UPDATE states SET value = ?, version = ?, updated_at = ?, deleted = ?
		WHERE user_id = ? AND client_id = ? AND key = ? AND version = ? AND NOT deleted`, next.Value, next.Version,
		fromTime(next.UpdatedAt), next.Deleted, next.UserID, next.ClientID, next.Key, was.Version)
	return res.RowsAffected == 1, d.fail("write document", res.Error)
}

// insertDocument also takes the place of a deleted document, whose versions must not come again.
const insertDocument = `INSERT INTO states (user_id, client_id, key, value, version, updated_at, deleted)
	VALUES (?, ?, ?, ?, ?, ?, FALSE)
	ON CONFLICT (user_id, client_id, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at,
		version = CASE WHEN excluded.version > states.version THEN excluded.version ELSE states.version + 1 END,
		deleted = FALSE
	WHERE states.deleted RETURNING version`

// forgetDocuments keeps as many marks of deleted documents as there may be documents, the newest.
const forgetDocuments = `DELETE FROM states WHERE user_id = ? AND client_id = ? AND deleted AND key NOT IN (
	SELECT key FROM states WHERE user_id = ? AND client_id = ? AND deleted ORDER BY updated_at DESC LIMIT ?)`

// createDocument locks the user's row, so that of many who make the last document that there may be exactly one does.
func (d *DB) createDocument(ctx context.Context, _ identity.Document, next *identity.Document) (won bool, err error) {
	err = d.InTx(ctx, func(ctx context.Context) error {
		if err := d.lockUser(ctx, next.UserID); err != nil {
			return err
		}
		var others int
		_, err := d.one(ctx, []any{&others}, `SELECT count(*) FROM states
			WHERE user_id = ? AND client_id = ? AND key <> ? AND NOT deleted`, next.UserID, next.ClientID, next.Key)
		if err != nil {
			return d.fail("count documents", err)
		}
		if others >= identity.MaxDocuments {
			return identity.Refuse(identity.Conflict, "There are 64 documents already. Delete one that is not needed any more.")
		}
		won, err = d.one(ctx, []any{&next.Version}, insertDocument, next.UserID, next.ClientID, next.Key, next.Value, next.Version,
			fromTime(next.UpdatedAt))
		if err != nil || !won {
			return d.fail("create document", err)
		}
		return d.fail("forget documents", d.q(ctx).Exec(forgetDocuments, next.UserID, next.ClientID,
			next.UserID, next.ClientID, identity.MaxDocuments).Error)
	})
	return won, err
}
