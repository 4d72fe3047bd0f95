package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) cases() *cobra.Command {
	return group("case", "See what rules found and did something about, and say what it was", p.caseList(), p.caseClose())
}

func (p *program) caseList() *cobra.Command {
	var state string
	var limit int
	cmd := &cobra.Command{
		Use:   "list [--state open|closed]",
		Short: "List cases, the newest first",
		Long:  "List shows what rules found and did something about; what they only noted is in: sojourn event list --kind anomaly.found",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			picked, err := identity.ReadCaseState(state)
			if err != nil {
				return err
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				all, err := o.db.Lists().Cases(ctx, identity.CaseQuery{State: picked, Limit: limit + 1})
				if err != nil {
					return err
				}
				l := listing[identity.Case, admin.Case]{all, limit, admin.NewCase, caseLine, "There is no case."}
				list, text, more := l.cut()
				return p.print(struct {
					Cases []admin.Case `json:"cases"`
					More  bool         `json:"more,omitempty"`
				}{list, more}, text)
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only those that are open, or closed")
	limitFlag(cmd, &limit)
	return cmd
}

func caseLine(c identity.Case) string {
	shown := admin.NewCase(c)
	parts := []string{shown.ID.String(), shown.At.Format(time.DateTime), string(shown.State), c.Found.Detail}
	if !c.Open() {
		parts = append(parts, "closed by "+shown.ClosedBy, shown.Reason)
	}
	return strings.Join(parts, "  ")
}

func (p *program) caseClose() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "close ID --reason R",
		Short: "Close a case, and say what it was",
		Args:  one,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				id, err := caseID(args[0])
				if err != nil {
					return err
				}
				changed, err := o.operators().CloseCase(ctx, id, reason)
				if identity.KindOf(err) == identity.NotFound {
					return noCase(args[0])
				}
				if err != nil {
					return err
				}
				said := "Closed."
				if !changed {
					said = "It was closed already."
				}
				return p.print(struct {
					ID      identity.ID `json:"id"`
					Changed bool        `json:"changed"`
				}{id, changed}, said)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "what it was; it stands in the Event")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func caseID(text string) (id identity.ID, err error) {
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return id, noCase(text)
	}
	return id, nil
}

func noCase(text string) error {
	return fmt.Errorf("there is no case %q; sojourn case list shows them", text)
}
