package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func second[T any](_ T, err error) error { return err }

func third[T any](_ T, _ bool, err error) error { return err }

// An absent database is never an answer: not "wrong code", not "no such client", not "spent" (DESIGN law 7).
func TestMethods_sayThatTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		s := p.begin(t, db, "openid")
		ctx, cancel := context.WithTimeout(t.Context(), 0) // waiting for a connection ends like this
		defer cancel()
		u, secret, at := p.user, []byte("secret"), db.Now()
		for name, err := range map[string]error{
			"CreateUser":               db.CreateUser(ctx, u),
			"UserByEmail":              second(db.UserByEmail(ctx, u.Email)),
			"UserByID":                 second(db.UserByID(ctx, u.ID)),
			"SetPassword":              storagetest.SetPassword(ctx, db, u.ID, "new"),
			"CountTry":                 second(db.CountTry(ctx, "k", five)),
			"ForgiveTry":               db.ForgiveTry(ctx, "k"),
			"ClearTries":               db.ClearTries(ctx, "k"),
			"StandingOf":               second(db.StandingOf(ctx, p.signIn.ID)),
			"StartSignIn":              db.StartSignIn(ctx, fresh(p.signIn)),
			"ProveSignIn":              db.ProveSignIn(ctx, p.signIn, p.signIn.SecretHash),
			"TouchSignIn":              db.TouchSignIn(ctx, p.signIn),
			"EndSignIn":                storagetest.EndSignIn(ctx, db, p.signIn.ID, identity.EndSignedOut),
			"RedeemCode":               third(db.RedeemCode(ctx, p.promise(), s)),
			"SessionByID":              second(db.SessionByID(ctx, s.ID)),
			"LiveSession":              second(db.LiveSession(ctx, s.ID, "jti")),
			"Advance":                  third(db.Advance(ctx, turn(s, at))),
			"LockSession":              second(db.LockSession(ctx, s.ID)),
			"WriteLine":                db.WriteLine(ctx, s),
			"EndSession":               second(db.End(ctx, identity.Ending{Session: s.ID, Cause: identity.EndRevoked})),
			"ClientByID":               second(db.ClientByID(ctx, "app")),
			"CreateClient":             db.CreateClient(ctx, identity.Client{ID: "new"}),
			"RotateSecret":             db.RotateSecret(ctx, "app", []byte("hash"), db.Now()),
			"UpdateClient":             db.UpdateClient(ctx, identity.Client{ID: "app"}),
			"UpdateRegistration":       db.UpdateRegistration(ctx, identity.Client{ID: "app"}, nil),
			"ConfirmRegistrationToken": db.ConfirmRegistrationToken(ctx, "app", secret),
			"DeleteClient":             db.DeleteClient(ctx, "app"),
			"MarkClientUsed":           db.MarkClientUsed(ctx, "app"),
			"BeginUser":                third(db.BeginUser(ctx, u)),
			"LetIn":                    db.LetIn(ctx, u.ID),
			"SweepUnconfirmed":         second(db.SweepUnconfirmed(ctx, at)),
			"SweepClients":             second(db.SweepClients(ctx, at)),
			"CreateRegistrationToken":  db.CreateRegistrationToken(ctx, secret, 1, at),
			"SpendRegistrationToken":   db.SpendRegistrationToken(ctx, secret),
			"GrantOf":                  second(db.GrantOf(ctx, u.ID, "app")),
			"SaveGrant":                failed(db.SaveGrant(ctx, identity.Grant{UserID: u.ID, ClientID: "app"}, 1)),
			"TOTPOf":                   second(db.TOTPOf(ctx, u.ID)),
			"CreateTOTP":               db.CreateTOTP(ctx, mfa.Authenticator{UserID: u.ID, Secret: secret}),
			"DeleteTOTP":               db.DeleteTOTP(ctx, u.ID),
			"FactorsOf":                second(db.FactorsOf(ctx, u.ID)),
			"LockFactors":              second(db.LockFactors(ctx, u.ID)),
			"RecoveryHashes":           second(db.RecoveryHashes(ctx, u.ID)),
			"ReplaceRecoveryCodes":     db.ReplaceRecoveryCodes(ctx, u.ID, nil),
			"BurnStep":                 second(db.BurnStep(ctx, u.ID, 1)),
			"UseRecoveryCode":          second(db.UseRecoveryCode(ctx, u.ID, [][]byte{secret})),
			"RecoveryCodesLeft":        second(db.RecoveryCodesLeft(ctx, u.ID)),
			"SigningKeys":              second(db.SigningKeys(ctx)),
			"AddSigningKey":            second(db.AddSigningKey(ctx, signingKey("a", "ES256", identity.KeyCurrent, at))),
			"PromoteSigningKeys":       db.PromoteSigningKeys(ctx, "ES256"),
			"RetireSigningKeys":        second(db.RetireSigningKeys(ctx, "ES256")),
			"DenyToken":                db.DenyToken(ctx, "jti", at),
			"TokenDenied":              second(db.TokenDenied(ctx, "jti")),
			"SpendAssertion":           second(db.SpendAssertion(ctx, "app", "jti", at)),
			"AddEvent":                 db.AddEvent(ctx, identity.Event{ID: identity.NewID(), At: time.Now()}),
			"Activity":                 second(db.Activity(ctx, u.ID, 1)),
			"Sweep":                    second(db.Sweep(ctx)),
		} {
			if identity.KindOf(err) != identity.Unavailable {
				t.Errorf("%s: got %v, want identity.ErrUnavailable", name, err)
			}
		}
	})
}
