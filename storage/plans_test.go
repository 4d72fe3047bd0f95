package storage_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// small are the tables that only operators and this program fill; event_heads gets a row a day.
var small = []string{"signing_keys", "registration_tokens", "admin_tokens", "leases", "endings", "rolled_days", "event_heads"}

// bulk is how many rows a table gets: 100,000 where people, phones and what happens to them are, else 20,000: enough for PostgreSQL
// to plan as it does for millions.
func bulk(table string) int {
	if slices.Contains([]string{"users", "sign_ins", "sessions", "events"}, table) {
		return 100_000
	}
	return 20_000
}

// filled makes a value of each type out of a number. Times are the seconds before now, up to bulk of them.
var filled = map[string]string{
	"uuid": idOf[storage.Postgres], "text": "'x' || i", "bytea": "decode(md5(CAST(i AS text)), 'hex')", "integer": "1",
	"smallint": "1", "boolean": "i % 100 = 0", "jsonb": "'{}'::jsonb",
	"bigint": "CAST(extract(epoch FROM now()) AS bigint) * 1000000 - (count(*) OVER () - i) * CAST(1000000 AS bigint)",
}

// fill gives every big table of a PostgreSQL database its rows, users first, whom others refer to.
func fill(t *testing.T, db *storage.DB) {
	t.Helper()
	tables := []string{"users"}
	for table := range migrated(t, db) {
		if table != "users" && !slices.Contains(small, table) {
			tables = append(tables, table)
		}
	}
	for _, table := range tables {
		var columns []struct{ Name, Type string }
		ok(t, db.Q(t.Context()).Raw(`SELECT column_name AS name, data_type AS type FROM information_schema.columns
			WHERE table_schema = 'public' AND table_name = ?`, table).Scan(&columns).Error)
		var names, values []string
		for _, c := range columns {
			names, values = append(names, c.Name), append(values, filled[c.Type])
		}
		exec(t, db, fmt.Sprintf("%s INSERT INTO %s (%s) SELECT %s FROM n", many, table, strings.Join(names, ", "),
			strings.Join(values, ", ")), bulk(table))
	}
	exec(t, db, "ANALYZE")
}

// asked are the lists, sweeps and look-ups that may meet much, by the method that makes them.
func asked(db *storage.DB, p person, s identity.Session) map[string]func(context.Context) error {
	all := listed(db, p, s)
	maps.Copy(all, ended(db, p, s))
	maps.Copy(all, followed(db))
	maps.Copy(all, watched(db, p))
	maps.Copy(all, numbered(db, p))
	all["Changed"] = func(ctx context.Context) error { return failed(db.Changed(ctx, p.user.ID, db.Now().Add(-time.Hour))) }
	all["AddressAt"] = func(ctx context.Context) error { return failed(db.AddressAt(ctx, p.user.ID, db.Now().Add(-time.Hour))) }
	return all
}

// listed are those that read, or sweep.
func listed(db *storage.DB, p person, s identity.Session) map[string]func(context.Context) error {
	all := ofOperators(db, p, s)
	maps.Copy(all, ofPeople(db, p, s))
	return all
}

