package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

func TestAdminTokens_areFoundByTheirHashUntilTheyAreRemoved(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		ctx, hash := t.Context(), identity.HashToken("sj_ad_1")
		ok(t, db.CreateAdminToken(ctx, identity.AdminToken{Name: "deploy", Role: identity.RoleOperator}, hash))
		ok(t, db.CreateAdminToken(ctx, identity.AdminToken{Name: "ada", Role: identity.RoleReader}, identity.HashToken("sj_ad_2")))
		wantKind(t, db.CreateAdminToken(ctx, identity.AdminToken{Name: "deploy", Role: identity.RoleOperator}, identity.HashToken("sj_ad_3")), identity.Conflict)
		made := w.Now()
		w.pass(time.Hour)
		ok(t, db.MarkAdminTokenUsed(ctx, "deploy"))
		want := identity.AdminToken{Name: "deploy", Role: identity.RoleOperator, CreatedAt: made, LastUsedAt: w.Now()}
		same(t, want, must[identity.AdminToken](t)(db.AdminTokenByHash(ctx, hash)))
		same(t, []identity.AdminToken{{Name: "ada", Role: identity.RoleReader, CreatedAt: made}, want}, must[[]identity.AdminToken](t)(db.AdminTokens(ctx)))

		ok(t, db.DeleteAdminToken(ctx, "deploy"))
		_, err := db.AdminTokenByHash(ctx, hash)
		wantKind(t, err, identity.NotFound)
		for _, name := range []string{"deploy", "nul\x00", "broken\xff"} {
			wantKind(t, db.DeleteAdminToken(ctx, name), identity.NotFound)
		}
	})
}
