package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) userSet() *cobra.Command {
	var attributes, groups []string
	var cmd *cobra.Command
	cmd = p.userChange(cobra.Command{
		Use:   "set ADDRESS [--attribute NAME=VALUE] [--group NAME]",
		Short: "Say of a person what SOJOURN_CLAIMS makes claims of",
		Long: "Set changes the attributes that it names, and nothing else; NAME= takes one away, and a name that repeats gets a list.\n" +
			"Groups take the place of those before; --group '' empties them. What was issued stays as it is: the next tokens say it.",
		Example: "  sojourn user set ada@example.com --attribute tenant=acme --group admins --group staff",
	}, func(ctx context.Context, o opened, user identity.User) error {
		said, err := readAttributes(attributes)
		if err != nil {
			return err
		}
		regrouped := cmd.Flags().Changed("group")
		if len(said) == 0 && !regrouped {
			return errors.New("say what to change: --attribute NAME=VALUE or --group NAME")
		}
		after, err := o.operators().Describe(ctx, user.ID, func(d identity.Described) identity.Described {
			d = d.Patched(said)
			if regrouped {
				d.Groups = slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return g == "" })
			}
			return d
		})
		if err != nil {
			return err
		}
		return p.print(struct {
			ID    identity.ID `json:"id"`
			Email string      `json:"email"`
			identity.Described
		}{user.ID, user.Email, after}, fmt.Sprintf("Changed what is said of %s.", user.Email))
	})
	cmd.Flags().StringArrayVar(&attributes, "attribute", nil, "NAME=VALUE; may be repeated")
	cmd.Flags().StringArrayVar(&groups, "group", nil, "a group that the person is in; may be repeated")
	return cmd
}

// readAttributes reads NAME=VALUE as a patch: a name that comes more than once has all of its values, one without a value goes.
func readAttributes(flags []string) (map[string]any, error) {
	said := map[string][]string{}
	for _, flag := range flags {
		name, value, ok := strings.Cut(flag, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--attribute %s: write NAME=VALUE", flag)
		}
		said[name] = append(said[name], value)
	}
	patch := map[string]any{}
	for name, values := range said {
		switch {
		case len(values) == 1 && values[0] == "":
			patch[name] = nil
		case len(values) == 1:
			patch[name] = values[0]
		default:
			patch[name] = values
		}
	}
	return patch, nil
}

func (p *program) userRole() *cobra.Command {
	var typed string
	cmd := p.userChange(cobra.Command{
		Use:    "role ADDRESS reader|support|operator|none",
		Short:  "Say what a person may do at the operators' desk",
		PreRun: func(_ *cobra.Command, args []string) { typed = args[1] },
		Long: "Role lets a person into the pages of the admin listener: a reader sees, support acts on persons, an operator acts on\n" +
			"everything. They sign in with their account, and need a second factor. What they have open at the desk is over at once;\n" +
			"nothing else of theirs ends.",
		Example: "  sojourn user role ada@example.com support",
	}, func(ctx context.Context, o opened, user identity.User) error {
		role, err := identity.ReadRole(typed)
		if err != nil {
			return err
		}
		changed, err := identity.Offices{Store: o.db, Now: o.db.Now}.Set(ctx, user.ID, role)
		if err != nil {
			return err
		}
		sentence := fmt.Sprintf("The role of %s at the desk is %s.", user.Email, role)
		if !changed {
			sentence = fmt.Sprintf("The role of %s was %s already.", user.Email, role)
		}
		return p.print(admin.ChangedRole{ID: user.ID, Email: user.Email, Role: role.String(), Changed: changed}, sentence)
	})
	cmd.Args = two
	return cmd
}

func (p *program) userSendReset() *cobra.Command {
	return p.userMailed(cobra.Command{
		Use:   "send-reset ADDRESS",
		Short: "Mail a person a link to choose a new password",
		Long:  "Send-reset has a running server mail the link that whoever forgot a password asks for. Nothing changes before it is followed.",
	}, func(o opened) func(context.Context, identity.ID) error { return o.operators().SendReset })
}

func (p *program) userSendConfirm() *cobra.Command {
	return p.userMailed(cobra.Command{
		Use:   "send-confirmation ADDRESS",
		Short: "Mail a person a link to confirm the address of their account",
		Long:  "Send-confirmation has a running server mail the link by which a person confirms that the address is theirs.",
	}, func(o opened) func(context.Context, identity.ID) error { return o.operators().SendConfirm })
}

// userMailed is a command that has a mail sent to a person, named like what stands in the Event.
func (p *program) userMailed(cmd cobra.Command, send func(opened) func(context.Context, identity.ID) error) *cobra.Command {
	return p.reasoned(cmd, func(ctx context.Context, o opened, user identity.User, reason string) error {
		act := identity.Act{What: cmd.Name(), Reason: reason, UserID: user.ID}
		err := o.operators().Because(ctx, act, func(ctx context.Context) error { return send(o)(ctx, user.ID) })
		if err != nil {
			return err
		}
		return p.print(emailJSON{user.ID, user.Email, false}, fmt.Sprintf("A mail to %s is on its way, by a server that runs.", user.Email))
	})
}
