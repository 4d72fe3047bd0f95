package storage_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func signingKey(id, alg string, state identity.KeyState, at time.Time) identity.SigningKey {
	return identity.SigningKey{
		ID: id, Alg: alg, State: state, Private: []byte("private half of " + id), Public: []byte("public"), CreatedAt: at,
	}
}

// states are the keys of a database as "id:state", oldest first.
func states(t *testing.T, db *storage.DB) string {
	t.Helper()
	var all []string
	for _, k := range must[[]identity.SigningKey](t)(db.SigningKeys(t.Context())) {
		all = append(all, k.ID+":"+string(k.State))
	}
	return strings.Join(all, " ")
}

func TestSigningKeys_comeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		at := db.Now()
		old := signingKey("a", "ES256", identity.KeyRetired, at)
		old.ActivatedAt, old.RetiredAt = at.Add(time.Hour), at.Add(2*time.Hour)
		want := []identity.SigningKey{old, signingKey("b", "ES256", identity.KeyNext, at.Add(time.Second))}
		for _, k := range want {
			if !must[bool](t)(db.AddSigningKey(t.Context(), k)) {
				t.Errorf("%s was not added", k.ID)
			}
			if must[bool](t)(db.AddSigningKey(t.Context(), k)) {
				t.Errorf("%s was added twice", k.ID)
			}
		}
		same(t, want, must[[]identity.SigningKey](t)(db.SigningKeys(t.Context())))
	})
}

func TestSigningKeys_restSealed(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storagetest.DSN(t, kind)
			first, second := []byte(strings.Repeat("1", 32)), []byte(strings.Repeat("2", 32))
			db := openWith(t, dsn, first)
			key := signingKey("a", "ES256", identity.KeyCurrent, db.Now())
			must[bool](t)(db.AddSigningKey(t.Context(), key))
			var raw []byte
			ok(t, db.Q(t.Context()).Raw("SELECT private FROM signing_keys").Row().Scan(&raw))
			if bytes.Contains(raw, key.Private) || len(raw) <= len(key.Private) {
				t.Errorf("the column holds %q", raw)
			}
			rotated := openWith(t, dsn, second, first)
			same(t, []identity.SigningKey{key}, must[[]identity.SigningKey](t)(rotated.SigningKeys(t.Context())))
			if _, err := openWith(t, dsn, second).SigningKeys(t.Context()); err == nil {
				t.Error("opened without the root secret")
			}
			exec(t, db, "UPDATE signing_keys SET id = 'b'")
			if _, err := db.SigningKeys(t.Context()); err == nil {
				t.Error("opened under another key's name")
			}
		})
	}
}

func TestAddSigningKey_oneOfManyServersWins(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		won := race(func(i int) bool {
			return must[bool](t)(db.AddSigningKey(t.Context(), signingKey(fmt.Sprint(i), "ES256", identity.KeyCurrent, db.Now())))
		})
		if won != 1 || len(must[[]identity.SigningKey](t)(db.SigningKeys(t.Context()))) != 1 {
			t.Errorf("%d current keys", won)
		}
	})
}

func TestPromoteSigningKeys_oneAlgorithmAtATime(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		for i, k := range []identity.SigningKey{
			signingKey("a", "ES256", identity.KeyCurrent, w.Now()), signingKey("b", "ES256", identity.KeyNext, w.Now()),
			signingKey("c", "RS256", identity.KeyCurrent, w.Now()), signingKey("d", "RS256", identity.KeyNext, w.Now()),
		} {
			k.CreatedAt = k.CreatedAt.Add(time.Duration(i))
			must[bool](t)(db.AddSigningKey(t.Context(), k))
		}
		w.pass(time.Hour)
		race(func(int) bool { // a second rotation finds no next key
			ok(t, db.PromoteSigningKeys(t.Context(), "ES256"))
			return true
		})
		if got, want := states(t, db), "a:retired b:current c:current d:next"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		keys := must[[]identity.SigningKey](t)(db.SigningKeys(t.Context()))
		if len(keys[0].Private) != 0 || len(keys[1].Private) == 0 {
			t.Error("the private half of the retired key is still there, or the current one's is gone")
		}
		if keys[0].RetiredAt != w.Now() || keys[1].ActivatedAt != w.Now() {
			t.Errorf("retired %v, activated %v, want %v", keys[0].RetiredAt, keys[1].ActivatedAt, w.Now())
		}
	})
}

// Servers and an operator may rotate at once: each rotation stands on the one before.
func TestPromoteSigningKeys_rotationsAtOnceFollowEachOther(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		must[bool](t)(db.AddSigningKey(t.Context(), signingKey("first", "ES256", identity.KeyCurrent, db.Now())))
		must[bool](t)(db.AddSigningKey(t.Context(), signingKey("second", "ES256", identity.KeyNext, db.Now())))
		rotated := race(func(i int) bool {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				if err := db.PromoteSigningKeys(ctx, "ES256"); err != nil {
					return err
				}
				return second(db.AddSigningKey(ctx, signingKey(fmt.Sprint(i), "ES256", identity.KeyNext, db.Now())))
			})
			if err != nil {
				t.Error(err)
			}
			return err == nil
		})
		all := states(t, db)
		if n := strings.Count(all, ":retired"); rotated != 16 || n != 16 ||
			strings.Count(all, ":current") != 1 || strings.Count(all, ":next") != 1 {
			t.Errorf("%d rotations left %s", rotated, all)
		}
	})
}

// Whoever removes one key, or rotates, at once: each stands on the one before, and there is always one that signs.
func TestRemoveSigningKey_removalsAndRotationsAtOnceFollowEachOther(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		keys := identity.SigningKeys{Store: db, Now: db.Now}
		ok(t, keys.Ensure(t.Context()))
		ok(t, keys.Prepare(t.Context()))
		for _, k := range must[[]identity.SigningKey](t)(keys.All(t.Context())) {
			if k.Alg == "RS256" {
				continue // making so many takes half a minute
			}
			removed := race(func(i int) bool {
				if i%4 == 0 {
					ok(t, keys.Rotate(t.Context(), k.Alg))
					return false
				}
				err := keys.Remove(t.Context(), k.ID, "leaked")
				if err != nil {
					wantKind(t, err, identity.NotFound)
				}
				return err == nil
			})
			if removed != 1 {
				t.Errorf("%s was removed %d times", k.ID, removed)
			}
		}
		for _, alg := range keys.Published() {
			is := map[identity.KeyState]int{}
			for _, k := range must[[]identity.SigningKey](t)(keys.All(t.Context())) {
				if k.Alg == alg {
					is[k.State]++
				}
			}
			if is[identity.KeyCurrent] != 1 || is[identity.KeyNext] != 1 {
				t.Errorf("%s has %v", alg, is)
			}
		}
		told := 0
		for _, e := range must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{Limit: 1000})) {
			if e.Kind == identity.KeyRemoved && strings.HasSuffix(e.Detail, ": leaked") {
				told++
			}
		}
		if told != 4 {
			t.Errorf("%d removals were told of", told)
		}
		wantKind(t, keys.Remove(t.Context(), "nobody", "leaked"), identity.NotFound)
		wantKind(t, keys.Remove(t.Context(), "nobody", " "), identity.Invalid)
	})
}
