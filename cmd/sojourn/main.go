// Sojourn is an OAuth 2.0 and OpenID Connect server that keeps people signed in to mobile apps, and ends that the moment
// it should end.
//
// Its one rule: a command is flags, then settings, then one call into the domain or the server, then what it says. No rule
// of the domain is here. Every command works on the configured database while the server runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

func main() { os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.Getenv)) }

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run runs one command and returns the exit code: 0, or 1 after a clear line on s.err.
func run(args []string, s streams, getenv func(string) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{streams: s, getenv: getenv, flags: map[string]string{}}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(s.err, "sojourn: %v\n", err)
		return 1
	}
	return 0
}

// program is what all commands share.
type program struct {
	streams
	getenv func(string) string
	file   string            // --config
	json   bool              // --json
	as     string            // --as
	flags  map[string]string // settings that the command line said, by their YAML names
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "sojourn",
		Short:         "An OAuth 2.0 and OpenID Connect server for mobile apps",
		Long:          long,
		SilenceUsage:  true, // an error is one line
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&p.file, "config", "", "read settings from this YAML file")
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print JSON")
	root.PersistentFlags().StringVar(&p.as, "as", "", "who does this, for its Events (default: who called sudo, or the user)")
	p.setting(root, "database", "sqlite:PATH or postgres://…")
	root.AddCommand(p.serve(), p.demo(), p.migrate(), p.user(), p.client(), p.session(), p.delivery(), p.event(), p.adminToken(),
		p.key(), p.registrationToken(), p.simulate(), p.loadTest())
	return root
}

const long = `Sojourn keeps people signed in to mobile apps, and ends that the moment it should end.

Settings come from flags, the environment (SOJOURN_ISSUER, SOJOURN_LISTEN, SOJOURN_DATABASE,
SOJOURN_SECRET …) and a YAML file with the same names in lower case, the first of them beating
the others. Without any, everything lives in ./sojourn-data and the issuer is
http://localhost:8080.`

// group is a command that only has others under it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		Args: cobra.NoArgs, // an unknown one is an error, not a page of help
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// setting gives cmd a flag for one of the settings.
func (p *program) setting(cmd *cobra.Command, name, help string) {
	cmd.PersistentFlags().Var(settingFlag{p.flags, name}, flagName(name), help)
}

// share is a flag between 0 and 1, said as 5% or 0.05.
type share float64

// Set reads what was said.
func (s *share) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return errors.New("say it like 5% or 0.05")
	}
	if percent {
		n /= 100
	}
	if !(n >= 0 && n <= 1) { // written so that NaN is refused
		return errors.New("it lies between 0% and 100%")
	}
	*s = share(n)
	return nil
}

// String is the share in per cent.
func (s *share) String() string { return strconv.FormatFloat(100*float64(*s), 'g', 6, 64) + "%" }

// Type is how help calls the value.
func (*share) Type() string { return "share" }

// settingFlag is a flag that overrides one setting.
type settingFlag struct {
	flags map[string]string
	name  string
}

// Set notes what was said; config judges it.
func (f settingFlag) Set(text string) error {
	f.flags[f.name] = text
	return nil
}

// String is what was said.
func (f settingFlag) String() string { return f.flags[f.name] }

// Type is how help calls the value.
func (settingFlag) Type() string { return "string" }

func flagName(setting string) string { return strings.ReplaceAll(setting, "_", "-") }

// opened is what a command works on.
type opened struct {
	cfg  config.Config
	keys *identity.Keyring
	db   *storage.DB
}

// load reads the settings; the error tells every problem, each on its own line.
func (p *program) load(defaults map[string]string) (config.Config, error) {
	return config.Load(config.Options{Defaults: defaults, File: p.file, Getenv: p.getenv, Flags: p.flags})
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

// with opens the database of cfg, runs job, and closes it again.
func (p *program) with(ctx context.Context, cfg config.Config, job func(context.Context, opened) error) (err error) {
	o := opened{}
	if o.cfg, err = config.EnsureSecret(cfg); err != nil {
		return err
	}
	if o.keys, err = identity.NewKeyring(o.cfg.Secret...); err != nil {
		return fmt.Errorf("SOJOURN_SECRET: %w", err)
	}
	if o.db, err = storage.Open(ctx, string(o.cfg.Database), p.storageOptions(o)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.db.Close()) }()
	return job(ctx, o)
}

func (p *program) storageOptions(o opened) storage.Options {
	return storage.Options{
		Keys: o.keys, StrictRefresh: o.cfg.RefreshDurability == config.Strict, Journal: o.cfg.EndingJournal, Log: p.logger(o.cfg),
		Letters: o.cfg.SMTP != "",
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
		return fmt.Errorf("the database's schema is ahead (%d, this program knows %d): "+
			"run the newer program whose sojourn migrate made it", current, target)
	}
	return o.db.Clock().Measure(ctx)
}

// logger writes to the error stream as the settings say.
func (p *program) logger(cfg config.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == config.Text {
		return slog.New(slog.NewTextHandler(p.err, options))
	}
	return slog.New(slog.NewJSONHandler(p.err, options))
}

// act is work that changes something: its Events name who of the operators did it.
func (p *program) act(ctx context.Context, job func(context.Context, opened) error) error {
	return p.work(identity.WithActor(ctx, p.actor()), job)
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

func (o opened) operators() identity.Operators {
	return identity.Operators{Store: o.db, Now: o.db.Now}
}
