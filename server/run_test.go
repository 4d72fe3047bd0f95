package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// running starts s; stop ends it and returns how it ended.
func running(t *testing.T, s *Server) (url, admin string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(cancel)
	return "http://" + s.ports.public.Addr().String(), "http://" + s.ports.admin.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

func TestServe_aRequestUnderWayFinishes(t *testing.T) {
	t.Parallel()
	s := assembled(t, storagetest.Open(t, storage.SQLite), nil)
	begun, finish := make(chan struct{}), make(chan struct{})
	s.Handle("/slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "whole")
	}))
	url, _, stop := running(t, s)
	answer := make(chan string, 1)
	go func() {
		response, err := http.Get(url + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for { // it leaves when it takes nothing new
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			break
		}
		_ = conn.Close()
		time.Sleep(time.Millisecond)
	}
	if why := s.unready(t.Context()); why != isLeaving {
		t.Errorf("a load balancer is told %q", why)
	}
	select {
	case err := <-stopped:
		t.Fatal("the server did not wait:", err)
	default:
	}
	close(finish)
	if got := <-answer; got != "whole" {
		t.Error(got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(url + "/slow"); err == nil {
		t.Error("new requests are still taken")
	}
}

func TestServe_anAddressInUseIsSaidByItsName(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t, storage.SQLite)
	first := assembled(t, db, nil)
	url, admin, _ := running(t, first)
	for setting, address := range map[string]string{"listen": url, "admin_listen": admin} {
		err := assembled(t, db, map[string]string{setting: strings.TrimPrefix(address, "http://")}).Listen(t.Context())
		if err == nil || !strings.Contains(err.Error(), "SOJOURN_"+strings.ToUpper(setting)) {
			t.Error(setting, err)
		}
	}
}

func TestAdmin_tellsHealthReadinessAndMetrics(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := assembled(t, db, nil)
		url, admin, _ := running(t, s)
		if status, _ := fetch(t, url+"/.well-known/openid-configuration"); status != http.StatusOK {
			t.Error("discovery", status)
		}
		for path, want := range map[string]string{
			"/healthz": "ok",
			"/readyz":  "ready",
			"/metrics": `sojourn_http_requests_total{route="/.well-known/openid-configuration",status="200"} 1`,
		} {
			if status, body := fetch(t, admin+path); status != http.StatusOK || !strings.Contains(body, want) {
				t.Error(path, status, body)
			}
		}
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			if status, _ := fetch(t, url+path); status != http.StatusNotFound {
				t.Error(path, "is public:", status)
			}
		}
	})
}

func TestMetrics_countWhatWasOneTooMany(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := assembled(t, db, nil)
		_, admin, _ := running(t, s)
		for range identity.FactorThrottle.Free + 3 {
			_, err := db.CountTry(t.Context(), identity.ThrottleKey("factor", "ada"), identity.FactorThrottle)
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, body := fetch(t, admin+"/metrics"); !strings.Contains(body, `sojourn_tries_refused_total{limit="factor"} 3`) {
			t.Error("not counted:", body)
		}
	})
}

func TestReadyz_saysNoWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	db, err := storage.Open(t.Context(), storagetest.DSN(t, storage.SQLite), storage.Options{Keys: storagetest.Keys(t)})
	if err != nil {
		t.Fatal(err)
	}
	s := assembled(t, db, nil)
	_, admin, _ := running(t, s)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	status, body := fetch(t, admin+"/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "the database does not answer") {
		t.Error(status, body)
	}
	if status, _ := fetch(t, admin+"/healthz"); status != http.StatusOK {
		t.Error("the process is well all the same:", status)
	}
}

// A standby answers every ping, and so does a database that was made read-only. It is the same to an address that asks for one
// that takes writes.
func TestReadyz_saysNoWhileNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	for _, attrs := range []string{"", "read-write"} {
		t.Run(attrs, func(t *testing.T) {
			t.Parallel()
			saysReadOnly(t, attrs)
		})
	}
}

