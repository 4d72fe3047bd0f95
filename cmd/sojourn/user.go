package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

func (p *program) user() *cobra.Command {
	return group("user", "Add, see, lock and delete people, change their passwords", p.userAdd(), p.userSetPassword(),
		p.userList(), p.userShow(), p.userLock(), p.userUnlock(), p.userEndSessions(), p.userDelete())
}

// newUser is what `user add` was told.
type newUser struct {
	email, name, totp string
}

func (p *program) userAdd() *cobra.Command {
	var n newUser
	cmd := &cobra.Command{
		Use:     "add --email ADDRESS --password-stdin",
		Short:   "Add a person",
		Example: "  echo 'a long password' | sojourn user add --email ada@example.com --password-stdin",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error { return p.addUser(ctx, o, n) })
		},
	}
	cmd.Flags().StringVar(&n.email, "email", "", "the address the person signs in with; it counts as verified")
	cmd.Flags().StringVar(&n.name, "name", "", "what the person is called")
	cmd.Flags().StringVar(&n.totp, "totp-secret", "", "Base32 secret of an authenticator that the person has already")
	must(cmd.MarkFlagRequired("email"))
	passwordFlag(cmd)
	return cmd
}

// passwordFlag makes people say where the password comes from, so that the command never seems to hang for no reason.
func passwordFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("password-stdin", false, "read the password from the standard input")
	must(cmd.MarkFlagRequired("password-stdin"))
}

func must(err error) {
	if err != nil {
		panic(err) // impossible: the flag was defined the line before
	}
}

type userJSON struct {
	ID    string `json:"id"`
	Sub   string `json:"sub"`
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
	TOTP  bool   `json:"totp,omitempty"`
}

func (p *program) addUser(ctx context.Context, o opened, n newUser) error {
	password, err := p.readSecret()
	if err != nil {
		return err
	}
	var secret []byte
	if n.totp != "" { // judged before anything is written
		if secret, err = mfa.ParseSecret(n.totp); err != nil {
			return fmt.Errorf("--totp-secret: %w", err)
		}
	}
	user, err := o.users().Add(ctx, identity.NewUser{Email: n.email, EmailVerified: true, Name: n.name, Password: password})
	if identity.KindOf(err) == identity.Conflict {
		return fmt.Errorf("there is a user %s already; sojourn user set-password changes the password", n.email)
	}
	if err != nil {
		return err
	}
	if secret != nil {
		if err := o.totp().Import(ctx, user.ID, secret); err != nil {
			return fmt.Errorf("%s was added, but without the authenticator: %w", user.Email, err)
		}
	}
	return p.print(userJSON{user.ID.String(), user.Sub, user.Email, user.Name, secret != nil},
		fmt.Sprintf("Added %s.", user.Email))
}

func (o opened) totp() mfa.TOTP {
	return mfa.TOTP{Store: o.db, Keys: o.keys, Now: o.db.Now, Issuer: o.cfg.OperatorName}
}

func (p *program) userSetPassword() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set-password ADDRESS --password-stdin",
		Short: "Change a person's password and sign them out everywhere",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				password, err := p.readSecret()
				if err != nil {
					return err
				}
				user, err := o.setPassword(ctx, args[0], password)
				if err != nil {
					return err
				}
				return p.print(userJSON{ID: user.ID.String(), Sub: user.Sub, Email: user.Email},
					fmt.Sprintf("Changed the password of %s. They are signed out everywhere.", user.Email))
			})
		},
	}
	passwordFlag(cmd)
	return cmd
}

// setPassword ends everything of the user: whoever knows the old password is out.
func (o opened) setPassword(ctx context.Context, address, password string) (identity.User, error) {
	user, err := o.userOf(ctx, address)
	if err != nil {
		return user, err
	}
	return user, o.users().SetPassword(ctx, user.Email, password)
}

func (o opened) users() identity.Users {
	passwords := identity.NewPasswords()
	passwords.Service = o.cfg.OperatorName
	return identity.Users{Store: o.db, Passwords: passwords, Now: o.db.Now}
}
