package admin

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// nothings are what is done to nothing that is there: something is made, or all of something is meant. Each is known by the
// place of the menu that it belongs to.
var nothings = noun[string]{
	path: "new",
	find: func(_ *Desk, v visitor) (string, error) {
		return placeOf[v.r.URL.Path[strings.LastIndex(v.r.URL.Path, "/")+1:]], nil
	},
	home:  func(place string) string { return DeskPrefix + place },
	about: func(string) identity.Act { return identity.Act{} },
	named: func(place string) string { return strings.ToUpper(place[:1]) + place[1:] },
	deeds: []deed[string]{
		{
			name: "client", needs: identity.RoleOperator, fresh: true, noReason: true, button: "Add a client",
			says: "It is the operator's own: its settings can be changed here at any time.", done: "The client is added.",
			inputs: func(string) []templates.DeskInput {
				return append([]templates.DeskInput{
					{Name: "client_id", Label: "Client id", Hint: "1 to 64 visible ASCII characters. It never changes."},
					{Name: "public", Label: "Public: an app on a device or in a browser, which keeps no secret", Box: true},
				}, settingInputs(identity.Client{Metadata: identity.Metadata{Scope: "openid profile email offline_access"}})...)
			},
			do: addClient,
		},
		{
			name: "registration-token", needs: identity.RoleOperator, fresh: true, noReason: true, button: "Make an initial access token",
			says: "Whoever has it registers apps by it, where registration asks for a token.", done: "The token is made.",
			inputs: func(string) []templates.DeskInput {
				return []templates.DeskInput{
					{Name: "uses", Label: "For how many registrations", Type: "number", Value: "1"},
					{Name: "hours", Label: "Hours that it is good", Type: "number", Value: "24"},
				}
			},
			do: addRegistrationToken,
		},
		{
			name: "webhook", needs: identity.RoleOperator, fresh: true, noReason: true, button: "Add a webhook",
			says: "Its program is told what happens, signed with a secret that is shown once.", done: "The webhook is added.",
			inputs: func(string) []templates.DeskInput {
				return []templates.DeskInput{
					{Name: "name", Label: "Name"},
					{Name: "url", Label: "https address"},
					{Name: "kinds", Label: "Kinds of events, one a line", Hint: "None: all but forks.", Lines: 3},
				}
			},
			do: addWebhook,
		},
		{
			name: "retry-dead", needs: identity.RoleOperator, noReason: true, button: "Try all again that were given up",
			says: "Each is due at once, with all its tries again.", done: "They are due again.",
			do: func(d *Desk, v visitor, _ string) (once, error) {
				_, err := d.o.Operators.RetryDead(v.ctx())
				return once{}, err
			},
		},
		{
			name: "rotate-keys", needs: identity.RoleOperator, fresh: true, danger: true, noReason: true, button: "Rotate the keys",
			says: "The next key of every algorithm becomes the current one. It was published before, so apps know it; leave an hour between " +
				"rotations. Tokens of the key that retires verify until they expire.",
			done: "The keys are rotated.",
			seen: (*Desk).currentKey,
			do: func(d *Desk, v visitor, _ string) (once, error) {
				return once{}, d.o.SigningKeys.RotateSeen(v.ctx(), "", v.r.PostFormValue("current"))
			},
		},
	},
}

// placeOf is the place of the menu that each of nothings belongs to.
var placeOf = map[string]string{
	"client": "clients", "registration-token": "registrations", "webhook": "webhooks", "retry-dead": "deliveries", "rotate-keys": "keys",
}

// nothingsAt are the buttons of a place.
func nothingsAt(v visitor, place string) (acts []templates.DeskAct) {
	for _, deed := range nothings.deeds {
		if placeOf[deed.name] == place && v.may(deed.needs) {
			at := templates.Link{URL: DeskPrefix + nothings.path + "/" + deed.name, Label: deed.button}
			acts = append(acts, templates.DeskAct{Link: at, Danger: deed.danger && deed.gone})
		}
	}
	return acts
}

func addRegistrationToken(d *Desk, v visitor, _ string) (once, error) {
	uses, err := number(v, "uses", identity.MaxRegistrations)
	if err != nil {
		return once{}, err
	}
	hours, err := number(v, "hours", int(identity.MaxRegistrationToken/time.Hour))
	if err != nil {
		return once{}, err
	}
	text, until, err := d.o.Operators.AddRegistrationToken(v.ctx(), uses, time.Duration(hours)*time.Hour)
	return once{text, fmt.Sprintf("It is good for %d, until %s.", uses, date(until).Text)}, err
}

