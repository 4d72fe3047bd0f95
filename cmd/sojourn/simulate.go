package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/simulate"
)

func (p *program) simulate() *cobra.Command {
	o := simulate.Options{Devices: 1000, Days: 30, Loss: .05, Parallel: .03, Policy: simulate.Ours, Seed: 1, Wall: time.Now}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Let simulated phones and thieves refresh for months, in minutes",
		Long: "Simulate puts phones that lose answers, are killed and ask twice, and thieves who copied a token, in front of this\n" +
			"very server, in this process and on a simulated clock. It prints how often people had to sign in again although no one\n" +
			"did anything wrong, and which thieves were found out.\n\n" +
			"It works on temporary SQLite files, or fills an empty PostgreSQL database that --database names; the database that is\n" +
			"configured otherwise is never touched.",
		Example: "  sojourn simulate --devices 10000 --days 30 --loss 5% --thieves 500\n" +
			"  sojourn simulate --policy strict --late 0.2% --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
	f.StringVar((*string)(&o.Policy), "policy", string(o.Policy),
		"ours, strict, or window: the usual 30 s grace as a reference, without a database")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "the same seed brings the same lives")
	return cmd
}
