package faults

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// reader is a database whose lists come from a replica, with three Sessions.
type reader struct {
	t       *testing.T
	replica *database
	people  *people
	phones  []*phone
	db      *storage.DB
	log     transcript
}

func newReader(t *testing.T) *reader {
	t.Helper()
	primary := newDatabase(t)
	r := &reader{t: t, replica: primary.replica()}
	migrated(t, primary.dsn())
	r.people = newPeople(t, primary.dsn())
	r.phones = r.people.phones("ada@example.com", 3)
	var err error
	r.db, err = storage.Open(t.Context(), primary.dsn(), storage.Options{
		Keys: storagetest.Keys(t), MaxConns: 3, Read: r.replica.dsn(), Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.db.Close() })
	return r
}

// migrated brings a database's schema up to date.
func migrated(t *testing.T, dsn string) {
	t.Helper()
	db, err := storage.Open(t.Context(), dsn, storage.Options{MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// list is the Sessions that operators see, and whether they were read from the replica.
func (r *reader) list() (ids []identity.ID, fromReplica bool) {
	r.t.Helper()
	before, _ := r.db.Reading()
	all, err := r.db.Lists().FindSessions(r.t.Context(), identity.SessionQuery{Limit: 10})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, one := range all {
		ids = append(ids, one.Session.ID)
	}
	after, _ := r.db.Reading()
	return ids, after.Replica > before.Replica
}

// onceReplica waits until lists come from the replica, and returns one.
func (r *reader) onceReplica() (ids []identity.ID) {
	r.t.Helper()
	wait(r.t, "lists are read from the replica", func() (from bool) {
		ids, from = r.list()
		return from
	})
	return ids
}

func (r *reader) end(id identity.ID) {
	r.t.Helper()
	if _, err := r.db.End(r.t.Context(), identity.Ending{Session: id, Cause: identity.EndOperator}); err != nil {
		r.t.Fatal(err)
	}
}

// What was answered before somebody asks is in the list, wherever it is read: a replica that has not come so far is not
// believed.
func TestReplica_aListHasAllThatWasAnsweredBefore(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	ids := r.onceReplica()
	if len(ids) != 3 {
		t.Fatalf("%d sessions are listed, want 3", len(ids))
	}
	r.end(ids[0])
	if left, _ := r.list(); len(left) != 2 {
		t.Errorf("an ended session is listed: %d, want 2", len(left))
	}
	for range 20 { // written and asked at once, on whatever is quicker
		id := identity.NewID().String()
		if err := r.db.CreateClient(t.Context(), identity.Client{ID: id, CreatedAt: r.db.Now(), Epoch: 1}); err != nil {
			t.Fatal(err)
		}
		all, err := r.db.Lists().Clients(t.Context(), identity.ClientQuery{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		if !hasClient(all, id) {
			t.Fatal("a client that was just added is not listed")
		}
	}
	r.onceReplica()
}

func hasClient(all []identity.Client, id string) bool {
	for _, c := range all {
		if c.ID == id {
			return true
		}
	}
	return false
}

func TestReplica_oneThatLagsOrIsAwayCostsNobodyAList(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	ids := r.onceReplica()
	r.replica.ask("SELECT pg_wal_replay_pause()")
	wait(t, "replay is paused", func() bool { return r.replica.ask("SELECT pg_get_wal_replay_pause_state()") == "paused" })
	r.end(ids[0])
	left, from := r.list()
	if len(left) != 2 || from {
		t.Errorf("a replica that lags: %d sessions are listed, want 2; read from it: %v", len(left), from)
	}
	r.replica.ask("SELECT pg_wal_replay_resume()")
	r.onceReplica()

	r.replica.crash()
	for range 5 {
		if left, from := r.list(); len(left) != 2 || from {
			t.Fatalf("without the replica %d sessions are listed, want 2; read from it: %v", len(left), from)
		}
	}
	r.replica.start()
	r.onceReplica()
	if said := strings.Count(r.log.String(), "level=WARN"); said != 1 {
		t.Errorf("it was said %d times within a minute that the replica is of no use:\n%s", said, &r.log)
	}
}

// Whatever decides asks the primary, also while the replica is the only one that lags.
func TestReplica_nothingIsDecidedByIt(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	r.onceReplica()
	before, _ := r.db.Reading()
	for _, p := range r.phones {
		token, err := r.people.keys.ReadRefresh(p.token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.db.LiveSession(t.Context(), token.SessionID, ""); err != nil {
			t.Error(err)
		}
		r.end(token.SessionID)
		if live, err := r.db.LiveSession(t.Context(), token.SessionID, ""); err == nil && live.Session.Alive(r.db.Now()) {
			t.Error("an ended session lives")
		}
	}
	if after, _ := r.db.Reading(); after.Replica != before.Replica || after.Primary != before.Primary {
		t.Errorf("the replica was asked: %+v, before %+v", after, before)
	}
}

// The feed of endings vouches that there is no more up to now, so it never comes from a replica, which may lag: APIs would go on
// believing what was ended.
func TestReplica_theFeedOfEndingsNeverComesFromOne(t *testing.T) {
	t.Parallel()
	primary := newDatabase(t)
	replica := primary.replica()
	p := serve(t, primary.dsn(), "DATABASE_READ="+replica.dsn())
	people := newPeople(t, primary.dsn())
	token, err := people.keys.ReadRefresh(people.phones("ada@example.com", 1)[0].token)
	if err != nil {
		t.Fatal(err)
	}
	replica.ask("SELECT pg_wal_replay_pause()")
	wait(t, "replay is paused", func() bool { return replica.ask("SELECT pg_get_wal_replay_pause_state()") == "paused" })
	p.command("client", "add", "--id", "api", "--secret-stdin", "--grant-type", "client_credentials")
	p.command("session", "end", token.SessionID.String())
	if told := p.endings("api", "another long password"); !strings.Contains(told, token.SessionID.String()) {
		t.Errorf("beside a replica that lags the feed tells %q", told)
	}
	if left := replica.ask("SELECT count(*) FROM marks"); left != "0" {
		t.Fatalf("the replica does not lag: it has %s marks", left)
	}
}

// endings is what a client is told that polls the feed of endings from the start: the payloads.
func (p *process) endings(client, secret string) (payloads string) {
	p.t.Helper()
	form := url.Values{"nonce": {"AAAAAAAAAAAAAAAAAAAAAAAA"}, "wait": {"0"}}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.base+"/oauth2/endings", strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, url.QueryEscape(secret))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	var said struct{ Endings []string }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || answer.StatusCode != http.StatusOK {
		p.t.Fatalf("the feed answers %s: %v", answer.Status, err)
	}
	for _, message := range said.Endings {
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(message, ".")[1])
		if err != nil {
			p.t.Fatal(err)
		}
		payloads += string(payload)
	}
	return payloads
}

// After a failover the replica is the primary, and what is left behind on its own way is not believed.
func TestReplica_oneThatWasPromotedIsNoReplica(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	r.onceReplica()
	r.replica.ask("SELECT pg_promote()")
	wait(t, "it is promoted", func() bool { return r.replica.ask("SELECT pg_is_in_recovery()") == "f" })
	if ids, from := r.list(); len(ids) != 3 || from {
		t.Errorf("%d sessions are listed, want 3; read from what was the replica: %v", len(ids), from)
	}
}

func TestReplica_ofAnotherDatabaseIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	primary, foreign := newDatabase(t), newDatabase(t)
	p := serve(t, primary.dsn())
	p.kill()
	second := exec.CommandContext(t.Context(), program, "serve")
	second.Env = append(p.env, "SOJOURN_DATABASE_READ="+foreign.dsn())
	out, err := second.CombinedOutput()
	said := string(out)
	if err == nil || !strings.Contains(said, "SOJOURN_DATABASE_READ: it is another database") || strings.Count(said, "\n") > 1 {
		t.Errorf("said %q", said)
	}
}

// A server starts without its replica, says so, and lists.
func TestReplica_thatIsAwayAtTheStartIsWaitedForByNobody(t *testing.T) {
	t.Parallel()
	primary := newDatabase(t)
	p := serve(t, primary.dsn(), "DATABASE_READ=postgres://127.0.0.1:1/postgres?sslmode=disable")
	wait(t, "it is said", func() bool { return strings.Contains(p.log.String(), "lists are read from the primary") })
	if said := p.command("session", "list", "--json"); !strings.Contains(said, "[]") {
		t.Errorf("session list said %q", said)
	}
	if metrics := p.get("/metrics"); !strings.Contains(metrics, "sojourn_replica_reads_missed_total") {
		t.Error("the metrics do not tell of the replica")
	}
}
