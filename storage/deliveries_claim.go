package storage

import (
	"context"
	"errors"
	"sync"

	"github.com/sojourn-auth/sojourn/identity"
)

// bell tells whoever listens at this moment, however many those are.
type bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

func (b *bell) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}

// Queued returns a channel that is closed once this process has put something into the outbox and committed it. Whoever
// takes it before looking for work misses none; what other processes put there has to be looked for.
func (d *DB) Queued() <-chan struct{} { return d.queued.listen() }

// errSealed is why a Delivery is dead that can't be read. Another server, or an older secret in the list, may open it.
var errSealed = identity.Permanent(errors.New("it was sealed under a root secret that is not in SOJOURN_SECRET"))

const deliveryColumns = "id, kind, host, body, tries, created_at, next_try_at, dead_at, last_error"

// ClaimDelivery returns the Delivery that is due for longest and leases it to the caller, who alone has it until the lease
// ends; false when none is due. One whose body can't be opened is dead from then on, and comes back so, with DeadAt.
func (d *DB) ClaimDelivery(ctx context.Context, c identity.DeliveryClaim) (identity.Delivery, bool, error) {
	now := d.Now()
	where, args := "kind = ? AND dead_at IS NULL AND next_try_at <= ?", []any{c.Kind, fromTime(now)}
	if len(c.Busy) > 0 {
		where, args = where+" AND host NOT IN ?", append(args, c.Busy)
	}
	var rows []deliveryRow
	err := d.q(ctx).Raw(`WITH due AS MATERIALIZED (
			SELECT id FROM deliveries WHERE `+where+` ORDER BY next_try_at LIMIT 1`+d.lock("FOR UPDATE SKIP LOCKED")+`)
		UPDATE deliveries SET next_try_at = ? WHERE id IN (SELECT id FROM due)
		RETURNING `+deliveryColumns, append(args, fromTime(now.Add(c.Lease)))...).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return identity.Delivery{}, false, d.fail("claim delivery", err)
	}
	claimed := rows[0].delivery()
	if claimed.Body, err = d.openDelivery(rows[0]); err != nil {
		claimed = claimed.Failed(identity.FailedTry{At: now, Cause: errSealed})
		return claimed, true, d.DeliveryFailed(ctx, claimed)
	}
	return claimed, true, nil
}

func (d *DB) openDelivery(r deliveryRow) ([]byte, error) {
	return d.keys.Open(identity.ForMail, r.Body, r.ID[:])
}

// delivery is the row without its body.
func (r deliveryRow) delivery() identity.Delivery {
	return identity.Delivery{
		ID: r.ID, Kind: identity.DeliveryKind(r.Kind), Host: r.Host, Tries: r.Tries, CreatedAt: r.CreatedAt.time(),
		NextTryAt: r.NextTryAt.time(), DeadAt: r.DeadAt.timeOrZero(), LastError: r.LastError,
	}
}

// DeliveryDone forgets a Delivery that arrived.
func (d *DB) DeliveryDone(ctx context.Context, id identity.ID) error {
	return d.fail("finish delivery", d.q(ctx).Exec("DELETE FROM deliveries WHERE id = ?", id).Error)
}

// DeliveryFailed writes what became of a Delivery after a try that failed (Delivery.Failed). It does nothing where somebody
// else wrote that of the same try, since the lease had run out.
func (d *DB) DeliveryFailed(ctx context.Context, failed identity.Delivery) error {
	return d.fail("write failed delivery", d.q(ctx).Exec(`UPDATE deliveries
		SET tries = ?, next_try_at = ?, dead_at = ?, last_error = ? WHERE id = ? AND tries = ? AND dead_at IS NULL`,
		failed.Tries, fromTime(failed.NextTryAt), fromTimeOrNull(failed.DeadAt), failed.LastError,
		failed.ID, failed.Tries-1).Error)
}
