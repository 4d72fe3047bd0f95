package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/server"
)

func (p *program) webhook() *cobra.Command {
	return group("webhook", "Tell programs of yours what happens", p.webhookAdd(), p.webhookList(), p.webhookRemove(), p.webhookReplay(), p.webhookRotate())
}

func (o opened) webhooks() identity.Webhooks { return server.Webhooks(o.db, o.cfg.Loopback()) }

func (p *program) webhookAdd() *cobra.Command {
	var w identity.Webhook
	var kinds []string
	cmd := &cobra.Command{
		Use:   "add NAME --url URL [--kind KIND]…",
		Short: "Have a program told of Events, and print the secret that signs them, this once",
		Long: "Add has every Event from now on posted to an address, signed as Standard Webhooks says, until it is answered 2xx.\n" +
			"docs/webhooks.md says what comes.",
		Args: one,
		RunE: func(cmd *cobra.Command, args []string) error {
			w.Name = args[0]
			for _, kind := range kinds {
				w.Kinds = append(w.Kinds, identity.EventKind(kind))
			}
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				secret, err := o.webhooks().Add(ctx, &w)
				if err != nil {
					return err
				}
				shown := admin.NewWebhook(w)
				shown.Secret = secret
				return p.print(shown, secret)
			})
		},
	}
	cmd.Flags().StringVar(&w.URL, "url", "", "where it is, by https")
	cmd.Flags().StringArrayVar(&kinds, "kind", nil, "an Event that it is told of, like session.ended; without any, all but forks")
	_ = cmd.MarkFlagRequired("url")
	return cmd
}

func (p *program) webhookList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the webhooks, without their secrets",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				all, err := o.webhooks().All(ctx)
				if err != nil {
					return err
				}
				list, lines := make([]admin.Webhook, len(all)), make([]string, len(all))
				for i, w := range all {
					list[i], lines[i] = admin.NewWebhook(w), webhookLine(w)
				}
				return p.print(struct {
					Webhooks []admin.Webhook `json:"webhooks"`
				}{list}, cmp.Or(strings.Join(lines, "\n"), "There is no webhook."))
			})
		},
	}
}

func webhookLine(w identity.Webhook) string {
	kinds := make([]string, len(w.Kinds))
	for i, kind := range w.Kinds {
		kinds[i] = string(kind)
	}
	line := fmt.Sprintf("%s  %s  %s", w.Name, w.URL, cmp.Or(strings.Join(kinds, " "), "all"))
	if !w.MissedSince.IsZero() {
		line += ", missed some since " + moment(w.MissedSince) + ": sojourn webhook replay"
	}
	return line
}

func (p *program) webhookRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Tell a program nothing more; what waits for it is forgotten",
		Args:  one,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				if err := noWebhook(o.webhooks().Remove(ctx, args[0]), args[0]); err != nil {
					return err
				}
				return p.print(struct {
					Name    string `json:"name"`
					Removed bool   `json:"removed"`
				}{args[0], true}, fmt.Sprintf("Removed %s.", args[0]))
			})
		},
	}
}

func noWebhook(err error, name string) error {
	if identity.KindOf(err) == identity.NotFound {
		return fmt.Errorf("there is no webhook %q; sojourn webhook list shows them", name)
	}
	return err
}

func (p *program) webhookRotate() *cobra.Command {
	var overlap time.Duration
	cmd := &cobra.Command{
		Use:   "rotate NAME [--overlap 24h]",
		Short: "Give a webhook another secret, and print it, this once",
		Long: "Rotate signs what the program is told with another secret. For --overlap the one before signs it as well: give the program\n" +
			"the new one meanwhile. --overlap 0 is for a secret that leaked.",
		Args: one,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				secret, until, err := o.webhooks().Rotate(ctx, args[0], overlap)
				if err != nil {
					return noWebhook(err, args[0])
				}
				return p.print(admin.RotatedWebhook{Name: args[0], Secret: secret, FormerUntil: until}, secret)
			})
		},
	}
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the secret before signs too, at most 720h")
	return cmd
}

func (p *program) webhookReplay() *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "replay NAME --since TIME",
		Short: "Tell a program once more of all that happened since a time",
		Long: "Replay tells of Events again, the oldest first, under the same ids: a program that keeps those takes each once.\n" +
			"At most 50,000 wait at once; the command says from when on to replay the rest.",
		Args: one,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				at, err := sinceTime(since, o.db.Now())
				if err != nil {
					return err
				}
				if at.IsZero() {
					return errors.New("--since: say from when on, like 24h or 2026-11-28")
				}
				done, err := o.webhooks().Replay(ctx, args[0], at)
				if err != nil {
					return noWebhook(err, args[0])
				}
				said := fmt.Sprintf("Told again by a server that runs: %d.", done.Events)
				if !done.Until.IsZero() {
					said += " There is more: when these have arrived, replay --since " + done.Until.Format("2006-01-02T15:04:05Z") + "."
				}
				return p.print(admin.Replayed(done), said)
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "24h, or 2026-11-28, or 2026-11-28T22:00:00Z")
	return cmd
}
