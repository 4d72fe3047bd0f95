package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os/user"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/server"
	"github.com/sojourn-auth/sojourn/storage"
)

// opened is what a command works on.
type opened struct {
	cfg  config.Config
	keys *identity.Keyring
	kept identity.EventsKept
	db   *storage.DB
}

// work opens the configured database, ready to use, and runs job on it.
func (p *program) work(ctx context.Context, job func(context.Context, opened) error) error {
	cfg, err := p.load(nil)
	if err != nil {
		return err
	}
	return p.with(ctx, cfg, func(ctx context.Context, o opened) error {
		if err := o.ready(ctx); err != nil {
			return err
		}
		return job(ctx, o)
	})
}

// act is work that changes something: its Events name who of the operators did it, and what it seals the servers can open.
func (p *program) act(ctx context.Context, job func(context.Context, opened) error) error {
	return p.work(identity.WithActor(ctx, p.actor()), func(ctx context.Context, o opened) error {
		if err := o.db.CheckSecret(ctx); err != nil {
			return err
		}
		return job(ctx, o)
	})
}

// load reads the settings; the error tells every problem, each on its own line.
func (p *program) load(defaults map[string]string) (config.Config, error) {
	if dsn, err := url.Parse(p.flags["database"]); err == nil && dsn.User != nil {
		if _, has := dsn.User.Password(); has {
			fmt.Fprintln(p.err, "sojourn: warning: everyone who lists processes sees the password in --database: use SOJOURN_DATABASE")
		}
	}
	return config.Load(config.Options{Defaults: defaults, File: p.file, Getenv: p.getenv, Flags: p.flags})
}

// with opens the database of cfg, runs job, and closes it again.
func (p *program) with(ctx context.Context, cfg config.Config, job func(context.Context, opened) error) (err error) {
	o := opened{}
	if o.cfg, err = config.EnsureSecret(cfg); err != nil {
		return err
	}
	if o.keys, err = identity.NewKeyring(o.cfg.Secret...); err != nil {
		return fmt.Errorf("SOJOURN_SECRET: %w", err)
	}
	if o.kept, err = identity.NewEventsKept(o.cfg.EventsKept.All, o.cfg.EventsKept.Kinds); err != nil {
		return fmt.Errorf("SOJOURN_EVENTS_KEPT: %w", err)
	}
	if o.db, err = storage.Open(ctx, string(o.cfg.Database), p.storageOptions(o)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.db.Close()) }()
	return job(ctx, o)
}

func (p *program) storageOptions(o opened) storage.Options {
	statement := o.cfg.DatabaseStatementTimeout
	if !p.serves { // whoever waits for a command may break it off
		statement = 0
	}
	return storage.Options{
		Keys: o.keys, StrictRefresh: o.cfg.RefreshDurability == config.Strict, Journal: o.cfg.EndingJournal, Log: p.logger(o.cfg),
		Letters: o.cfg.SMTP != "", EventsKept: o.kept,
		Calendar: identity.NewCalendar(o.cfg.Zone()),
		MaxConns: o.cfg.DatabaseConns, ConnLife: o.cfg.DatabaseConnLife,
		StatementTimeout: statement, LockTimeout: o.cfg.DatabaseLockTimeout, IdleTimeout: o.cfg.DatabaseStatementTimeout,
		Redis: string(o.cfg.Redis), Issuer: o.cfg.Issuer, Read: string(o.cfg.DatabaseRead),
	}
}

// ready sees to the schema and the clock. SQLite is migrated by whoever comes; on PostgreSQL that is a step of its own,
// which the operator takes when replicas and backups are ready for it.
func (o opened) ready(ctx context.Context) error {
	if o.db.Kind() == storage.SQLite {
		if err := o.db.Migrate(ctx); err != nil {
			return err
		}
	}
	current, target, err := o.db.Pending(ctx)
	switch {
	case err != nil:
		return err
	case current < target:
		return fmt.Errorf("the database's schema is behind (%d, needed is %d): run sojourn migrate", current, target)
	case current > target:
		return schemaAhead(current, target)
	}
	return errors.Join(o.db.Clock().Measure(ctx), o.db.LoadWebhooks(ctx))
}

func schemaAhead(current, target int64) error {
	return fmt.Errorf("the database's schema is ahead (%d, this program knows %d): "+
		"run the newer program whose sojourn migrate made it", current, target)
}

// belongs holds a server to the issuer that the others on its database have. A SQLite database has one server, which may be
// tried out on another port of this machine.
func (o opened) belongs(ctx context.Context) error {
	held, err := o.db.HoldIssuer(ctx, o.cfg.Issuer)
	if err != nil || held == o.cfg.Issuer {
		return err
	}
	if o.db.Kind() == storage.SQLite && (config.Config{Issuer: held}).Loopback() {
		return o.db.ChangeIssuer(ctx, o.cfg.Issuer)
	}
	return o.otherIssuer(held)
}

func (o opened) otherIssuer(held string) error {
	return fmt.Errorf("SOJOURN_ISSUER: %s is not the issuer of this database, which is %s; all servers of one database have the same. "+
		"To change it for good, for every app, run sojourn migrate --change-issuer", o.cfg.Issuer, held)
}

// logger writes to the error stream as the settings say.
func (p *program) logger(cfg config.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == config.Text {
		return slog.New(slog.NewTextHandler(p.err, options))
	}
	return slog.New(slog.NewJSONHandler(p.err, options))
}

func (o opened) operators() identity.Operators {
	return server.Operators(o.db, o.cfg)
}

// actor is who says so with --as, who called sudo, or who the system says it is. It is no proof: whoever reaches the
// database can write anything.
func (p *program) actor() string {
	nobody := identity.Actor("cli", "")
	for _, name := range []string{p.as, p.getenv("SUDO_USER"), systemUser()} {
		if actor := identity.Actor("cli", name); actor != nobody {
			return actor
		}
	}
	return identity.Actor("cli", "unknown")
}

func systemUser() string {
	if who, err := user.Current(); err == nil {
		return who.Username
	}
	return "" // no such user here: a container without /etc/passwd
}
