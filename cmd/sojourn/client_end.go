package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// clientChange is a command that changes one client.
func (p *program) clientChange(cmd cobra.Command, change func(context.Context, opened, string) error) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
			return noClient(args[0], change(ctx, o, args[0]))
		})
	}
	return &cmd
}

type disabledJSON struct {
	ID       string `json:"client_id"`
	Disabled bool   `json:"disabled"`
	Changed  bool   `json:"changed"`
}

func (p *program) clientDisable() *cobra.Command {
	return p.clientChange(cobra.Command{
		Use:   "disable ID",
		Short: "Keep an app from everything and end its sessions",
		Long: "Disable ends every session of an app, whoever's it is, and refuses whatever the app asks for until\n" +
			"`sojourn client enable`. Nothing that ended comes back. Browser sign-ins stay.",
	}, func(ctx context.Context, o opened, id string) error {
		changed, err := o.operators().DisableClient(ctx, id)
		if err != nil {
			return err
		}
		sentence := fmt.Sprintf("Disabled %s. Its sessions are over.", id)
		if !changed {
			sentence = id + " was disabled already."
		}
		return p.print(disabledJSON{id, true, changed}, sentence)
	})
}

func (p *program) clientEnable() *cobra.Command {
	return p.clientChange(cobra.Command{
		Use:   "enable ID",
		Short: "Let a disabled app be used again; nothing that ended comes back",
	}, func(ctx context.Context, o opened, id string) error {
		changed, err := o.operators().EnableClient(ctx, id)
		if err != nil {
			return err
		}
		sentence := fmt.Sprintf("Enabled %s.", id)
		if !changed {
			sentence = id + " was not disabled."
		}
		return p.print(disabledJSON{id, false, changed}, sentence)
	})
}

func (p *program) clientDelete() *cobra.Command {
	return p.clientChange(cobra.Command{
		Use:   "delete ID",
		Short: "Delete an app, end its sessions and forget what people allowed it",
		Long: "Delete ends every session of an app and removes it with its consents and documents. It cannot be undone;\n" +
			"`sojourn client disable` can.",
	}, func(ctx context.Context, o opened, id string) error {
		if err := o.operators().DeleteClient(ctx, id); err != nil {
			return err
		}
		return p.print(struct {
			ID      string `json:"client_id"`
			Deleted bool   `json:"deleted"`
		}{id, true}, fmt.Sprintf("Deleted %s. Its sessions are over.", id))
	})
}
