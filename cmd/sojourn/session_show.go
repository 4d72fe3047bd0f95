package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) sessionShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show SID",
		Short: "Show everything about a session, over or not, and what happened to it",
		Args:  cobra.ExactArgs(1),
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
