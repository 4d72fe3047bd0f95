package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
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
				o.cfg.Version = version
				s, err := server.New(ctx, o.cfg, o.db, p.logger(o.cfg))
				if err != nil {
					return err
				}
				if err := errors.Join(o.belongs(ctx), o.db.CheckReplica(ctx)); err != nil {
					return err
				}
				return s.Run(ctx)
			})
		},
	}
	p.listenFlags(cmd)
	return cmd
}

// probeWithin bounds a health check: a server that does not answer by then is not well.
const probeWithin = 3 * time.Second

// healthcheck is for images that have no shell to ask with.
func (p *program) healthcheck() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the server with these settings whether it is alive",
		Long:  "Healthcheck asks /healthz of the admin listener, on this machine or in this container, and exits with 1 unless it answers.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load(nil)
			if err != nil {
				return err
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			return p.probe(cmd.Context(), here(cfg.AdminListen), path)
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask /readyz: can it do its work")
	p.setting(cmd, "admin_listen", "host:port of the server's admin listener")
	return cmd
}

// here is where a listener is reached from beside it: one of all addresses is on loopback too.
func here(listen string) string {
	host, port, _ := net.SplitHostPort(listen) // it was validated
	if address, err := netip.ParseAddr(host); host == "" || err == nil && address.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func (p *program) probe(ctx context.Context, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 200))
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, response.Status, strings.TrimSpace(string(said)))
	}
	return p.print(map[string]string{"answer": strings.TrimSpace(string(said))}, strings.TrimSpace(string(said)))
}

// collectRarely lets garbage grow to four times what lives. A server keeps little, and what a request makes is gone with
// it: at Go's own measure the collector would run dozens of times a second for a few megabytes. GOGC overrides it.
// Where a container may have so much and no more, garbage is collected before the process is killed for it; GOMEMLIMIT overrides that.
func (p *program) collectRarely() {
	if p.getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	_, _ = memlimit.Set() // nine tenths of the control group's limit; where there is none to read there is none to keep
}

func (p *program) listenFlags(cmd *cobra.Command) {
	p.setting(cmd, "issuer", "how apps and browsers reach the server, such as https://id.example.com")
	p.setting(cmd, "listen", "host:port of the public listener")
	p.setting(cmd, "admin_listen", "host:port of health checks, metrics and the admin API")
}

func (p *program) migrate() *cobra.Command {
	changeIssuer := false
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date",
		Long:  "Migrate brings the database's schema up to what this program needs. On SQLite every command does so by itself.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load(nil)
			if err != nil {
				return err
			}
			return p.with(cmd.Context(), cfg, func(ctx context.Context, o opened) error {
				if err := p.migrateOne(ctx, o); err != nil || !changeIssuer {
					return err
				}
				return o.db.ChangeIssuer(ctx, cfg.Issuer)
			})
		},
	}
	cmd.Flags().BoolVar(&changeIssuer, "change-issuer", false, "from now on the database's issuer is SOJOURN_ISSUER, whatever it was")
	return cmd
}

func (p *program) migrateOne(ctx context.Context, o opened) error {
	before, target, err := o.db.Pending(ctx)
	if err != nil {
		return err
	}
	if before > target { // said here already: whoever rolls back migrates first, and what runs had better go on
		return schemaAhead(before, target)
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
