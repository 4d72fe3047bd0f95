package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) adminToken() *cobra.Command {
	return group("admin-token", "Make and remove the tokens that open the admin API",
		p.adminTokenAdd(), p.adminTokenList(), p.adminTokenRemove())
}

func (o opened) adminTokens() identity.AdminTokens {
	return identity.AdminTokens{Store: o.db, Now: o.db.Now}
}

func (p *program) adminTokenAdd() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a token for the admin API and print it, this once",
		Long: "Add prints a token that lets its holder do through the admin API (SOJOURN_ADMIN_LISTEN, /api/) what these\n" +
			"commands do. Its name stands in every Event of what is done with it: give each program its own. With the role reader it\n" +
			"sees; with support it acts on persons who have no role at the desk, too.",
		Args: one,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				token, err := o.adminTokens().Add(ctx, args[0], identity.Role(role))
				if identity.KindOf(err) == identity.Conflict {
					return fmt.Errorf("there is an admin token %s already: choose another name, or remove it", args[0])
				}
				if err != nil {
					return err
				}
				return p.print(struct {
					Name  string        `json:"name"`
					Role  identity.Role `json:"role"`
					Token string        `json:"token"`
				}{args[0], identity.Role(role), token}, token)
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", string(identity.RoleOperator), "what it may do: reader, support or operator")
	return cmd
}

type adminTokenJSON struct {
	Name       string        `json:"name"`
	Role       identity.Role `json:"role"`
	CreatedAt  time.Time     `json:"created_at"`
	LastUsedAt time.Time     `json:"last_used_at,omitzero"`
}

func (p *program) adminTokenList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the tokens, without what they are",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				all, err := o.adminTokens().All(ctx)
				if err != nil {
					return err
				}
				return p.printAdminTokens(all)
			})
		},
	}
}

func (p *program) printAdminTokens(all []identity.AdminToken) error {
	list, lines := make([]adminTokenJSON, len(all)), make([]string, len(all))
	for i, t := range all {
		list[i] = adminTokenJSON(t)
		lines[i] = fmt.Sprintf("%s  %s  made %s, last used %s", t.Name, t.Role, moment(t.CreatedAt), cmp.Or(moment(t.LastUsedAt), "never"))
	}
	return p.print(struct {
		Tokens []adminTokenJSON `json:"tokens"`
	}{list}, cmp.Or(strings.Join(lines, "\n"), "There is no admin token: nobody can use the admin API."))
}

func (p *program) adminTokenRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Make a token worthless at once",
		Args:  one,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				err := o.adminTokens().Remove(ctx, args[0])
				if identity.KindOf(err) == identity.NotFound {
					return fmt.Errorf("there is no admin token %q; sojourn admin-token list shows them", args[0])
				}
				if err != nil {
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

func (p *program) registrationToken() *cobra.Command {
	uses, ttl := 1, 24*time.Hour
	cmd := &cobra.Command{
		Use:   "registration-token",
		Short: "Make an initial access token, with which apps register themselves (RFC 7591)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				token, expires, err := o.operators().AddRegistrationToken(ctx, uses, ttl)
				if err != nil {
					return err
				}
				return p.print(admin.RegistrationToken{Token: token, Uses: uses, Expires: expires}, token)
			})
		},
	}
	cmd.Flags().IntVar(&uses, "uses", uses, "how many registrations it is good for")
	cmd.Flags().DurationVar(&ttl, "ttl", ttl, "how long it is good")
	return cmd
}
