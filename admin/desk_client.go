package admin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// clients are what can be done to a client.
var clients = noun[identity.Client]{
	path:  "clients/{id}",
	find:  (*Desk).clientOf,
	home:  func(c identity.Client) string { return DeskPrefix + "clients/" + url.PathEscape(c.ID) },
	about: func(c identity.Client) identity.Act { return identity.Act{ClientID: c.ID} },
	named: func(c identity.Client) string { return c.Called() },
	deeds: []deed[identity.Client]{
		{
			name: "change", needs: identity.RoleOperator, fresh: true, button: "Change settings",
			says: "Nobody is signed out by it, except that an app that you trust no more loses its sessions.", done: "The settings are changed.",
			inputs: func(c identity.Client) []templates.DeskInput {
				return append(settingInputs(c), templates.DeskInput{Name: "version", Type: "hidden", Value: versionOf(c)})
			},
			do: changeClient,
		},
		{
			name: "rotate-secret", needs: identity.RoleOperator, fresh: true, button: "Rotate the secret",
			says: "The app gets another secret and nobody is signed out. The one before stays good for as long as you say.", done: "The secret is rotated.",
			fits:   func(_ *Desk, c identity.Client) bool { return c.UsesSecret() && len(c.SecretHash) > 0 },
			inputs: func(identity.Client) []templates.DeskInput { return overlapInputs() },
			do: func(d *Desk, v visitor, c identity.Client) (once, error) {
				overlap, err := overlapIn(v)
				if err != nil {
					return once{}, err
				}
				secret := identity.RandomText(32)
				return once{secret, "This is the secret of " + c.ID + " from now on."}, d.o.Operators.RotateSecret(v.ctx(), d.o.Keys,
					identity.NewClientSecret{ClientID: c.ID, Secret: secret, Overlap: overlap})
			},
		},
		{
			name: "disable", needs: identity.RoleOperator, fresh: true, danger: true, button: "Disable the app", ends: signedInTo,
			says: "Everyone is signed out of it at once, and nobody can sign in to it until it is enabled.", done: "The app is disabled.",
			fits: func(_ *Desk, c identity.Client) bool { return c.DisabledAt.IsZero() },
			do: func(d *Desk, v visitor, c identity.Client) (once, error) {
				_, err := d.o.Operators.DisableClient(v.ctx(), c.ID)
				return once{}, err
			},
		},
		{
			name: "enable", needs: identity.RoleOperator, fresh: true, button: "Enable the app",
			says: "People may sign in to it again. Nothing that ended comes back.", done: "The app is enabled.",
			fits: func(_ *Desk, c identity.Client) bool { return !c.DisabledAt.IsZero() },
			do: func(d *Desk, v visitor, c identity.Client) (once, error) {
				_, err := d.o.Operators.EnableClient(v.ctx(), c.ID)
				return once{}, err
			},
		},
		{
			name: "delete", needs: identity.RoleOperator, fresh: true, danger: true, gone: true, button: "Delete the app",
			says: "Everyone is signed out of it at once, and what people allowed it and kept with it goes. This cannot be undone; disabling can.",
			ends: signedInTo, done: "The app is deleted.",
			do: func(d *Desk, v visitor, c identity.Client) (once, error) {
				return once{}, d.o.Operators.DeleteClient(v.ctx(), c.ID)
			},
		},
	},
}

// maxCounted bounds the sessions that a page counts before they end.
const maxCounted = 1000

// signedInTo says how many sessions an app has now.
func signedInTo(d *Desk, v visitor, c identity.Client) (string, error) {
	all, err := d.o.Lists.FindSessions(v.ctx(), identity.SessionQuery{ClientID: c.ID, Limit: maxCounted + 1})
	switch n := len(all); {
	case n > maxCounted:
		return fmt.Sprintf("More than %d sessions live and end.", maxCounted), err
	case n == 1:
		return "1 session lives and ends.", err
	default:
		return fmt.Sprintf("%d sessions live and end.", n), err
	}
}

