package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/identity"
)

// userChange is a command that changes one person's account.
func (p *program) userChange(cmd cobra.Command, change func(context.Context, opened, identity.User) error) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
			user, err := o.userOf(ctx, args[0])
			if err != nil {
				return err
			}
			return change(ctx, o, user)
		})
	}
	return &cmd
}

func (p *program) userLock() *cobra.Command {
	return p.userChange(cobra.Command{
		Use:   "lock ADDRESS",
		Short: "Lock a person's account and end everything that they are signed in with",
		Long: "Lock ends every browser sign-in and every session of a person, and keeps them from signing in until\n" +
			"`sojourn user unlock`. Nothing that ended comes back.",
	}, func(ctx context.Context, o opened, user identity.User) error {
		changed, err := o.operators().Lock(ctx, user.ID)
		if err != nil {
			return err
		}
		sentence := fmt.Sprintf("Locked %s. They are signed out everywhere.", user.Email)
		if !changed {
			sentence = user.Email + " was locked already."
		}
		return p.print(lockJSON{user.ID, user.Email, true, changed}, sentence)
	})
}

type lockJSON struct {
	ID      identity.ID `json:"id"`
	Email   string      `json:"email"`
	Locked  bool        `json:"locked"`
	Changed bool        `json:"changed"`
}

func (p *program) userUnlock() *cobra.Command {
	return p.userChange(cobra.Command{
		Use:   "unlock ADDRESS",
		Short: "Let a person sign in again; nothing that ended comes back",
	}, func(ctx context.Context, o opened, user identity.User) error {
		changed, err := o.operators().Unlock(ctx, user.ID)
		if err != nil {
			return err
		}
		sentence := fmt.Sprintf("Unlocked %s. They sign in anew.", user.Email)
		if !changed {
			sentence = user.Email + " was not locked."
		}
		return p.print(lockJSON{user.ID, user.Email, false, changed}, sentence)
	})
}

func (p *program) userEndSessions() *cobra.Command {
	return p.userChange(cobra.Command{
		Use:   "end-sessions ADDRESS",
		Short: "Sign a person out everywhere",
		Long:  "End-sessions ends every browser sign-in and every session of a person. They may sign in again at once.",
	}, func(ctx context.Context, o opened, user identity.User) error {
		n, err := o.operators().EndAll(ctx, user.ID)
		if err != nil {
			return err
		}
		return p.print(struct {
			ID    identity.ID `json:"id"`
			Email string      `json:"email"`
			Ended int         `json:"sessions_ended"`
		}{user.ID, user.Email, n}, fmt.Sprintf("Signed %s out everywhere. Sessions ended: %d.", user.Email, n))
	})
}

func (p *program) userDelete() *cobra.Command {
	var yes bool
	cmd := p.userChange(cobra.Command{
		Use:   "delete ADDRESS --yes",
		Short: "Delete a person with all that they had",
		Long: "Delete ends every browser sign-in and every session of a person, then deletes the account with its factors,\n" +
			"consents, documents and history. It cannot be undone. `sojourn user lock` can.",
	}, func(ctx context.Context, o opened, user identity.User) error {
		if !yes {
			return fmt.Errorf("deleting %s cannot be undone: say --yes; sojourn user lock can be undone", user.Email)
		}
		if err := o.operators().DeleteUser(ctx, user.ID); err != nil {
			return err
		}
		return p.print(struct {
			ID      identity.ID `json:"id"`
			Email   string      `json:"email"`
			Deleted bool        `json:"deleted"`
		}{user.ID, user.Email, true}, fmt.Sprintf("Deleted %s.", user.Email))
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "yes, for good")
	return cmd
}
