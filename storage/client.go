package storage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

type clientRow struct {
	ID               string `gorm:"primaryKey"`
	SecretHash       []byte
	Trusted          bool
	TrustedNative    bool
	SelfRegistered   bool
	Metadata         identity.Metadata `gorm:"serializer:json"`
	IdleSeconds      int64
	AbsoluteSeconds  int64
	RegistrationHash []byte
	PreviousHash     []byte
	CreatedAt        micros
	FirstUsedAt      *micros
	DisabledAt       *micros
	Epoch            int64

	FormerSecretHash  []byte
	FormerSecretUntil *micros

	// Of a client that publishes what it says of itself; NULL of all others.
	DocumentReadAt     *micros
	DocumentFreshUntil *micros
	DocumentGoneSince  *micros
	DocumentCheckAt    *micros // when it is read again, whoever signs in
}

// TableName is the table's name for GORM.
func (clientRow) TableName() string { return "clients" }

func newClientRow(c identity.Client) clientRow {
	return clientRow{
		ID: c.ID, SecretHash: blob(c.SecretHash), Trusted: c.Trusted, TrustedNative: c.TrustedNative,
		SelfRegistered: c.SelfRegistered, Metadata: c.Metadata,
		IdleSeconds: int64(c.Lives.Idle / time.Second), AbsoluteSeconds: int64(c.Lives.Absolute / time.Second),
		RegistrationHash: blob(c.RegistrationHash), PreviousHash: blob(c.PreviousHash),
		CreatedAt: fromTime(c.CreatedAt), FirstUsedAt: fromTimeOrNull(c.FirstUsedAt),
		DisabledAt: fromTimeOrNull(c.DisabledAt), Epoch: c.Epoch,
		FormerSecretHash: blob(c.FormerSecret), FormerSecretUntil: fromTimeOrNull(c.FormerUntil),
		DocumentReadAt: fromTimeOrNull(c.Published.ReadAt), DocumentFreshUntil: fromTimeOrNull(c.Published.FreshUntil),
		DocumentGoneSince: fromTimeOrNull(c.Published.GoneSince),
	}
}

func (r clientRow) client() identity.Client {
	return identity.Client{
		ID: r.ID, SecretHash: blobOrNil(r.SecretHash), Trusted: r.Trusted, TrustedNative: r.TrustedNative,
		SelfRegistered: r.SelfRegistered,
		Metadata:       r.Metadata, Lives: identity.Lifetimes{
			Idle: time.Duration(r.IdleSeconds) * time.Second, Absolute: time.Duration(r.AbsoluteSeconds) * time.Second,
		},
		RegistrationHash: blobOrNil(r.RegistrationHash), PreviousHash: blobOrNil(r.PreviousHash),
		CreatedAt: r.CreatedAt.time(), FirstUsedAt: r.FirstUsedAt.timeOrZero(),
		DisabledAt: r.DisabledAt.timeOrZero(), Epoch: r.Epoch,
		FormerSecret: blobOrNil(r.FormerSecretHash), FormerUntil: r.FormerSecretUntil.timeOrZero(),
		Published: identity.Publication{
			ReadAt: r.DocumentReadAt.timeOrZero(), FreshUntil: r.DocumentFreshUntil.timeOrZero(),
			GoneSince: r.DocumentGoneSince.timeOrZero(),
		},
	}
}