func ofOperators(db *storage.DB, p person, s identity.Session) map[string]func(context.Context) error {
	user := p.user.ID
	return map[string]func(context.Context) error{
		"Sweep":        func(ctx context.Context) error { return failed(db.Sweep(ctx)) },
		"SweepClients": func(ctx context.Context) error { return failed(db.SweepClients(ctx, db.Now().Add(-time.Hour))) },
		"DocumentsDue": func(ctx context.Context) error { return failed(db.DocumentsDue(ctx, 32, db.Now())) },
		"DropIdleDocument": func(ctx context.Context) error {
			return failed(db.DropIdleDocument(ctx, "app", db.Now()))
		},
		"SweepUnconfirmed": func(ctx context.Context) error {
			return failed(db.SweepUnconfirmed(ctx, db.Now().Add(-time.Hour)))
		},
		"Activity": func(ctx context.Context) error { return failed(db.Activity(ctx, user, 50)) },
		"Events": func(ctx context.Context) error {
			newest, err := db.Events(ctx, identity.EventQuery{Limit: 2})
			for _, q := range []identity.EventQuery{
				{UserID: user}, {SessionID: s.ID}, {SessionID: identity.NewID()}, {After: newest[1].ID}, {UserID: user, After: newest[0].ID},
			} {
				q.Limit = 100
				if _, err = db.Events(ctx, q); err != nil {
					return err
				}
			}
			return err
		},
		"FindSessions": func(ctx context.Context) (err error) {
			for _, q := range []identity.SessionQuery{{}, {UserID: user}, {ClientID: "app"}, {After: s.ID}, {ClientID: "app", After: s.ID}} {
				q.Limit = 100
				if _, err = db.FindSessions(ctx, q); err != nil {
					return err
				}
			}
			return nil
		},
		"SessionsPast": func(ctx context.Context) error {
			return failed(db.SessionsPast(ctx, user, db.Now().Add(-time.Hour), 50))
		},
		"BareSignIns": func(ctx context.Context) error { return failed(db.BareSignIns(ctx, user, 50)) },
		"GrantsOf":    func(ctx context.Context) error { return failed(db.GrantsOf(ctx, user, 50)) },
		"Accounts": func(ctx context.Context) (err error) {
			for _, q := range []identity.AccountQuery{{}, {Starts: "x1"}, {Starts: "nobody"}, {Sub: "x7"}, {ID: user}, {After: user}} {
				q.Limit = 100
				if _, err = db.Accounts(ctx, q); err != nil {
					return err
				}
			}
			return nil
		},
		"SelfRegistered": func(ctx context.Context) error {
			return orElse(failed(db.SelfRegistered(ctx, identity.ClientQuery{Limit: 100})),
				failed(db.SelfRegistered(ctx, identity.ClientQuery{After: "app", Limit: 100})))
		},
		"Unusual": func(ctx context.Context) error { return failed(db.Unusual(ctx, 5)) },
		"Cases": func(ctx context.Context) error {
			return orElse(failed(db.Cases(ctx, identity.CaseQuery{State: identity.CaseOpen, Limit: 50})),
				failed(db.Cases(ctx, identity.CaseQuery{State: identity.CaseClosed, After: user, Limit: 50})))
		},
		"Officers": func(ctx context.Context) error {
			return orElse(failed(db.Officers(ctx, identity.ID{}, 100)), failed(db.Officers(ctx, user, 100)))
		},
		"Emails": func(ctx context.Context) error { return failed(db.Emails(ctx, []identity.ID{user, identity.NewID()})) },
		"Clients": func(ctx context.Context) error {
			return failed(db.Clients(ctx, identity.ClientQuery{After: "b", Limit: 100}))
		},
	}
}

func ofPeople(db *storage.DB, p person, s identity.Session) map[string]func(context.Context) error {
	user := p.user.ID
	return map[string]func(context.Context) error{
		"FactorsOf":      func(ctx context.Context) error { return failed(db.FactorsOf(ctx, user)) },
		"Surplus":        func(ctx context.Context) error { return failed(db.Surplus(ctx, user, "app", identity.MaxSessions)) },
		"SurplusSignIns": func(ctx context.Context) error { return failed(db.SurplusSignIns(ctx, user, identity.MaxSignIns)) },
		"LockFactors":    func(ctx context.Context) error { return failed(db.LockFactors(ctx, user)) },
		"RecoveryHashes": func(ctx context.Context) error { return failed(db.RecoveryHashes(ctx, user)) },
		"Documents":      func(ctx context.Context) error { return failed(db.Documents(ctx, user, "app")) },
		"ChangesSince": func(ctx context.Context) error {
			return failed(db.ChangesSince(ctx, identity.Feed{UserID: user, ClientID: "app", After: db.Now(), Limit: 500}))
		},
		"LiveSessions": func(ctx context.Context) error {
			return failed(db.LiveSessions(ctx, []identity.Held{{SessionID: s.ID, JTI: "a"}, {SessionID: identity.NewID(), JTI: "b"}}))
		},
		"Deliveries": func(ctx context.Context) error {
			return orElse(failed(db.Deliveries(ctx, identity.DeliveryFilter{Limit: 100})),
				failed(db.Deliveries(ctx, identity.DeliveryFilter{Limit: 100, Dead: true, After: s.ID})))
		},
		"CountDeliveries": func(ctx context.Context) error { return failed(db.CountDeliveries(ctx)) },
		"ClaimDelivery": func(ctx context.Context) error {
			_, _, err := db.ClaimDelivery(ctx, identity.DeliveryClaim{Kind: "x1", Busy: []string{"a"}, Lease: time.Second})
			return err
		},
		"WatchChanges": func(ctx context.Context) error { db.Look(ctx); return nil },
		"Undo": func(ctx context.Context) error {
			return failed(db.Undo(ctx, identity.Undoing{UserID: user, Since: db.Now().Add(-time.Hour), Owner: p.user.Email}))
		},
		"SignedInBefore": func(ctx context.Context) error { return failed(db.SignedInBefore(ctx, user)) },
	}
}

