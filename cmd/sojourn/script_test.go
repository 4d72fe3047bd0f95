package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// TestMain makes this test binary also be the program, under the name sojourn in $PATH.
func TestMain(m *testing.M) {
	testscript.Main(all{m}, map[string]func(){"sojourn": main})
}

// all are the tests, with a folder for what is made once for many of them.
type all struct{ m *testing.M }

var scratch string

// Run runs them.
func (a all) Run() int {
	var err error
	if scratch, err = os.MkdirTemp("", "sojourn-cmd"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	return a.m.Run()
}

// TestScripts runs the command line in testdata/*.txt, each in an empty folder.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"begin": beginSession,
		"bury":  buryDelivery,
		"kid":   nameKey,

		"bothroots": rotateRoot,
	}})
}

// nameKey puts the kid of the current key of an algorithm into $KID.
func nameKey(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("sojourn", "key", "list", "--json"))
	var list struct{ Keys []admin.Key }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &list))
	for _, k := range list.Keys {
		if k.Alg == args[0] && k.State == identity.KeyCurrent {
			ts.Setenv("KID", k.ID)
		}
	}
}

// rotateRoot puts testSecret before the secret that was made at the first start.
func rotateRoot(ts *testscript.TestScript, _ bool, _ []string) {
	made := ts.ReadFile(ts.MkAbs("sojourn-data/sojourn.db.secret"))
	ts.Setenv("SOJOURN_SECRET", testSecret+","+strings.TrimSpace(made))
}

// TestScripts_postgres runs those in testdata/postgres, on a PostgreSQL database of its own.
func TestScripts_postgres(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("psql"); err != nil {
		absent(t, "psql is not in $PATH: what the program says of a schema that is behind or ahead was not tested")
	}
	runOnPostgres(t, "testdata/postgres")
}

func TestScripts_serversOfOneDatabase(t *testing.T) {
	t.Parallel()
	runOnPostgres(t, "testdata/servers")
}

// runOnPostgres runs the scripts of a folder, all on one fresh database.
func runOnPostgres(t *testing.T, dir string) {
	t.Helper()
	dsn := storagetest.DSN(t, storage.Postgres)
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SOJOURN_DATABASE", dsn)
			env.Setenv("SOJOURN_SECRET", testSecret)
			return nil
		},
	})
}

// testSecret is a root secret for processes that share a database.
const testSecret = "c29qb3VybiB0ZXN0cyBrZWVwIG5vIHNlY3JldHMhISE="

// absent skips a test for all to see; in CI it fails.
func absent(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}
