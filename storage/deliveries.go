package storage

import (
	"context"
	"encoding/json"
	"net/url"

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
}

// TableName is the table's name for GORM.
func (deliveryRow) TableName() string { return "deliveries" }

// QueueLetter puts a mail into the outbox. It belongs in the transaction of what it tells. Where no mail can be sent
// (Options.Letters), it does nothing.
func (d *DB) QueueLetter(ctx context.Context, l identity.Letter) error {
	if !d.letters {
		return nil
	}
	return d.queue(ctx, identity.MailDelivery, []parcel{{body: l}})
}

// queueEvents puts the mails that Events ask for into the outbox.
func (d *DB) queueEvents(ctx context.Context, events []identity.Event) error {
	var letters []parcel
	for _, e := range events {
		if d.letters && e.Mailed() {
			letters = append(letters, parcel{body: identity.Letter{Kind: identity.LetterEvent, UserID: e.UserID, Event: &e}})
		}
	}
	return d.queue(ctx, identity.MailDelivery, letters)
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
			notices = append(notices, parcel{hostOf(uri), n})
		}
	}
	return d.queue(ctx, identity.LogoutDelivery, notices)
}

// parcel is what is put into the outbox, and the host that it goes to.
type parcel struct {
	host string
	body any
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
			ID: id, Kind: string(kind), Host: p.host, Body: d.keys.Seal(identity.ForMail, text, id[:]),
			CreatedAt: now, NextTryAt: now,
		}
	}
	if err := d.q(ctx).CreateInBatches(&rows, batch).Error; err != nil {
		return d.fail("queue delivery", err)
	}
	d.afterCommit(ctx, d.queued.tell)
	return nil
}
