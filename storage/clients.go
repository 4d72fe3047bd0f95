package storage

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

type clientRow struct {
	ID               string `gorm:"primaryKey"`
	SecretHash       []byte
	Trusted          bool
	SelfRegistered   bool
	Metadata         identity.Metadata `gorm:"serializer:json"`
	IdleSeconds      int64
	AbsoluteSeconds  int64
	RegistrationHash []byte
	PreviousHash     []byte
	CreatedAt        micros
	FirstUsedAt      *micros
	DisabledAt       *micros
}

// TableName is the table's name for GORM.
func (clientRow) TableName() string { return "clients" }

func newClientRow(c identity.Client) clientRow {
	return clientRow{
		ID: c.ID, SecretHash: blob(c.SecretHash), Trusted: c.Trusted, SelfRegistered: c.SelfRegistered, Metadata: c.Metadata,
		IdleSeconds: int64(c.Lives.Idle / time.Second), AbsoluteSeconds: int64(c.Lives.Absolute / time.Second),
		RegistrationHash: blob(c.RegistrationHash), PreviousHash: blob(c.PreviousHash),
		CreatedAt: fromTime(c.CreatedAt), FirstUsedAt: fromTimeOrNull(c.FirstUsedAt),
		DisabledAt: fromTimeOrNull(c.DisabledAt),
	}
}

func (r clientRow) client() identity.Client {
	return identity.Client{
		ID: r.ID, SecretHash: blobOrNil(r.SecretHash), Trusted: r.Trusted, SelfRegistered: r.SelfRegistered,
		Metadata: r.Metadata, Lives: identity.Lifetimes{
			Idle: time.Duration(r.IdleSeconds) * time.Second, Absolute: time.Duration(r.AbsoluteSeconds) * time.Second,
		},
		RegistrationHash: blobOrNil(r.RegistrationHash), PreviousHash: blobOrNil(r.PreviousHash),
		CreatedAt: r.CreatedAt.time(), FirstUsedAt: r.FirstUsedAt.timeOrZero(),
		DisabledAt: r.DisabledAt.timeOrZero(),
	}
}

// ClientByID returns a client, or NotFound, also for one that is disabled. Outside of transactions what it says may be a second old, when another
// process changed it. The caller may keep and change what it gets.
func (d *DB) ClientByID(ctx context.Context, id string) (identity.Client, error) {
	if d.carried(ctx) != nil { // a transaction sees what it wrote itself, and no one else does
		return d.readClient(ctx, id)
	}
	if c, ok := d.clients.get(id, d.Now()); ok {
		return c, nil
	}
	c, err := d.readClient(ctx, id)
	if err == nil {
		d.clients.put(c, d.Now())
	}
	return c, err
}

func (d *DB) readClient(ctx context.Context, id string) (identity.Client, error) {
	return d.client(ctx, "id = ? AND disabled_at IS NULL", id)
}

func (d *DB) client(ctx context.Context, where, id string) (identity.Client, error) {
	if !keepable(id) {
		return identity.Client{}, notFound("client")
	}
	var row clientRow
	err := d.q(ctx).Where(where, id).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return identity.Client{}, notFound("client")
	}
	return row.client(), d.fail("read client", err)
}

// CreateClient adds a client. It refuses an id that is taken: Conflict, field "client_id".
func (d *DB) CreateClient(ctx context.Context, c identity.Client) error {
	row := newClientRow(c)
	res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if res.Error == nil && res.RowsAffected == 0 {
		return &identity.Error{
			Kind: identity.Conflict, Field: "client_id", Msg: "There is a client with that id already. Choose another.",
		}
	}
	d.clients.drop(c.ID, d.Now())
	return d.fail("create client", res.Error)
}

// MarkClientUsed remembers that someone signed in with a client, the first time only.
func (d *DB) MarkClientUsed(ctx context.Context, id string) error {
	res := d.q(ctx).Exec("UPDATE clients SET first_used_at = ? WHERE id = ? AND first_used_at IS NULL", fromTime(d.Now()), id)
	d.clients.drop(id, d.Now())
	return d.fail("mark client used", res.Error)
}

// DeleteClient removes a client with all that rests on it: its Sessions end, with an Event each, and what people allowed
// it is forgotten. NotFound when there is none.
func (d *DB) DeleteClient(ctx context.Context, id string) error {
	defer func() { d.clients.drop(id, d.Now()) }()
	return d.InTx(ctx, func(ctx context.Context) error {
		res := d.q(ctx).Where("id = ?", id).Delete(&clientRow{})
		switch {
		case res.Error != nil:
			return d.fail("delete client", res.Error)
		case res.RowsAffected == 0:
			return notFound("client")
		}
		if _, err := d.EndClient(ctx, id, identity.EndClientGone); err != nil {
			return err
		}
		if err := d.q(ctx).Where("client_id = ?", id).Delete(&stateRow{}).Error; err != nil {
			return d.fail("delete documents", err)
		}
		return d.fail("delete grants", d.q(ctx).Where("client_id = ?", id).Delete(&grantRow{}).Error)
	})
}

// SetClientDisabled disables a client, or enables it for the zero time. It returns false when it was so already, and
// NotFound where there is no such client.
func (d *DB) SetClientDisabled(ctx context.Context, id string, at time.Time) (bool, error) {
	defer func() { d.clients.drop(id, d.Now()) }()
	query := "UPDATE clients SET disabled_at = ? WHERE id = ? AND disabled_at IS NULL"
	if at.IsZero() {
		query = "UPDATE clients SET disabled_at = ? WHERE id = ? AND disabled_at IS NOT NULL"
	}
	res := d.q(ctx).Exec(query, fromTimeOrNull(at), id)
	if res.Error != nil || res.RowsAffected > 0 {
		return res.Error == nil, d.fail("disable client", res.Error)
	}
	var known bool
	_, err := d.one(ctx, []any{&known}, "SELECT EXISTS (SELECT 1 FROM clients WHERE id = ?)", id)
	if err == nil && !known {
		return false, notFound("client")
	}
	return false, d.fail("disable client", err)
}

// EndClient ends all Sessions of a client, with an Event each, and returns how many those were.
func (d *DB) EndClient(ctx context.Context, id string, cause identity.EndCause) (int, error) {
	ended, err := d.endSessions(ctx, cause, "client_id = ?", id)
	if err == nil {
		d.record(ctx, Ending{Client: id, Cause: cause})
	}
	return len(ended), err
}
