package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

type deliveryRow struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	Kind      string
	Host      string
	Body      []byte // sealed: it may hold an address
	Tries     int
	CreatedAt micros
	NextTryAt micros
	DeadAt    *micros
	LastError string
	ClientID  string // whose it is; empty: our own mail
	About     string // aboutUser or aboutAddress of whom it tells; empty: of nobody, or of one whose client must hear it
}

// TableName is the table's name for GORM.
func (deliveryRow) TableName() string { return "deliveries" }

// QueueLetter puts a mail into the outbox. It belongs in the transaction of what it tells. Where no mail can be sent
// (Options.Letters), it does nothing.
func (d *DB) QueueLetter(ctx context.Context, l identity.Letter) error {
	if !d.letters {
		return nil
	}
	return d.queue(ctx, identity.MailDelivery, []parcel{{body: l, about: aboutLetter(l)}})
}

// queueEvents puts the mails that Events ask for into the outbox, and what webhooks are told.
func (d *DB) queueEvents(ctx context.Context, events []identity.Event) error {
	var letters []parcel
	for _, e := range events {
		if d.letters && e.Mailed() {
			letters = append(letters, parcel{body: identity.Letter{Kind: identity.LetterEvent, UserID: e.UserID, Event: &e}, about: aboutUser(e.UserID)})
		}
	}
	return errors.Join(d.queue(ctx, identity.MailDelivery, letters), d.queueWebhooks(ctx, events))
}

// queueLogouts puts a notice into the outbox for each Session whose client has a back channel (OpenID Connect
// Back-Channel Logout 1.0 §2.2).
func (d *DB) queueLogouts(ctx context.Context, ended []identity.LogoutNotice) error {
	var notices []parcel
	known := map[string]string{}
	for _, n := range ended {
		uri, asked := known[n.ClientID]
		if !asked {
			c, err := d.readClient(ctx, n.ClientID)
			if err != nil && identity.KindOf(err) != identity.NotFound {
				return err
			}
			uri = c.BackchannelLogoutURI
			known[n.ClientID] = uri
		}
		if n.URI = uri; uri != "" {
			notices = append(notices, parcel{host: hostOf(uri), client: n.ClientID, body: n})
		}
	}
	return d.queue(ctx, identity.LogoutDelivery, notices)
}

// parcel is what is put into the outbox, the host that it goes to, the client whose that is, and whom it tells of.
type parcel struct {
	host, client, about string
	body                any
}

