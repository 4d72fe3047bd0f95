package storage_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

var firstRoot, nextRoot = []byte(strings.Repeat("1", 32)), []byte(strings.Repeat("2", 32))

// rooted opens dsn under root secrets, with mail on.
func rooted(t *testing.T, dsn string, trace func(string), roots ...[]byte) *storage.DB {
	t.Helper()
	keys := must[*identity.Keyring](t)(identity.NewKeyring(roots...))
	db := must[*storage.DB](t)(storage.Open(t.Context(), dsn, storage.Options{Keys: keys, MaxConns: 8, Letters: true, Trace: trace}))
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// letters fills the outbox.
func letters(t *testing.T, db *storage.DB, n int) {
	t.Helper()
	ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
		for i := range n {
			if err := db.QueueLetter(ctx, identity.Letter{Kind: identity.LetterForgot, To: fmt.Sprintf("%d@example.com", i)}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// resealing returns what became of each kind of thing, as "anew left".
func resealing(t *testing.T, db *storage.DB) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, r := range must[[]identity.Resealed](t)(db.Reseal(t.Context())) {
		got[r.What] = fmt.Sprint(r.Anew, " ", r.Left)
	}
	return got
}

// TestReseal_theOldRootSecretMayLeave rotates the root secret: what rests is sealed anew, and opens without the old one.
func TestReseal_theOldRootSecretMayLeave(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn, n := storagetest.DSN(t, kind), 450 // three steps
			before := rooted(t, dsn, nil, firstRoot)
			f := enrolled(t, before)
			key := signingKey("a", "ES256", identity.KeyCurrent, before.Now())
			retired := signingKey("b", "ES256", identity.KeyRetired, before.Now())
			must[bool](t)(before.AddSigningKey(t.Context(), key))
			must[bool](t)(before.AddSigningKey(t.Context(), retired))
			exec(t, before, "UPDATE signing_keys SET private = ? WHERE id = 'b'", []byte{})
			keys := must[*identity.Keyring](t)(identity.NewKeyring(firstRoot))
			ok(t, before.CreateClient(t.Context(), identity.Client{ID: "robot", SecretHash: keys.HashSecret("secret")}))
			ok(t, before.ReplaceRecoveryCodes(t.Context(), f.UserID, keys.Hashes(identity.ForRecovery, []byte("code"))))
			letters(t, before, n)
			subjects := must[identity.Subjects](t)(before.Subjects(t.Context()))
			ok(t, before.CreateWebhook(t.Context(), identity.Webhook{Name: "crm", URL: "https://crm.example/in"}, []byte("whsec_")))
			ok(t, before.RotateWebhook(t.Context(), "crm", []byte("whsec_next"), before.Now().Add(time.Hour)))
			must[int](t)(before.SealEvents(t.Context())) // with a secret of the installation

			between := rooted(t, dsn, nil, nextRoot, firstRoot)
			want := map[string]string{
				"authenticators": "1 0", "former authenticators": "2 0", "signing keys": "1 0", "deliveries": "450 0", "client secrets": "0 1",
				"client secrets in their overlap": "0 0", "recovery codes": "0 1", "webhook secrets": "1 0", "former webhook secrets": "1 0", "secrets of the installation": "2 0",
			}
			if diff := cmp.Diff(want, resealing(t, between)); diff != "" {
				t.Error(diff)
			}
			for what := range want {
				_, left, _ := strings.Cut(want[what], " ")
				want[what] = "0 " + left
			}
			if diff := cmp.Diff(want, resealing(t, between)); diff != "" {
				t.Errorf("a second run: %s", diff)
			}

			after := rooted(t, dsn, nil, nextRoot)
			_, secrets, err := after.WebhookSecrets(t.Context(), "crm")
			ok(t, err)
			same(t, []string{"whsec_next", "whsec_"}, secrets)
			same(t, subjects, must[identity.Subjects](t)(after.Subjects(t.Context()))) // or everybody would be somebody else
			same(t, f, must[mfa.Authenticator](t)(after.TOTPOf(t.Context(), f.UserID)))
			if all := must[[]identity.SigningKey](t)(after.SigningKeys(t.Context())); string(all[0].Private) != string(key.Private) {
				t.Errorf("%+v", all)
			}
			for range n {
				d, found, err := after.ClaimDelivery(t.Context(), identity.DeliveryClaim{Kind: identity.MailDelivery, Lease: time.Hour})
				if err != nil || !found || !d.DeadAt.IsZero() {
					t.Fatalf("%+v, %v, %v", d, found, err)
				}
			}
		})
	}
}

