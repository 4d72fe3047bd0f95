package faults

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	busy   = 8                      // phones that refresh all the time
	leave  = 4                      // phones that sign out in each round
	awhile = 300 * time.Millisecond // of load before something breaks
)

func TestKilledServer_costsNoLoginAndNoEnding(t *testing.T) {
	t.Parallel()
	n := rounds(4)
	c := newDatabase(t)
	p := serve(t, c.dsn())
	who := newPeople(t, c.dsn())
	l := refreshing(t, p.base, who.phones("ada@example.com", busy))
	for round := range n {
		out := leaving(t, p.base, who.phones(fmt.Sprintf("leaver%d@example.com", round), leave))
		time.Sleep(awhile)
		p.kill()
		p.start()
		out.gone()
		l.goesOn(3)
		if living := out.living(); living > 0 {
			t.Errorf("round %d: %d phones that were signed out live", round, living)
		}
	}
	l.verdict(p)
}

// Half of the crashes come the moment that someone was told that they are signed out; the others lose the refreshes of the
// last moments.
func TestCrashedDatabase_costsNoLoginAndNoEnding(t *testing.T) {
	t.Parallel()
	n := rounds(4)
	c := newDatabase(t, slowWriter...)
	p := serve(t, c.dsn())
	who := newPeople(t, c.dsn())
	l := refreshing(t, p.base, who.phones("ada@example.com", busy))
	for round := range n {
		out := leaving(t, p.base, who.phones(fmt.Sprintf("leaver%d@example.com", round), leave))
		if round%2 == 0 {
			out.gone()
		} else {
			time.Sleep(awhile)
		}
		c.crash()
		c.start()
		if round%2 == 1 {
			out.gone()
		}
		l.goesOn(3)
		if living := out.living(); living > 0 {
			t.Errorf("round %d: %d phones that were signed out live", round, living)
		}
	}
	l.verdict(p)
	if p.rolledForward() == 0 {
		t.Error("no crash lost a refresh, so nothing was shown: are rotations flushed one by one?")
	}
}

// With strict durability a crash loses nothing, so nothing has to be repaired: the proof that the other mode is what
// makes the difference.
func TestCrashedDatabase_losesNoStrictRefresh(t *testing.T) {
	t.Parallel()
	c := newDatabase(t, slowWriter...)
	p := serve(t, c.dsn(), "REFRESH_DURABILITY=strict")
	l := refreshing(t, p.base, newPeople(t, c.dsn()).phones("ada@example.com", busy))
	for range rounds(2) {
		time.Sleep(awhile)
		c.crash()
		c.start()
		l.goesOn(3)
	}
	l.verdict(p)
	if rolled := p.rolledForward(); rolled != 0 {
		t.Errorf("%d sessions rolled forward", rolled)
	}
}

// Where commits must reach a standby that isn't there, refreshes go on and endings wait: only what may be lost is quick.
func TestAbsentStandby_holdsUpEndingsAlone(t *testing.T) {
	t.Parallel()
	c := newDatabase(t)
	p := serve(t, c.dsn())
	phones := newPeople(t, c.dsn()).phones("ada@example.com", busy+1)
	c.alter("synchronous_standby_names", "nobody")
	l := refreshing(t, p.base, phones[:busy])
	l.goesOn(3)
	ctx, hangUp := context.WithCancel(t.Context())
	left := make(chan outcome, 1)
	go func() {
		result, _ := phones[busy].leave(ctx, p.base)
		left <- result
	}()
	wait(t, "the ending waits for a standby", func() bool {
		return c.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0"
	})
	hangUp()
	if result := <-left; result != later {
		t.Errorf("an ending that reached no standby was acknowledged: outcome %d", result)
	}
	c.alter("synchronous_standby_names", "")
	if result, err := insist(t.Context(), p.base, phones[busy].leave); err != nil || result != served {
		t.Errorf("outcome %d, %v", result, err)
	}
	l.goesOn(3)
	l.verdict(p)
}

// A replica falls behind, then the primary is lost and the replica takes its place.
func TestPromotedReplica_costsNoLoginAndNoEndingThatItHad(t *testing.T) {
	t.Parallel()
	primary := newDatabase(t, slowWriter...)
	replica := primary.replica()
	both := "postgres://postgres@127.0.0.1:" + primary.Port + ",127.0.0.1:" + replica.Port + "/postgres?sslmode=disable&target_session_attrs=read-write"
	p := serve(t, both)
	wait(t, "the server warns", func() bool { return strings.Contains(p.log.String(), "streaming replicas are attached (1)") })
	who := newPeople(t, both)
	phones, out := who.phones("ada@example.com", busy), who.phones("leaver@example.com", leave)
	wait(t, "the replica has them", func() bool { return replica.ask("SELECT count(*) FROM sessions") == fmt.Sprint(busy+leave) })

	primary.alter("synchronous_standby_names", "*")
	l := refreshing(t, p.base, phones)
	endings := leaving(t, p.base, out)
	endings.gone()
	replica.alter("primary_conninfo", "") // from here on it gets nothing
	primary.alter("synchronous_standby_names", "")
	wait(t, "the replica is cut off", func() bool { return primary.ask("SELECT count(*) FROM pg_stat_replication") == "0" })
	l.goesOn(5)
	primary.crash()
	replica.ask("SELECT pg_promote()")
	l.goesOn(3)
	if living := endings.living(); living > 0 {
		t.Errorf("%d phones that were signed out live", living)
	}
	l.verdict(p)
	if p.rolledForward() == 0 {
		t.Error("no session was ahead of the replica, so nothing was shown")
	}
}

// The database is put back to an older state. Who was signed in then goes on; who signed out since is back, until the
// journal is replayed.
func TestRestoredBackup_goesOnAndTheJournalEndsAgain(t *testing.T) {
	t.Parallel()
	c := newDatabase(t)
	journal := filepath.Join(t.TempDir(), "endings.jsonl")
	p := serve(t, c.dsn(), "ENDING_JOURNAL="+journal)
	who := newPeople(t, c.dsn())
	l := refreshing(t, p.base, who.phones("ada@example.com", busy))
	out, others := who.phones("leaver@example.com", leave), who.phones("bob@example.com", leave)
	l.goesOn(3)
	backup := c.copied()
	backup.Port = c.Port

	endings := leaving(t, p.base, out)
	endings.gone()
	p.command("user", "set-password", "bob@example.com", "--password-stdin") // on another process, in the same journal
	l.goesOn(3)
	c.stop()
	backup.start()
	l.goesOn(3)
	endings.left = append(endings.left, others...)
	if living := endings.living(); living != 2*leave {
		t.Errorf("of %d phones that were signed out after the backup %d live: what is there to replay?", 2*leave, living)
	}
	for _, want := range []int{2 * leave, 0} {
		if said := p.command("session", "end", "--from", journal, "--json"); !strings.Contains(said, fmt.Sprintf(`"sessions_ended":%d,`, want)) {
			t.Errorf("said %s, want %d sessions ended", said, want)
		}
		if living := endings.living(); living > 0 {
			t.Errorf("%d phones that were signed out live", living)
		}
	}
	l.goesOn(3)
	l.verdict(p)
	if p.rolledForward() == 0 {
		t.Error("no session was ahead of the backup, so nothing was shown")
	}
}
