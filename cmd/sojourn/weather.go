package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/weather"
)

// weatherOptions are what `sojourn weather` takes.
type weatherOptions struct {
	weather.Options
	listen, control string
}

func (p *program) weather() *cobra.Command {
	o := weatherOptions{Options: weather.Options{Seed: 1, Speed: 1}}
	cmd := &cobra.Command{
		Use:   "weather --listen HOST:PORT --upstream URL [--profile NAME]",
		Short: "Be a bad network between an app and a server",
		Long: "Weather is a proxy in front of any OAuth server. It loses requests and answers, delivers them twice or late, goes offline\n" +
			"and answers like a captive portal: by a profile and a seed, or as a test asks it to at the control address. It prints\n" +
			"a line for everything that it did, and the sums when it is interrupted.\n\n" +
			"The server's issuer has to be the address at which the app finds the proxy: start it with SOJOURN_ISSUER=http://HOST:PORT.\n\n" +
			"Profiles:\n" + profileList(),
		Example: "  SOJOURN_ISSUER=http://localhost:9000 sojourn serve --listen 127.0.0.1:8080 &\n" +
			"  sojourn weather --listen localhost:9000 --upstream http://127.0.0.1:8080 --profile train --seed 7",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.runWeather(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "", "where apps find it, HOST:PORT")
	f.StringVar(&o.Upstream, "upstream", "", "the server that it stands in front of")
	f.StringVar(&o.Profile, "profile", "", "what it does by itself (default: nothing)")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "the same seed brings the same weather")
	f.Float64Var(&o.Speed, "speed", o.Speed, "how much faster than life tunnels, waits and nights go by")
	f.StringSliceVar(&o.Only, "only", nil, "let the profile have these paths alone, such as /oauth2/token or /me*")
	f.StringVar(&o.control, "control", "", "take faults from tests here, HOST:PORT on loopback")
	for _, flag := range []string{"listen", "upstream"} {
		must(cmd.MarkFlagRequired(flag))
	}
	return cmd
}

func profileList() string {
	var b strings.Builder
	for _, profile := range weather.Profiles {
		fmt.Fprintf(&b, "  %-7s %s\n", profile.Name, profile.About)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// runWeather lets it be until the context ends.
func (p *program) runWeather(ctx context.Context, o weatherOptions) error {
	encoder := json.NewEncoder(p.out)
	o.Tell = func(n weather.Note) {
		if p.json {
			_ = encoder.Encode(n) // who reads has gone, and then there is no one to tell
			return
		}
		fmt.Fprintln(p.out, n)
	}
	proxy, err := weather.New(o.Options)
	if err != nil {
		return fmt.Errorf("--%w", err) // it begins with the option's name
	}
	control, err := controlServer(ctx, proxy, o.control)
	if err != nil {
		return err
	}
	if err := proxy.Start(o.listen); err != nil {
		return errors.Join(err, control.Close())
	}
	fmt.Fprintf(p.err, "sojourn: weather at %s, in front of %s\n", proxy.URL(), o.Upstream)
	<-ctx.Done()
	if err := errors.Join(proxy.Close(), control.Close()); err != nil {
		return err
	}
	summary := proxy.Summary()
	return p.print(map[string]any{"summary": summary}, summary.String())
}

// controlServer answers at the control address, if there is one.
func controlServer(ctx context.Context, proxy *weather.Proxy, address string) (*http.Server, error) {
	s := &http.Server{Handler: proxy.Control(), ReadHeaderTimeout: 10 * time.Second}
	if address == "" {
		return s, nil
	}
	if err := weather.CheckControl(address); err != nil {
		return nil, fmt.Errorf("--control: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--control: %w", err)
	}
	go func() { _ = s.Serve(l) }() // until Close
	return s, nil
}
