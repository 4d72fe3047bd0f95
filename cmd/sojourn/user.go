package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

func (p *program) user() *cobra.Command {
	return group("user", "Add, see, lock and delete people, change their passwords", p.userAdd(), p.userSetPassword(),
		p.userList(), p.userShow(), p.userLock(), p.userUnlock(), p.userEndSessions(), p.userRemoveFactor(),
		p.userWayIn(), p.userSet(), p.userSetEmail(), p.userConfirmEmail(), p.userSendReset(), p.userSendConfirm(), p.userRole(),
		p.userExport(), p.userDelete())
}

// newUser is what `user add` was told.
type newUser struct {
	email, name string
	totp        totpFlags
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
	n.totp.add(cmd)
	must(cmd.MarkFlagRequired("email"))
	passwordFlag(cmd)
	return cmd
}

type userJSON struct {
	ID    string `json:"id"`
	Sub   string `json:"sub"`
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
	TOTP  bool   `json:"totp,omitempty"`
}

func (p *program) addUser(ctx context.Context, o opened, n newUser) error {
	password, secret, err := p.readPassword(n.totp) // judged before anything is written
	if err != nil {
		return err
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
		Args:  one,
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
				p.warnOfNoMail(o)
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
	passwords := identity.NewPasswords(identity.HashCost(o.cfg.PasswordCost))
	passwords.Service = o.cfg.OperatorName
	return identity.Users{Store: o.db, Passwords: passwords, Now: o.db.Now}
}

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
	all, err := o.db.Lists().Accounts(ctx, identity.AccountQuery{Limit: limit + 1})
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
		Args:  one,
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
	left := "" // without a factor nobody has recovery codes
	if len(u.Factors) > 0 || u.CodesLeft > 0 {
		left = fmt.Sprint(u.CodesLeft)
	}
	return details([][2]string{
		{"user", u.Email + verified},
		{"id", u.ID.String()},
		{"sub", u.Sub},
		{"name", name},
		{"locked", moment(u.LockedAt)},
		{"factors", strings.Join(u.Factors, " ")},
		{"codes left", left},
		{"sessions", fmt.Sprint(u.Sessions)},
		{"added", moment(u.CreatedAt)},
		{"password", "set " + moment(u.PasswordSetAt)},
	})
}

// userOf finds a person by the address as it was typed.
func (o opened) userOf(ctx context.Context, address string) (identity.User, error) {
	email, err := identity.KnownEmail(address)
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

// userChange is a command that changes one person's account.
func (p *program) userChange(cmd cobra.Command, change func(context.Context, opened, identity.User) error) *cobra.Command {
	cmd.Args = one
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
		struck, err := o.operators().EndAll(ctx, user.ID)
		if err != nil {
			return err
		}
		sentence := fmt.Sprintf("Signed %s out everywhere. Sessions ended: %d.", user.Email, len(struck.Sessions))
		if struck.More {
			sentence = fmt.Sprintf("Signed %s out everywhere. Sessions ended: over a thousand, which a running server tells of "+
				"within minutes; they are refused already.", user.Email)
		}
		return p.print(struct {
			ID    identity.ID `json:"id"`
			Email string      `json:"email"`
			admin.SignedOut
		}{user.ID, user.Email, admin.NewSignedOut(struck)}, sentence)
	})
}

// reasoned is a change that only the person may make as a rule: operators say why.
func (p *program) reasoned(cmd cobra.Command, change func(context.Context, opened, identity.User, string) error) *cobra.Command {
	var reason string
	cmd.Use += " --reason WHY"
	made := p.userChange(cmd, func(ctx context.Context, o opened, user identity.User) error {
		if err := change(ctx, o, user, reason); err != nil {
			return err
		}
		p.warnOfNoMail(o)
		return nil
	})
	made.Flags().StringVar(&reason, "reason", "", "why: it stands in the account's history")
	must(made.MarkFlagRequired("reason"))
	return made
}

// warnOfNoMail is for changes that a mail tells the person of: servers may have what this command lacks, and then nobody hears.
func (p *program) warnOfNoMail(o opened) {
	if o.cfg.SMTP == "" {
		fmt.Fprintln(p.err, "sojourn: no mail tells of it: SOJOURN_SMTP is not set for this command")
	}
}

func (p *program) userRemoveFactor() *cobra.Command {
	var kind string
	cmd := p.reasoned(cobra.Command{
		Use:   "remove-factor ADDRESS",
		Short: "Take away the second factor of a person who lost it, and sign them out everywhere",
		Long: "Remove-factor takes a person's authenticator away, with the recovery codes, and ends every browser sign-in and\n" +
			"every session. Be sure that it is the person who asks. A mail tells them, and the reason stands in their history.",
	}, func(ctx context.Context, o opened, user identity.User, reason string) error {
		if kind != "" && kind != identity.TOTP.Name {
			return fmt.Errorf("--kind: there is no kind %q: use %s", kind, identity.TOTP.Name)
		}
		err := o.totp().RemoveFor(ctx, o.operators(), user.ID, reason)
		if identity.KindOf(err) == identity.NotFound {
			return fmt.Errorf("%s has no second factor", user.Email)
		}
		if err != nil {
			return err
		}
		return p.print(struct {
			ID      identity.ID `json:"id"`
			Email   string      `json:"email"`
			Removed []string    `json:"removed"`
		}{user.ID, user.Email, []string{identity.TOTP.Name}},
			fmt.Sprintf("Removed the authenticator of %s. They are signed out everywhere.", user.Email))
	})
	cmd.Flags().StringVar(&kind, "kind", "", "only this kind of factor: totp (default: all)")
	return cmd
}

