package mfa

import (
	"context"

	"github.com/sojourn-auth/sojourn/identity"
)

// Remove takes a person's authenticator and their recovery codes away. It belongs in the transaction of the change that
// it is part of (identity.Credentials.Change), which writes the Event. Refusal: NotFound (no authenticator).
func (t TOTP) Remove(ctx context.Context, userID identity.ID) error {
	return t.Store.DeleteTOTP(ctx, userID)
}
