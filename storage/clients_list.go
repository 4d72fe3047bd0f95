package storage

import (
	"context"

	"github.com/sojourn-auth/sojourn/identity"
)

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

// RegisteredClient returns a client, disabled or not, or NotFound. It asks the row: for operators, not for requests.
func (d *DB) RegisteredClient(ctx context.Context, id string) (identity.Client, error) {
	return d.client(ctx, "id = ?", id)
}
