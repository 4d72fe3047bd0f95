package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	keepEnded  = 30 * 24 * time.Hour // how long the device history tells of what is over
	keepTokens = time.Hour           // who verifies a token may allow for a clock that is a little off
	keepMisses = 24 * time.Hour      // no throttle remembers longer
	keepEvents = 400 * 24 * time.Hour
	keepForks  = 7 * 24 * time.Hour // what an honest phone on a bad network causes, again and again
)

// SweptRows counts what a sweep deleted.
type SweptRows struct {
	Sessions, SignIns, DeniedTokens, SpentAssertions, RegistrationTokens, MailLinks, Throttles, Events, Deliveries, Documents int
}

// rubbish is what one table holds that nobody can need any more.
type rubbish struct {
	table, key, where string
	before            time.Time
	count             *int
}

// Sweep deletes what nobody can need any more: Sessions and SignIns whose absolute end is 30 days past, revoked and spent
// tokens that expired, throttles that would have forgotten, old Events, Deliveries that were given up, or that nobody
// tries, for 30 days. It decides nothing, since all of it has long been refused, and goes by bounded statements until none
// is left. Several processes may sweep at once.
func (d *DB) Sweep(ctx context.Context) (swept SweptRows, err error) {
	now := d.Now()
	old, expired, forgotten := now.Add(-keepEnded), now.Add(-keepTokens), now.Add(-keepMisses)
	for _, r := range []rubbish{
		{"sessions", "id", "ends_at < ?", old, &swept.Sessions},
		{"sign_ins", "id", "ends_at < ?", old, &swept.SignIns},
		{"denied_tokens", "jti", "expires_at < ?", expired, &swept.DeniedTokens},
		{"spent_assertions", "client_id, jti_hash", "expires_at < ?", expired, &swept.SpentAssertions},
		{"registration_tokens", "hash", "expires_at < ? OR uses_left < 1", expired, &swept.RegistrationTokens},
		{"mail_links", "user_id, kind", "expires_at < ?", expired, &swept.MailLinks},
		{"throttles", "key", "last_try_at < ?", forgotten, &swept.Throttles},
		{"events", "id", "at < ?", now.Add(-keepEvents), &swept.Events},
		{"deliveries", "id", "COALESCE(dead_at, next_try_at) < ?", old, &swept.Deliveries},
		{"states", "user_id, client_id, key", "deleted AND updated_at < ?", old, &swept.Documents},
		{"events", "id", "kind = 'session.forked' AND at < ?", now.Add(-keepForks), &swept.Events},
	} {
		if err := d.sweep(ctx, r); err != nil {
			return swept, err
		}
	}
	return swept, nil
}

func (d *DB) sweep(ctx context.Context, r rubbish) error {
	query := fmt.Sprintf(`WITH doomed AS MATERIALIZED (SELECT %s FROM %s WHERE %s LIMIT ?%s)
		DELETE FROM %s WHERE (%s) IN (SELECT %s FROM doomed)`,
		r.key, r.table, r.where, d.lock("FOR UPDATE SKIP LOCKED"), r.table, r.key, r.key)
	for {
		res := d.q(ctx).Exec(query, fromTime(r.before), batch)
		if res.Error != nil {
			return d.fail("sweep "+r.table, res.Error)
		}
		*r.count += int(res.RowsAffected)
		if res.RowsAffected < batch {
			return nil
		}
	}
}

// SweepClients deletes the clients that registered themselves before a time and that no one ever signed in with, with an
// Event each, and returns how many those were.
func (d *DB) SweepClients(ctx context.Context, before time.Time) (total int, err error) {
	for {
		swept := 0
		err := d.InTx(ctx, func(ctx context.Context) (err error) {
			swept, err = d.sweepClients(ctx, before)
			return err
		})
		if err != nil {
			return total, err
		}
		total += swept
		if swept < batch {
			return total, nil
		}
	}
}

func (d *DB) sweepClients(ctx context.Context, before time.Time) (int, error) {
	now := d.Now()
	var ids []string
	err := d.q(ctx).Raw(`WITH doomed AS MATERIALIZED (
			SELECT id FROM clients WHERE self_registered AND first_used_at IS NULL AND created_at < ?
			LIMIT ?`+d.lock("FOR UPDATE SKIP LOCKED")+`)
		DELETE FROM clients WHERE id IN (SELECT id FROM doomed) RETURNING id`, fromTime(before), batch).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return 0, d.fail("sweep clients", err)
	}
	events := make([]identity.Event, len(ids))
	for i, id := range ids {
		d.clients.drop(id, now)
		events[i] = identity.Event{
			ID: identity.NewID(), At: now, Kind: identity.ClientDeleted, ClientID: id, Detail: "never used",
		}
	}
	if err := d.q(ctx).Where("client_id IN ?", ids).Delete(&grantRow{}).Error; err != nil {
		return 0, d.fail("delete grants", err)
	}
	return len(ids), d.addEvents(ctx, events)
}
