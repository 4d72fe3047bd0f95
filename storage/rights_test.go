package storage_test

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// An operator lets servers be a role that owns nothing (deploy/serve-rights.sql): they do all that they do, and can neither change what
// happened nor drop what keeps it.
func TestServeRights_areEnoughAndChangeNoEvent(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.Postgres)
	owner := open(t, dsn, 3)
	role := "serve_" + strings.ReplaceAll(identity.NewID().String(), "-", "")
	exec(t, owner, "CREATE ROLE "+role+" LOGIN PASSWORD 'serves'")
	t.Cleanup(func() { // roles are the whole server's
		again := must[*storage.DB](t)(storage.Open(context.Background(), dsn, storage.Options{MaxConns: 1}))
		ok(t, again.Q(context.Background()).Exec("DROP OWNED BY "+role).Error)
		ok(t, again.Q(context.Background()).Exec("DROP ROLE "+role).Error)
		ok(t, again.Close())
	})
	script := must[[]byte](t)(os.ReadFile("../deploy/serve-rights.sql"))
	for statement := range strings.SplitSeq(strings.ReplaceAll(string(script), `:"role"`, role), ";\n") {
		if statement = strings.TrimSpace(statement); !strings.HasSuffix(statement, "BEGIN") && statement != "COMMIT" && statement != "" {
			exec(t, owner, statement)
		}
	}

	w := &watch{}
	w.micros.Store(time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC).UnixMicro())
	keys := must[*identity.Keyring](t)(identity.NewKeyring(firstRoot))
	address := must[*url.URL](t)(url.Parse(dsn))
	address.User = url.UserPassword(role, "serves")
	db := must[*storage.DB](t)(storage.Open(t.Context(), address.String(), storage.Options{Keys: keys, Now: w.Now, MaxConns: 3}))
	t.Cleanup(func() { ok(t, db.Close()) })
	p := someone(t, db)
	rotate(t.Context(), t, db, p.begin(t, db, "offline_access"))
	ok(t, db.AddRepeat(t.Context(), identity.Event{ID: identity.NewID(), At: w.Now(), Kind: identity.SessionForked, UserID: p.user.ID}))
	ok(t, db.AddRepeat(t.Context(), identity.Event{ID: identity.NewID(), At: w.Now(), Kind: identity.SessionForked, UserID: p.user.ID}))
	w.pass(9 * day)
	must[int](t)(db.SealEvents(t.Context()))
	must[storage.SweptRows](t)(db.Sweep(t.Context()))
	must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndDeleted}))
	ok(t, db.DeleteUser(t.Context(), p.user.ID))
	whole(t, db)
	for _, statement := range []string{
		"ALTER TABLE events DISABLE TRIGGER ALL", "DROP TRIGGER events_stay ON events", "TRUNCATE events", "UPDATE events SET actor = 'cli:eve'",
		"DELETE FROM events WHERE kind = 'session.ended'", "DELETE FROM event_heads", "UPDATE event_days SET events = 0", "UPDATE installation_secrets SET sealed = ''",
	} {
		if err := db.Q(t.Context()).Exec(statement).Error; err == nil {
			t.Errorf("%s: it was done", statement)
		}
	}
}
