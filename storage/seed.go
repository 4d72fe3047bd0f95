package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"

	"github.com/sojourn-auth/sojourn/identity"
)

// Seedling is an account that nobody made, with a SignIn and Sessions that nobody began: what operators size a database by.
type Seedling struct {
	User     identity.User
	SignIn   identity.SignIn
	Sessions []identity.Session
}

// insertion is what goes into one table at once: the values of each row in the order of its columns.
type insertion struct {
	table, columns string
	rows           [][]any
	rest           string // of an INSERT
}

// Seed writes seedlings in one transaction: all of them or none. On PostgreSQL they are copied, about ten times as fast as by
// INSERT. Conflict where one of the addresses is taken, as by another seed at the same time.
func (d *DB) Seed(ctx context.Context, all []Seedling) error {
	insertions := planted(all)
	err := d.plant(ctx, insertions)
	if isDuplicate(err) {
		return &identity.Error{Kind: identity.Conflict, Msg: "The same people are being seeded by somebody else. Let one of the two go on."}
	}
	return d.fail("seed", err)
}

// isDuplicate knows a broken UNIQUE constraint, also from pgx itself (PostgreSQL manual, appendix A).
func isDuplicate(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return errors.Is(err, gorm.ErrDuplicatedKey) || ok && refused.Code == "23505"
}

func (d *DB) plant(ctx context.Context, all []insertion) error {
	if d.kind == Postgres {
		return d.copyIn(ctx, all)
	}
	return d.InTx(ctx, func(ctx context.Context) error {
		for _, i := range all {
			if err := d.insertMany(ctx, i); err != nil {
				return err
			}
		}
		return nil
	})
}

// planted are the rows of seedlings by table, those first that others refer to.
func planted(all []Seedling) []insertion {
	users, signIns := insertion{table: "users", columns: userColumns}, insertion{table: "sign_ins", columns: signInColumns}
	sessions := insertion{table: "sessions", columns: sessionColumns.names("")}
	for i := range all {
		user, s := newUserRow(all[i].User), all[i].SignIn
		users.rows = append(users.rows, user.dest())
		row := signInRow{
			ID: s.ID, UserID: s.UserID, SecretHash: s.SecretHash, CodeSecretHash: s.CodeSecretHash, Epoch: s.Epoch, AMR: s.AMR,
			ProvedAt: fromTime(s.ProvedAt), CreatedAt: fromTime(s.CreatedAt), LastUsedAt: fromTime(s.LastUsedAt),
			IdleEndsAt: fromTime(s.IdleEndsAt), EndsAt: fromTime(s.EndsAt), Address: s.Address, UserAgent: s.UserAgent,
		}
		signIns.rows = append(signIns.rows, row.dest())
		for j := range all[i].Sessions {
			sessions.rows = append(sessions.rows, sessionColumns.in(&all[i].Sessions[j]))
		}
	}
	return []insertion{users, signIns, sessions}
}

// unhurried lets what an operator waits for take longer than any request may.
const unhurried = "SET LOCAL statement_timeout = 0"

