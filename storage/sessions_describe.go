package storage

import (
	"context"

	"github.com/sojourn-auth/sojourn/identity"
)

// describeSession writes only where something differs: an app may send the same description with every refresh.
const describeSession = `UPDATE sessions SET device_name = ?, device_model = ?, app_version = ?, install_id = ?
	WHERE id = ? AND (device_name <> ? OR device_model <> ? OR app_version <> ? OR install_id <> ?)`

// DescribeSession writes how an app describes its device now. What the description leaves out stays as it was.
func (d *DB) DescribeSession(ctx context.Context, id identity.ID, device identity.Device) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		s, err := d.LockSession(ctx, id)
		if err != nil {
			return err
		}
		n := device.Or(s.Device)
		return d.fail("describe session", d.q(ctx).Exec(describeSession, n.Name, n.Model, n.AppVersion, n.InstallID,
			id, n.Name, n.Model, n.AppVersion, n.InstallID).Error)
	})
}
