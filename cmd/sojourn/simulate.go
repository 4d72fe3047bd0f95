package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/simulate"
)

func (p *program) simulate() *cobra.Command {
	o := simulate.Options{Devices: 1000, Days: 30, Loss: .05, Parallel: .03, Policy: simulate.Ours, Seed: 1, Wall: time.Now}
	anomalies := simulate.AnomalyOptions{Each: 5}
	var looks bool
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Let simulated phones and thieves refresh for months, in minutes",
		Long: "Simulate puts phones that lose answers, are killed and ask twice, and thieves who copied a token, in front of this\n" +
			"very server, in this process and on a simulated clock. It prints how often people had to sign in again although no one\n" +
			"did anything wrong, and which thieves were found out.\n\n" +
			"It works on temporary SQLite files, or fills an empty PostgreSQL database that --database names; the database that is\n" +
			"configured otherwise is never touched.\n\n" +
			"With --anomalies it lets people sign in, travel and mistype instead, plants takeovers and attacks among them, and prints what\n" +
			"the shipped rules (docs/anomalies.md) found of those. Of the other flags --devices (people), --days and --seed count then.",
		Example: "  sojourn simulate --devices 10000 --days 30 --loss 5% --thieves 500\n" +
			"  sojourn simulate --policy strict --late 0.2% --json\n" +
			"  sojourn simulate --anomalies --devices 500 --days 40",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if looks {
				anomalies.People, anomalies.Days, anomalies.Seed = o.Devices, o.Days, o.Seed
				report, err := simulate.Anomalies(cmd.Context(), anomalies)
				if err != nil {
					return err
				}
				return p.print(report, report.String())
			}
			o.Database, o.Progress = p.flags["database"], p.err
			report, err := simulate.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return p.print(report, report.String())
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Devices, "devices", o.Devices, "how many phones")
	f.IntVar(&o.Days, "days", o.Days, "how many days of their lives")
	f.Var((*share)(&o.Loss), "loss", "how many answers get lost, or are killed with the app")
	f.Var((*share)(&o.Late), "late", "how many requests are delivered minutes after the phone gave up")
	f.Var((*share)(&o.Parallel), "parallel", "how many refreshes are asked twice at once")
	f.IntVar(&o.Thieves, "thieves", 0, "how many phones have their token copied, once each")
	f.BoolVar(&o.Bound, "bound", false, "phones bind their tokens to keys that can't be copied (DPoP)")
	f.StringVar((*string)(&o.Policy), "policy", string(o.Policy),
		"ours, strict, or a reference without a database. window: the usual 30 s grace; latest: 30 s, and each answer takes the place of the\n"+
			"one before; counter: the predecessor is always good for the newest token")
	f.Var((*share)(&o.Stores), "two-stores", "how many apps have two stores that each go on by themselves")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "the same seed brings the same lives")
	f.BoolVar(&looks, "anomalies", false, "plant takeovers and attacks, and print what the rules find of them")
	f.IntVar(&anomalies.Each, "incidents", anomalies.Each, "how many of each kind are planted")
	return cmd
}

func (p *program) loadTest() *cobra.Command {
	o := simulate.LoadOptions{
		RedirectURI: "http://127.0.0.1/callback", Devices: 100, Duration: time.Minute, Rate: 50,
		Loss: .05, Parallel: .03, Seed: 1, Wall: time.Now,
	}
	var totp totpFlags
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
			if o.Password, o.TOTP, err = p.readPassword(totp); err != nil {
				return err
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
	totp.add(cmd)
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