// ended are those that end or delete.
func ended(db *storage.DB, p person, s identity.Session) map[string]func(context.Context) error {
	user := p.user.ID
	return map[string]func(context.Context) error{
		"EndSession": func(ctx context.Context) error {
			return failed(db.End(ctx, identity.Ending{Session: s.ID, Cause: identity.EndRevoked}))
		},
		"EndUser": func(ctx context.Context) error {
			return failed(db.End(ctx, identity.Ending{User: user, Cause: identity.EndLocked}))
		},
		"EndSignIn": func(ctx context.Context) error {
			return failed(db.End(ctx, identity.Ending{SignIn: p.signIn.ID, Cause: identity.EndDevice}))
		},
		"EndClient": func(ctx context.Context) error {
			return failed(db.End(ctx, identity.Ending{Client: "app", Cause: identity.EndClientOff}))
		},
		"Tidy": func(ctx context.Context) error { return failed(db.Tidy(ctx)) },
		"SaveGrant": func(ctx context.Context) error {
			return failed(db.SaveGrant(ctx, identity.Grant{UserID: user, ClientID: "another"}, 0))
		},
		"DeleteGrant":  func(ctx context.Context) error { return db.DeleteGrant(ctx, user, "app") },
		"DeleteClient": func(ctx context.Context) error { return db.DeleteClient(ctx, "app") },
		"DeleteUser":   func(ctx context.Context) error { return db.DeleteUser(ctx, user) },
	}
}

// followed are those that a feed of endings asks.
func followed(db *storage.DB) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"MarkEnd": func(ctx context.Context) error { return failed(db.MarkEnd(ctx, db.Now().Add(-time.Hour))) },
		"HasMark": func(ctx context.Context) error {
			return failed(db.HasMark(ctx, identity.MarkPlace{Position: 7, Tag: identity.NoTag}))
		},
		"MarksFrom": func(ctx context.Context) error {
			return failed(db.MarksFrom(ctx, db.Now().Add(-time.Minute), identity.MarkPlace{}))
		},
		"MarksBetween": func(ctx context.Context) error { return failed(db.MarksBetween(ctx, 5, 900, 500)) },
	}
}

// numbered are those of the numbers of days, of exports and of seeds.
func numbered(db *storage.DB, p person) map[string]func(context.Context) error {
	month := identity.StatsQuery{Scope: identity.Scope{ClientID: "app"}}
	return map[string]func(context.Context) error{
		"RollUp":       func(ctx context.Context) error { return db.CountDay(ctx, db.Calendar().DayOf(db.Now())) },
		"SweepNumbers": func(ctx context.Context) error { return failed(db.SweepNumbers(ctx)) },
		"Stats":        func(ctx context.Context) error { return failed(db.Stats(ctx, month)) },
		"StatGroups":   func(ctx context.Context) error { return failed(db.StatGroups(ctx, month, identity.ByVersion)) },
		"AccountByID":  func(ctx context.Context) error { return failed(db.AccountByID(ctx, p.user.ID)) },
		"OfficeOf":     func(ctx context.Context) error { return failed(db.OfficeOf(ctx, p.user.ID)) },
		"SeededEvents": func(ctx context.Context) error {
			_, _, _, err := db.SeededEvents(ctx, "x")
			return err
		},
		"EventsFiltered": func(ctx context.Context) error {
			since := db.Now().Add(-time.Hour)
			for _, q := range []identity.EventQuery{
				{Kind: identity.SignedIn, Since: since},
				{ClientID: "app", Since: since},
				{UserID: p.user.ID, Kind: identity.SignedIn},
				{UserID: p.user.ID, ClientID: "app", Since: since},
			} {
				q.Limit = 100
				if _, err := db.Events(ctx, q); err != nil {
					return err
				}
			}
			return nil
		},
		"WalkEvents": func(ctx context.Context) error {
			return db.WalkEvents(ctx, identity.EventSpan{Since: db.Now().Add(-time.Minute), Until: db.Now()}, func([]identity.Event) error { return nil })
		},
		"SealEvents": func(ctx context.Context) error { // of filled events each has a kind of its own: there is no sealing those
			return orElse(db.NoteHead(ctx, identity.DayOf(db.Now())-1), failed(db.SealEvents(ctx)))
		},
		"ExportPerson": func(ctx context.Context) error {
			return db.ExportPerson(ctx, p.user.ID, func(string, map[string]any) error { return nil })
		},
		"ReplayWebhook": func(ctx context.Context) error {
			_, _, _, err := db.ReplayWebhook(ctx, identity.Webhook{Name: "app", URL: "https://app.example/hook"}, identity.EventPlace{At: db.Now().Add(-time.Minute)})
			return err
		},
	}
}

