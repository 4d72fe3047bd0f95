package storage

import (
	"context"

	"github.com/sojourn-auth/sojourn/identity"
)

// SignedInBefore reports whether a user has ever signed in, as far back as Events are kept.
func (d *DB) SignedInBefore(ctx context.Context, userID identity.ID) (before bool, err error) {
	_, err = d.one(ctx, []any{&before}, "SELECT EXISTS (SELECT 1 FROM events WHERE user_id = ? AND kind = ?)",
		userID, string(identity.SignedIn))
	return before, d.fail("look for earlier sign-ins", err)
}