func (p *program) userWayIn() *cobra.Command {
	return p.reasoned(cobra.Command{
		Use:   "way-in ADDRESS",
		Short: "Print a link by which a person chooses a new password, for who reads no mail of ours",
		Long: "Way-in prints a link that works once, within half an hour. Be sure that it is the person to whom it is given. A mail\n" +
			"tells them that it was made, and the reason stands in their history. A second factor is asked for as before.",
	}, func(ctx context.Context, o opened, user identity.User, reason string) error {
		held, err := o.db.Issuer(ctx)
		if err != nil {
			return err
		}
		if held != "" && held != o.cfg.Issuer { // a link that opens an account must lead to no other host than ours
			return o.otherIssuer(held)
		}
		links := identity.MailLinks{Store: o.db, Keys: o.keys, Now: o.db.Now}
		way, err := o.operators().MakeWayIn(ctx, links, user.ID, reason)
		if err != nil {
			return err
		}
		way.Link = admin.ResetAddress(o.cfg.Issuer, way.Link)
		return p.print(struct {
			ID    identity.ID `json:"id"`
			Email string      `json:"email"`
			identity.WayIn
		}{user.ID, user.Email, way}, way.Link)
	})
}

type emailJSON struct {
	ID      identity.ID `json:"id"`
	Email   string      `json:"email"`
	Changed bool        `json:"changed"`
}

func (p *program) userSetEmail() *cobra.Command {
	var email string
	cmd := p.reasoned(cobra.Command{
		Use:    "set-email ADDRESS NEW",
		Short:  "Give a person's account another address, and sign them out everywhere",
		PreRun: func(_ *cobra.Command, args []string) { email = args[1] },
		Long: "Set-email moves an account to another address, which counts as confirmed, and ends every browser sign-in and every\n" +
			"session. Be sure that it is the person who asks. Mails tell both addresses, and no link in them leads back.",
	}, func(ctx context.Context, o opened, user identity.User, reason string) error {
		if err := o.operators().SetEmail(ctx, user.ID, email, reason); err != nil {
			return err
		}
		now, err := o.db.UserByID(ctx, user.ID)
		if err != nil {
			return err
		}
		return p.print(emailJSON{user.ID, now.Email, true},
			fmt.Sprintf("The account of %s is %s's now. They are signed out everywhere.", user.Email, now.Email))
	})
	cmd.Args = two
	return cmd
}

func (p *program) userConfirmEmail() *cobra.Command {
	return p.reasoned(cobra.Command{
		Use:   "confirm-email ADDRESS",
		Short: "Say that a person's address is theirs, for who gets no mail of ours",
		Long: "Confirm-email does what following the link in a mail does. Be sure that the address is the person's. It ends nothing;\n" +
			"a mail tells them, and the reason stands in their history.",
	}, func(ctx context.Context, o opened, user identity.User, reason string) error {
		changed, err := o.operators().ConfirmEmail(ctx, user.ID, reason)
		if err != nil {
			return err
		}
		sentence := fmt.Sprintf("Confirmed %s.", user.Email)
		if !changed {
			sentence = user.Email + " was confirmed already."
		}
		return p.print(emailJSON{user.ID, user.Email, changed}, sentence)
	})
}

func (p *program) userExport() *cobra.Command {
	cmd := p.userChange(cobra.Command{
		Use:   "export ADDRESS",
		Short: "Write everything that is kept of a person as lines of JSON",
		Long: "Export writes everything that is kept of a person, one record a line with its kind: account, factors, browser\n" +
			"sign-ins, sessions, consents, documents, links, former values and events; no password, secret or code.",
	}, func(ctx context.Context, o opened, user identity.User) error {
		out := json.NewEncoder(p.out)
		out.SetEscapeHTML(false)
		return o.db.ExportPerson(ctx, user.ID, func(kind string, record map[string]any) error {
			return out.Encode(admin.PersonRecord{Kind: kind, Record: record})
		})
	})
	return cmd
}

func (p *program) userDelete() *cobra.Command {
	var yes bool
	cmd := p.userChange(cobra.Command{
		Use:     "delete ADDRESS --yes",
		Aliases: []string{"erase"},
		Short:   "Delete a person with all that they had (erase is the same)",
		Long: "Delete ends every browser sign-in and every session of a person, then deletes the account with its factors,\n" +
			"consents and documents, and erases the person from the history: what happened and when stays. It cannot be undone.\n" +
			"`sojourn user lock` can.",
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
