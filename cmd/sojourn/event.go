package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) event() *cobra.Command {
	return group("event", "See what happened, and who did it", p.eventList(), p.eventExport(), p.eventVerify())
}

func (p *program) eventList() *cobra.Command {
	var w which
	var limit int
	cmd := &cobra.Command{
		Use:   "list [--user ADDRESS] [--session SID] [--since TIME] [--client ID] [--kind KIND]",
		Short: "List what happened, the newest first",
		Long: "List shows what happened, the newest first. What an operator did says by whom: cli:NAME by a command, api:TOKEN\n" +
			"through the admin API. Events are kept for as long as SOJOURN_EVENTS_KEPT says; what those of a\n" +
			"deleted person said of them is erased.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				q, err := o.eventQuery(ctx, w)
				if err != nil {
					return err
				}
				q.Limit = limit
				return p.listEvents(ctx, o, q)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&w.email, "user", "", "only what happened to the person with this address")
	f.StringVar(&w.session, "session", "", "only what happened to this session")
	f.StringVar(&w.since, "since", "", "only what happened since: 24h, or 2026-11-28, or 2026-11-28T22:00:00Z")
	f.StringVar(&w.client, "client", "", "only what happened to this app and its sessions; with --since, --user or --session")
	f.StringVar(&w.kind, "kind", "", "only Events like session.ended; with --since, --user or --session")
	limitFlag(cmd, &limit)
	return cmd
}

// which Events are asked for, as it was typed.
type which struct{ email, session, since, client, kind string }

// eventQuery reads which Events are asked for. Those of a client or a kind are picked out of a time, a person or a Session:
// no index finds them among all that ever happened.
func (o opened) eventQuery(ctx context.Context, w which) (q identity.EventQuery, err error) {
	q.ClientID, q.Kind = w.client, identity.EventKind(w.kind)
	if w.client+w.kind != "" && w.since+w.email+w.session == "" {
		return q, errors.New("--kind and --client need --since, --user or --session beside them, like --since 24h")
	}
	if q.Since, err = sinceTime(w.since, o.db.Now()); err != nil {
		return q, err
	}
	if w.email != "" {
		user, err := o.userOf(ctx, w.email)
		if err != nil {
			return q, err
		}
		q.UserID = user.ID
	}
	if w.session != "" {
		q.SessionID, err = sessionID(w.session)
	}
	return q, err
}

// sinceTime reads a time as people say it: so long ago, a day in UTC, or a moment.
func sinceTime(text string, now time.Time) (at time.Time, err error) {
	if text == "" {
		return at, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err = time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return at, errors.New("--since: say it like 24h or 2026-11-28 or 2026-11-28T22:00:00Z")
}

func (p *program) listEvents(ctx context.Context, o opened, q identity.EventQuery) error {
	limit := q.Limit
	q.Limit++
	all, err := o.db.Lists().Events(ctx, q)
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
		{"in ", e.Browser},
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
