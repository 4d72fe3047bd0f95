package server

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

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