// Broken off in the middle of a step it leaves every row as it was before or as it is after; the next run does the rest.
func TestReseal_goesOnWhereItWasBrokenOff(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storagetest.DSN(t, kind)
			letters(t, rooted(t, dsn, nil, firstRoot), 450)
			ctx, kill := context.WithCancel(t.Context())
			var written atomic.Int64
			between := rooted(t, dsn, func(statement string) {
				if strings.HasPrefix(statement, "UPDATE deliveries SET body") && written.Add(1) == 300 {
					kill()
				}
			}, nextRoot, firstRoot)
			if _, err := between.Reseal(ctx); err == nil {
				t.Fatal("it was not broken off")
			}
			if got := resealing(t, between)["deliveries"]; got != "250 0" {
				t.Errorf("the next run: %s, want the 250 that were not committed", got)
			}
		})
	}
}

// People replace their authenticators and use them meanwhile: nothing of what they do is lost.
func TestReseal_losesNothingThatPeopleWriteMeanwhile(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storagetest.DSN(t, kind)
			before := rooted(t, dsn, nil, firstRoot) // a server that still seals under the old one
			var people [16]identity.ID
			for i := range people {
				people[i] = enrolled(t, before).UserID
			}
			between := rooted(t, dsn, nil, nextRoot, firstRoot)
			race(func(i int) bool {
				if i%4 == 0 {
					for range 8 {
						must[[]identity.Resealed](t)(between.Reseal(t.Context()))
					}
					return true
				}
				for n := range 8 {
					ok(t, before.InTx(t.Context(), func(ctx context.Context) error {
						if err := before.DeleteTOTP(ctx, people[i]); err != nil {
							return err
						}
						return before.CreateTOTP(ctx, mfa.Authenticator{
							UserID: people[i], Secret: fmt.Appendf(nil, "secret %d of %d", n, i), ConfirmedAt: before.Now(),
						})
					}))
					if !must[bool](t)(before.BurnStep(t.Context(), people[i], int64(n+1))) {
						t.Error("a step was not burnt")
					}
				}
				return true
			})
			resealing(t, between)
			after := rooted(t, dsn, nil, nextRoot)
			for i, id := range people {
				f := must[mfa.Authenticator](t)(after.TOTPOf(t.Context(), id))
				if i%4 != 0 && (string(f.Secret) != fmt.Sprintf("secret 7 of %d", i) || f.LastStep != 8) {
					t.Errorf("%d: %s, step %d", i, f.Secret, f.LastStep)
				}
			}
		})
	}
}

// notUnderARoot are the columns of bytes that no root secret is needed for.
var notUnderARoot = []string{
	"sign_ins.secret_hash", "sign_ins.code_secret_hash", "sessions.secret_hash", "mail_links.secret_hash", // SHA-256 of random bytes
	"clients.registration_hash", "clients.previous_hash", "registration_tokens.hash", "admin_tokens.hash", // the same
	"spent_assertions.jti_hash", "sessions.key", "grants.shown", // hashes and thumbprints of what is no secret
	"signing_keys.public", "events.erased", "event_days.digest", "event_days.released", "event_heads.head", // by a secret of the installation
}

// Whoever adds a column of bytes says here, or to Reseal, whether a root secret is needed for it.
func TestReseal_knowsEveryColumnThatRestsUnderARootSecret(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		query := map[string]string{
			storage.SQLite: `SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
				WHERE m.type = 'table' AND lower(c.type) = 'blob'`,
			storage.Postgres: `SELECT table_name || '.' || column_name FROM information_schema.columns
				WHERE table_schema = 'public' AND data_type = 'bytea'`,
		}[db.Kind()]
		var found []string
		ok(t, db.Q(t.Context()).Raw(query).Scan(&found).Error)
		known := map[string]bool{}
		for _, name := range append(storage.RootedColumns(), notUnderARoot...) {
			known[name] = true
		}
		for _, name := range found {
			if !known[name] {
				t.Errorf("%s: is a root secret needed for it?", name)
			}
			delete(known, name)
		}
		if len(known) > 0 {
			t.Errorf("there is no such column: %v", known)
		}
	})
}
