package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) event() *cobra.Command {
	return group("event", "See what happened, and who did it", p.eventList())
}

func (p *program) eventList() *cobra.Command {
	var email, session string
	var limit int
	cmd := &cobra.Command{
		Use:   "list [--user ADDRESS] [--session SID]",
		Short: "List what happened, the newest first",
		Long: "List shows what happened, the newest first. What an operator did says by whom: cli:NAME by a command, api:TOKEN\n" +
			"through the admin API. Events are kept for 400 days, those of forks for 7; those of a deleted user go with the user.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				q, err := o.eventQuery(ctx, email, session)
				if err != nil {
					return err
				}
				q.Limit = limit
				return p.listEvents(ctx, o, q)
			})
		},
	}
	cmd.Flags().StringVar(&email, "user", "", "only what happened to the person with this address")
	cmd.Flags().StringVar(&session, "session", "", "only what happened to this session")
	limitFlag(cmd, &limit)
	return cmd
}

func (o opened) eventQuery(ctx context.Context, email, session string) (q identity.EventQuery, err error) {
	if email != "" {
		user, err := o.userOf(ctx, email)
		if err != nil {
			return q, err
		}
		q.UserID = user.ID
	}
	if session != "" {
		q.SessionID, err = sessionID(session)
	}
	return q, err
}

func (p *program) listEvents(ctx context.Context, o opened, q identity.EventQuery) error {
	limit := q.Limit
	q.Limit++
	all, err := o.db.Events(ctx, q)
	if err != nil {
		return err
	}
	l := listing[identity.Event, admin.Event]{all, limit, admin.NewEvent, eventLine, "Nothing happened."}
	list, text, more := l.cut()
	return p.print(struct {
		Events []admin.Event `json:"events"`
		More   bool          `json:"more,omitempty"`
	}{list, more}, text)
}

func eventLine(e identity.Event) string {
	parts := []string{e.At.Format(time.DateTime), string(e.Kind)}
	for _, part := range []struct{ name, value string }{
		{"", e.Detail},
		{"user ", idText(e.UserID)},
		{"session ", idText(e.SessionID)},
		{"client ", e.ClientID},
		{"from ", e.Address},
		{"by ", e.Actor},
	} {
		if part.value != "" {
			parts = append(parts, part.name+part.value)
		}
	}
	return strings.Join(parts, "  ")
}

func idText(id identity.ID) string {
	if id == (identity.ID{}) {
		return ""
	}
	return id.String()
}