func overlapInputs() []templates.DeskInput {
	return []templates.DeskInput{{Name: "overlap", Label: "Hours that the one before stays good", Type: "number", Value: "24"}}
}

// overlapIn reads for how long the secret before stays good.
func overlapIn(v visitor) (time.Duration, error) {
	hours, err := number(v, "overlap", int(identity.MaxOverlap/time.Hour))
	return time.Duration(hours) * time.Hour, err
}

func (d *Desk) clientOf(v visitor) (identity.Client, error) {
	return d.o.Rows.RegisteredClient(v.ctx(), clientIn(v.r))
}

// settingInputs are the settings that are changed most, and a field for all others.
func settingInputs(c identity.Client) []templates.DeskInput {
	s := c.Settings()
	box := func(on bool) string { return map[bool]string{true: "yes"}[on] }
	return []templates.DeskInput{
		{Name: "client_name", Label: "Name, as people see it", Value: s.Name},
		{Name: "redirect_uris", Label: "Redirect URIs, one a line", Lines: 3, Value: strings.Join(s.RedirectURIs, "\n")},
		{Name: "post_logout_redirect_uris", Label: "Where signing out leads, one a line", Lines: 2, Value: strings.Join(s.PostLogoutRedirectURIs, "\n")},
		{Name: "scope", Label: "Scopes", Value: s.Scope},
		{Name: "session_idle_seconds", Label: "Seconds of idleness that end a session", Hint: "0: as the server does.", Type: "number", Value: fmt.Sprint(s.Idle)},
		{Name: "session_absolute_seconds", Label: "Seconds that a session lasts at most", Hint: "0: as the server does.", Type: "number", Value: fmt.Sprint(s.Absolute)},
		{Name: "trusted", Label: "Trusted: people are not asked for consent", Box: true, Value: box(s.Trusted)},
		{Name: "require_mfa", Label: "Requires a second factor", Box: true, Value: box(s.RequireMFA)},
		{Name: "settings", Label: "Other settings", Hint: "A JSON object of them as the admin API names them. Empty: they stay.", Lines: 3},
	}
}

// readSettings reads the form of settingInputs as a merge patch.
func readSettings(v visitor) (map[string]json.RawMessage, error) {
	patch, form := map[string]json.RawMessage{}, v.r.PostForm
	set := func(name string, value any) {
		patch[name], _ = json.Marshal(value) // texts, numbers and yes or no: it cannot fail
	}
	for _, name := range []string{"client_name", "scope"} {
		set(name, strings.TrimSpace(form.Get(name)))
	}
	for _, name := range []string{"redirect_uris", "post_logout_redirect_uris"} {
		set(name, strings.Fields(form.Get(name)))
	}
	for _, name := range []string{"trusted", "require_mfa"} {
		set(name, form.Get(name) != "")
	}
	for _, name := range []string{"session_idle_seconds", "session_absolute_seconds"} {
		n, err := strconv.ParseInt(cmp.Or(strings.TrimSpace(form.Get(name)), "0"), 10, 64)
		if err != nil || n < 0 || n > maxSeconds {
			return nil, identity.RefuseField(name, "Write a number of seconds, or 0.")
		}
		set(name, n)
	}
	if text := strings.TrimSpace(form.Get("settings")); text != "" {
		var others map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &others); err != nil {
			return nil, identity.RefuseField("settings", `Write a JSON object, like {"require_pkce": true}.`)
		}
		maps.Copy(patch, others)
	}
	return patch, nil
}

// maxSeconds is a hundred years.
const maxSeconds = 100 * 365 * 24 * 60 * 60

// onSettings has a refusal stand beside the field that shows it: what has none of its own is among the others.
func onSettings(err error) error {
	why, ok := err.(*identity.Error) //nolint:errorlint // a refusal is never wrapped
	known := func(in templates.DeskInput) bool { return in.Name == why.Field }
	if !ok || why.Field == "" || why.Field == "client_id" || slices.ContainsFunc(settingInputs(identity.Client{}), known) {
		return err
	}
	return identity.RefuseField("settings", why.Field+": "+why.Msg)
}

