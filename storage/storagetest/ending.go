package storagetest

import (
	"context"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// SetPassword changes a password and ends everything of its user, as an operator's command does.
func SetPassword(ctx context.Context, db *storage.DB, userID identity.ID, hash string) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		if _, err := db.RaiseEpoch(ctx, userID); err != nil {
			return err
		}
		if err := db.WritePassword(ctx, userID, hash); err != nil {
			return err
		}
		_, err := db.EndUser(ctx, identity.UserEnding{UserID: userID, Cause: identity.EndPassword})
		return err
	})
}

// EndSignIn ends a SignIn and the Sessions that live only as long as it does.
func EndSignIn(ctx context.Context, db *storage.DB, id identity.ID, cause identity.EndCause) error {
	_, err := db.EndSignIn(ctx, identity.SignInEnding{ID: id, Cause: cause})
	return err
}