// copyIn speaks PostgreSQL's COPY, on one connection of the writing pool: database/sql has no word for it.
func (d *DB) copyIn(ctx context.Context, all []insertion) error {
	conn, err := d.pools[0].Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return conn.Raw(func(driver any) error {
		return pgx.BeginFunc(ctx, driver.(*stdlib.Conn).Conn(), func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, unhurried); err != nil {
				return err
			}
			for _, i := range all {
				columns := strings.Split(i.columns, ", ")
				if _, err := tx.CopyFrom(ctx, pgx.Identifier{i.table}, columns, pgx.CopyFromRows(i.rows)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// unhurriedly is for statements that may take as long as they do: on PostgreSQL a transaction, without compiling its plans, which it
// would do anew each time for a stretch of rows that is read in less than the compiling takes.
func (d *DB) unhurriedly(ctx context.Context, do func(context.Context) error) error {
	if d.kind != Postgres {
		return do(ctx)
	}
	return d.InTx(ctx, func(ctx context.Context) error {
		for _, set := range []string{unhurried, "SET LOCAL jit = off"} {
			if err := d.q(ctx).Exec(set).Error; err != nil {
				return err
			}
		}
		return do(ctx)
	})
}

// insertMany inserts by statements of a few hundred rows, since SQLite takes 32,766 values in one.
func (d *DB) insertMany(ctx context.Context, i insertion) error {
	width := strings.Count(i.columns, ",") + 1
	row := "(?" + strings.Repeat(", ?", width-1) + ")"
	for rows := i.rows; len(rows) > 0; {
		n := min(len(rows), 16_000/width)
		values := make([]any, 0, n*width)
		for _, r := range rows[:n] {
			values = append(values, r...)
		}
		query := fmt.Sprintf("INSERT INTO %s (%s) VALUES %s%s%s", i.table, i.columns, row, strings.Repeat(", "+row, n-1), i.rest)
		if err := d.q(ctx).Exec(query, values...).Error; err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// Seeded counts the accounts whose addresses end in suffix, and reports whether there are others. It reads all of them, so it is
// for seeds alone.
func (d *DB) Seeded(ctx context.Context, suffix string) (seeded int, others bool, err error) {
	err = d.unhurriedly(ctx, func(ctx context.Context) error {
		_, err := d.one(ctx, []any{&seeded, &others},
			"SELECT count(*), EXISTS (SELECT 1 FROM users o WHERE o.email NOT LIKE ?) FROM users u WHERE u.email LIKE ?", "%"+suffix, "%"+suffix)
		return err
	})
	return seeded, others, d.fail("count seeded people", err)
}

// SeedEvents writes Events as they are, in one transaction: nobody is told of what never happened.
func (d *DB) SeedEvents(ctx context.Context, events []identity.Event) error {
	i := insertion{table: "events", columns: "id, at, kind, user_id, session_id, client_id, detail, address, actor, browser, repeats, erased"}
	for _, e := range events {
		r := newEventRow(e)
		i.rows = append(i.rows, []any{
			r.ID, int64(r.At), r.Kind, r.UserID, r.SessionID, r.ClientID, r.Detail, r.Address, r.Actor, r.Browser, r.Repeats, r.Erased,
		})
	}
	return d.fail("seed events", d.plant(ctx, []insertion{i}))
}

// SeededEvents says when the first and the last Event were, zero where there is none, and whether the first is of a browser.
func (d *DB) SeededEvents(ctx context.Context, browser string) (first, last time.Time, ours bool, err error) {
	var from, to micros
	found, err := d.one(ctx, []any{&from, &to, &ours}, `SELECT f.at, (SELECT l.at FROM events l ORDER BY l.at DESC LIMIT 1), f.browser = ?
		FROM events f ORDER BY f.at LIMIT 1`, browser)
	if err != nil || !found {
		return first, last, false, d.fail("look at seeded events", err)
	}
	return from.time(), to.time(), ours, nil
}

// SeededSessions are Sessions of a client, with their people alone, at most limit: whom seeded Events tell of.
func (d *DB) SeededSessions(ctx context.Context, client string, limit int) (all []identity.Session, err error) {
	err = d.unhurriedly(ctx, func(ctx context.Context) error {
		return d.each(ctx, func(rows *sql.Rows) error {
			var s identity.Session
			err := rows.Scan((*scannedID)(&s.ID), (*scannedID)(&s.UserID))
			all = append(all, s)
			return err
		}, "SELECT id, user_id FROM sessions WHERE client_id = ? LIMIT ?", client, limit)
	})
	return all, d.fail("list seeded sessions", err)
}

// Analyze has PostgreSQL look anew at what tables hold, which it else does some minutes after so many rows came. SQLite plans
// without.
func (d *DB) Analyze(ctx context.Context) error {
	if d.kind == SQLite {
		return nil
	}
	return d.fail("analyze", d.unhurriedly(ctx, func(ctx context.Context) error {
		return d.q(ctx).Exec("ANALYZE users, sign_ins, sessions, events").Error
	}))
}