func changeClient(d *Desk, v visitor, c identity.Client) (once, error) {
	patch, err := readSettings(v)
	if err != nil {
		return once{}, err
	}
	_, _, err = d.o.Operators.UpdateClient(v.ctx(), c.ID, func(now identity.Client) (identity.Client, error) {
		if versionOf(now) != v.r.PostFormValue("version") {
			return now, identity.Refuse(identity.Conflict, "The app was changed meanwhile. Open this page anew, then change it.")
		}
		if now.FromDocument() { // it says all else itself
			maps.DeleteFunc(patch, func(name string, _ json.RawMessage) bool {
				return name != "trusted" && !strings.HasPrefix(name, "session_")
			})
		}
		s, err := now.Settings().Patched(patch)
		return now.With(s), err
	})
	return once{}, onSettings(err)
}

// addClient adds a client. One that can keep a secret gets one.
func addClient(d *Desk, v visitor, _ string) (once, error) {
	patch, err := readSettings(v)
	if err != nil {
		return once{}, err
	}
	c, secret := identity.Client{ID: strings.TrimSpace(v.r.PostFormValue("client_id"))}, ""
	if v.r.PostFormValue("public") != "" {
		patch["token_endpoint_auth_method"] = json.RawMessage(`"none"`)
	}
	s, err := c.Settings().Patched(patch)
	if err != nil {
		return once{}, onSettings(err)
	}
	if c = c.With(s); c.UsesSecret() {
		secret = identity.RandomText(32)
		c.SecretHash = d.o.Keys.HashSecret(secret)
	}
	identity.TrailOf(v.ctx()).ClientID = c.ID[:min(len(c.ID), identity.MaxDevice)]
	_, err = d.o.Operators.AddClient(v.ctx(), c)
	return once{secret, "This is the secret of " + c.ID + "."}, onSettings(err)
}

// number reads a number of a form, from 0 to most.
func number(v visitor, name string, most int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(v.r.PostFormValue(name)))
	if err != nil || n < 0 || n > most {
		return 0, identity.RefuseField(name, fmt.Sprintf("Write a number from 0 to %d.", most))
	}
	return n, nil
}

// listedClients are all of them by their ids, disabled ones too.
var listedClients = clientListing("clients", func(v visitor, q identity.ClientQuery) ([]identity.Client, error) {
	return v.d.o.Lists.Clients(v.ctx(), q)
})

// listedRegistrations are those that registered themselves, the newest first.
var listedRegistrations = clientListing("registrations", func(v visitor, q identity.ClientQuery) ([]identity.Client, error) {
	return v.d.o.Store.SelfRegistered(v.ctx(), q)
})

func clientListing(path string, list func(visitor, identity.ClientQuery) ([]identity.Client, error)) listing[identity.Client] {
	return listing[identity.Client]{
		path: path, size: appFileSize,
		find: func(_ *Desk, v visitor, limit int) ([]identity.Client, url.Values, error) {
			after := v.r.URL.Query().Get("after")
			if !plain(after) {
				return nil, nil, identity.RefuseField("after", "That page is not one of ours. Begin again.")
			}
			all, err := list(v, identity.ClientQuery{After: after, Limit: limit})
			return all, nil, err
		},
		id:   func(c identity.Client) string { return c.ID },
		line: func(c identity.Client) any { return NewClient(c) },
		columns: []string{
			"client_id", "client_name", "trusted", "self_registered", "disabled", "disabled_at", "created_at", "first_used_at",
			"application_type", "token_endpoint_auth_method", "grant_types", "scope", "redirect_uris", "post_logout_redirect_uris",
			"client_uri", "contacts", "software_id", "software_version",
		},
	}
}

