package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/server"
)

func (p *program) serve() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.collectRarely()
			p.serves = true
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				s, err := server.New(ctx, o.cfg, o.db, p.logger(o.cfg))
				if err != nil {
					return err
				}
				return s.Run(ctx)
			})
		},
	}
	p.listenFlags(cmd)
	return cmd
}

// collectRarely lets garbage grow to four times what lives. A server keeps little, and what a request makes is gone with
// it: at Go's own measure the collector would run dozens of times a second for a few megabytes. GOGC overrides it.
func (p *program) collectRarely() {
	if p.getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

func (p *program) listenFlags(cmd *cobra.Command) {
	p.setting(cmd, "issuer", "how apps and browsers reach the server, such as https://id.example.com")
	p.setting(cmd, "listen", "host:port of the public listener")
	p.setting(cmd, "admin_listen", "host:port of health checks, metrics and the admin API")
}

func (p *program) migrate() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date",
		Long:  "Migrate brings the database's schema up to what this program needs. On SQLite every command does so by itself.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load(nil)
			if err != nil {
				return err
			}
			return p.with(cmd.Context(), cfg, p.migrateOne)
		},
	}
}

func (p *program) migrateOne(ctx context.Context, o opened) error {
	before, _, err := o.db.Pending(ctx)
	if err != nil {
		return err
	}
	if err := o.db.Migrate(ctx); err != nil {
		return err
	}
	after, _, err := o.db.Pending(ctx)
	if err != nil {
		return err
	}
	sentence := fmt.Sprintf("The schema is at version %d.", after)
	if before < after {
		sentence = fmt.Sprintf("The schema went from version %d to %d.", before, after)
	}
	return p.print(struct {
		Before int64 `json:"before"`
		Now    int64 `json:"schema"`
	}{before, after}, sentence)
}