// watched are those of who looks for anomalies.
func watched(db *storage.DB, p person) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"EventsFrom": func(ctx context.Context) error {
			return failed(db.EventsFrom(ctx, identity.EventPlace{At: db.Now().Add(-time.Minute)}, db.Now(), 1000))
		},
		"Habits": func(ctx context.Context) error { return failed(db.Habits(ctx, []identity.ID{p.user.ID})) },
		"Hours":  func(ctx context.Context) error { return failed(db.Hours(ctx, "x", db.Now().Add(-time.Hour))) },
		"LastActive": func(ctx context.Context) error {
			return failed(db.LastActive(ctx, p.user.ID, db.Now()))
		},
		"Acts": func(ctx context.Context) error {
			_, _, err := db.Acts(ctx, p.user.ID, []identity.EventKind{identity.FactorRefused}, identity.EventSpan{Since: db.Now().Add(-time.Hour), Until: db.Now()})
			return err
		},
		"AskFactor": func(ctx context.Context) error { return db.AskFactor(ctx, p.user.ID) },
		"Decide": func(ctx context.Context) error {
			return failed(db.Decide(ctx, identity.Decision{Rule: "x", Subject: "y", At: db.Now()}, time.Hour))
		},
		"CountDecisions": func(ctx context.Context) error {
			return failed(db.CountDecisions(ctx, "x", db.Now().Add(-time.Hour), 100))
		},
	}
}

func failed[T any](_ T, err error) error { return err }

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// few are the methods that list what only operators fill, what one statement just wrote, or what no statement reads; and Reseal
// and SeededSessions, with which an operator has everything read on purpose.
var few = []string{"AdminTokens", "SigningKeys", "PublishedKeys", "EndingsAtRisk", "Count", "RefusedTries", "Reseal", "EndedSessions", "Webhooks", "Resources", "Pools", "Caches", "SeededSessions"}

func TestPlans_everyListIsAmongThoseWhosePlansAreRead(t *testing.T) {
	t.Parallel()
	known := asked(nil, person{}, identity.Session{})
	for method := range reflect.TypeFor[*storage.DB]().Methods() {
		if method.Type.NumOut() == 0 || !slices.Contains([]reflect.Kind{reflect.Slice, reflect.Map}, method.Type.Out(0).Kind()) || slices.Contains(few, method.Name) {
			continue
		}
		if known[method.Name] == nil {
			t.Errorf("%s lists something: add it to asked, or to few", method.Name)
		}
	}
}

// scans find what a plan reads from its beginning to its end.
var scans = map[string]struct {
	explain string
	whole   *regexp.Regexp
}{
	storage.SQLite:   {"EXPLAIN QUERY PLAN ", regexp.MustCompile(`SCAN (\w+)$`)},
	storage.Postgres: {"EXPLAIN ", regexp.MustCompile(`Seq Scan on (\w+)`)},
}

