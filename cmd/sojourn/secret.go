package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) clientRotateSecret() *cobra.Command {
	var overlap time.Duration
	cmd := p.clientChange(cobra.Command{
		Use:   "rotate-secret ID --secret-stdin [--overlap 24h]",
		Short: "Give an app another secret, while the one before stays good for a while",
		Long: "Rotate-secret ends nothing: the app's sessions go on. After --overlap only the new secret is taken; --overlap 0\n" +
			"is for one that leaked.",
		Example: "  openssl rand -hex 32 | tee secret | sojourn client rotate-secret notes --secret-stdin",
	}, func(ctx context.Context, o opened, id string) error {
		secret, err := p.readClientSecret()
		if err != nil {
			return err
		}
		client, err := o.clientOf(ctx, id)
		if err != nil {
			return err
		}
		if len(client.SecretHash) == 0 {
			return errors.New(id + " has no secret: it is public or signs assertions")
		}
		n := identity.NewClientSecret{ClientID: id, Secret: secret, Overlap: overlap}
		if err := o.operators().RotateSecret(ctx, o.keys, n); err != nil {
			return err
		}
		return p.print(struct {
			ID      string `json:"client_id"`
			Overlap int    `json:"overlap_seconds"`
		}{id, int(overlap / time.Second)}, fmt.Sprintf("%s has another secret. The one before is good for %v.", id, overlap))
	})
	cmd.Flags().Bool("secret-stdin", false, "read the new secret from the standard input")
	must(cmd.MarkFlagRequired("secret-stdin"))
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the secret before stays good, at most 720h")
	return cmd
}
