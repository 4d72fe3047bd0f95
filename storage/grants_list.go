package storage

import (
	"context"

	"github.com/sojourn-auth/sojourn/identity"
)

// GrantsOf returns what a user allows, the last one allowed first and at most limit of it.
func (d *DB) GrantsOf(ctx context.Context, userID identity.ID, limit int) ([]identity.Grant, error) {
	var rows []grantRow
	err := d.q(ctx).Where("user_id = ?", userID).Order("updated_at DESC, client_id").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, d.fail("list grants", err)
	}
	grants := make([]identity.Grant, len(rows))
	for i, row := range rows {
		grants[i] = row.grant()
	}
	return grants, nil
}