// plan returns the lines of a statement's plan.
func plan(t *testing.T, db *storage.DB, statement string) (lines []string) {
	t.Helper()
	rows, err := db.Q(t.Context()).Raw(scans[db.Kind()].explain + strings.ReplaceAll(statement, "?", "??")).Rows()
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer func() { ok(t, rows.Close()) }()
	for rows.Next() {
		var line, skipped string
		dest := []any{&line}
		if db.Kind() == storage.SQLite {
			dest = []any{&skipped, &skipped, &skipped, &line}
		}
		ok(t, rows.Scan(dest...))
		lines = append(lines, line)
	}
	ok(t, rows.Err())
	return lines
}

// However much somebody has piled up, nobody else pays for it: no list and no sweep reads a big table from end to end.
func TestPlans_noListAndNoSweepReadsABigTable(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		if db.Kind() == storage.Postgres {
			fill(t, db)
		}
		p := someone(t, db)
		s := p.begin(t, db, "openid", "offline_access")
		for range 2 {
			ok(t, db.AddEvent(t.Context(), identity.Event{ID: identity.NewID(), At: db.Now(), Kind: identity.ProfileChanged}))
		}
		tables, heard := migrated(t, db), map[string][]string{}
		for name, ask := range asked(db, p, s) {
			db.Hear(func(statement string) { heard[name] = append(heard[name], statement) })
			wantUndone(t, name, db.InTx(t.Context(), func(ctx context.Context) error {
				if err := ask(ctx); err != nil {
					return err
				}
				return errUndone
			}))
		}
		db.Hear(func(string) {})
		for name, statements := range heard {
			slices.Sort(statements)
			for _, statement := range slices.Compact(statements) {
				if strings.HasPrefix(statement, "SET ") { // of how long a statement may take there is no plan
					continue
				}
				for _, line := range plan(t, db, statement) {
					for _, found := range scans[db.Kind()].whole.FindAllStringSubmatch(line, -1) {
						if tables[found[1]] != nil && !slices.Contains(small, found[1]) {
							t.Errorf("%s reads all of %s:\n%s\n%s", name, found[1], statement, line)
						}
					}
				}
			}
		}
	})
}

// errUndone takes back what one of asked did, so that the next finds it as it was.
var errUndone = errors.New("undone")

func wantUndone(t *testing.T, name string, err error) {
	t.Helper()
	if !errors.Is(err, errUndone) {
		t.Errorf("%s: %v", name, err)
	}
}

// own are the lists that end by themselves: what their rows belong to has no more of them, by another limit.
var own = map[string]string{
	"FactorsOf": "one of each kind", "LockFactors": "one of each kind", "RecoveryHashes": "ten codes",
	"Documents": "64 of a person and app", "LiveSessions": "as many as are asked for",
	"Undo": "what was there before, of each kind", "MarksBetween": "as many as the places are apart",
	"Habits": "as many as are asked for", "Hours": "1,344 of a series since a time",
}

// No list grows with what there is: each statement of each says how many rows it brings.
func TestPlans_everyListHasAnEnd(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		s := p.begin(t, db, "openid", "offline_access")
		for range 2 {
			ok(t, db.AddEvent(t.Context(), identity.Event{ID: identity.NewID(), At: db.Now(), Kind: identity.ProfileChanged}))
		}
		all := asked(db, p, s)
		for method := range reflect.TypeFor[*storage.DB]().Methods() {
			if all[method.Name] == nil || method.Type.NumOut() == 0 || own[method.Name] != "" ||
				!slices.Contains([]reflect.Kind{reflect.Slice, reflect.Map}, method.Type.Out(0).Kind()) {
				continue
			}
			var heard []string
			db.Hear(func(statement string) { heard = append(heard, statement) })
			ok(t, all[method.Name](t.Context()))
			db.Hear(func(string) {})
			for _, statement := range heard {
				if strings.Contains(statement, "SELECT") && !strings.Contains(statement, "LIMIT") && !alone.MatchString(statement) {
					t.Errorf("%s reads without a limit, and is not among own:\n%s", method.Name, statement)
				}
			}
		}
	})
}

// alone are statements that bring one row.
var alone = regexp.MustCompile(`(?i)^\s*SELECT (count|max|min|coalesce|exists|position)\b|WHERE (id|name) = ('[^']*'|[?])( FOR UPDATE)?$`)