func saysReadOnly(t *testing.T, attrs string) {
	dsn := storagetest.DSN(t, storage.Postgres)
	if attrs != "" {
		dsn += "&target_session_attrs=" + attrs
	}
	db, err := storage.Open(t.Context(), dsn, storage.Options{Keys: storagetest.Keys(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := assembled(t, db, nil)
	_, admin, _ := running(t, s)
	if status, body := fetch(t, admin+"/readyz"); status != http.StatusOK {
		t.Fatal(status, body)
	}
	readOnly(t, dsn)
	s.wrote.Store(0)
	deadline := time.Now().Add(patience)
	for {
		status, body := fetch(t, admin+"/readyz")
		if status == http.StatusServiceUnavailable && body == "the database takes no writes\n" {
			return
		}
		if status == http.StatusOK || time.Now().After(deadline) { // the ended connections are replaced first
			t.Fatal(status, body)
		}
	}
}

// readOnly makes a database so for connections to come: those that are open are ended.
func readOnly(t *testing.T, dsn string) {
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, statement := range []string{
		"ALTER DATABASE " + pgx.Identifier{conn.Config().Database}.Sanitize() + " SET default_transaction_read_only = on",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// A restored backup knows the Session as it was. The person goes on, and the operator is alarmed unless it was announced.
func TestRefresh_aheadOfTheDatabaseGoesOnAndRaisesTheAlarm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ until, level, announced string }{
		"by surprise": {"", "ERROR", "false"},
		"announced":   {time.Now().Add(time.Hour).Format(time.RFC3339), "INFO", "true"},
		"long ago":    {time.Now().Add(-time.Hour).Format(time.RFC3339), "ERROR", "false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storage.SQLite, "recovery_until", c.until)
			w.journal.expectFaults()
			a := w.app(t, trusted)
			token := a.redeem(t, newVisitor(t).signIn(t, a, w.person(t))).RefreshToken
			for range 2 {
				token = a.tokens(t, a.refresh(t, token)).RefreshToken
			}
			live, err := w.db.FindSessions(t.Context(), identity.SessionQuery{Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			restored := live[0].Session
			restored.Line = identity.Line{}
			if err := w.db.WriteLine(t.Context(), restored); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second one is ordinary again
				token = a.tokens(t, a.refresh(t, token)).RefreshToken
			}
			w.wantAlarm(t, c.level, restored.ID.String())
			if counted := `sojourn_sessions_rolled_forward_total{announced="` + c.announced + `"} 1`; !strings.Contains(w.metrics(t), counted) {
				t.Error("the metrics do not say ", counted)
			}
		})
	}
}

// wantAlarm looks for exactly one line of a level about a Session that rolled forward.
func (w *world) wantAlarm(t *testing.T, level, sid string) {
	t.Helper()
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	found := 0
	for line := range strings.Lines(w.journal.lines.String()) {
		if strings.Contains(line, "ahead of the database") && strings.Contains(line, `"session":"`+sid) {
			found++
			if !strings.Contains(line, `"level":"`+level+`"`) || !strings.Contains(line, `"request":"`) {
				t.Errorf("not at level %s, or without the request: %s", level, line)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d lines tell of it, want 1", found)
	}
}

func (w *world) metrics(t *testing.T) string {
	t.Helper()
	resp, err := http.Get(w.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMetrics_countEndingsThatTheJournalLacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	if !strings.Contains(w.metrics(t), "\nsojourn_ending_journal_failures_total 0\n") {
		t.Error("the counter is not there")
	}
}

func TestSweep_clientsThatNobodySignedInWithExpire(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := assembled(t, db, map[string]string{"client_idle_expiry": "48h"})
		old := db.Now().Add(-50 * time.Hour)
		for _, c := range []identity.Client{
			{ID: "idle", SelfRegistered: true, CreatedAt: old},
			{ID: "young", SelfRegistered: true, CreatedAt: db.Now()},
			{ID: "ours", CreatedAt: old},
		} {
			if err := db.CreateClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		s.sweepOnce(t.Context())
		for id, lives := range map[string]bool{"idle": false, "young": true, "ours": true} {
			if _, err := db.ClientByID(t.Context(), id); (err == nil) != lives {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}

// Where everyone may register, what nobody uses stays for a day, however long the setting says.
func TestSweep_unusedClientsOfAnOpenDoorGoAfterADay(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := assembled(t, db, map[string]string{"registration": "open"})
		for id, age := range map[string]time.Duration{"idle": 25 * time.Hour, "young": 23 * time.Hour} {
			c := identity.Client{ID: id, SelfRegistered: true, CreatedAt: db.Now().Add(-age)}
			if err := db.CreateClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		s.sweepOnce(t.Context())
		for id, lives := range map[string]bool{"idle": false, "young": true} {
			if _, err := db.ClientByID(t.Context(), id); (err == nil) != lives {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}

func TestSweep_oneOfAllServersDoesIt(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := assembled(t, db, map[string]string{"client_idle_expiry": "48h"})
		sweep := func(id string) (gone bool) {
			c := identity.Client{ID: id, SelfRegistered: true, CreatedAt: db.Now().Add(-50 * time.Hour)}
			if err := db.CreateClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			s.sweepOnce(t.Context())
			_, err := db.ClientByID(t.Context(), id)
			return identity.KindOf(err) == identity.NotFound
		}
		if !sweep("first") {
			t.Error("nobody swept")
		}
		if sweep("second") {
			t.Error("it was swept again at once")
		}
	})
}

// Balancers find out at /readyz that a server leaves, and until they have it goes on: no request meets a closed door.
func TestServe_drainsBeforeItLeaves(t *testing.T) {
	t.Parallel()
	s := assembled(t, storagetest.Open(t, storage.SQLite), map[string]string{"drain": "5m"})
	url, admin, stop := running(t, s)
	ask := func(address string) (int, bool) {
		response, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode, response.Close
	}
	if status, last := ask(url + "/signin"); status != http.StatusOK || last {
		t.Errorf("before: status %d, closes %v", status, last)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if status, _ := ask(admin + "/readyz"); status == http.StatusServiceUnavailable {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("/readyz never says that it leaves")
		}
	}
	if status, last := ask(url + "/signin"); status != http.StatusOK || !last {
		t.Errorf("while it drains: status %d, the connection closes: %v", status, last)
	}
	s.ports.public.Close() // nobody waits five minutes
	<-stopped              //nolint:errcheck // its listener was closed under it
}