func addWebhook(d *Desk, v visitor, _ string) (once, error) {
	w := identity.Webhook{Name: strings.TrimSpace(v.r.PostFormValue("name")), URL: strings.TrimSpace(v.r.PostFormValue("url"))}
	for _, kind := range strings.Fields(v.r.PostFormValue("kinds")) {
		w.Kinds = append(w.Kinds, identity.EventKind(kind))
	}
	secret, err := d.o.Webhooks.Add(v.ctx(), &w)
	return once{secret, "This is the secret of " + w.Name + "."}, err
}

// deliveries are what can be done to a Delivery.
var deliveries = noun[identity.ID]{
	path:  "deliveries/{id}",
	find:  func(_ *Desk, v visitor) (identity.ID, error) { return idOf(named(v.r), "delivery") },
	home:  func(identity.ID) string { return DeskPrefix + "deliveries" },
	about: func(identity.ID) identity.Act { return identity.Act{} },
	named: func(identity.ID) string { return "Deliveries" },
	deeds: []deed[identity.ID]{{
		name: "retry", needs: identity.RoleOperator, noReason: true, button: "Try it again",
		says: "It is due at once, with all its tries again.", done: "It is due again.",
		do: func(d *Desk, v visitor, id identity.ID) (once, error) {
			return once{}, d.o.Operators.RetryDelivery(v.ctx(), id)
		},
	}},
}

// listedDeliveries are what waits for somebody else's server, or what was given up, the oldest first.
var listedDeliveries = listing[identity.ListedDelivery]{
	path: "deliveries", size: fileSize,
	find: func(d *Desk, v visitor, limit int) ([]identity.ListedDelivery, url.Values, error) {
		asked := url.Values{"state": {v.r.URL.Query().Get("state")}}
		after, err := afterOf(v)
		if err != nil {
			return nil, asked, err
		}
		all, err := d.o.Lists.Deliveries(v.ctx(), identity.DeliveryFilter{Dead: asked.Get("state") == "dead", After: after, Limit: limit})
		return all, asked, err
	},
	id:   func(one identity.ListedDelivery) string { return one.ID.String() },
	line: func(one identity.ListedDelivery) any { return NewDelivery(one) },
	columns: []string{
		"id", "kind", "client_id", "sid", "letter", "event", "host", "tries", "last_error", "created_at", "next_try_at", "dead_at",
	},
}

func (d *Desk) deliveriesPage(v visitor) (page templates.Desk, err error) {
	page.Title = "Deliveries"
	t := &templates.DeskTable{Columns: []string{"What", "For", "Tries", "Next try", "Last error"}, Empty: "Nothing waits."}
	asked, err := listedDeliveries.fill(v, t, func(one identity.ListedDelivery) []templates.DeskCell {
		what := templates.DeskCell{Text: string(one.Kind), Under: cmp.Or(string(one.Letter), string(one.Event))}
		if v.may(identity.RoleOperator) {
			what.URL = DeskPrefix + "deliveries/" + one.ID.String() + "/retry"
		}
		when := v.due(one.NextTryAt)
		if !one.DeadAt.IsZero() {
			what.Mark, when = "given up", v.moment(one.DeadAt)
		}
		return []templates.DeskCell{what, {Text: cmp.Or(one.ClientID, one.Host, "mail")}, count(one.Tries), when, {Text: cmp.Or(one.LastError, "–")}}
	})
	page.Find = templates.DeskFind{Action: DeskPrefix + "deliveries", Inputs: []templates.DeskInput{{
		Name: "state", Label: "Which", Value: asked.Get("state"), Options: []templates.DeskOption{{Value: "", Label: "all that wait"}, {Value: "dead", Label: "given up"}},
	}}}
	page.Parts = []templates.DeskPart{{Table: t}}
	page.Acts = nothingsAt(v, "deliveries")
	return page, err
}

// due says when something is to happen.
func (v visitor) due(at time.Time) templates.DeskCell {
	if !at.After(v.now()) {
		return templates.DeskCell{Text: "now"}
	}
	return date(at)
}

