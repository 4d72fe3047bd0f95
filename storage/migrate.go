package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrate brings the schema up to what this program knows. Several processes may call it at once.
func (d *DB) Migrate(ctx context.Context) error {
	if d.Pooled() {
		return errors.New("migrate needs a session of its own and reached PostgreSQL through a pooler (PgBouncer or the like): " +
			"give it the address of PostgreSQL itself, by SOJOURN_DATABASE or --database")
	}
	pool, done := d.migrating()
	defer done()
	migrator, err := d.migrator(pool)
	if err != nil {
		return err
	}
	_, err = migrator.Up(ctx)
	// PostgreSQL has a lock for this. On SQLite, of several processes that start together one wins each step and the
	// others fail on it, cleanly, since a step is a transaction: they look again.
	for range 50 {
		if err == nil || d.kind != SQLite || ctx.Err() != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
		_, err = migrator.Up(ctx)
	}
	return d.fail("migrate", err)
}

// Pending returns the version that the schema has (0: none) and the one that this program needs. It writes nothing. A
// current version above target is a newer program's, which is fine while replicas are being replaced.
func (d *DB) Pending(ctx context.Context) (current, target int64, err error) {
	migrator, err := d.migrator(d.pools[0])
	if err != nil {
		return 0, 0, err
	}
	sources := migrator.ListSources() // in ascending order
	target = sources[len(sources)-1].Version
	current, err = d.version(ctx)
	return current, target, err
}

// version reads goose's own table, which is not there before the first migration.
func (d *DB) version(ctx context.Context) (int64, error) {
	find := "SELECT to_regclass('goose_db_version') IS NOT NULL"
	if d.kind == SQLite {
		find = "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'goose_db_version'"
	}
	var begun bool
	if err := d.q(ctx).Raw(find).Scan(&begun).Error; err != nil || !begun {
		return 0, d.fail("read schema version", err)
	}
	var version int64
	err := d.q(ctx).Raw("SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version).Error
	return version, d.fail("read schema version", err)
}

// migrating are the connections that a migration uses: on PostgreSQL of its own, since an index of a large table takes longer
// than any statement of a server may.
func (d *DB) migrating() (pool *sql.DB, done func()) {
	if d.kind == SQLite {
		return d.pools[0], func() {}
	}
	pool = stdlib.OpenDB(*d.link.config)
	return pool, func() { _ = pool.Close() }
}

func (d *DB) migrator(pool *sql.DB) (*goose.Provider, error) {
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if d.kind == Postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // every second for five minutes
		if err != nil {
			return nil, fmt.Errorf("make migration lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	migrator, err := goose.NewProvider(dialect, pool, d.migrations, options...)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return migrator, nil
}
