package identity

import (
	"context"
	"strings"
)

type resourceStore interface {
	// CreateResource adds a resource, anew where one of its name was deleted, and returns its epoch: Conflict when its name is
	// taken, or there are too many.
	CreateResource(ctx context.Context, r Resource) (epoch int64, err error)
	// LockResource reads a resource that is not deleted, by any spelling of its name, and keeps everyone else from changing it
	// until the transaction ends; NotFound when there is none.
	LockResource(ctx context.Context, uri string) (Resource, error)
	// UpdateResource writes the settings of a resource that is locked, and when it was deleted.
	UpdateResource(ctx context.Context, r Resource) error
}

// AddResource adds a resource and returns it as it was added, with defaults filled in. What was granted for one of its name
// that was deleted stays void. Refusals: Invalid with the field that is wrong, Conflict when its name is taken.
func (o Operators) AddResource(ctx context.Context, r Resource) (Resource, error) {
	r, err := CleanResource(r)
	if err != nil {
		return Resource{}, err
	}
	r.CreatedAt = o.Now()
	return r, o.Store.InTx(ctx, func(ctx context.Context) error {
		if r.Epoch, err = o.Store.CreateResource(ctx, r); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: ResourceAdded, Detail: r.URI})
	})
}

// UpdateResource changes a resource: change gets it as it is, under its lock, and may refuse. It ends nothing: what tokens
// say is judged at each refresh, and people are asked anew about what other words describe. changed names what differs;
// nothing is written where nothing does. Refusals: NotFound, Invalid with the field that is wrong, and change's own.
func (o Operators) UpdateResource(
	ctx context.Context, uri string, change func(Resource) (Resource, error),
) (after Resource, changed []string, err error) {
	return after, changed, o.Store.InTx(ctx, func(ctx context.Context) error {
		before, err := o.Store.LockResource(ctx, uri)
		if err != nil {
			return err
		}
		given := before
		if given.ResourceSettings, err = before.Patched(nil); err != nil { // another one, down to its maps
			return err
		}
		if after, err = change(given); err != nil {
			return err
		}
		if after, err = CleanResource(after); err != nil {
			return err
		}
		changed = differing(before.ResourceSettings, after.ResourceSettings, ResourceSettingNames)
		if len(changed) == 0 {
			return nil
		}
		after.Longest = max(before.Longest, before.Lifetime(0))
		if err := o.Store.UpdateResource(ctx, after); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: ResourceUpdated, Detail: after.URI + ": " + strings.Join(changed, ", ")})
	})
}

// DeleteResource takes a resource away. From then on nobody gets tokens for it, whoever lists it, and what was granted is void
// for good, also when it is added anew: that is one value, which every token request asks. NotFound when there is none.
func (o Operators) DeleteResource(ctx context.Context, uri string) error {
	return o.Store.InTx(ctx, func(ctx context.Context) error {
		r, err := o.Store.LockResource(ctx, uri)
		if err != nil {
			return err
		}
		r.DeletedAt = o.Now()
		if err := o.Store.UpdateResource(ctx, r); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: ResourceDeleted, Detail: r.URI})
	})
}
