package storage

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

// webhookRow is a program of the operator's that is told what happens.
type webhookRow struct {
	Name        string `gorm:"primaryKey"`
	URL         string
	Kinds       string // between spaces; empty: all
	Secret      []byte // sealed
	CreatedAt   micros
	MissedSince *micros

	FormerSecret []byte // sealed; signs too until FormerUntil
	FormerUntil  micros
}

// TableName is the table's name for GORM.
func (webhookRow) TableName() string { return "webhooks" }

func (r webhookRow) webhook() identity.Webhook {
	w := identity.Webhook{Name: r.Name, URL: r.URL, CreatedAt: r.CreatedAt.time(), MissedSince: r.MissedSince.timeOrZero()}
	if r.FormerUntil != 0 {
		w.FormerUntil = r.FormerUntil.time()
	}
	for _, kind := range strings.Fields(r.Kinds) {
		w.Kinds = append(w.Kinds, identity.EventKind(kind))
	}
	return w
}

// CreateWebhook keeps a webhook and its secret. It refuses a name that is taken and one webhook too many: Conflict.
func (d *DB) CreateWebhook(ctx context.Context, w identity.Webhook, secret []byte) error {
	all, err := d.Webhooks(ctx)
	if err != nil {
		return err
	}
	if len(all) >= identity.MaxWebhooks {
		return identity.Refuse(identity.Conflict, "There are ten webhooks already. Remove one.")
	}
	row := webhookRow{
		Name: w.Name, URL: w.URL, Secret: d.keys.Seal(identity.ForWebhook, secret, []byte(w.Name)), CreatedAt: fromTime(w.CreatedAt),
		FormerSecret: blob(nil),
	}
	for _, kind := range w.Kinds {
		row.Kinds = strings.TrimSpace(row.Kinds + " " + string(kind))
	}
	res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if res.Error == nil && res.RowsAffected == 0 {
		return &identity.Error{Kind: identity.Conflict, Field: "name", Msg: "There is a webhook of that name already. Choose another."}
	}
	d.afterCommit(ctx, d.hooksChanged.tell)
	return d.fail("create webhook", res.Error)
}

// Webhooks returns every webhook, by name.
func (d *DB) Webhooks(ctx context.Context) ([]identity.Webhook, error) {
	var rows []webhookRow
	if err := d.q(ctx).Omit("secret", "former_secret").Order("name").Find(&rows).Error; err != nil {
		return nil, d.fail("read webhooks", err)
	}
	all := make([]identity.Webhook, len(rows))
	for i, r := range rows {
		all[i] = r.webhook()
	}
	return all, nil
}

// WebhookSecrets returns a webhook as it is now, and the secrets that sign what it is told, the newest first; NotFound when there
// is none of this name.
func (d *DB) WebhookSecrets(ctx context.Context, name string) (w identity.Webhook, secrets []string, err error) {
	var row webhookRow
	err = d.q(ctx).Where("name = ?", name).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return w, nil, notFound("webhook")
	}
	if err != nil {
		return w, nil, d.fail("read webhook", err)
	}
	sealed := [][]byte{row.Secret}
	if row.FormerUntil > fromTime(d.Now()) {
		sealed = append(sealed, row.FormerSecret)
	}
	for _, one := range sealed {
		secret, err := d.keys.Open(identity.ForWebhook, one, []byte(name))
		if err != nil {
			return w, nil, err
		}
		secrets = append(secrets, string(secret))
	}
	return row.webhook(), secrets, nil
}

// RotateWebhook gives a webhook another secret; the one before signs too until a time. NotFound when there is none of this name.
func (d *DB) RotateWebhook(ctx context.Context, name string, secret []byte, formerUntil time.Time) error {
	if !keepable(name) {
		return notFound("webhook")
	}
	sealed := d.keys.Seal(identity.ForWebhook, secret, []byte(name))
	return d.wrote(d.q(ctx).Exec("UPDATE webhooks SET former_secret = secret, former_until = ?, secret = ? WHERE name = ?",
		fromTime(formerUntil), sealed, name), "webhook")
}

// DeleteWebhook forgets a webhook and what waits for it; NotFound when there is none of this name.
func (d *DB) DeleteWebhook(ctx context.Context, name string) error {
	if !keepable(name) {
		return notFound("webhook")
	}
	return d.InTx(ctx, func(ctx context.Context) error {
		if err := d.wrote(d.q(ctx).Where("name = ?", name).Delete(&webhookRow{}), "webhook"); err != nil {
			return err
		}
		d.afterCommit(ctx, d.hooksChanged.tell)
		return d.fail("forget deliveries", d.q(ctx).Exec(
			"DELETE FROM deliveries WHERE kind = ? AND client_id = ?", identity.WebhookDelivery, name).Error)
	})
}

