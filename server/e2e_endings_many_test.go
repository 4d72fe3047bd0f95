package server

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// manyMarks writes so many marks as somebody else's endings, each with a text in keep, and numbers them.
func manyMarks(t *testing.T, kind, dsn string, n, at int64, keep string) {
	t.Helper()
	const sid = "0199c3c4-7d6a-7000-8000-000000000000 "
	statements := []string{
		fmt.Sprintf(`INSERT INTO marks (id, position, at, kind, subject, epoch, keep)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			SELECT %s, i, %d, '%s', 'many-' || i, 1, '%s' FROM n`, n, map[string]string{
			storage.SQLite:   "printf('%08x-0000-7000-8000-000000000000', i)",
			storage.Postgres: "CAST(lpad(to_hex(i), 8, '0') || '-0000-7000-8000-000000000000' AS uuid)",
		}[kind], at, map[bool]string{true: "s", false: "p"}[keep == ""], strings.ReplaceAll(keep, "SID ", sid)),
		fmt.Sprintf("UPDATE mark_log SET position = %d", n),
	}
	exec := func(ctx context.Context, statement string) error {
		if kind == storage.Postgres {
			conn, err := pgx.Connect(ctx, dsn)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(ctx) }()
			_, err = conn.Exec(ctx, statement)
			return err
		}
		db, err := sql.Open("sqlite", strings.TrimPrefix(dsn, "sqlite:")+"?_pragma=busy_timeout(10000)")
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		_, err = db.ExecContext(ctx, statement)
		return err
	}
	for _, statement := range statements {
		if err := exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// More than one poll may tell, in bytes (1 MB and a message): it says so, and whoever asks again with the place that it
// named is told the rest, in order, with no gap and nothing twice.
func TestEndings_aPollThatCannotTellAllSaysSo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		marks    int64
		keep     string
		messages []int
		kinds    []string
	}{
		"100,501 sessions":                   {100_501, "", []int{83, 81, 38}, storagetest.Kinds(t)},
		"2,001 people who keep 100 sessions": {2_001, strings.Repeat("SID ", 100), []int{1, 1, 1, 1, 1}, []string{storage.SQLite}},
	} {
		for _, kind := range c.kinds {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				dsn := storagetest.DSN(t, kind)
				w := newWorldAt(t, dsn)
				manyMarks(t, kind, dsn, c.marks, w.now().UnixMicro(), c.keep)
				j := newJudge(t, w)
				at, told := 0.0, 0
				for i, want := range c.messages {
					answer := j.poll(t)
					if len(answer.Endings) != want || answer.More != (i < len(c.messages)-1) || answer.bytes > 4<<20 {
						t.Fatalf("poll %d tells %d messages of %d bytes, more: %v; want %d messages", i+1, len(answer.Endings), answer.bytes, answer.More, want)
					}
					for _, text := range answer.Endings {
						said := claimsOf(t, text)
						if said["from"] != at {
							t.Fatalf("after %v comes a message from %v", at, said["from"])
						}
						at, told = said["to"].(float64), told+len(said["marks"].([]any))
					}
				}
				if at != float64(c.marks) || told != int(c.marks) {
					t.Errorf("told of %d marks up to %v, want %d", told, at, c.marks)
				}
			})
		}
	}
}
