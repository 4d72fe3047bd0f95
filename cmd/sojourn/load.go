package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/simulate"
)

func (p *program) loadTest() *cobra.Command {
	o := simulate.LoadOptions{
		RedirectURI: "http://127.0.0.1/callback", Devices: 100, Duration: time.Minute, Rate: 50,
		Loss: .05, Parallel: .03, Seed: 1, Wall: time.Now,
	}
	var totp string
	cmd := &cobra.Command{
		Use:   "load --target URL --client ID --email ADDRESS --password-stdin",
		Short: "Let phones refresh against a running server, over a network that cuts connections",
		Long: "Load signs a person in through the pages of a running server, as many times as there are devices, and lets these\n" +
			"refresh at a rate and for a while, losing answers on the way. It prints how long answers took and whether anyone had to\n" +
			"sign in again, and ends the sessions that it began.",
		Example: "  echo 'a long password' | sojourn load --target http://localhost:8080 --client notes \\\n" +
			"    --email ada@example.com --password-stdin --devices 500 --rate 200 --duration 60s",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Password, err = p.readSecret(); err != nil {
				return err
			}
			if totp != "" {
				if o.TOTP, err = mfa.ParseSecret(totp); err != nil {
					return fmt.Errorf("--totp-secret: %w", err)
				}
			}
			report, err := simulate.Load(cmd.Context(), o)
			if err != nil {
				return err
			}
			return p.print(report, report.String())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Target, "target", "", "the server's issuer")
	f.BoolVar(&o.Mine, "i-own-this-server", false, "the target is another machine, and yours")
	f.StringVar(&o.ClientID, "client", "", "the client_id of a public app")
	f.StringVar(&o.RedirectURI, "redirect-uri", o.RedirectURI, "one that the app registered; nothing needs to listen there")
	f.StringVar(&o.Email, "email", "", "the address of the person who signs in")
	f.StringVar(&totp, "totp-secret", "", "Base32 secret of the person's authenticator, where there is one")
	f.IntVar(&o.Devices, "devices", o.Devices, "how many phones")
	f.DurationVar(&o.Duration, "duration", o.Duration, "for how long")
	f.Float64Var(&o.Rate, "rate", o.Rate, "refreshes per second, of all phones together")
	f.Var((*share)(&o.Loss), "loss", "how many connections are cut once the request is sent")
	f.Var((*share)(&o.Parallel), "parallel", "how many refreshes are asked twice at once")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "decides what happens to which phone, as far as the network does not")
	for _, flag := range []string{"target", "client", "email"} {
		must(cmd.MarkFlagRequired(flag))
	}
	passwordFlag(cmd)
	return cmd
}
