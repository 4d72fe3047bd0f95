package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
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
	all, err := o.db.Lists().FindSessions(ctx, q)
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

func (p *program) sessionShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show SID",
		Short: "Show everything about a session, over or not, and what happened to it",
		Args:  one,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := sessionID(args[0])
			if err != nil {
				return err
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				dossier, err := o.operators().Session(ctx, id)
				if err != nil {
					return noSession(id, err)
				}
				return p.print(admin.NewDossier(dossier, o.db.Now()), dossierText(dossier, o.db.Now()))
			})
		},
	}
}

func dossierText(d identity.Dossier, now time.Time) string {
	s := d.Session
	state := "lives"
	if cause, at, over := s.Ending(now); over {
		state = fmt.Sprintf("over since %s: %s", moment(at), cause)
	}
	text := details([][2]string{
		{"session", s.ID.String()},
		{"user", fmt.Sprintf("%s  %s", d.User.Email, d.User.ID)},
		{"client", s.ClientID},
		{"state", state},
		{"device", deviceText(s.Device)},
		{"scope", strings.Join(s.Scopes, " ")},
		{"resources", strings.Join(s.Resources, " ")},
		{"proved", fmt.Sprintf("%s by %s", moment(s.AuthTime), strings.Join(s.AMR.Names(), " "))},
		{"began", fmt.Sprintf("%s from sign-in %s", moment(s.CreatedAt), s.SignInID)},
		{"last used", fmt.Sprintf("%s from %s %q", moment(s.LastUsedAt), s.Address, s.UserAgent)},
		{"ends", fmt.Sprintf("%s unless used, %s at the latest", moment(s.IdleEndsAt), moment(s.EndsAt))},
		{"line", fmt.Sprintf("generation %d, branch %d, previous %d", s.Line.Generation, s.Line.Branch, s.Line.Previous)},
		{"key", keyText(s.Key)},
	})
	for _, e := range d.Events {
		text += "\n" + eventLine(e)
	}
	return text
}

// deviceText quotes what apps say of themselves.
func deviceText(d identity.Device) string {
	var parts []string
	for _, fact := range []string{d.Name, d.Model, d.AppVersion, d.InstallID} {
		if fact != "" {
			parts = append(parts, fmt.Sprintf("%q", fact))
		}
	}
	return strings.Join(parts, " ")
}

func keyText(key identity.Thumbprint) string {
	if key == (identity.Thumbprint{}) {
		return ""
	}
	return key.String()
}

// endOptions are what `session end` was told.
type endOptions struct {
	sid         string
	device      bool
	from, since string
}

func (p *program) sessionEnd() *cobra.Command {
	var e endOptions
	cmd := &cobra.Command{
		Use:   "end SID [--device] | end --from JOURNAL [--since TIME]",
		Short: "End a session, or again all that a journal says were ended",
		Long: "End ends one session by the id that `sojourn session list` shows, and nothing else: its refresh and access\n" +
			"tokens are refused at once, and its app is told. With --device the browser sign-in that it began from ends too,\n" +
			"and every session that began from that. docs/termination.md says what ends what.\n\n" +
			"With --from it reads the ending journal (SOJOURN_ENDING_JOURNAL) and ends again what lives although it was\n" +
			"ended: after a backup was restored, or a replica promoted that lagged behind. It can be run again at any time.",
		Example: "  sojourn session end --from /var/lib/sojourn/endings.jsonl --since 2026-01-02T15:04:05Z",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				e.sid = args[0]
			}
			if err := e.check(); err != nil {
				return err
			}
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
				if e.from != "" {
					return p.replay(ctx, o, e.from, e.since)
				}
				return p.endSession(ctx, o, e)
			})
		},
	}
	cmd.Flags().BoolVar(&e.device, "device", false, "end the browser sign-in too, with all that began from it")
	cmd.Flags().StringVar(&e.from, "from", "", "an ending journal")
	cmd.Flags().StringVar(&e.since, "since", "", "only endings from this time on, like 2026-01-02T15:04:05Z")
	return cmd
}

