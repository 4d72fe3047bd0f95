package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/simulate"
)

func (p *program) seed() *cobra.Command {
	o := simulate.SeedOptions{TokensAtMost: 10_000, Progress: p.err, Wall: time.Now}
	known := false
	cmd := &cobra.Command{
		Use:   "seed --users N --sessions N [--events N] [--days N]",
		Short: "Fill a database with people and sessions, to see what a machine carries",
		Long: "Seed adds people (person-0@seeded.invalid and so on) and living sessions of the app " + simulate.SeedClient + " to the\n" +
			"configured database, millions in minutes, so that an operator can measure their own machine. It wants a database without\n" +
			"people of its own, and what it was interrupted in goes on with the same command. Nobody knows the seeded people's\n" +
			"password, unless --password-stdin gives all of them one. --days has the app have been in use for so long: people came and\n" +
			"sessions began in that time, a tenth of the sessions is over, and --events happened. Drop the database when you are done.",
		Example: "  sojourn seed --users 1000000 --sessions 2000000 --tokens tokens.txt\n" +
			"  sojourn seed --users 500000 --sessions 1000000 --events 20000000 --days 365\n" +
			"  sojourn seed --users 1000 --sessions 5000 --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			password := identity.RandomText(32)
			if known {
				var err error
				if password, err = p.readSecret(); err != nil {
					return err
				}
			}
			return p.act(cmd.Context(), func(ctx context.Context, w opened) error {
				return p.seedWith(ctx, w, o, password)
			})
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Users, "users", 0, "how many seeded people the database is to have")
	f.IntVar(&o.Sessions, "sessions", 0, "how many sessions they have together")
	f.IntVar(&o.Events, "events", 0, "how many events tell of them, evenly over the days before now")
	f.IntVar(&o.Days, "days", 0, "for how many days the app has been in use")
	f.BoolVar(&o.IntoUsed, "into-used", false, "seed a database that has people of its own")
	f.StringVar(&o.Tokens, "tokens", "", "write refresh tokens into this file, one a line, for a load test")
	f.IntVar(&o.TokensAtMost, "tokens-at-most", o.TokensAtMost, "how many, evenly from all sessions")
	f.BoolVar(&known, "password-stdin", false, "everyone's password is on the standard input; without, nobody can sign in")
	must(cmd.MarkFlagRequired("users"))
	must(cmd.MarkFlagRequired("sessions"))
	return cmd
}

// seedWith seeds by the settings' lifetimes. One hash does for all: no password is worth more than the others.
func (p *program) seedWith(ctx context.Context, w opened, o simulate.SeedOptions, password string) (err error) {
	if err := identity.CheckPassword(password, "person"+simulate.SeedDomain, w.cfg.OperatorName); err != nil {
		return err
	}
	if o.PasswordHash, err = identity.NewPasswords(identity.HashCost(w.cfg.PasswordCost)).Hash(ctx, password); err != nil {
		return err
	}
	o.Lives = identity.Lifetimes{Idle: w.cfg.SessionIdle, Absolute: w.cfg.SessionAbsolute}
	o.SignInLives = identity.Lifetimes{Idle: w.cfg.SignInIdle, Absolute: w.cfg.SignInAbsolute}
	report, err := simulate.Seed(ctx, w.db, w.keys, o)
	if err != nil {
		return err
	}
	return p.print(report, report.String())
}
