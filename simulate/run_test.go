package simulate

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// onBoth runs f on both kinds of database: "" are temporary SQLite files.
func onBoth(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Helper()
	t.Parallel()
	t.Run(storage.SQLite, func(t *testing.T) { t.Parallel(); f(t, "") })
	t.Run(storage.Postgres, func(t *testing.T) { t.Parallel(); f(t, storagetest.DSN(t, storage.Postgres)) })
}

// few are a simulation that takes seconds.
func few(changes ...func(*Options)) Options {
	o := Options{
		Devices: 49, Days: 4, Loss: .05, Parallel: .03, Thieves: 35, Policy: Ours, Seed: 1, Wall: time.Now,
	}
	for _, change := range changes {
		change(&o)
	}
	return o
}

func run(t *testing.T, o Options) Report {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + r.String())
	return r
}

func TestRun_honestPhonesStaySignedInAndThievesAreCaught(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		r := run(t, few(func(o *Options) { o.Database = dsn }))
		if r.ForcedLogins != 0 || len(r.Causes) != 0 {
			t.Errorf("%d people had to sign in again: %v", r.ForcedLogins, r.Causes)
		}
		if r.Caught != r.OwnerReturned || r.OwnerReturned < 25 {
			t.Errorf("of %d thieves whose owner returned %d were caught", r.OwnerReturned, r.Caught)
		}
		if r.MostOutlived > 1 {
			t.Errorf("a thief got a refresh after the owner had refreshed %d times", r.MostOutlived)
		}
		if gone := r.ByKind[orphaned]; gone.OwnerReturned != 0 || gone.Caught != 0 {
			t.Errorf("thieves whose owner never came back were caught: %+v", gone)
		}
		for _, k := range kinds {
			if s := r.ByKind[k]; s.Thieves == 0 || s.Refreshes == 0 {
				t.Errorf("thieves of the kind %s got nothing at all, so nothing was tested: %+v", k, s)
			}
		}
		mishaps := []int{r.LostAnswers, r.KilledApps, r.ParallelRefreshes, r.LostExchanges}
		for i, n := range mishaps {
			if n == 0 {
				t.Errorf("mishap %d of %v never happened, so nothing was tested", i, mishaps)
			}
		}
	})
}

// A copied token is worth nothing without the key, and its owner never notices that someone tried.
func TestRun_noThiefIsServedWhereTokensAreBoundToKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		r := run(t, few(func(o *Options) { o.Database, o.Bound, o.Late = dsn, true, .05 }))
		if r.Served != 0 || r.Thieves.Refreshes != 0 || r.Caught != 0 {
			t.Errorf("%d thieves were served, %d caught", r.Served, r.Caught)
		}
		if r.Thieves.Thieves < 30 || r.Refused < 2*r.Thieves.Thieves || r.OwnerReturned < 25 {
			t.Errorf("%d thieves were refused %d times, %d owners came back: nothing was tested", r.Thieves.Thieves, r.Refused, r.OwnerReturned)
		}
		if r.ForcedLogins != r.Causes[lateRequest] || r.ForcedLogins > 1 {
			t.Errorf("%d people had to sign in again: %v", r.ForcedLogins, r.Causes)
		}
	})
}

func TestRun_nothingIsStoredPerRefresh(t *testing.T) {
	t.Parallel()
	r := run(t, few(func(o *Options) { o.Days, o.Thieves, o.Loss, o.Parallel = 1, 0, 0, 0 }))
	for table, rows := range r.Rows {
		if rows.Before != rows.After {
			t.Errorf("%s went from %d rows to %d", table, rows.Before, rows.After)
		}
	}
	if r.Rows["sessions"].After != r.Devices || r.Refreshes < 300 {
		t.Errorf("%d sessions of %d devices, %d refreshes", r.Rows["sessions"].After, r.Devices, r.Refreshes)
	}
}

// The simulation must be able to fail: the usual rules sign honest people out.
func TestRun_theUsualRulesSignHonestPeopleOut(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		r := run(t, few(func(o *Options) { o.Database, o.Policy, o.Devices, o.Days, o.Thieves = dsn, Strict, 20, 3, 0 }))
		for _, cause := range []string{lostAnswer, appKilled, askedTwice} {
			if r.Causes[cause] == 0 {
				t.Errorf("strict rotation forgave %s: %v", cause, r.Causes)
			}
		}
	})
}

func TestRun_theUsualGraceLetsShadowsLive(t *testing.T) {
	t.Parallel()
	r := run(t, few(func(o *Options) { o.Policy, o.Devices, o.Days, o.Thieves, o.Loss = Window, 700, 10, 70, .005 }))
	if r.ForcedLogins == 0 || r.Database != "none" || len(r.Rows) != 0 {
		t.Errorf("30 s of grace: %d forced logins on %s, rows %v", r.ForcedLogins, r.Database, r.Rows)
	}
	if s := r.ByKind[shadow]; s.Caught >= s.OwnerReturned || s.MostOutlived < 10 {
		t.Errorf("30 s of grace caught the shadows: %+v", s)
	}
}

