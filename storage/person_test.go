package storage_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// Whoever adds a table with somebody's rows says what of them a person may take along.
func TestExportPerson_knowsEveryTableThatKeepsSomethingOfThem(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		for table, columns := range migrated(t, db) {
			if _, of := columns["user_id"]; of && !slices.Contains(storage.PersonTables(), table) {
				t.Errorf("%s: what of it is a person's?", table)
			}
		}
	})
}

func TestExportPerson_givesEverythingButSecrets(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		other := someone(t, db)
		other.begin(t, db, "offline_access")
		f := enrolled(t, db)
		p := someone(t, db)
		s := rotate(t.Context(), t, db, p.begin(t, db, "offline_access"))
		ok(t, db.SetDescribed(t.Context(), p.user.ID, identity.Described{Groups: []string{"staff"}}))
		ok(t, db.AddEvent(t.Context(), identity.Event{ID: identity.NewID(), At: db.Now(), Kind: identity.SignedIn, UserID: p.user.ID, Address: "192.0.2.7"}))
		_, _, err := db.WriteDocument(t.Context(), identity.Document{}, identity.Document{
			DocumentKey: identity.DocumentKey{UserID: p.user.ID, ClientID: "app", Key: "notes"}, Value: `{"a":1}`, Version: 1, UpdatedAt: db.Now(),
		})
		ok(t, err)

		all, kinds := export(t, db, p.user.ID)
		for _, has := range []string{
			p.user.Email, p.user.Sub, s.ID.String(), "staff", "192.0.2.7", `"pwd"`, "a\\\":1", db.Now().Format("2006-01-02T15"),
		} {
			if !strings.Contains(all, has) {
				t.Errorf("it lacks %s:\n%s", has, all)
			}
		}
		for _, not := range []string{other.user.Email, `"hash"`, "secret", `"key":"\ufffd`} {
			if strings.Contains(all, not) {
				t.Errorf("it has %s:\n%s", not, all)
			}
		}
		same(t, []string{"account", "document", "event", "session", "sign_in"}, kinds)
		_, kinds = export(t, db, f.UserID)
		same(t, []string{"account", "authenticator", "recovery_code", "sign_in"}, slices.DeleteFunc(kinds, func(k string) bool { return k == "event" || k == "former" }))
	})
}

// Whoever has much takes all of it along, each record once, and true is true on each database.
func TestExportPerson_givesWhoHasMuchAllOfIt(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		const many = 230
		p, at := someone(t, db), db.Now()
		want := map[string]int{}
		for i := range many {
			key := "k" + strconv.Itoa(i)
			p.begin(t, db, "offline_access")
			ok(t, db.AddEvent(t.Context(), identity.Event{ID: identity.NewID(), At: at, Kind: identity.SignedIn, UserID: p.user.ID}))
			_, _, err := db.WriteDocument(t.Context(), identity.Document{}, identity.Document{
				DocumentKey: identity.DocumentKey{UserID: p.user.ID, ClientID: "app" + strconv.Itoa(i/50), Key: key}, Value: "1", Version: 1, UpdatedAt: at,
			})
			ok(t, err)
			want["document "+key] = 1
		}
		got, sessions, events := map[string]int{}, map[any]bool{}, map[any]bool{}
		ok(t, db.ExportPerson(t.Context(), p.user.ID, func(kind string, record map[string]any) error {
			switch kind {
			case "document":
				got["document "+record["key"].(string)]++
			case "session":
				sessions[record["id"]] = record["offline"] == true
			case "event":
				events[record["id"]] = true
			}
			return nil
		}))
		same(t, want, got)
		if len(sessions) != many || len(events) < many || slices.Contains(slices.Collect(maps.Values(sessions)), false) {
			t.Errorf("%d sessions, %d events of %d, or one that is not offline", len(sessions), len(events), many)
		}
	})
}

// export is what is exported of a person, and of which kinds.
func export(t *testing.T, db *storage.DB, userID identity.ID) (string, []string) {
	t.Helper()
	kinds, all := map[string]bool{}, strings.Builder{}
	ok(t, db.ExportPerson(t.Context(), userID, func(kind string, record map[string]any) error {
		kinds[kind] = true
		line, err := json.Marshal(record)
		all.Write(append(line, '\n'))
		return err
	}))
	return all.String(), slices.Sorted(maps.Keys(kinds))
}
