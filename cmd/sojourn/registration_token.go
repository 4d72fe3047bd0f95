package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) registrationToken() *cobra.Command {
	uses, ttl := 1, 24*time.Hour
	cmd := &cobra.Command{
		Use:   "registration-token",
		Short: "Make an initial access token, with which apps register themselves (RFC 7591)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if uses < 1 || uses > 1_000_000 {
				return errors.New("--uses: between 1 and 1,000,000")
			}
			if ttl < time.Minute {
				return errors.New("--ttl: at least 1m")
			}
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				expires := o.db.Now().Add(ttl)
				token, err := o.operators().AddRegistrationToken(ctx, uses, expires)
				if err != nil {
					return err
				}
				return p.print(struct {
					Token   string    `json:"token"`
					Uses    int       `json:"uses"`
					Expires time.Time `json:"expires_at"`
				}{token, uses, expires}, token)
			})
		},
	}
	cmd.Flags().IntVar(&uses, "uses", uses, "how many registrations it is good for")
	cmd.Flags().DurationVar(&ttl, "ttl", ttl, "how long it is good")
	return cmd
}