// aboutUser and aboutAddress name whom a delivery tells of, since its body is sealed. Of an address it is a hash, as of those that
// are throttled.
func aboutUser(id identity.ID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

func aboutAddress(email string) string { return identity.ThrottleKey("letter", email) }

func aboutLetter(l identity.Letter) string {
	if l.UserID == uuid.Nil {
		return aboutAddress(l.To)
	}
	return aboutUser(l.UserID)
}

// forgetDeliveries deletes at most limit of what waits or was given up and tells of somebody who is gone, but for what webhooks are
// told since a time: that everything ended.
func (d *DB) forgetDeliveries(ctx context.Context, about string, since micros, limit int) (more bool, err error) {
	res := d.q(ctx).Exec("DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE about = ? AND about <> '' AND (kind = ? OR created_at < ?) LIMIT ?)",
		about, identity.MailDelivery, since, limit)
	return int(res.RowsAffected) == limit, d.fail("forget deliveries", res.Error)
}

// hostOf is the host and port of an address; what can't be read goes nowhere in particular.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

func (d *DB) queue(ctx context.Context, kind identity.DeliveryKind, parcels []parcel) error {
	if len(parcels) == 0 {
		return nil
	}
	now := fromTime(d.Now())
	rows := make([]deliveryRow, len(parcels))
	for i, p := range parcels {
		text, err := json.Marshal(p.body)
		if err != nil {
			return err
		}
		id := identity.NewID()
		rows[i] = deliveryRow{
			ID: id, Kind: string(kind), Host: p.host, ClientID: p.client, Body: d.keys.Seal(identity.ForDelivery, text, id[:]),
			CreatedAt: now, NextTryAt: now, About: p.about,
		}
	}
	if err := d.q(ctx).CreateInBatches(&rows, batch).Error; err != nil {
		return d.fail("queue delivery", err)
	}
	d.afterCommit(ctx, d.queued.tell)
	return nil
}

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

const deliveryColumns = "id, kind, host, body, tries, created_at, next_try_at, dead_at, last_error, client_id"

// clientsInTurn are the clients that wait for anything of a kind, from one on, each found by one step of the index. What one
// of them has piled up costs the others nothing.
const clientsInTurn = `WITH RECURSIVE turn (client_id) AS (
		SELECT min(client_id) FROM deliveries WHERE kind = ? AND dead_at IS NULL AND client_id %s ?
		UNION ALL
		SELECT (SELECT min(d.client_id) FROM deliveries d WHERE d.kind = ? AND d.dead_at IS NULL AND d.client_id > turn.client_id)
		FROM turn WHERE turn.client_id IS NOT NULL)
	SELECT client_id FROM turn WHERE client_id IS NOT NULL AND EXISTS (SELECT 1 FROM deliveries d
		WHERE d.kind = ? AND d.dead_at IS NULL AND d.client_id = turn.client_id AND d.next_try_at <= ?)`

// nextClient returns the client whose turn it is: the first after another, in a circle, that may get one and has one due.
func (d *DB) nextClient(ctx context.Context, c identity.DeliveryClaim) (client string, found bool, err error) {
	where, args := "", []any{}
	if len(c.Busy) > 0 {
		where, args = " AND client_id NOT IN ?", append(args, c.Busy)
	}
	if c.Only != nil {
		if len(c.Only) == 0 {
			return "", false, nil
		}
		where, args = where+" AND client_id IN ?", append(args, c.Only)
	}
	for _, from := range []struct{ compare, client string }{{">", c.After}, {">=", ""}} {
		err := d.q(ctx).Raw(fmt.Sprintf(clientsInTurn, from.compare)+where+" LIMIT 1", append([]any{
			c.Kind, from.client, c.Kind, c.Kind, fromTime(d.Now()),
		}, args...)...).Row().Scan(&client)
		if !errors.Is(err, sql.ErrNoRows) {
			return client, err == nil, d.fail("look for deliveries", err)
		}
	}
	return "", false, nil
}

// ClaimDelivery returns the Delivery that is due for longest of the client whose turn it is, and leases it to the caller, who
// alone has it until the lease ends; false when none is due. One whose body can't be opened is dead from then on, and comes
// back so, with DeadAt.
func (d *DB) ClaimDelivery(ctx context.Context, c identity.DeliveryClaim) (identity.Delivery, bool, error) {
	for {
		client, found, err := d.nextClient(ctx, c)
		if err != nil || !found {
			return identity.Delivery{}, false, err
		}
		claimed, won, err := d.claim(ctx, c, client)
		if err != nil || won {
			return claimed, won, err
		}
		c.Busy = append(slices.Clone(c.Busy), client) // another process was quicker
	}
}

func (d *DB) claim(ctx context.Context, c identity.DeliveryClaim, client string) (identity.Delivery, bool, error) {
	now := d.Now()
	var rows []deliveryRow
	err := d.q(ctx).Raw(`WITH due AS MATERIALIZED (
			SELECT id FROM deliveries WHERE kind = ? AND dead_at IS NULL AND client_id = ? AND next_try_at <= ?
			ORDER BY next_try_at LIMIT 1`+d.lock("FOR UPDATE SKIP LOCKED")+`)
		UPDATE deliveries SET next_try_at = ? WHERE id IN (SELECT id FROM due)
		RETURNING `+deliveryColumns, c.Kind, client, fromTime(now), fromTime(now.Add(c.Lease))).Scan(&rows).Error
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
	return d.keys.Open(identity.ForDelivery, r.Body, r.ID[:])
}

// delivery is the row without its body.
func (r deliveryRow) delivery() identity.Delivery {
	return identity.Delivery{
		ID: r.ID, Kind: identity.DeliveryKind(r.Kind), Host: r.Host, Tries: r.Tries, CreatedAt: r.CreatedAt.time(),
		NextTryAt: r.NextTryAt.time(), DeadAt: r.DeadAt.timeOrZero(), LastError: r.LastError, ClientID: r.ClientID,
	}
}

// PutBack makes a Delivery due again that was claimed and not tried, ahead of the others of its client. It does nothing once the
// claim ran out and another one was made.
func (d *DB) PutBack(ctx context.Context, claimed identity.Delivery) error {
	return d.fail("put delivery back", d.q(ctx).Exec(
		"UPDATE deliveries SET next_try_at = created_at WHERE id = ? AND next_try_at = ? AND dead_at IS NULL",
		claimed.ID, fromTime(claimed.NextTryAt)).Error)
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

// Deliveries returns what the outbox holds, oldest first.
func (d *DB) Deliveries(ctx context.Context, f identity.DeliveryFilter) ([]identity.ListedDelivery, error) {
	q := d.q(ctx).Order("id").Limit(f.Limit)
	if f.Dead {
		q = q.Where("dead_at IS NOT NULL")
	}
	if f.After != (identity.ID{}) {
		q = q.Where("id > ?", f.After)
	}
	var rows []deliveryRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, d.fail("read deliveries", err)
	}
	list := make([]identity.ListedDelivery, len(rows))
	for i, r := range rows {
		list[i] = d.listed(r)
	}
	return list, nil
}

// listed is a row as operators see it. Of a body only names are taken, and of one that can't be opened nothing.
func (d *DB) listed(r deliveryRow) identity.ListedDelivery {
	l := identity.ListedDelivery{Delivery: r.delivery()}
	body, err := d.openDelivery(r)
	if err != nil {
		return l
	}
	switch l.Kind {
	case identity.LogoutDelivery:
		var n identity.LogoutNotice
		_ = json.Unmarshal(body, &n) // an unreadable one is listed without
		l.SessionID = n.SessionID
	case identity.MailDelivery:
		var letter identity.Letter
		_ = json.Unmarshal(body, &letter)
		l.Letter = letter.Kind
	case identity.WebhookDelivery:
		l.Event = noticeOf(body).Kind
	}
	return l
}

// RetryDelivery makes a Delivery due at once, with all its tries again, dead or not; NotFound when there is none.
func (d *DB) RetryDelivery(ctx context.Context, id identity.ID) error {
	n, err := d.retry(ctx, "id = ?", id)
	if err == nil && n == 0 {
		return notFound("delivery")
	}
	return err
}

// RetryDead makes all dead Deliveries due at once, with all their tries again, and returns how many those were.
func (d *DB) RetryDead(ctx context.Context) (int, error) { return d.retry(ctx, "dead_at IS NOT NULL") }

func (d *DB) retry(ctx context.Context, where string, args ...any) (int, error) {
	res := d.q(ctx).Exec("UPDATE deliveries SET tries = 0, next_try_at = ?, dead_at = NULL WHERE "+where,
		append([]any{fromTime(d.Now())}, args...)...)
	if res.Error == nil {
		d.afterCommit(ctx, d.queued.tell)
	}
	return int(res.RowsAffected), d.fail("retry delivery", res.Error)
}

// maxCounted bounds what is counted: an alarm needs no larger number, and every scrape asks.
const maxCounted = 100_000

const countWaiting = `SELECT count(*), min(created_at) FROM (SELECT created_at FROM deliveries
	WHERE kind = ? AND dead_at IS NULL ORDER BY next_try_at LIMIT ?) w`

const countDead = `SELECT count(*) FROM (SELECT kind FROM deliveries
	WHERE dead_at IS NOT NULL ORDER BY id LIMIT ?) d WHERE kind = ?`

// CountDeliveries returns how many Deliveries of each kind wait, since when the oldest does, and how many are dead, of 100,000
// at most.
func (d *DB) CountDeliveries(ctx context.Context) ([]identity.DeliveryCount, error) {
	var counts []identity.DeliveryCount
	for _, kind := range identity.DeliveryKinds {
		c := identity.DeliveryCount{Kind: kind}
		var oldest *micros
		if _, err := d.one(ctx, []any{&c.Waiting, &oldest}, countWaiting, kind, maxCounted); err != nil {
			return nil, d.fail("count deliveries", err)
		}
		if oldest != nil {
			c.Oldest = oldest.time()
		}
		if _, err := d.one(ctx, []any{&c.Dead}, countDead, maxCounted, kind); err != nil {
			return nil, d.fail("count deliveries", err)
		}
		if c.Waiting+c.Dead > 0 {
			counts = append(counts, c)
		}
	}
	return counts, nil
}