// SetWebhookMissed writes since when a webhook missed Events; a zero time forgets it.
func (d *DB) SetWebhookMissed(ctx context.Context, name string, since time.Time) error {
	res := d.q(ctx).Exec("UPDATE webhooks SET missed_since = ? WHERE name = ?", fromTimeOrNull(since), name)
	return d.fail("write what a webhook missed", res.Error)
}

// CountWebhookWaiting is how many Deliveries wait for a webhook, up to identity.MaxWebhookWaiting.
func (d *DB) CountWebhookWaiting(ctx context.Context, name string) (n int, err error) {
	_, err = d.one(ctx, []any{&n}, `SELECT count(*) FROM (SELECT 1 FROM deliveries
		WHERE kind = ? AND dead_at IS NULL AND client_id = ? LIMIT ?) w`, identity.WebhookDelivery, name, identity.MaxWebhookWaiting)
	return n, d.fail("count deliveries", err)
}

// hook is a webhook as Events find it.
type hook struct {
	identity.Webhook
	full bool // so much waits that it is told of nothing more
}

// WebhooksChanged returns a channel that is closed once this process has added or removed a webhook. Whoever takes it before
// LoadWebhooks misses none.
func (d *DB) WebhooksChanged() <-chan struct{} { return d.hooksChanged.listen() }

// LoadWebhooks reads which webhooks there are, and which of them are full: this process tells its Events to those, until it
// reads again. Before the first time it tells none.
func (d *DB) LoadWebhooks(ctx context.Context) error {
	all, err := d.Webhooks(ctx)
	if err != nil {
		return err
	}
	hooks := make([]hook, len(all))
	for i, w := range all {
		n, err := d.CountWebhookWaiting(ctx, w.Name)
		if err != nil {
			return err
		}
		hooks[i] = hook{w, n >= identity.MaxWebhookWaiting}
	}
	d.hooks.Store(&hooks)
	return nil
}

// queueWebhooks puts Events into the outbox for the webhooks that want them. Of one that is full it is written down, once,
// since when it misses some.
func (d *DB) queueWebhooks(ctx context.Context, events []identity.Event) error {
	hooks := d.hooks.Load()
	if hooks == nil {
		return nil
	}
	var parcels []parcel
	for _, h := range *hooks {
		wanted := wantedBy(h.Webhook, events)
		if h.full && len(wanted) > 0 {
			res := d.q(ctx).Exec("UPDATE webhooks SET missed_since = ? WHERE name = ? AND missed_since IS NULL",
				fromTime(wanted[0].At), h.Name)
			if res.Error != nil {
				return d.fail("write what a webhook missed", res.Error)
			}
			continue
		}
		parcels = append(parcels, noticesFor(h.Webhook, wanted)...)
	}
	return d.queue(ctx, identity.WebhookDelivery, parcels)
}

func wantedBy(w identity.Webhook, events []identity.Event) (wanted []identity.Event) {
	for _, e := range events {
		if w.WantsEvent(e) {
			wanted = append(wanted, e)
		}
	}
	return wanted
}

func noticesFor(w identity.Webhook, events []identity.Event) []parcel {
	parcels := make([]parcel, len(events))
	for i, e := range events {
		parcels[i] = parcel{hostOf(w.URL), w.Name, aboutUser(e.UserID), identity.WebhookNotice{Event: e}}
	}
	return parcels
}

// ReplayWebhook queues the next Events after a place for a webhook, the oldest first, at most a batch of them. What is still
// under way while it looks comes by itself.
func (d *DB) ReplayWebhook(ctx context.Context, w identity.Webhook, from identity.EventPlace) (n int, to identity.EventPlace, done bool, err error) {
	var rows []eventRow
	err = d.q(ctx).Raw("SELECT * FROM events WHERE at >= ? AND (at > ? OR id > ?) ORDER BY at, id LIMIT ?",
		fromTime(from.At), fromTime(from.At), from.ID, batch).Scan(&rows).Error
	if err != nil {
		return 0, from, false, d.fail("read events", err)
	}
	events := eventsOf(rows)
	if len(events) > 0 {
		from = placeOf(events)
	}
	wanted := wantedBy(w, events)
	return len(wanted), from, len(rows) < batch, d.InTx(ctx, func(ctx context.Context) error {
		return d.queue(ctx, identity.WebhookDelivery, noticesFor(w, wanted))
	})
}

// noticeOf says what a Delivery to a webhook tells, for lists.
func noticeOf(body []byte) identity.Event {
	var n identity.WebhookNotice
	_ = json.Unmarshal(body, &n) // an unreadable one is listed without
	return n.Event
}
