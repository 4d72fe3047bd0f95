package storage_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// ofNobody are the tables that are no part of a person's export, and why.
var ofNobody = map[string]string{
	"admin_tokens":         "operators' programs",
	"anomalies":            "ids of what rules decided about, told by the Events in the export",
	"anomaly_hours":        "numbers",
	"cases":                "ids of Events in the export",
	"clients":              "apps",
	"counters":             "numbers",
	"deliveries":           "sealed copies of what the Events in the export say, on their way",
	"denied_tokens":        "random ids, until they expire",
	"endings":              "ids, until the rows of an ending are written",
	"event_days":           "hashes",
	"event_heads":          "hashes",
	"installation":         "settings",
	"installation_secrets": "secrets",
	"leases":               "which server does what",
	"mark_log":             "a number",
	"marks":                "ids, until access tokens expire",
	"registration_tokens":  "hashes",
	"resources":            "APIs",
	"rolled_days":          "days",
	"rollups":              "numbers",
	"signing_keys":         "keys",
	"spent_assertions":     "hashes of apps",
	"throttles":            "hashes, until they are forgotten",
	"webhooks":             "operators' programs",
}

// Whoever adds a table says what of it a person may take along, or why nothing.
func TestExportPerson_holdsOrLeavesOutEveryTable(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		for table := range migrated(t, db) {
			if exported := slices.Contains(storage.PersonTables(), table); exported == (ofNobody[table] != "") {
				t.Errorf("%s: is a person's in the export? %v, left out: %q", table, exported, ofNobody[table])
			}
		}
	})
}

// cells are all values of the whole database by table and column, as text; what rests sealed in the outbox is opened.
func cells(t *testing.T, db *storage.DB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for table := range migrated(t, db) {
		var rows []map[string]any
		ok(t, db.Q(t.Context()).Raw("SELECT * FROM "+table).Scan(&rows).Error)
		for _, row := range rows {
			for column, value := range row {
				text := fmt.Sprint(value)
				switch v := value.(type) {
				case []byte:
					text = string(v) + " " + hex.EncodeToString(v)
				case [16]byte:
					text = uuid.UUID(v).String()
				}
				all[table+"."+column] = append(all[table+"."+column], text)
			}
			if table == "deliveries" {
				id := must[uuid.UUID](t)(uuid.Parse(asID(row["id"])))
				body := must[[]byte](t)(storagetest.Keys(t).Open(identity.ForDelivery, row["body"].([]byte), id[:]))
				all["deliveries.body"] = append(all["deliveries.body"], string(body))
			}
		}
	}
	return all
}

func asID(value any) string {
	if id, is := value.([16]byte); is {
		return uuid.UUID(id).String()
	}
	return fmt.Sprint(value)
}

// where lists the tables and columns in which any of some words stands, in whatever case.
func where(all map[string][]string, words ...string) (found []string) {
	for column, values := range all {
		text := strings.ToLower(strings.Join(values, "\n"))
		if slices.ContainsFunc(words, func(w string) bool {
			plain := strings.ToLower(w)
			return strings.Contains(text, plain) || strings.Contains(text, strings.ReplaceAll(plain, "-", ""))
		}) {
			found = append(found, column)
		}
	}
	slices.Sort(found)
	return found
}

