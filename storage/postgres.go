package storage

import (
	"cmp"
	"database/sql"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

const (
	postgresConns  = 32
	connectTimeout = 3 * time.Second // per host, where the DSN sets no connect_timeout
)

// openPostgres prepares a pool without connecting. Statements are prepared and cached per connection by pgx itself, so a
// repeated one costs one round trip.
func openPostgres(dsn string, maxConns int) (gorm.Dialector, []*sql.DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, nil, err
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "sojourn"
	}
	// The whole of connecting, since a server may accept and then say nothing.
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, connectTimeout)
	dialer := &net.Dialer{Timeout: config.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{
		// A server that vanished without a word is noticed after half a minute, not after two hours.
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	config.DialFunc = dialer.DialContext

	pool := stdlib.OpenDB(*config)
	maxConns = cmp.Or(maxConns, postgresConns)
	pool.SetMaxOpenConns(maxConns)
	pool.SetMaxIdleConns(maxConns)
	pool.SetConnMaxLifetime(30 * time.Minute)
	return postgres.New(postgres.Config{Conn: pool}), []*sql.DB{pool}, nil
}
