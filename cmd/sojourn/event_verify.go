package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) eventVerify() *cobra.Command {
	var since, noted string
	cmd := &cobra.Command{
		Use:   "verify [--since DAY] [--head 'DAY HEAD']",
		Short: "Show that no event was changed or taken away",
		Long: "Verify reads the Events of every sealed day and compares their number and hashes, kind by kind, with what was sealed\n" +
			"when the day was over (UTC). Each day's head follows from the one before. It says the last head: who notes it elsewhere,\n" +
			"or lets a webhook keep the Events events.sealed, can hold the database to it later by --head, even against somebody\n" +
			"who has all secrets. It exits non-zero when something is not as it was sealed. Today is not sealed yet.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			check, day, err := readCheck(since, noted)
			if err != nil {
				return err
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				check, err := o.db.VerifyEvents(ctx, check, day)
				if err != nil {
					return err
				}
				return p.sayVerified(check)
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "the first day to look at, like 2026-11-28; without it, all")
	cmd.Flags().StringVar(&noted, "head", "", "a day and its head that were noted earlier, like '2026-11-28 9f86d0…'")
	return cmd
}

func readCheck(since, noted string) (check identity.EventCheck, day identity.Day, err error) {
	if since != "" {
		if day, err = identity.ReadDay(since); err != nil {
			return check, day, fmt.Errorf("--since: %w", err)
		}
	}
	if noted == "" {
		return check, day, nil
	}
	when, head, _ := strings.Cut(noted, " ")
	if check.Noted, err = identity.ReadDay(when); err != nil {
		return check, day, fmt.Errorf("--head: %w", err)
	}
	check.NotedHead, err = hex.DecodeString(strings.TrimSpace(head))
	if err != nil || len(check.NotedHead) == 0 {
		return check, day, fmt.Errorf("--head: say the day and then its head, as verify said them")
	}
	if check.Noted < day {
		return check, day, fmt.Errorf("--head: %s is before --since", check.Noted)
	}
	return check, day, nil
}

func (p *program) sayVerified(c identity.EventCheck) error {
	text := "No day is sealed yet."
	if c.Head != nil {
		text = fmt.Sprintf("Looked at %d sealed days with %d events, %d of them erased; of %d kinds and days they went as they had been kept for long enough.\n"+
			"Head: %s %x", c.Days, c.Events, c.Erased, c.Released, c.Last, c.Head)
	}
	if len(c.Problems) == 0 {
		text += "\nEverything is as it was sealed."
	}
	err := p.print(struct {
		Days     int      `json:"days"`
		Events   int      `json:"events"`
		Erased   int      `json:"erased"`
		Released int      `json:"released"`
		Last     string   `json:"last,omitempty"`
		Head     string   `json:"head,omitempty"`
		Problems []string `json:"problems"`
	}{c.Days, c.Events, c.Erased, c.Released, lastDay(c), hex.EncodeToString(c.Head), append([]string{}, c.Problems...)}, text)
	if err == nil && len(c.Problems) > 0 {
		err = fmt.Errorf("not everything is as it was sealed:\n%s", strings.Join(c.Problems, "\n"))
	}
	return err
}

func lastDay(c identity.EventCheck) string {
	if c.Head == nil {
		return ""
	}
	return c.Last.String()
}

func (p *program) eventExport() *cobra.Command {
	var since, until, after string
	cmd := &cobra.Command{
		Use:   "export [--since TIME] [--until TIME] [--after ID]",
		Short: "Write what happened as lines of JSON, the oldest first",
		Long: "Export writes one Event a line, the oldest first, up to a minute ago: what is older changes no more, but for who is\n" +
			"erased. The id of the last line is where the next export goes on, by --after.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) (err error) {
				span := identity.EventSpan{}
				if span.Since, err = sinceTime(since, o.db.Now()); err != nil {
					return err
				}
				if span.Until, err = sinceTime(until, o.db.Now()); err != nil {
					return err
				}
				if after != "" {
					if span.After, err = sessionID(after); err != nil {
						return fmt.Errorf("--after: %q is not the id of an event", after)
					}
				}
				return p.exportEvents(ctx, o, span.Settled(o.db.Now()))
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "only what happened since: 24h, or 2026-11-28, or 2026-11-28T22:00:00Z")
	cmd.Flags().StringVar(&until, "until", "", "only what happened before, said likewise")
	cmd.Flags().StringVar(&after, "after", "", "go on after the event of this id")
	return cmd
}

func (p *program) exportEvents(ctx context.Context, o opened, span identity.EventSpan) error {
	out := json.NewEncoder(p.out)
	out.SetEscapeHTML(false)
	return o.db.WalkEvents(ctx, span, func(events []identity.Event) error {
		for _, e := range events {
			if err := out.Encode(admin.NewEvent(e)); err != nil {
				return err
			}
		}
		return nil
	})
}
