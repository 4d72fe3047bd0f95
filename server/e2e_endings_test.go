package server

import (
	"database/sql"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// putBack forgets all marks of a SQLite database, as a backup from before them does.
func putBack(t *testing.T, dsn string) {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(dsn, "sqlite:")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, forget := range []string{"DELETE FROM marks", "UPDATE mark_log SET position = 0"} {
		if _, err := db.ExecContext(t.Context(), forget); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEndings_afterADatabaseWasPutBackFollowersAreToldAllAnew(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.SQLite)
	w := newWorldAt(t, dsn)
	j := newJudge(t, w)
	deny := func(jti string) {
		if err := w.db.DenyToken(t.Context(), jti, w.now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	deny("one")
	j.follow(t)
	before := j.after
	putBack(t, dsn)
	deny("two") // at the place where one was
	j.follow(t)
	has := func(jti string) bool {
		return slices.ContainsFunc(j.marks, func(m identity.Mark) bool { return m.Subject == jti })
	}
	if !has("one") || !has("two") || j.after == before {
		t.Errorf("the judge knows %v, and is at %s", j.marks, j.after)
	}
}

// A client's own tokens end with all that is the client's, and enabling it again brings none of them back.
func TestEndings_aClientsOwnTokenEndsWithIt(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		for _, format := range []string{"jwt", identity.FormatReference} {
			t.Run(kind+"/"+format, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kind)
				j := newJudge(t, w)
				robot := w.app(t, confidential, func(a *app) {
					a.client.GrantTypes = append(a.client.GrantTypes, "client_credentials")
					a.client.AccessFormat = format
				})
				own := func() string {
					return robot.tokens(t, robot.form(t, "/oauth2/token", "grant_type", "client_credentials")).AccessToken
				}
				active := func(token string) bool {
					got := j.asking.form(t, "/oauth2/introspect", "token", token)
					return got.status == http.StatusOK && strings.Contains(got.body, `"active":true`)
				}
				old := own()
				w.pass(2 * time.Second)
				operators := identity.Operators{Store: w.db, Now: w.now}
				for _, change := range []func() (bool, error){
					func() (bool, error) { return operators.DisableClient(t.Context(), robot.client.ID) },
					func() (bool, error) { return operators.EnableClient(t.Context(), robot.client.ID) },
				} {
					if _, err := change(); err != nil {
						t.Fatal(err)
					}
				}
				w.pass(2 * time.Second)
				fresh := own()
				j.follow(t)
				if active(old) || !active(fresh) {
					t.Errorf("introspection: the old one is active: %v, the new one: %v", active(old), active(fresh))
				}
				if format == "jwt" && (j.believes(t, old) || !j.believes(t, fresh)) {
					t.Errorf("by marks the old one is believed: %v, the new one: %v", j.believes(t, old), j.believes(t, fresh))
				}
			})
		}
	}
}
