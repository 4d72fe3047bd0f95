package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

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
			d.Attributes = merged(d.Attributes, said)
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

// readAttributes reads NAME=VALUE; a name that comes more than once has all of its values.
func readAttributes(flags []string) (map[string][]string, error) {
	said := map[string][]string{}
	for _, flag := range flags {
		name, value, ok := strings.Cut(flag, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--attribute %s: write NAME=VALUE", flag)
		}
		said[name] = append(said[name], value)
	}
	return said, nil
}

// merged are the attributes with others in their place.
func merged(before map[string]any, said map[string][]string) map[string]any {
	after := maps.Clone(before)
	if after == nil {
		after = map[string]any{}
	}
	for name, values := range said {
		switch {
		case len(values) == 1 && values[0] == "":
			delete(after, name)
		case len(values) == 1:
			after[name] = values[0]
		default:
			after[name] = values
		}
	}
	return after
}
