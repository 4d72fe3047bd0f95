package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) delivery() *cobra.Command {
	return group("delivery", "See and retry what waits for other people's servers", p.deliveryList(), p.deliveryRetry())
}

func (p *program) deliveryList() *cobra.Command {
	var f identity.DeliveryFilter
	var limit int
	cmd := &cobra.Command{
		Use:   "list [--dead]",
		Short: "List logout notices and mails that did not arrive, the oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			f.Limit = limit + 1
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error { return p.listDeliveries(ctx, o, f) })
		},
	}
	cmd.Flags().BoolVar(&f.Dead, "dead", false, "only those that were given up")
	limitFlag(cmd, &limit)
	return cmd
}

func deliveryLine(d identity.ListedDelivery) string {
	line := fmt.Sprintf("%s  %s  %s  since %s, tries: %d", d.ID, d.Kind, cmp.Or(d.ClientID, string(d.Letter), "unreadable"),
		moment(d.CreatedAt), d.Tries)
	if d.DeadAt.IsZero() {
		line += ", next " + moment(d.NextTryAt)
	} else {
		line += ", given up " + moment(d.DeadAt)
	}
	if d.LastError != "" {
		line += ": " + d.LastError
	}
	return line
}

func (p *program) listDeliveries(ctx context.Context, o opened, f identity.DeliveryFilter) error {
	all, err := o.db.Lists().Deliveries(ctx, f)
	if err != nil {
		return err
	}
	l := listing[identity.ListedDelivery, admin.Delivery]{all, f.Limit - 1, admin.NewDelivery, deliveryLine, "Nothing waits."}
	list, text, more := l.cut()
	return p.print(struct {
		Deliveries []admin.Delivery `json:"deliveries"`
		More       bool             `json:"more,omitempty"`
	}{list, more}, text)
}

func (p *program) deliveryRetry() *cobra.Command {
	var dead bool
	cmd := &cobra.Command{
		Use:   "retry ID | retry --dead",
		Short: "Try again now, and then for another day",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dead == (len(args) == 1) {
				return errors.New("say which delivery, or --dead for all that were given up")
			}
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				if dead {
					n, err := o.operators().RetryDead(ctx)
					return p.retried(n, err)
				}
				return p.retryDelivery(ctx, o, args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&dead, "dead", false, "all that were given up")
	return cmd
}

func (p *program) retryDelivery(ctx context.Context, o opened, text string) error {
	id, err := uuid.Parse(text)
	if err != nil {
		return fmt.Errorf("%q is no delivery's id; sojourn delivery list shows them", text)
	}
	err = o.operators().RetryDelivery(ctx, id)
	if identity.KindOf(err) == identity.NotFound {
		return fmt.Errorf("there is no delivery %s: it may have arrived; sojourn delivery list shows what waits", id)
	}
	return p.retried(1, err)
}

func (p *program) retried(n int, err error) error {
	if err != nil {
		return err
	}
	return p.print(admin.Retried{Retried: n}, fmt.Sprintf("Tried again by a server that runs, within a second: %d.", n))
}