func (d *Desk) clientsPage(v visitor) (page templates.Desk, err error) {
	page.Title = "Clients"
	err = showClients(v, &page, listedClients)
	return page, err
}

// showClients fills a page with some clients, and the way to those after them.
func showClients(v visitor, page *templates.Desk, l listing[identity.Client]) error {
	t := &templates.DeskTable{Columns: []string{"Client", "Name", "Kind", "Added", "First used"}, Empty: "There is none."}
	_, err := l.fill(v, t, func(c identity.Client) []templates.DeskCell {
		cell := clientCell(c.ID, "")
		if !c.DisabledAt.IsZero() {
			cell.Mark = "disabled"
		}
		return []templates.DeskCell{cell, {Text: c.Name}, {Text: kindOf(c)}, v.moment(c.CreatedAt), v.moment(c.FirstUsedAt)}
	})
	page.Parts = []templates.DeskPart{{Table: t}}
	page.Acts = nothingsAt(v, l.path)
	return err
}

// kindOf says in a word or two what kind of client it is.
func kindOf(c identity.Client) string {
	switch {
	case c.FromDocument():
		return "publishes itself"
	case c.SelfRegistered:
		return "registered itself"
	case c.Trusted:
		return "trusted"
	case c.Public():
		return "public"
	}
	return "confidential"
}

func (d *Desk) registrations(v visitor) (page templates.Desk, err error) {
	page.Title = "Registrations"
	page.Lead = "Apps that registered themselves, the newest first."
	err = showClients(v, &page, listedRegistrations)
	return page, err
}

// client is the page of one client.
func (d *Desk) client(v visitor) (page templates.Desk, err error) {
	c, err := d.clientOf(v)
	if err != nil {
		return page, err
	}
	page.Title, page.Back = c.Called(), templates.Link{URL: DeskPrefix + "clients", Label: "Clients"}
	of := "?" + url.Values{"client": {c.ID}}.Encode()
	acts := append([]templates.DeskAct{
		{Link: templates.Link{URL: DeskPrefix + "sessions" + of, Label: "Its sessions"}},
		{Link: templates.Link{URL: DeskPrefix + "events" + of, Label: "Its events"}},
	}, clients.links(v, c)...)
	facts := []templates.DeskFact{
		{Name: "Client id", DeskCell: templates.DeskCell{Text: c.ID, Code: true}},
		{Name: "Kind", DeskCell: templates.DeskCell{Text: kindOf(c)}},
		{Name: "Added", DeskCell: v.moment(c.CreatedAt)},
		{Name: "First used", DeskCell: v.moment(c.FirstUsedAt)},
	}
	if !c.DisabledAt.IsZero() {
		off := v.moment(c.DisabledAt)
		off.Mark = "disabled"
		facts = append(facts, templates.DeskFact{Name: "Disabled", DeskCell: off})
	}
	if v.now().Before(c.FormerUntil) {
		facts = append(facts, templates.DeskFact{Name: "The secret before is good until", DeskCell: date(c.FormerUntil)})
	}
	page.Parts = []templates.DeskPart{{Facts: facts, Acts: acts}, {Title: "Settings", Facts: settingFacts(c)}}
	return page, nil
}

// settingFacts are the settings that are not their defaults, as the API names them.
func settingFacts(c identity.Client) (facts []templates.DeskFact) {
	var members map[string]json.RawMessage
	text, _ := json.Marshal(c.Settings()) // cannot fail: its keys are JSON that was read
	_ = json.Unmarshal(text, &members)
	for _, name := range identity.SettingNames {
		value, said := members[name]
		if !said || string(value) == "false" || string(value) == "0" {
			continue
		}
		shown := strings.Trim(string(value), `"`)
		var list []string
		if json.Unmarshal(value, &list) == nil {
			shown = strings.Join(list, " ")
		}
		facts = append(facts, templates.DeskFact{Name: name, DeskCell: templates.DeskCell{Text: shown}})
	}
	return facts
}