func (e endOptions) check() error {
	switch {
	case (e.sid == "") == (e.from == ""):
		return errors.New("say which session, or --from which journal: sojourn session end SID")
	case e.from == "" && e.since != "":
		return errors.New("--since goes with --from")
	case e.from != "" && e.device:
		return errors.New("--device goes with a session's id")
	}
	return nil
}

func (p *program) endSession(ctx context.Context, o opened, e endOptions) error {
	id, err := sessionID(e.sid)
	if err != nil {
		return err
	}
	struck, err := o.operators().EndSession(ctx, id, e.device)
	if err != nil {
		return noSession(id, err)
	}
	sentence := fmt.Sprintf("Ended %s.", id)
	switch {
	case len(struck.Sessions) == 0:
		sentence = fmt.Sprintf("%s was over already.", id)
	case e.device:
		sentence = fmt.Sprintf("Ended the device of %s. Sessions ended: %d.", id, len(struck.Sessions))
	}
	return p.print(admin.NewEnded(id, struck, e.device), sentence)
}

// replayed is what came of a journal.
type replayed struct {
	Lines    int `json:"endings"` // read, and not before --since
	Sessions int `json:"sessions_ended"`
	SignIns  int `json:"sign_ins_ended"`
	// What the journal knows of and endings alone don't bring back.
	Passwords []string `json:"passwords_changed"` // ids of users
	Clients   []string `json:"clients_deleted"`

	malformed []error
}

// maxMalformed bounds how many lines are complained about by number.
const maxMalformed = 20

func (p *program) replay(ctx context.Context, o opened, path, since string) error {
	var from time.Time
	if since != "" {
		var err error
		if from, err = time.Parse(time.RFC3339, since); err != nil {
			return fmt.Errorf("--since: %q is not a time like 2026-01-02T15:04:05Z", since)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer file.Close()
	r := replayed{Passwords: []string{}, Clients: []string{}}
	if err := r.read(ctx, o, from, file); err != nil {
		return fmt.Errorf("%s: after %d endings: %w", path, r.Lines, err)
	}
	if err := p.print(r, r.sentence()); err != nil {
		return err
	}
	return r.complaint(path)
}

// complaint names the lines that told no ending.
func (r *replayed) complaint(path string) error {
	first := errors.Join(r.malformed[:min(len(r.malformed), maxMalformed)]...)
	switch len(r.malformed) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s: 1 line tells no ending; the others were replayed:\n%w", path, first)
	}
	return fmt.Errorf("%s: %d lines tell no ending; the others were replayed:\n%w", path, len(r.malformed), first)
}

func (r *replayed) read(ctx context.Context, o opened, from time.Time, journal io.Reader) error {
	for e, err := range storage.ReadEndings(journal) {
		if wrong, ok := errors.AsType[*storage.MalformedEnding](err); ok {
			r.malformed = append(r.malformed, wrong)
			continue
		}
		if err != nil {
			return err
		}
		if e.At.Before(from) {
			continue
		}
		ended, err := o.db.End(ctx, e)
		if err != nil {
			return err
		}
		r.count(e, ended)
	}
	return nil
}

func (r *replayed) count(e identity.Ending, ended identity.Struck) {
	r.Lines++
	r.Sessions += len(ended.Sessions)
	r.SignIns += ended.SignIns
	if e.Cause == identity.EndPassword {
		r.Passwords = append(r.Passwords, e.User.String())
	}
	if e.Cause == identity.EndClientGone {
		r.Clients = append(r.Clients, e.Client)
	}
}

func (r *replayed) sentence() string {
	lines := []string{fmt.Sprintf("Endings read: %d. Lived and were ended now: %d sessions, %d sign-ins.",
		r.Lines, r.Sessions, r.SignIns)}
	for _, id := range r.Passwords {
		lines = append(lines, "User "+id+" changed their password; a restored database may have the old one.")
	}
	for _, id := range r.Clients {
		lines = append(lines, "Client "+id+" was deleted; a restored database may have it again.")
	}
	return strings.Join(lines, "\n")
}
