package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

type resourceRow struct {
	Key       string `gorm:"primaryKey"` // identity.ResourceKey of the URI
	URI       string
	Settings  keptResource `gorm:"serializer:json"`
	CreatedAt micros
	DeletedAt *micros
	Epoch     int64
}

// keptResource is how settings lie in their row.
type keptResource struct {
	identity.ResourceSettings
	Longest time.Duration `json:"longest_access_ns,omitempty"`
}

// TableName is the table's name for GORM.
func (resourceRow) TableName() string { return "resources" }

func newResourceRow(r identity.Resource) resourceRow {
	return resourceRow{
		Key: identity.ResourceKey(r.URI), URI: r.URI, Settings: keptResource{r.ResourceSettings, r.Longest},
		CreatedAt: fromTime(r.CreatedAt), DeletedAt: fromTimeOrNull(r.DeletedAt), Epoch: r.Epoch,
	}
}

func (r resourceRow) resource() identity.Resource {
	return identity.Resource{
		URI: r.URI, ResourceSettings: r.Settings.ResourceSettings, CreatedAt: r.CreatedAt.time(),
		DeletedAt: r.DeletedAt.timeOrZero(), Epoch: r.Epoch, Longest: r.Settings.Longest,
	}
}

// CreateResource adds a resource, anew where one of its name was deleted, and returns its epoch. Refusals: Conflict when its
// name is taken (field resource), or there are identity.MaxResourceRows.
func (d *DB) CreateResource(ctx context.Context, r identity.Resource) (epoch int64, err error) {
	defer d.resourcesChanged(ctx)
	row := newResourceRow(r)
	res := d.q(ctx).Exec(`UPDATE resources SET uri = ?, created_at = ?, deleted_at = NULL, epoch = epoch + 1
		WHERE key = ? AND deleted_at IS NOT NULL`, row.URI, row.CreatedAt, row.Key)
	if res.Error != nil {
		return 0, d.fail("create resource", res.Error)
	}
	if res.RowsAffected == 0 {
		return 0, d.insertResource(ctx, row)
	}
	if _, err := d.one(ctx, []any{&epoch}, "SELECT epoch FROM resources WHERE key = ?", row.Key); err != nil {
		return 0, d.fail("create resource", err)
	}
	r.Epoch, r.Longest = epoch, identity.MaxResourceTTL // of the one before some tokens may be about
	return epoch, d.UpdateResource(ctx, r)
}

func (d *DB) insertResource(ctx context.Context, row resourceRow) error {
	var all int
	if _, err := d.one(ctx, []any{&all}, "SELECT count(*) FROM resources"); err != nil {
		return d.fail("create resource", err)
	}
	if all >= identity.MaxResourceRows {
		return identity.Refuse(identity.Conflict,
			fmt.Sprintf("There are %d resources, and no more fit; deleted ones count, since they are remembered.", all))
	}
	res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if res.Error == nil && res.RowsAffected == 0 {
		return &identity.Error{
			Kind: identity.Conflict, Field: "resource", Msg: "There is a resource of that name already: update or delete it.",
		}
	}
	return d.fail("create resource", res.Error)
}

// LockResource is ResourceByURI, and keeps everyone else from changing it until the transaction of ctx ends.
func (d *DB) LockResource(ctx context.Context, uri string) (identity.Resource, error) {
	return d.resource(ctx, uri, d.lock("FOR UPDATE"))
}

// ResourceByURI returns a resource that is not deleted, by any spelling of its name; NotFound when there is none.
func (d *DB) ResourceByURI(ctx context.Context, uri string) (identity.Resource, error) {
	return d.resource(ctx, uri, "")
}

func (d *DB) resource(ctx context.Context, uri, lock string) (identity.Resource, error) {
	if !keepable(uri) {
		return identity.Resource{}, notFound("resource")
	}
	var rows []resourceRow
	err := d.q(ctx).Raw("SELECT * FROM resources WHERE key = ? AND deleted_at IS NULL"+lock,
		identity.ResourceKey(uri)).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return identity.Resource{}, cmp.Or(d.fail("read resource", err), notFound("resource"))
	}
	return rows[0].resource(), nil
}

// UpdateResource writes the settings of a resource, and when it was deleted. NotFound when there is none.
func (d *DB) UpdateResource(ctx context.Context, r identity.Resource) error {
	row := newResourceRow(r)
	res := d.q(ctx).Model(&resourceRow{}).Where("key = ?", row.Key).Select("Settings", "DeletedAt").Updates(&row)
	d.resourcesChanged(ctx)
	return d.wrote(res, "resource")
}

// Resources returns all resources by their names, deleted ones too. Outside of transactions what it says may be a second old,
// when another process changed it. Nobody may change what it returns.
func (d *DB) Resources(ctx context.Context) (identity.Resources, error) {
	if d.carried(ctx) != nil { // a transaction sees what it wrote itself, and no one else does
		return d.readResources(ctx)
	}
	return d.resources.through(ctx, d, allResources, d.readResources)
}

// allResources is the one id in the cache of resources: they are read together.
const allResources = ""

func (d *DB) readResources(ctx context.Context) (identity.Resources, error) {
	var rows []resourceRow
	if err := d.q(ctx).Order("key").Limit(identity.MaxResourceRows).Find(&rows).Error; err != nil {
		return nil, d.fail("read resources", err)
	}
	all := make(identity.Resources, len(rows))
	for i, row := range rows {
		all[i] = row.resource()
	}
	return slices.Clip(all), nil
}

// resourcesChanged forgets the resources, of which one is being written, now and once that was committed, here and in the
// other processes.
func (d *DB) resourcesChanged(ctx context.Context) {
	d.resources.drop(allResources, d.Now())
	d.afterCommit(ctx, func() {
		d.resources.drop(allResources, d.Now())
		d.wire.tell(string(wakeResources))
	})
}
