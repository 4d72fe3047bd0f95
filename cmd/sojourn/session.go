package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) session() *cobra.Command {
	return group("session", "See and end the sessions of apps", p.sessionList(), p.sessionShow(), p.sessionEnd())
}

func (p *program) sessionList() *cobra.Command {
	var email, client string
	cmd := &cobra.Command{
		Use:   "list [--user ADDRESS] [--client ID]",
		Short: "List the sessions that live, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				q, err := o.sessionQuery(ctx, email, client)
				if err != nil {
					return err
				}
				return p.listSessions(ctx, o, q)
			})
		},
	}
	cmd.Flags().StringVar(&email, "user", "", "only the sessions of the person with this address")
	cmd.Flags().StringVar(&client, "client", "", "only the sessions of this client")
	return cmd
}

func (o opened) sessionQuery(ctx context.Context, email, client string) (identity.SessionQuery, error) {
	q := identity.SessionQuery{ClientID: client, Limit: maxListed + 1}
	if email != "" {
		user, err := o.userOf(ctx, email)
		if err != nil {
			return q, err
		}
		q.UserID = user.ID
	}
	if client != "" {
		_, err := o.clientOf(ctx, client)
		return q, err
	}
	return q, nil
}

func (p *program) listSessions(ctx context.Context, o opened, q identity.SessionQuery) error {
	all, err := o.db.FindSessions(ctx, q)
	if err != nil {
		return err
	}
	l := listing[identity.Live, admin.Session]{all, maxListed, admin.NewSession, sessionLine, "No session lives."}
	list, text, more := l.cut()
	return p.print(struct {
		Sessions []admin.Session `json:"sessions"`
		More     bool            `json:"more,omitempty"`
	}{list, more}, text)
}

func sessionLine(l identity.Live) string {
	s := l.Session
	line := fmt.Sprintf("%s  %s  %s  since %s, last used %s", s.ID, l.User.Email, s.ClientID,
		s.CreatedAt.Format(time.DateTime), s.LastUsedAt.Format(time.DateTime))
	if device := cmp.Or(s.Device.Name, s.Device.Model); device != "" {
		line += fmt.Sprintf(" on %q", device)
	}
	return line
}

// sessionID reads an id as it was typed.
func sessionID(text string) (identity.ID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, fmt.Errorf("%q is no session's id; sojourn session list shows them", text)
	}
	return id, nil
}

// noSession says in one line that a session is not there.
func noSession(id identity.ID, err error) error {
	if identity.KindOf(err) == identity.NotFound {
		return fmt.Errorf("there is no session %s; sojourn session list shows them", id)
	}
	return err
}
