package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) session() *cobra.Command {
	return group("session", "See and end the sessions of apps", p.sessionList(), p.sessionEnd())
}

// maxListed bounds one list; who needs more than the newest asks for one person's.
const maxListed = 1000

func (p *program) sessionList() *cobra.Command {
	var email string
	cmd := &cobra.Command{
		Use:   "list [--user ADDRESS]",
		Short: "List the sessions that live, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error { return p.listSessions(ctx, o, email) })
		},
	}
	cmd.Flags().StringVar(&email, "user", "", "only the sessions of the person with this address")
	return cmd
}

type sessionJSON struct {
	ID         string    `json:"sid"`
	User       string    `json:"user"`
	Sub        string    `json:"sub"`
	Client     string    `json:"client_id"`
	Scope      string    `json:"scope"`
	AMR        []string  `json:"amr"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	IdleEndsAt time.Time `json:"idle_ends_at"`
	EndsAt     time.Time `json:"ends_at"`
	Address    string    `json:"address,omitempty"`
	UserAgent  string    `json:"user_agent,omitempty"`
}

func newSessionJSON(l identity.Live) sessionJSON {
	s := l.Session
	return sessionJSON{
		s.ID.String(), l.User.Email, s.Sub, s.ClientID, strings.Join(s.Scopes, " "), s.AMR.Names(),
		s.CreatedAt, s.LastUsedAt, s.IdleEndsAt, s.EndsAt, s.Address, s.UserAgent,
	}
}

func (p *program) listSessions(ctx context.Context, o opened, email string) error {
	var user identity.User
	if email != "" {
		var err error
		if user, err = o.userOf(ctx, email); err != nil {
			return err
		}
	}
	live, err := o.db.Sessions(ctx, user.ID, maxListed+1)
	if err != nil {
		return err
	}
	more := len(live) > maxListed
	live = live[:min(len(live), maxListed)]
	list, lines := make([]sessionJSON, len(live)), make([]string, len(live))
	for i, l := range live {
		list[i] = newSessionJSON(l)
		lines[i] = fmt.Sprintf("%s  %s  %s  since %s, last used %s", l.Session.ID, l.User.Email, l.Session.ClientID,
			l.Session.CreatedAt.Format(time.DateTime), l.Session.LastUsedAt.Format(time.DateTime))
	}
	switch {
	case more:
		lines = append(lines, fmt.Sprintf("There are more: these are the newest %d. --user lists one person's.", maxListed))
	case len(live) == 0:
		lines = []string{"No session lives."}
	}
	return p.print(struct {
		Sessions []sessionJSON `json:"sessions"`
		More     bool          `json:"more,omitempty"`
	}{list, more}, strings.Join(lines, "\n"))
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

func (p *program) sessionEnd() *cobra.Command {
	var from, since string
	cmd := &cobra.Command{
		Use:   "end SID | end --from JOURNAL [--since TIME]",
		Short: "End a session, or again all that a journal says were ended",
		Long: "End ends one session by the id that `sojourn session list` shows.\n\n" +
			"With --from it reads the ending journal (SOJOURN_ENDING_JOURNAL) and ends again what lives although it was\n" +
			"ended: after a backup was restored, or a replica promoted that lagged behind. It can be run again at any time.",
		Example: "  sojourn session end --from /var/lib/sojourn/endings.jsonl --since 2026-01-02T15:04:05Z",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (from != "") {
				return errors.New("say which session, or --from which journal: sojourn session end SID")
			}
			if from == "" && since != "" {
				return errors.New("--since goes with --from")
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				if from != "" {
					return p.replay(ctx, o, from, since)
				}
				return p.endSession(ctx, o, args[0])
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "an ending journal")
	cmd.Flags().StringVar(&since, "since", "", "only endings from this time on, like 2026-01-02T15:04:05Z")
	return cmd
}

func (p *program) endSession(ctx context.Context, o opened, text string) error {
	id, err := uuid.Parse(text)
	if err != nil {
		return fmt.Errorf("%q is no session's id; sojourn session list shows them", text)
	}
	if _, err := o.db.SessionByID(ctx, id); identity.KindOf(err) == identity.NotFound {
		return fmt.Errorf("there is no session %s; sojourn session list shows them", id)
	} else if err != nil {
		return err
	}
	ended, err := o.db.EndSession(ctx, id, identity.EndOperator)
	if err != nil {
		return err
	}
	sentence := fmt.Sprintf("Ended %s.", id)
	if !ended {
		sentence = fmt.Sprintf("%s was over already.", id)
	}
	return p.print(struct {
		ID    string `json:"sid"`
		Ended bool   `json:"ended"`
	}{id.String(), ended}, sentence)
}
