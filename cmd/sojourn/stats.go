package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/identity"
)

// days are a first and a last one, as they were typed.
type days struct{ from, to string }

func (d *days) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.from, "from", "", "the first day, like 2026-11-01 (default: 29 days before the last)")
	cmd.Flags().StringVar(&d.to, "to", "", "the last day (default: today)")
}

func (d days) read() (from, to identity.Day, err error) {
	for _, day := range []struct {
		flag, text string
		into       *identity.Day
	}{{"from", d.from, &from}, {"to", d.to, &to}} {
		if day.text == "" {
			continue
		}
		if *day.into, err = identity.ReadDay(day.text); err != nil {
			return 0, 0, fmt.Errorf("--%s: %q is not a day like 2026-11-29", day.flag, day.text)
		}
	}
	return from, to, nil
}

func (p *program) stats() *cobra.Command {
	var d days
	var q identity.StatsQuery
	var by, format string
	cmd := &cobra.Command{
		Use:   "stats [--from DAY] [--to DAY] [--client ID] [--platform NAME] [--app-version VERSION] [--by client|platform|version] [--format csv|jsonl]",
		Short: "See how sessions fare and who uses the apps, day by day",
		Long: "Stats prints the numbers of some days: who had to sign in again and why, what was absorbed, who used the apps and for\n" +
			"how long. They are of nobody in particular; of a part of fewer than five devices nothing is told. docs/analytics.md says\n" +
			"what each number counts. SOJOURN_TIMEZONE says where days begin.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if q.From, q.To, err = d.read(); err != nil {
				return err
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				if format != "" && format != "csv" && format != "jsonl" || format != "" && by != "" {
					return errors.New("--format is csv or jsonl, and of the numbers of days: without --by")
				}
				if by != "" {
					return p.printGroups(ctx, o, q, identity.GroupBy(by))
				}
				stats, err := o.db.Lists().Stats(ctx, q)
				switch {
				case err != nil:
					return err
				case format != "":
					return p.printLines(stats.Lines(), format)
				}
				return p.print(stats, statsText(stats))
			})
		},
	}
	d.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&q.ClientID, "client", "", "only this app")
	f.StringVar(&q.Platform, "platform", "", "only this platform, like Android")
	f.StringVar(&q.Version, "app-version", "", "only this version of --client")
	f.StringVar(&by, "by", "", "all, or --client, in parts: client, platform or version")
	f.StringVar(&format, "format", "", "every number of every day, a line each: csv or jsonl")
	cmd.AddCommand(p.statsRecompute())
	return cmd
}

func (p *program) statsRecompute() *cobra.Command {
	var d days
	cmd := &cobra.Command{
		Use:   "recompute --from DAY [--to DAY]",
		Short: "Make the numbers of days anew from what sessions and events say now",
		Long: "Recompute makes the numbers of the last 30 days, or of some of them, anew. They come out as they were, but for people who\n" +
			"were deleted since and for apps that were updated. What was counted as it happened, as refreshes are, stays as it is.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, err := d.read()
			if err != nil {
				return err
			}
			if from == 0 {
				return errors.New("say --from which day, like 2026-11-01")
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				from, to, err := o.db.Recompute(ctx, from, to)
				if err != nil {
					return err
				}
				return p.print(map[string]identity.Day{"from": from, "to": to}, fmt.Sprintf("Made anew: %s to %s.", from, to))
			})
		},
	}
	d.flags(cmd)
	return cmd
}

// printLines prints numbers for other programs.
func (p *program) printLines(all identity.StatLines, format string) error {
	if format == "csv" {
		return all.WriteSheet(p.out)
	}
	encoder := json.NewEncoder(p.out)
	for _, line := range all {
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) printGroups(ctx context.Context, o opened, q identity.StatsQuery, by identity.GroupBy) error {
	groups, err := o.db.Lists().StatGroups(ctx, q, by)
	if err != nil {
		return err
	}
	var lines []string
	for _, g := range groups.Groups {
		lines = append(lines, fmt.Sprintf("%-24q devices %d, sessions living %d, refreshes %d, absorbed %d, forced sign-ins %s of 1,000 device-days",
			g.Name, g.Devices, g.Living, g.Refreshes, g.Absorbed, rateText(g.ForcedRate)))
	}
	if groups.Small > 0 {
		lines = append(lines, fmt.Sprintf("Left out, with fewer than %d devices or beside one that has: %d.", identity.SmallGroup, groups.Small))
	}
	if len(lines) == 0 {
		lines = []string{"No day has numbers yet."}
	}
	return p.print(groups, strings.Join(lines, "\n"))
}

func rateText(rate float64) string {
	if rate < 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", rate)
}

func statsText(s identity.Stats) string {
	title := fmt.Sprintf("%s to %s (%s), final up to %s", s.From, s.To, s.Zone, s.Settled)
	if s.Settled == 0 {
		title = fmt.Sprintf("%s to %s (%s), none of them final", s.From, s.To, s.Zone)
	}
	if s.Withheld {
		return title + fmt.Sprintf("\nFewer than %d devices: nothing is told of so few.", identity.SmallGroup)
	}
	h, e := s.Health, s.Engagement
	return title + "\n" + details([][2]string{
		{"forced", fmt.Sprintf("%d sign-ins that nobody asked for, %s of 1,000 device-days", h.Forced.Sum(), rateText(h.ForcedRate))},
		{"by cause", causesText(h.ForcedBy)},
		{"absorbed", fmt.Sprintf("%d lost answers, %s of 1,000 refreshes", h.Absorbed.Sum(), rateText(h.AbsorbedRate))},
		{"reuse", fmt.Sprintf("%d caught, half of them within %s", h.ReuseCaught.Sum(), within(h.ReuseAfter))},
		{"refreshes", fmt.Sprintf("every %s, by the median", within(h.RefreshAge))},
		{"sessions", fmt.Sprintf("%d began, %d ended, %d live", e.Begun.Sum(), e.Ended.Sum(), e.Living.Last())},
		{"ended by", causesText(e.EndedBy)},
		{"length", lengthText(e.Length)},
		{"people", fmt.Sprintf("%d on the last day, %d in 7, %d in 30; %d came back", e.Users.Last(), e.Users7.Last(), e.Users30.Last(), e.Returning.Last())},
		{"devices", fmt.Sprintf("%d on the last day, %d in 7, %d in 30", e.Devices.Last(), e.Devices7.Last(), e.Devices30.Last())},
		{"sign-ins", funnelText(h.Funnel)},
	})
}

func within(h identity.Histogram) string { return spanText(h.Percentile(.5)) }

// spanText says a length of time in its largest unit.
func spanText(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	}
	return d.Round(time.Second).String()
}

func lengthText(l identity.Length) string {
	var parts []string
	for _, p := range []struct {
		share   string
		seconds int64
	}{{"half", l.P50}, {"three quarters", l.P75}, {"nine tenths", l.P90}} {
		if p.seconds > 0 {
			parts = append(parts, p.share+" are over after "+spanText(time.Duration(p.seconds)*time.Second))
		}
	}
	if len(parts) == 0 {
		return "more than half last longer than was seen"
	}
	return strings.Join(parts, ", ")
}

func causesText(all identity.ByCause) string {
	var parts []string
	for _, cause := range slices.Sorted(maps.Keys(all)) {
		if n := all[cause].Sum(); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", cause, n))
		}
	}
	return strings.Join(parts, ", ")
}

func funnelText(stages []identity.Stage) string {
	var parts []string
	for _, s := range stages {
		if s.Reached > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s.Step, s.Reached))
		}
	}
	return strings.Join(parts, " → ")
}