// ClientByID returns a client, or NotFound, also for one that is disabled. Outside of transactions what it says may be a
// second old, when another process changed it. The caller may keep and change what it gets.
func (d *DB) ClientByID(ctx context.Context, id string) (identity.Client, error) {
	if d.carried(ctx) != nil { // a transaction sees what it wrote itself, and no one else does
		return d.readClient(ctx, id)
	}
	return d.clients.through(ctx, d, id, func(ctx context.Context) (identity.Client, error) { return d.readClient(ctx, id) })
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

// CreateClient adds a client, whose epoch is to be later than any that a former client of its id had. It refuses (Conflict, field "client_id") an id that is taken, and one whose former client is
// still being forgotten.
func (d *DB) CreateClient(ctx context.Context, c identity.Client) error {
	if err := d.checkForgotten(ctx, c.ID); err != nil {
		return err
	}
	row := newClientRow(c)
	res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if res.Error == nil && res.RowsAffected == 0 {
		return &identity.Error{
			Kind: identity.Conflict, Field: "client_id", Msg: "There is a client with that id already. Choose another.",
		}
	}
	d.clientChanged(ctx, c.ID)
	return d.fail("create client", res.Error)
}

// checkForgotten refuses (Conflict) while what a former client of that id had is still being removed.
func (d *DB) checkForgotten(ctx context.Context, id string) error {
	var waits bool
	if _, err := d.one(ctx, []any{&waits}, "SELECT EXISTS (SELECT 1 FROM endings WHERE client_id = ?)", id); err != nil {
		return d.fail("create client", err)
	}
	if waits {
		return &identity.Error{
			Kind: identity.Conflict, Field: "client_id", Msg: "A client with that id was deleted a moment ago, and what it had is still being removed. Try again in a few minutes.",
		}
	}
	return nil
}

// MarkClientUsed remembers that a client got a token, the first time only.
func (d *DB) MarkClientUsed(ctx context.Context, id string) error {
	now := fromTime(d.Now())
	res := d.q(ctx).Exec("UPDATE clients SET first_used_at = ? WHERE id = ? AND first_used_at IS NULL", now, id)
	d.clients.change(id, func(c *identity.Client) { // who still reads that it got no token only notes it again
		if c.FirstUsedAt.IsZero() {
			c.FirstUsedAt = now.time()
		}
	})
	return d.fail("mark client used", res.Error)
}

// DeleteClient removes a client with all that rests on it: its Sessions end, with an Event each, and what people allowed
// it and kept with it is forgotten; of much, Tidy forgets the rest. NotFound when there is none.
func (d *DB) DeleteClient(ctx context.Context, id string) error {
	return d.removeClient(ctx, id, func(ctx context.Context) error {
		return d.q(ctx).Where("id = ?", id).Delete(&clientRow{}).Error
	})
}

// removeClient ends and forgets all that rests on a client, whose row remove takes away.
func (d *DB) removeClient(ctx context.Context, id string, remove func(context.Context) error) error {
	defer func() { d.clientChanged(ctx, id) }()
	return d.InTx(ctx, func(ctx context.Context) error {
		struck, err := d.End(ctx, identity.Ending{Client: id, Cause: identity.EndClientGone})
		if err != nil {
			return err
		}
		if err := remove(ctx); err != nil {
			return d.fail("delete client", err)
		}
		more, err := d.forgetClient(ctx, id, strikeAtOnce)
		if err != nil || !more || struck.More {
			return err
		}
		return d.queueEnding(ctx, blow{Ending: identity.Ending{Client: id, Cause: identity.EndClientGone, At: d.Now()}, Below: struck.Mark})
	})
}

// forgetClient deletes at most limit of what people allowed a client that is gone, and of what they kept with it. It
// reports whether there may be more.
func (d *DB) forgetClient(ctx context.Context, id string, limit int) (more bool, err error) {
	for _, of := range []struct{ table, key string }{{"grants", "user_id, client_id"}, {"states", "user_id, client_id, key"}} {
		res := d.q(ctx).Exec(fmt.Sprintf(`DELETE FROM %s WHERE (%s) IN (SELECT %s FROM %s WHERE client_id = ? LIMIT ?)`,
			of.table, of.key, of.key, of.table), id, limit)
		if res.Error != nil {
			return false, d.fail("forget client", res.Error)
		}
		more = more || res.RowsAffected == int64(limit)
	}
	return more, nil
}

// SetClientDisabled disables a client, or enables it for the zero time. It returns false when it was so already, and
// NotFound where there is no such client.
func (d *DB) SetClientDisabled(ctx context.Context, id string, at time.Time) (bool, error) {
	defer func() { d.clientChanged(ctx, id) }()
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

// Clients returns clients by their ids, in order, disabled ones too.
func (d *DB) Clients(ctx context.Context, q identity.ClientQuery) ([]identity.Client, error) {
	var rows []clientRow
	tx := d.q(ctx)
	if q.After != "" {
		tx = tx.Where("id > ?", q.After)
	}
	if err := tx.Order("id").Limit(q.Limit).Find(&rows).Error; err != nil {
		return nil, d.fail("list clients", err)
	}
	clients := make([]identity.Client, len(rows))
	for i, r := range rows {
		clients[i] = r.client()
	}
	return clients, nil
}

// SelfRegistered returns the clients that registered themselves, the newest first, disabled ones too; after the one that q names.
func (d *DB) SelfRegistered(ctx context.Context, q identity.ClientQuery) ([]identity.Client, error) {
	if !keepable(q.After) {
		return nil, nil
	}
	tx := d.q(ctx).Where("self_registered")
	if q.After != "" {
		var at micros
		found, err := d.one(ctx, []any{&at}, "SELECT created_at FROM clients WHERE id = ?", q.After)
		if err != nil || !found {
			return nil, d.fail("list registrations", err)
		}
		tx = tx.Where("created_at <= ? AND (created_at < ? OR id < ?)", at, at, q.After)
	}
	var rows []clientRow
	if err := tx.Order("created_at DESC, id DESC").Limit(q.Limit).Find(&rows).Error; err != nil {
		return nil, d.fail("list registrations", err)
	}
	clients := make([]identity.Client, len(rows))
	for i, r := range rows {
		clients[i] = r.client()
	}
	return clients, nil
}

// RegisteredClient returns a client, disabled or not, or NotFound. It asks the row: for operators, not for requests.
func (d *DB) RegisteredClient(ctx context.Context, id string) (identity.Client, error) {
	return d.client(ctx, "id = ?", id)
}

// LockClient returns a client, disabled or not, or NotFound, and keeps everyone else from changing it until the transaction
// of ctx ends.
func (d *DB) LockClient(ctx context.Context, id string) (identity.Client, error) {
	if !keepable(id) {
		return identity.Client{}, notFound("client")
	}
	var rows []clientRow
	err := d.q(ctx).Raw("SELECT * FROM clients WHERE id = ?"+d.lock("FOR UPDATE"), id).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return identity.Client{}, cmp.Or(d.fail("lock client", err), notFound("client"))
	}
	return rows[0].client(), nil
}

// UpdateClient writes all that an operator may change of a client: trust, metadata, secret and lifetimes. NotFound when there
// is none.
func (d *DB) UpdateClient(ctx context.Context, c identity.Client) error {
	row := newClientRow(c)
	res := d.q(ctx).Model(&clientRow{}).Where("id = ?", row.ID).Select("SecretHash", "FormerSecretHash", "FormerSecretUntil",
		"Trusted", "TrustedNative", "Metadata", "IdleSeconds", "AbsoluteSeconds").Updates(&row)
	d.clientChanged(ctx, c.ID)
	return d.wrote(res, "client")
}

// UpdateRegistration writes what RFC 7592 §2.2 lets a client change: metadata, secret, lifetimes and its registration access
// token. read is the RegistrationHash of the client as it was read: of several updates that read the same one is written.
// c.PreviousHash is of the token that was presented: it must be the newest one or the one before, and lives on until the new
// one, c.RegistrationHash, is used. Conflict when either is not so any more: another update came first.
func (d *DB) UpdateRegistration(ctx context.Context, c identity.Client, read []byte) error {
	row := newClientRow(c)
	res := d.q(ctx).Model(&clientRow{}).
		Where("id = ? AND registration_hash = ? AND (registration_hash = ? OR length(previous_hash) > 0 AND previous_hash = ?)",
			row.ID, blob(read), row.PreviousHash, row.PreviousHash).
		Select("SecretHash", "Metadata", "IdleSeconds", "AbsoluteSeconds", "RegistrationHash", "PreviousHash").
		Updates(&row)
	d.clientChanged(ctx, c.ID)
	if res.Error == nil && res.RowsAffected == 0 {
		return identity.Refuse(identity.Conflict, "The client was changed meanwhile. Read it again, then send the change.")
	}
	return d.fail("update client", res.Error)
}

// RotateSecret gives a client another secret; the one before stays good until a time. NotFound for a client that is not
// there or has none.
func (d *DB) RotateSecret(ctx context.Context, id string, hash []byte, formerUntil time.Time) error {
	res := d.q(ctx).Exec(`UPDATE clients SET former_secret_hash = secret_hash, former_secret_until = ?, secret_hash = ?
		WHERE id = ? AND length(secret_hash) > 0`, fromTime(formerUntil), hash, id)
	d.clientChanged(ctx, id)
	if res.Error == nil && res.RowsAffected == 0 {
		return identity.Refuse(identity.NotFound, "There is no such client, or it has no secret.")
	}
	return d.fail("rotate secret", res.Error)
}

// RehashSecret keeps another hash of the secret that a client has, unless that was changed meanwhile.
func (d *DB) RehashSecret(ctx context.Context, c identity.Client, hash []byte) error {
	res := d.q(ctx).Exec("UPDATE clients SET secret_hash = ? WHERE id = ? AND secret_hash = ?", hash, c.ID, c.SecretHash)
	d.clientChanged(ctx, c.ID)
	return d.fail("rehash secret", res.Error)
}

// ConfirmRegistrationToken forgets the registration access token before the one with this hash, which was just used.
func (d *DB) ConfirmRegistrationToken(ctx context.Context, id string, hash []byte) error {
	res := d.q(ctx).Exec(`UPDATE clients SET previous_hash = ?
		WHERE id = ? AND registration_hash = ? AND length(previous_hash) > 0`, []byte{}, id, hash)
	d.clientChanged(ctx, id)
	return d.fail("confirm registration token", res.Error)
}

type registrationTokenRow struct {
	Hash      []byte `gorm:"primaryKey"`
	UsesLeft  int
	ExpiresAt micros
	CreatedAt micros
}

// TableName is the table's name for GORM.
func (registrationTokenRow) TableName() string { return "registration_tokens" }

// CreateRegistrationToken writes an initial access token (RFC 7591 §3) that registers so many clients until it expires.
func (d *DB) CreateRegistrationToken(ctx context.Context, hash []byte, uses int, expires time.Time) error {
	row := registrationTokenRow{Hash: hash, UsesLeft: uses, ExpiresAt: fromTime(expires), CreatedAt: fromTime(d.Now())}
	return d.fail("create registration token", d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error)
}

// SpendRegistrationToken uses an initial access token once. It refuses one that is unknown, expired or used up (BadLogin).
func (d *DB) SpendRegistrationToken(ctx context.Context, hash []byte) error {
	res := d.q(ctx).Exec("UPDATE registration_tokens SET uses_left = uses_left - 1 WHERE hash = ? AND uses_left > 0 AND expires_at > ?",
		hash, fromTime(d.Now()))
	if res.Error == nil && res.RowsAffected == 0 {
		return identity.Refuse(identity.BadLogin, "The initial access token is unknown, expired or used up. Ask the operator for one.")
	}
	return d.fail("spend registration token", res.Error)
}

// copyClient shares no memory with c, so that no caller changes what another one reads.
func copyClient(c identity.Client) identity.Client {
	c.SecretHash = bytes.Clone(c.SecretHash)
	c.FormerSecret = bytes.Clone(c.FormerSecret)
	c.RegistrationHash = bytes.Clone(c.RegistrationHash)
	c.PreviousHash = bytes.Clone(c.PreviousHash)
	c.RedirectURIs = slices.Clone(c.RedirectURIs)
	c.GrantTypes = slices.Clone(c.GrantTypes)
	c.ResponseTypes = slices.Clone(c.ResponseTypes)
	c.Contacts = slices.Clone(c.Contacts)
	c.JWKS = slices.Clone(c.JWKS)
	c.DefaultACRValues = slices.Clone(c.DefaultACRValues)
	c.Resources = slices.Clone(c.Resources)
	c.PostLogoutRedirectURIs = slices.Clone(c.PostLogoutRedirectURIs)
	c.RequestURIs = slices.Clone(c.RequestURIs)
	c.DefaultMaxAge, c.IDTokenOnRefresh, c.IDTokenProfile = copied(c.DefaultMaxAge), copied(c.IDTokenOnRefresh), copied(c.IDTokenProfile)
	return c
}

// copied points to a copy of what p points to.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
