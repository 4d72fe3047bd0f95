package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sojourn-auth/sojourn/identity"
)

// fail says what was tried in front of err, and marks it with identity.ErrUnavailable where the database was away.
// It returns nil for nil.
func (d *DB) fail(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case Away(err):
		return fmt.Errorf("%s: %w: %w", what, identity.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Away reports whether err means that the database could not be reached or could not serve us now, so that the same
// request may succeed later; false is a bug or a broken constraint. A deadline that passed counts: waiting for a
// connection or for a slow server ends that way. A caller who hung up does not.
func Away(err error) bool {
	if errors.Is(err, identity.ErrUnavailable) {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok { // whatever the server said, it did not let us in
		return !errors.Is(err, context.Canceled)
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return awayCode(refused.Code)
	}
	if broken, ok := errors.AsType[*sqlite.Error](err); ok {
		return slices.Contains(awayResults, broken.Code()&0xff) // the low byte is the primary result code
	}
	return unreachable(err)
}

// awayCode judges a SQLSTATE (PostgreSQL manual, appendix A).
func awayCode(code string) bool {
	if len(code) == 5 && slices.Contains(awayClasses, code[:2]) {
		return true
	}
	return slices.Contains(awayCodes, code)
}

// tooSlow reports whether a statement was broken off since it took too long.
func tooSlow(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && refused.Code == statementTimeout
}

const statementTimeout = "57014"

var (
	awayClasses = []string{
		"08", // connection exception
		"53", // out of connections, disk or memory
		"58", // the server's own system failed
	}
	awayCodes = []string{
		"25006", // read-only transaction: a failover left us on a standby
		"25P03", // idle in transaction for too long
		"40001", // serialization failure
		"40P01", // deadlock
		"55P03", // lock not available
		statementTimeout,
		"57P01", // admin shutdown
		"57P02", // crash shutdown
		"57P03", // cannot connect now
		"57P05", // idle session timeout
	}
	awayResults = []int{
		sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL,
	}
)

// unreachable knows the errors that come from between us and the server.
func unreachable(err error) bool {
	for _, sign := range []error{
		context.DeadlineExceeded, driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, sign) {
			return true
		}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return !errors.Is(err, context.Canceled)
	}
	return pgconn.SafeToRetry(err)
}