// webhooks are what can be done to a webhook.
var webhooks = noun[identity.Webhook]{
	path:  "webhooks/{id}",
	find:  (*Desk).webhookOf,
	home:  func(w identity.Webhook) string { return DeskPrefix + "webhooks/" + url.PathEscape(w.Name) },
	about: func(identity.Webhook) identity.Act { return identity.Act{} },
	named: func(w identity.Webhook) string { return w.Name },
	deeds: []deed[identity.Webhook]{
		{
			name: "replay", needs: identity.RoleOperator, noReason: true, button: "Tell it again",
			says: "It is told once more of every event since a day, the oldest first.", done: "The events are on their way.",
			inputs: func(w identity.Webhook) []templates.DeskInput {
				since := ""
				if !w.MissedSince.IsZero() {
					since = w.MissedSince.UTC().Format(time.DateOnly)
				}
				return []templates.DeskInput{{Name: "since", Label: "Since (day, UTC)", Value: since}}
			},
			do: func(d *Desk, v visitor, w identity.Webhook) (once, error) {
				since, err := time.Parse(time.DateOnly, strings.TrimSpace(v.r.PostFormValue("since")))
				if err != nil {
					return once{}, identity.RefuseField("since", "Write a day like 2026-11-28.")
				}
				_, err = d.o.Webhooks.Replay(v.ctx(), w.Name, since)
				return once{}, err
			},
		},
		{
			name: "rotate-secret", needs: identity.RoleOperator, fresh: true, button: "Rotate the secret",
			says: "Its messages are signed with another secret. The one before signs them as well, for as long as you say: 0 for one that leaked.",
			done: "The secret is rotated.", inputs: func(identity.Webhook) []templates.DeskInput { return overlapInputs() },
			do: func(d *Desk, v visitor, w identity.Webhook) (once, error) {
				overlap, err := overlapIn(v)
				if err != nil {
					return once{}, err
				}
				secret, until, err := d.o.Webhooks.Rotate(v.ctx(), w.Name, overlap)
				says := "This is the secret of " + w.Name + " from now on. "
				if overlap == 0 {
					return once{secret, says + "The one before signs nothing more."}, err
				}
				return once{secret, says + "The one before signs until " + date(until).Text + "."}, err
			},
		},
		{
			name: "remove", needs: identity.RoleOperator, fresh: true, danger: true, gone: true, button: "Remove the webhook",
			says: "Its program is told nothing more, and what waits for it is dropped.", done: "The webhook is removed.",
			do: func(d *Desk, v visitor, w identity.Webhook) (once, error) {
				return once{}, d.o.Webhooks.Remove(v.ctx(), w.Name)
			},
		},
	},
}

func (d *Desk) webhookOf(v visitor) (identity.Webhook, error) {
	all, err := d.o.Webhooks.All(v.ctx())
	if err != nil {
		return identity.Webhook{}, err
	}
	name := named(v.r)
	if i := slices.IndexFunc(all, func(w identity.Webhook) bool { return w.Name == name }); i >= 0 {
		return all[i], nil
	}
	return identity.Webhook{}, identity.Refuse(identity.NotFound, "There is no such webhook.")
}

// listedWebhooks are the programs that are told what happens.
var listedWebhooks = listing[identity.Webhook]{
	path: "webhooks",
	find: func(d *Desk, v visitor, _ int) ([]identity.Webhook, url.Values, error) {
		all, err := d.o.Webhooks.All(v.ctx())
		return all, nil, err
	},
	line:    func(w identity.Webhook) any { return NewWebhook(w) },
	columns: []string{"name", "url", "kinds", "created_at", "missed_since", "former_secret_until"},
}

func (d *Desk) webhooksPage(v visitor) (page templates.Desk, err error) {
	page.Title = "Webhooks"
	page.Acts = nothingsAt(v, "webhooks")
	t := &templates.DeskTable{Columns: []string{"Name", "Address", "Told of", "Added", "Missed since"}, Empty: "There is none."}
	_, err = listedWebhooks.fill(v, t, func(w identity.Webhook) []templates.DeskCell {
		return []templates.DeskCell{
			{Text: w.Name, URL: DeskPrefix + "webhooks/" + url.PathEscape(w.Name)},
			{Text: w.URL},
			{Text: kindsOf(w)},
			v.moment(w.CreatedAt), v.moment(w.MissedSince),
		}
	})
	page.Parts = []templates.DeskPart{{Table: t}}
	return page, err
}

func kindsOf(w identity.Webhook) string {
	kinds := make([]string, len(w.Kinds))
	for i, kind := range w.Kinds {
		kinds[i] = string(kind)
	}
	return cmp.Or(strings.Join(kinds, " "), "all but forks")
}

// webhook is the page of one webhook.
func (d *Desk) webhook(v visitor) (page templates.Desk, err error) {
	w, err := d.webhookOf(v)
	page.Title, page.Back = w.Name, templates.Link{URL: DeskPrefix + "webhooks", Label: "Webhooks"}
	page.Acts = webhooks.links(v, w)
	page.Parts = []templates.DeskPart{{Facts: []templates.DeskFact{
		{Name: "Address", DeskCell: templates.DeskCell{Text: w.URL}},
		{Name: "Told of", DeskCell: templates.DeskCell{Text: kindsOf(w)}},
		{Name: "Added", DeskCell: v.moment(w.CreatedAt)},
		{Name: "Missed since", DeskCell: date(w.MissedSince)},
	}}}
	if v.now().Before(w.FormerUntil) {
		page.Parts[0].Facts = append(page.Parts[0].Facts, templates.DeskFact{Name: "The secret before signs until", DeskCell: date(w.FormerUntil)})
	}
	return page, err
}
