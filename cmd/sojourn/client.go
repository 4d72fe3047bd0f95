package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) client() *cobra.Command {
	return group("client", "Add, change, see, disable and delete apps", p.clientAdd(), p.clientUpdate(), p.clientList(),
		p.clientShow(), p.clientDisable(), p.clientEnable(), p.clientRotateSecret(), p.clientDelete())
}

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
	all, err := o.db.Lists().Clients(ctx, identity.ClientQuery{Limit: limit + 1})
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
	parts := []string{c.ID, strings.Join(standing(c), ", "), "since " + c.CreatedAt.Format(time.DateTime)}
	if c.Name != "" { // people see the id of one without
		parts = slices.Insert(parts, 1, quoted(c.Name))
	}
	return strings.Join(parts, "  ")
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
	if c.TrustedNative {
		words = append(words, "trusted native")
	}
	switch {
	case c.FromDocument():
		words = append(words, "publishes what it is")
	case c.SelfRegistered:
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
		Args:  one,
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
		{"name", quoted(c.Name)},
		{"kind", strings.Join(standing(c), ", ")},
		{"disabled", moment(c.DisabledAt)},
		{"added", moment(c.CreatedAt)},
		{"first used", moment(c.FirstUsedAt)},
		{"document read", moment(c.Published.ReadAt)},
		{"document gone since", moment(c.Published.GoneSince)},
		{"needs", strings.Join(needs(c), ", ")},
		{"rotation", string(c.Rotation)},
		{"redirects", strings.Join(c.RedirectURIs, " ")},
		{"grants", strings.Join(c.GrantTypes, " ")},
		{"scope", c.Scope},
		{"idle", lives(c.Lives.Idle)},
		{"absolute", lives(c.Lives.Absolute)},
		{"logout", c.BackchannelLogoutURI},
	})
}

// needs says what the client or its people must do besides what all do.
func needs(c identity.Client) []string {
	var words []string
	for _, need := range []struct {
		there bool
		word  string
	}{
		{c.DPoPBound, "proofs of its key (DPoP)"}, {c.RequirePKCE, "PKCE"}, {c.RequireMFA, "a second factor"},
	} {
		if need.there {
			words = append(words, need.word)
		}
	}
	return words
}

// quoted is a name between quotation marks, "" for none.
func quoted(name string) string {
	if name == "" {
		return ""
	}
	return strconv.Quote(name)
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

// clientChange is a command that changes one client.
func (p *program) clientChange(cmd cobra.Command, change func(context.Context, opened, string) error) *cobra.Command {
	cmd.Args = one
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
			"`sojourn client disable` can. An app whose id is an address that says what it is would come back by itself:\n" +
			"its row stays, disabled.",
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
