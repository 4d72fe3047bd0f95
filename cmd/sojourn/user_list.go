package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) userList() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "list [--limit N]",
		Short: "List people, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error { return p.listUsers(ctx, o, limit) })
		},
	}
	limitFlag(cmd, &limit)
	return cmd
}

func (p *program) listUsers(ctx context.Context, o opened, limit int) error {
	all, err := o.db.Accounts(ctx, identity.AccountQuery{Limit: limit + 1})
	if err != nil {
		return err
	}
	l := listing[identity.Account, admin.User]{all, limit, admin.NewUser, userLine, "There are no users yet."}
	list, text, more := l.cut()
	return p.print(struct {
		Users []admin.User `json:"users"`
		More  bool         `json:"more,omitempty"`
	}{list, more}, text)
}

func userLine(a identity.Account) string {
	line := fmt.Sprintf("%s  %s  added %s, sessions: %d", a.Email, a.ID, a.CreatedAt.Format(time.DateTime), a.Sessions)
	if !a.DisabledAt.IsZero() {
		line += ", locked"
	}
	return line
}

func (p *program) userShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show ADDRESS",
		Short: "Show a person's account",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				account, err := o.accountOf(ctx, args[0])
				if err != nil {
					return err
				}
				return p.print(admin.NewUser(account), userText(account))
			})
		},
	}
}

func userText(a identity.Account) string {
	u := admin.NewUser(a)
	verified := ""
	if !u.EmailVerified {
		verified = " (not verified)"
	}
	name := ""
	if u.Name != "" {
		name = fmt.Sprintf("%q", u.Name)
	}
	return details([][2]string{
		{"user", u.Email + verified},
		{"id", u.ID.String()},
		{"sub", u.Sub},
		{"name", name},
		{"locked", moment(u.LockedAt)},
		{"factors", strings.Join(u.Factors, " ")},
		{"codes left", fmt.Sprint(u.CodesLeft)},
		{"sessions", fmt.Sprint(u.Sessions)},
		{"added", moment(u.CreatedAt)},
		{"password", "set " + moment(u.PasswordSetAt)},
	})
}

// userOf finds a person by the address as it was typed.
func (o opened) userOf(ctx context.Context, address string) (identity.User, error) {
	email, err := identity.CleanEmail(address)
	if err != nil {
		return identity.User{}, err
	}
	user, err := o.db.UserByEmail(ctx, email)
	if identity.KindOf(err) == identity.NotFound {
		return user, errors.New("there is no user " + email)
	}
	return user, err
}

func (o opened) accountOf(ctx context.Context, address string) (identity.Account, error) {
	user, err := o.userOf(ctx, address)
	if err != nil {
		return identity.Account{}, err
	}
	return o.db.AccountByID(ctx, user.ID)
}