// What others do since 2025, and what that is better and worse at.
func TestRun_aPredecessorThatIsAlwaysGoodForgivesEveryLossAndEveryShadow(t *testing.T) {
	t.Parallel()
	r := run(t, few(func(o *Options) { o.Policy, o.Devices, o.Days, o.Thieves = Counter, 700, 10, 70 }))
	if r.ForcedLogins != 0 || r.LostAnswers == 0 || r.KilledApps == 0 {
		t.Errorf("%d forced logins: %v", r.ForcedLogins, r.Causes)
	}
	if s := r.ByKind[shadow]; s.OwnerReturned == 0 || s.Caught != 0 || s.MostOutlived < 10 {
		t.Errorf("a thief who comes once between two refreshes was caught: %+v", s)
	}
	if s := r.ByKind[polling]; s.Caught != s.OwnerReturned {
		t.Errorf("a thief who comes often was not caught: %+v", s)
	}
}

func TestRun_whereTheLatestAnswerCountsTheOneBeforeIsALogin(t *testing.T) {
	t.Parallel()
	r := run(t, few(func(o *Options) { o.Policy, o.Devices, o.Thieves = Latest, 200, 0 }))
	if r.Causes[askedTwice] == 0 || r.Causes[lostAnswer] == 0 || r.Causes[appKilled] == 0 {
		t.Errorf("forced logins: %v", r.Causes)
	}
}

// Two stores of one app, woken together on a network that loses nothing: a thief to us.
func TestRun_twoStoresAreOnePartyOnlyWhereThePredecessorIsAlwaysGood(t *testing.T) {
	t.Parallel()
	for policy, forgiven := range map[Policy]bool{Ours: false, Window: false, Latest: false, Counter: true} {
		r := run(t, few(func(o *Options) {
			o.Policy, o.Stores, o.Devices, o.Days, o.Thieves, o.Loss, o.Parallel = policy, 1, 8, 3, 0, 0, 0
		}))
		if (r.ForcedLogins == 0) != forgiven || r.ForcedLogins != r.Causes[twoStores] || r.Refreshes < 100 {
			t.Errorf("%s: %d refreshes, %d forced logins: %v", policy, r.Refreshes, r.ForcedLogins, r.Causes)
		}
	}
}

func TestRun_lateDuplicatesAreTheOnlyForcedLogins(t *testing.T) {
	t.Parallel()
	r := run(t, few(func(o *Options) { o.Late, o.Thieves, o.Devices = .2, 0, 30 }))
	if r.Causes[lateRequest] == 0 || r.Causes[lateRequest] != r.ForcedLogins {
		t.Errorf("%d forced logins: %v", r.ForcedLogins, r.Causes)
	}
}

func TestRun_theSameSeedBringsTheSameLives(t *testing.T) {
	t.Parallel()
	small := func(seed uint64) Report {
		return run(t, few(func(o *Options) { o.Seed, o.Late, o.Devices, o.Days, o.Thieves = seed, .05, 20, 2, 14 }))
	}
	first, again, other := small(7), small(7), small(8)
	ignored := cmpopts.IgnoreFields(Report{}, "Seconds", "RefreshesPerSecond", "Seed")
	if diff := cmp.Diff(first, again, ignored); diff != "" {
		t.Errorf("the same seed (-first +again):\n%s", diff)
	}
	if cmp.Equal(first, other, ignored) {
		t.Error("another seed brought the same lives")
	}
}

// The databases have different numbers of shards, too: on how many there are nothing may depend.
func TestRun_bothDatabasesBringTheSameLives(t *testing.T) {
	t.Parallel()
	o := few(func(o *Options) { o.Devices, o.Days = 110, 1 })
	here := run(t, o)
	o.Database = storagetest.DSN(t, storage.Postgres)
	there := run(t, o)
	ignored := cmpopts.IgnoreFields(Report{}, "Seconds", "RefreshesPerSecond", "Database", "Rows")
	if diff := cmp.Diff(here, there, ignored); diff != "" {
		t.Errorf("-sqlite +postgres:\n%s", diff)
	}
}

func TestRun_refusesADatabaseThatIsInUse(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.Postgres)
	o := few(func(o *Options) { o.Database, o.Devices, o.Days, o.Thieves = dsn, 2, 1, 0 })
	run(t, o)
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("filled a database twice: %v", err)
	}
}

func TestRun_refusesNonsenseAndSaysAllOfIt(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), Options{Thieves: 1, Loss: .9, Late: -1, Stores: 2, Policy: "lax", Database: "sqlite:x", Wall: time.Now})
	for _, flag := range []string{"--devices", "--days", "--thieves", "--loss", "--late", "--two-stores", "--policy", "--database"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s is not in: %v", flag, err)
		}
	}
	for reference := range references {
		if _, err := Run(t.Context(), few(func(o *Options) { o.Policy, o.Database = reference, "postgres://x" })); err == nil {
			t.Errorf("%s took a database", reference)
		}
		if _, err := Run(t.Context(), few(func(o *Options) { o.Policy, o.Bound = reference, true })); err == nil {
			t.Errorf("%s took keys", reference)
		}
	}
}

func TestRun_stopsWhenToldToAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir) // so not in parallel
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	if _, err := Run(ctx, few(func(o *Options) { o.Days = 365 })); err == nil {
		t.Error("ran to the end of a year in two seconds")
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}
