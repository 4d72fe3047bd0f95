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

func (p *program) clientList() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "list [--limit N]",
		Short: "List the apps, disabled ones too",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error { return p.listClients(ctx, o, limit) })
		},
	}
	limitFlag(cmd, &limit)
	return cmd
}

func (p *program) listClients(ctx context.Context, o opened, limit int) error {
	all, err := o.db.Clients(ctx, identity.ClientQuery{Limit: limit + 1})
	if err != nil {
		return err
	}
	l := listing[identity.Client, admin.Client]{all, limit, admin.NewClient, clientLine, "There are no clients yet."}
	list, text, more := l.cut()
	return p.print(struct {
		Clients []admin.Client `json:"clients"`
		More    bool           `json:"more,omitempty"`
	}{list, more}, text)
}

func clientLine(c identity.Client) string {
	return fmt.Sprintf("%s  %q  %s  since %s", c.ID, c.Name, strings.Join(standing(c), ", "), c.CreatedAt.Format(time.DateTime))
}

// standing says what kind of client it is.
func standing(c identity.Client) []string {
	words := []string{"confidential"}
	if c.Public() {
		words[0] = "public"
	}
	if c.Trusted {
		words = append(words, "trusted")
	}
	if c.SelfRegistered {
		words = append(words, "registered itself")
	}
	if !c.DisabledAt.IsZero() {
		words = append(words, "disabled")
	}
	return words
}

func (p *program) clientShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show an app as it is registered",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				client, err := o.clientOf(ctx, args[0])
				if err != nil {
					return err
				}
				return p.print(admin.NewClient(client), clientText(client))
			})
		},
	}
}

func clientText(c identity.Client) string {
	lives := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	return details([][2]string{
		{"client", c.ID},
		{"name", fmt.Sprintf("%q", c.Name)},
		{"kind", strings.Join(standing(c), ", ")},
		{"disabled", moment(c.DisabledAt)},
		{"added", moment(c.CreatedAt)},
		{"first used", moment(c.FirstUsedAt)},
		{"redirects", strings.Join(c.RedirectURIs, " ")},
		{"grants", strings.Join(c.GrantTypes, " ")},
		{"scope", c.Scope},
		{"idle", lives(c.Lives.Idle)},
		{"absolute", lives(c.Lives.Absolute)},
		{"logout", c.BackchannelLogoutURI},
	})
}

// clientOf finds a client, disabled or not, by its id as it was typed.
func (o opened) clientOf(ctx context.Context, id string) (identity.Client, error) {
	client, err := o.db.RegisteredClient(ctx, id)
	return client, noClient(id, err)
}

// noClient says in one line that a client is not there.
func noClient(id string, err error) error {
	if identity.KindOf(err) == identity.NotFound {
		return fmt.Errorf("there is no client %q; sojourn client list shows them", id)
	}
	return err
}