// onceHere lets somebody live who leaves something of theirs wherever anything of a person can be: ids are theirs, words is what they are
// called, write, and come from.
func onceHere(t *testing.T, db *storage.DB) (p person, ids, words []string) {
	t.Helper()
	words = []string{"quibble", "198.51.100.77", "2001:db8:77"}
	p = someone(t, db)
	ctx, at := t.Context(), db.Now()
	s := rotate(ctx, t, db, p.begin(t, db, "offline_access"))
	gone := p.begin(t, db, "offline_access")
	operators := identity.Operators{Store: db, Now: db.Now, MailOn: true}
	ok(t, operators.SetEmail(ctx, p.user.ID, "quibble@first.example", "Quibble called"))
	ok(t, operators.SetEmail(ctx, p.user.ID, "quibble@second.example", "Quibble called again"))
	ok(t, db.SetName(ctx, p.user.ID, "Quibble Wort"))
	ok(t, db.SetName(ctx, p.user.ID, "Quibble-Wort"))
	ok(t, db.SetDescribed(ctx, p.user.ID, identity.Described{Groups: []string{"friends-of-quibble"}}))
	ok(t, db.CreateTOTP(ctx, mfa.Authenticator{UserID: p.user.ID, Secret: totpSecret, ConfirmedAt: at}))
	ok(t, db.ReplaceRecoveryCodes(ctx, p.user.ID, [][]byte{[]byte("one")}))
	ok(t, failed(db.SaveGrant(ctx, identity.Grant{UserID: p.user.ID, ClientID: "app", UpdatedAt: at}, identity.MaxGrants)))
	_, err := (identity.Offices{Store: db, Now: db.Now}).Set(ctx, p.user.ID, identity.RoleSupport)
	ok(t, err)
	_, _, err = db.WriteDocument(ctx, identity.Document{}, identity.Document{
		DocumentKey: identity.DocumentKey{UserID: p.user.ID, ClientID: "app", Key: "notes"}, Value: `{"of":"quibble"}`, Version: 1, UpdatedAt: at,
	})
	ok(t, err)
	_, err = operators.MakeWayIn(ctx, identity.MailLinks{Store: db, Keys: storagetest.Keys(t), Now: db.Now}, p.user.ID, "quibble has no phone")
	ok(t, err)
	ok(t, db.WriteHabit(ctx, identity.Habit{UserID: p.user.ID, Places: []identity.Spot{{Network: "2001:db8:77::/32", Last: at}}}))
	ok(t, db.Q(ctx).Exec("UPDATE sessions SET address = '198.51.100.77', device_name = 'Quibble''s phone', install_id = 'quibble-install' WHERE user_id = ?", p.user.ID).Error)
	must[identity.Struck](t)(db.End(ctx, identity.Ending{Session: gone.ID, Cause: identity.EndDevice, Address: "198.51.100.77"}))
	for _, kind := range []identity.EventKind{identity.SignedIn, identity.PasswordRefused, identity.NewBrowser, identity.ChangesUndone} {
		ok(t, db.AddEvent(ctx, identity.Event{
			ID: identity.NewID(), At: at, Kind: kind, UserID: p.user.ID, SessionID: s.ID, Address: "198.51.100.77", Browser: "Quibble/1", Detail: "for quibble",
		}))
	}
	found := identity.Decision{Rule: "new-country", Subject: p.user.ID.String(), UserID: p.user.ID, At: at, Address: "198.51.100.77", About: "quibble"}
	must[bool](t)(db.Decide(ctx, found, time.Hour))
	ok(t, db.AddEvent(ctx, found.Event()))
	ok(t, db.QueueLetter(ctx, identity.Letter{Kind: identity.LetterOldEmail, To: "quibble@first.example", UserID: p.user.ID}))
	ok(t, operators.SendReset(ctx, p.user.ID))
	ok(t, db.Q(ctx).Exec("UPDATE deliveries SET dead_at = created_at WHERE id IN (SELECT id FROM deliveries ORDER BY id LIMIT 3)").Error)
	_, err = db.CountTry(ctx, identity.ThrottleKey("user", "quibble@second.example"), identity.Throttle{Free: 5, Forget: time.Hour})
	ok(t, err)
	return p, []string{p.user.ID.String(), p.user.Sub, s.ID.String(), p.signIn.ID.String()}, words
}

// The whole database is looked through, table by table and column by column.
func TestErasedPeople_leaveNoTrace(t *testing.T) {
	t.Parallel()
	onLetters(t, func(t *testing.T, db *storage.DB) {
		bystander := someone(t, db)
		ok(t, db.CreateWebhook(t.Context(), identity.Webhook{Name: "all", URL: "https://app.example/hook", CreatedAt: db.Now()}, []byte("secret")))
		ok(t, db.LoadWebhooks(t.Context()))
		p, ids, words := onceHere(t, db)
		ok(t, db.AddEvent(t.Context(), identity.Event{ID: identity.NewID(), At: db.Now(), Kind: identity.SignedIn, UserID: bystander.user.ID}))
		before := cells(t, db)
		for _, table := range append(storage.PersonTables(), "deliveries", "anomalies") {
			if !slices.ContainsFunc(where(before, append(words, ids...)...), func(c string) bool { return strings.HasPrefix(c, table+".") }) {
				t.Errorf("nothing of them was in %s: the test shows nothing of it", table)
			}
		}
		exported, _ := export(t, db, p.user.ID)
		for _, word := range append(words[:2:2], ids...) {
			if !strings.Contains(strings.ToLower(exported), strings.ToLower(word)) {
				t.Errorf("the export lacks %s", word)
			}
		}

		operators := identity.Operators{Store: db, Now: db.Now}
		why := identity.Act{What: "delete", Reason: "Quibble asked for it", UserID: p.user.ID}
		ok(t, operators.Because(identity.WithActor(t.Context(), "desk:ada"), why, func(ctx context.Context) error {
			return operators.DeleteUser(ctx, p.user.ID)
		}))
		after := cells(t, db)
		if left := where(after, words...); len(left) > 0 {
			t.Errorf("what they are called or come from is left in %v", left)
		}
		// What says that they are gone is the one Event of it; apps and webhooks have to hear of it, and access tokens to be refused.
		same(t, []string{"anomalies.subject", "deliveries.body", "events.user_id", "marks.subject"}, slices.DeleteFunc(where(after, ids...), func(c string) bool {
			return c == "deliveries.about"
		}))
		if len(where(after, bystander.user.ID.String())) < 3 {
			t.Error("somebody else was forgotten")
		}
		_, err := db.Decide(t.Context(), identity.Decision{Rule: "late", Subject: p.user.ID.String(), UserID: p.user.ID, At: db.Now()}, time.Hour)
		ok(t, err)
		if first := must[bool](t)(db.Decide(t.Context(), identity.Decision{Rule: "later", Subject: "x", UserID: p.user.ID, At: db.Now()}, time.Hour)); first {
			t.Error("something is decided about somebody who is gone")
		}
	})
}

// onLetters is storagetest.Run where mail is sent.
func onLetters(t *testing.T, f func(t *testing.T, db *storage.DB)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, err := storage.Open(t.Context(), storagetest.DSN(t, kind), storage.Options{MaxConns: 4, Keys: storagetest.Keys(t), Letters: true})
			ok(t, err)
			t.Cleanup(func() { ok(t, db.Close()) })
			f(t, db)
		})
	}
}
