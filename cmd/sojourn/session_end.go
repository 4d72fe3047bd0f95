package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
)

// endOptions are what `session end` was told.
type endOptions struct {
	sid         string
	device      bool
	from, since string
}

func (p *program) sessionEnd() *cobra.Command {
	var e endOptions
	cmd := &cobra.Command{
		Use:   "end SID [--device] | end --from JOURNAL [--since TIME]",
		Short: "End a session, or again all that a journal says were ended",
		Long: "End ends one session by the id that `sojourn session list` shows, and nothing else: its refresh and access\n" +
			"tokens are refused at once, and its app is told. With --device the browser sign-in that it began from ends too,\n" +
			"and every session that began from that. docs/termination.md says what ends what.\n\n" +
			"With --from it reads the ending journal (SOJOURN_ENDING_JOURNAL) and ends again what lives although it was\n" +
			"ended: after a backup was restored, or a replica promoted that lagged behind. It can be run again at any time.",
		Example: "  sojourn session end --from /var/lib/sojourn/endings.jsonl --since 2026-01-02T15:04:05Z",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				e.sid = args[0]
			}
			if err := e.check(); err != nil {
				return err
			}
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				if e.from != "" {
					return p.replay(ctx, o, e.from, e.since)
				}
				return p.endSession(ctx, o, e)
			})
		},
	}
	cmd.Flags().BoolVar(&e.device, "device", false, "end the browser sign-in too, with all that began from it")
	cmd.Flags().StringVar(&e.from, "from", "", "an ending journal")
	cmd.Flags().StringVar(&e.since, "since", "", "only endings from this time on, like 2026-01-02T15:04:05Z")
	return cmd
}

func (e endOptions) check() error {
	switch {
	case (e.sid == "") == (e.from == ""):
		return errors.New("say which session, or --from which journal: sojourn session end SID")
	case e.from == "" && e.since != "":
		return errors.New("--since goes with --from")
	case e.from != "" && e.device:
		return errors.New("--device goes with a session's id")
	}
	return nil
}

func (p *program) endSession(ctx context.Context, o opened, e endOptions) error {
	id, err := sessionID(e.sid)
	if err != nil {
		return err
	}
	n, err := o.operators().EndSession(ctx, id, e.device)
	if err != nil {
		return noSession(id, err)
	}
	sentence := fmt.Sprintf("Ended %s.", id)
	switch {
	case n == 0:
		sentence = fmt.Sprintf("%s was over already.", id)
	case e.device:
		sentence = fmt.Sprintf("Ended the device of %s. Sessions ended: %d.", id, n)
	}
	return p.print(admin.NewEnded(id, n, e.device), sentence)
}
