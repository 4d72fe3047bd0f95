package identity

import "context"

// Rename changes what a person is called. It refuses (Invalid, field name) what is no name; the name that they have
// already changes nothing.
func (u Users) Rename(ctx context.Context, s Standing, name string, seen Seen) error {
	name, err := CleanName(name)
	if err != nil || name == s.User.Name {
		return err
	}
	return u.Store.InTx(ctx, func(ctx context.Context) error {
		if err := u.Store.SetName(ctx, s.User.ID, name); err != nil {
			return err
		}
		return u.Store.AddEvent(ctx, Event{
			ID: NewID(), At: u.Now(), Kind: ProfileChanged, UserID: s.User.ID, Detail: "name", Address: seen.Address,
		})
	})
}
