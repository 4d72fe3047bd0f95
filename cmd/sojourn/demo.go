package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/server"
)

const demoFolder = "sojourn-demo"

// demoSettings differ from the usual ones: everyone may try everything.
var demoSettings = map[string]string{
	"registration": config.Open, "log_level": "warn", "log_format": config.Text,
	"mail_from": "Sojourn demo <no-reply@example.com>",
}

func (p *program) demo() *cobra.Command {
	appListen := "127.0.0.1:8090"
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a server to play with: a user, two apps, and a sample app in the browser",
		Long: "Demo runs a server with a seeded user and a sample app, on this machine alone. It keeps everything in the folder\n" +
			demoFolder + ", whatever database is configured, so that it never touches a real one.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.demoConfig()
			if err != nil {
				return err
			}
			return p.with(cmd.Context(), cfg, func(ctx context.Context, o opened) error { return p.runDemo(ctx, o, appListen) })
		},
	}
	p.listenFlags(cmd)
	cmd.Flags().StringVar(&appListen, "app-listen", appListen, "host:port of the sample app")
	return cmd
}

// demoConfig is the settings with the demo's own folder over them.
func (p *program) demoConfig() (config.Config, error) {
	if p.flags["database"] != "" {
		return config.Config{}, errors.New("--database: the demo always uses its own folder, " + demoFolder)
	}
	p.flags["database"] = "sqlite:" + demoFolder + "/sojourn.db"
	defaults := maps.Clone(demoSettings)
	cfg, err := p.load(defaults)
	if err != nil {
		return cfg, err
	}
	if !cfg.Loopback() {
		return cfg, fmt.Errorf("SOJOURN_ISSUER: %s is not this machine: the demo has a known user, "+
			"so it runs on localhost, 127.0.0.1 or [::1] alone", cfg.Issuer)
	}
	defaults["smtp"] = "print:" // mails appear on the terminal, which only now can be asked for
	return p.load(defaults)
}

func (p *program) runDemo(ctx context.Context, o opened, appListen string) error {
	if err := o.ready(ctx); err != nil {
		return err
	}
	app, err := listenApp(ctx, appListen, o.cfg.Issuer)
	if err != nil {
		return err
	}
	defer app.Close()
	s, err := server.New(ctx, o.cfg, o.db, p.logger(o.cfg))
	if err != nil {
		return err
	}
	who, err := o.seed(ctx)
	if err != nil {
		return err
	}
	s.Handle("/demo", http.RedirectHandler(app.url+"/", http.StatusSeeOther))
	if err := s.Listen(ctx); err != nil {
		return err
	}
	go app.serve(ctx, p.err)
	fmt.Fprint(p.out, who.banner(o.cfg.Issuer, app.url))
	return s.Serve(ctx)
}

// sampleApp is the listener of Notes, on an origin of its own as a real app would have.
type sampleApp struct {
	net.Listener
	url     string
	handler http.Handler
}

func listenApp(ctx context.Context, address, issuer string) (*sampleApp, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--app-listen: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	// Browsers have WebCrypto on localhost although it is http.
	return &sampleApp{listener, "http://localhost:" + port, notes(issuer)}, nil
}

func (a *sampleApp) serve(ctx context.Context, stderr io.Writer) {
	server := &http.Server{Handler: a.handler, ReadHeaderTimeout: readHeaderTimeout}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(a.Listener); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(stderr, "sojourn: the sample app:", err)
	}
}
