package admin

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// personAt is a person at the desk: their account and their role.
type personAt struct {
	identity.Account
	office identity.Office
}

// persons are what can be done to a person.
var persons = noun[personAt]{
	path:  "people/{id}",
	find:  (*Desk).personActed,
	home:  func(p personAt) string { return DeskPrefix + "people/" + p.ID.String() },
	about: func(p personAt) identity.Act { return identity.Act{UserID: p.ID} },
	named: func(p personAt) string { return p.Email },
	deeds: []deed[personAt]{
		{
			name: "end-all", needs: identity.RoleSupport, danger: true, button: "Sign out everywhere",
			says: "Every app and browser of this person is signed out at once. They may sign in again.", done: "They are signed out everywhere.",
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				_, err := d.o.Operators.EndAll(v.ctx(), p.ID)
				return once{}, err
			},
		},
		{
			name: "lock", needs: identity.RoleSupport, fresh: true, danger: true, button: "Lock the account",
			says: "Everything of this person is signed out at once, and they cannot sign in until somebody unlocks the account.", done: "The account is locked.",
			fits: func(_ *Desk, p personAt) bool { return p.DisabledAt.IsZero() },
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				_, err := d.o.Operators.Lock(v.ctx(), p.ID)
				return once{}, err
			},
		},
		{
			name: "unlock", needs: identity.RoleSupport, fresh: true, button: "Unlock the account",
			says: "This person may sign in again. Nothing that ended comes back.", done: "The account is unlocked.",
			fits: func(_ *Desk, p personAt) bool { return !p.DisabledAt.IsZero() },
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				_, err := d.o.Operators.Unlock(v.ctx(), p.ID)
				return once{}, err
			},
		},
		{
			name: "remove-factor", needs: identity.RoleSupport, fresh: true, danger: true, button: "Remove the second factor",
			says: "Be sure that it is the person who asks: from now on the password alone opens the account. The authenticator and the recovery codes " +
				"go, everything is signed out, and a mail tells them.",
			done: "The second factor is removed.",
			fits: func(_ *Desk, p personAt) bool { return len(p.Factors) > 0 },
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				return once{}, d.o.TOTP.RemoveFor(v.ctx(), d.o.Operators, p.ID, v.r.PostFormValue("reason"))
			},
		},
		{
			name: "confirm-email", needs: identity.RoleSupport, fresh: true, button: "Confirm the address",
			says: "It counts as this person's from now on, as if they had followed the link in our mail. A mail tells them.", done: "The address is confirmed.",
			fits: func(_ *Desk, p personAt) bool { return !p.EmailVerified },
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				_, err := d.o.Operators.ConfirmEmail(v.ctx(), p.ID, v.r.PostFormValue("reason"))
				return once{}, err
			},
		},
		{
			name: "set-email", needs: identity.RoleSupport, fresh: true, danger: true, button: "Change the address",
			says: "Be sure that it is the person who asks: who reads the new mailbox can open the account. Everything is signed out, and mails tell " +
				"both addresses.",
			done: "The address is changed.",
			inputs: func(personAt) []templates.DeskInput {
				return []templates.DeskInput{{Name: "new_email", Label: "New e-mail address", Type: "email"}}
			},
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				return once{}, d.o.Operators.SetEmail(v.ctx(), p.ID, v.r.PostFormValue("new_email"), v.r.PostFormValue("reason"))
			},
		},
		{
			name: "send-reset", needs: identity.RoleSupport, button: "Mail a link to reset the password",
			says: "Their mailbox gets a link to choose a new password. Nothing changes before they follow it.", done: "The mail is on its way.",
			fits: func(d *Desk, p personAt) bool { return d.o.Operators.MailOn && p.DisabledAt.IsZero() },
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				return once{}, d.o.Operators.SendReset(v.ctx(), p.ID)
			},
		},
		{
			name: "send-confirmation", needs: identity.RoleSupport, button: "Mail a link to confirm the address",
			says: "Their mailbox gets a link that confirms the address. Nothing changes before they follow it.", done: "The mail is on its way.",
			fits: func(d *Desk, p personAt) bool {
				return d.o.Operators.MailOn && p.DisabledAt.IsZero() && !p.EmailVerified
			},
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				return once{}, d.o.Operators.SendConfirm(v.ctx(), p.ID)
			},
		},
		{
			name: "way-in", needs: identity.RoleSupport, fresh: true, danger: true, button: "Make a way in",
			says: "Be sure that it is the person to whom you give it: the link lets whoever has it choose a new password, once, within half an " +
				"hour. A second factor is asked for as before, and a mail tells them that it was made.",
			done: "The link is made.",
			fits: func(_ *Desk, p personAt) bool { return p.DisabledAt.IsZero() },
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				way, err := d.o.Operators.MakeWayIn(v.ctx(), d.o.Links, p.ID, v.r.PostFormValue("reason"))
				return once{ResetAddress(d.o.Issuer, way.Link), "It works once, until " + way.ExpiresAt.UTC().Format(time.DateTime) + " UTC."}, err
			},
		},
		{
			name: "role", needs: identity.RoleOperator, fresh: true, button: "Change the role at the desk",
			says: "A reader sees everything here, support acts on persons, an operator on everything. What they have open at the desk is over at " +
				"once. Give a role only to who has a second factor.",
			done:   "The role is changed.",
			inputs: roleInputs,
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				role, err := identity.ReadRole(v.r.PostFormValue("role"))
				if err != nil {
					return once{}, err
				}
				_, err = d.o.Offices.Set(v.ctx(), p.ID, role)
				return once{}, err
			},
		},
		{
			name: "delete", needs: identity.RoleOperator, fresh: true, danger: true, gone: true, button: "Delete the account",
			says: "Everything is signed out, then the account goes with its factors, consents, documents and history. This cannot be undone; locking can.",
			done: "The account is deleted.",
			do: func(d *Desk, v visitor, p personAt) (once, error) {
				return once{}, d.o.Operators.DeleteUser(v.ctx(), p.ID)
			},
		},
	},
}

func roleInputs(p personAt) []templates.DeskInput {
	in := templates.DeskInput{Name: "role", Label: "Role", Value: p.office.Role.String()}
	for _, role := range append([]identity.Role{identity.NoRole}, identity.Roles...) {
		in.Options = append(in.Options, templates.DeskOption{Value: role.String(), Label: role.String()})
	}
	return []templates.DeskInput{in}
}

// personOf reads which person the address names.
func (d *Desk) personOf(v visitor) (p personAt, err error) {
	id, err := userIn(v.r)
	if err != nil {
		return p, err
	}
	if p.Account, err = d.o.Rows.AccountByID(v.ctx(), id); err != nil {
		return p, err
	}
	p.office, err = d.o.Rows.OfficeOf(v.ctx(), id)
	return p, err
}

// personActed is personOf for who acts. Refusals: Forbidden for one's own account, and for that of somebody with a role, which
// only an operator acts on: else support could make itself one.
func (d *Desk) personActed(v visitor) (personAt, error) {
	p, err := d.personOf(v)
	if err != nil {
		return p, err
	}
	return p, v.mayActOn(p)
}

func (v visitor) mayActOn(p personAt) error {
	switch {
	case p.ID == v.User.ID:
		return errOwnAccount
	case p.office.Role != identity.NoRole && !v.may(identity.RoleOperator):
		return identity.Refuse(identity.Forbidden, "This person has a role at the desk. Only an operator acts on their account.")
	}
	return nil
}

// listedPeople are people as a search finds them: by the beginning of an address, by what apps know them by, or by an id.
var listedPeople = listing[identity.Account]{
	path: "people", size: fileSize, find: (*Desk).peopleAsked,
	id: func(a identity.Account) string { return a.ID.String() },
	line: func(a identity.Account) any {
		a.Described = identity.Described{} // no page of the desk shows it
		return NewUser(a)
	},
	columns: []string{
		"id", "sub", "email", "email_verified", "name", "locked", "locked_at", "factors", "recovery_codes_left", "sessions", "created_at",
		"password_set_at",
	},
}

func (d *Desk) peopleAsked(v visitor, limit int) ([]identity.Account, url.Values, error) {
	text := strings.TrimSpace(v.r.URL.Query().Get("q"))
	asked, q := url.Values{"q": {text}}, identity.AccountQuery{Limit: limit}
	var err error
	if q.After, err = afterOf(v); err != nil {
		return nil, asked, err
	}
	if id, err := uuid.Parse(text); err == nil {
		q.ID = id
	} else if strings.Contains(text, "@") || len(text) < subLength {
		q.Starts = strings.ToLower(text)
	} else {
		q.Sub = text
	}
	if !plain(text) {
		return nil, asked, identity.RefuseField("q", "Search for at most 256 bytes without control characters.")
	}
	all, err := d.o.Lists.Accounts(v.ctx(), q)
	if q.Starts != "" && limit > fileSize && len(all) == limit { // such a search knows no page after the first
		return nil, asked, identity.RefuseField("q", "More addresses begin so than a file holds: type more of the address.")
	}
	return all, asked, err
}

func (d *Desk) people(v visitor) (page templates.Desk, err error) {
	page.Title = "People"
	t := &templates.DeskTable{Columns: []string{"Address", "Name", "Sessions", "Added"}, Empty: "Nobody is found."}
	asked, err := listedPeople.fill(v, t, func(a identity.Account) []templates.DeskCell {
		return []templates.DeskCell{personCell(a), {Text: a.Name}, count(a.Sessions), v.moment(a.CreatedAt)}
	})
	page.Find = templates.DeskFind{Action: DeskPrefix + "people", Inputs: []templates.DeskInput{
		{Name: "q", Label: "Address, or its beginning", Hint: "Or a sub, as apps know people, or an id.", Value: asked.Get("q")},
	}}
	page.Parts = []templates.DeskPart{{Table: t}}
	if t.NextURL != "" && asked.Get("q") != "" {
		page.Parts[0].Text, t.NextURL = "There are more: type more of the address.", ""
	}
	return page, err
}

// subLength is that of every sub.
const subLength = 22

func personCell(a identity.Account) templates.DeskCell {
	cell := templates.DeskCell{Text: a.Email, URL: DeskPrefix + "people/" + a.ID.String()}
	if !a.DisabledAt.IsZero() {
		cell.Mark = "locked"
	}
	return cell
}

// person is the page of one person.
func (d *Desk) person(v visitor) (page templates.Desk, err error) {
	p, err := d.personOf(v)
	if err != nil {
		return page, err
	}
	page.Title, page.Back = p.Email, templates.Link{URL: DeskPrefix + "people", Label: "People"}
	page.Parts = []templates.DeskPart{{Facts: d.personFacts(v, p)}}
	if why := v.mayActOn(p); why == nil {
		page.Parts[0].Acts = persons.links(v, p)
	} else if v.may(identity.RoleSupport) {
		page.Lead = errorText(why)
	}
	for _, part := range []func(visitor, personAt) (templates.DeskPart, error){d.devices, d.browsers, d.apps, d.past, d.activity} {
		shown, err := part(v, p)
		if err != nil {
			return page, err
		}
		page.Parts = append(page.Parts, shown)
	}
	return page, nil
}

func (d *Desk) personFacts(v visitor, p personAt) []templates.DeskFact {
	email := templates.DeskCell{Text: p.Email, Mark: "not confirmed"}
	if p.EmailVerified {
		email.Mark = ""
	}
	u := NewUser(p.Account)
	factors := templates.DeskCell{Text: cmp.Or(strings.Join(u.Factors, ", "), "none")}
	if len(u.Factors) > 0 {
		factors.Under = "recovery codes left: " + count(u.CodesLeft).Text
	}
	facts := []templates.DeskFact{
		{Name: "Address", DeskCell: email},
		{Name: "Name", DeskCell: templates.DeskCell{Text: cmp.Or(p.Name, "–")}},
		{Name: "Second factor", DeskCell: factors},
		{Name: "Added", DeskCell: v.exactly(p.CreatedAt)},
		{Name: "Password chosen", DeskCell: v.exactly(p.PasswordSetAt)},
		{Name: "Sub", DeskCell: templates.DeskCell{Text: p.Sub, Code: true}},
		{Name: "Id", DeskCell: templates.DeskCell{Text: p.ID.String(), Code: true}},
	}
	if !p.DisabledAt.IsZero() {
		locked := v.exactly(p.DisabledAt)
		locked.Mark = "locked"
		facts = append(facts, templates.DeskFact{Name: "Locked", DeskCell: locked})
	}
	if p.office.Role != identity.NoRole {
		facts = append(facts, templates.DeskFact{Name: "Role at the desk", DeskCell: templates.DeskCell{Text: string(p.office.Role)}})
	}
	return facts
}

// maxPart bounds what one part of a person's page lists.
const maxPart = 50

func (d *Desk) devices(v visitor, p personAt) (templates.DeskPart, error) {
	all, err := d.o.Rows.FindSessions(v.ctx(), identity.SessionQuery{UserID: p.ID, Limit: maxPart + 1})
	t := &templates.DeskTable{Columns: []string{"Device", "App", "Last used", "Where"}, Empty: "No app is signed in."}
	for _, one := range all[:min(len(all), maxPart)] {
		s := one.Session
		t.Rows = append(t.Rows, []templates.DeskCell{
			deviceCell(s), {Text: s.ClientID, Under: s.Device.AppVersion}, v.exactly(s.LastUsedAt), d.whereCell(s.Address),
		})
	}
	if len(all) > maxPart {
		t.NextURL = DeskPrefix + "sessions?" + url.Values{"user": {p.Email}}.Encode()
	}
	return templates.DeskPart{Title: "Devices", Table: t}, err
}

// deviceCell is what is known of a device, and leads to its Session. All of it is what its app says.
func deviceCell(s identity.Session) templates.DeskCell {
	browser := identity.Seen{UserAgent: s.UserAgent}.Browser()
	name := cmp.Or(s.Device.Name, s.Device.Model, browser, "unknown")
	under := cmp.Or(s.Device.Model, browser)
	if under == name {
		under = ""
	}
	return templates.DeskCell{Text: name, Under: under, URL: DeskPrefix + "sessions/" + s.ID.String()}
}

func (d *Desk) whereCell(address string) templates.DeskCell {
	return templates.DeskCell{Text: cmp.Or(address, "–"), Under: d.o.Place(address)}
}

func (d *Desk) browsers(v visitor, p personAt) (templates.DeskPart, error) {
	all, err := d.o.Rows.BareSignIns(v.ctx(), p.ID, maxPart)
	t := &templates.DeskTable{Columns: []string{"Browser", "Proved", "Last used", "Where"}, Empty: "No browser is signed in without an app."}
	for _, s := range all {
		t.Rows = append(t.Rows, []templates.DeskCell{
			{Text: cmp.Or(identity.Seen{UserAgent: s.UserAgent}.Browser(), "unknown")},
			{Text: strings.Join(s.AMR.Names(), " ")},
			v.moment(s.LastUsedAt), d.whereCell(s.Address),
		})
	}
	return templates.DeskPart{Title: "Browsers", Table: t}, err
}

func (d *Desk) apps(v visitor, p personAt) (templates.DeskPart, error) {
	all, err := d.o.Rows.GrantsOf(v.ctx(), p.ID, maxPart)
	t := &templates.DeskTable{Columns: []string{"App", "May", "Allowed"}, Empty: "They allowed no app anything: apps of the operator's own ask for nothing."}
	for _, g := range all {
		t.Rows = append(t.Rows, []templates.DeskCell{clientCell(g.ClientID, ""), {Text: strings.Join(g.Scopes, " ")}, v.moment(g.UpdatedAt)})
	}
	return templates.DeskPart{Title: "Apps that they allowed", Table: t}, err
}

// pastFor is how far a person's page looks back for devices that ended.
const pastFor = 90 * 24 * time.Hour

func (d *Desk) past(v visitor, p personAt) (templates.DeskPart, error) {
	all, err := d.o.Rows.SessionsPast(v.ctx(), p.ID, v.now().Add(-pastFor), maxPart)
	t := &templates.DeskTable{Columns: []string{"Device", "App", "Ended", "Why"}, Empty: "No device ended within 90 days."}
	for _, s := range all {
		cause, at, _ := s.Ending(v.now())
		t.Rows = append(t.Rows, []templates.DeskCell{
			deviceCell(s), {Text: s.ClientID, Under: s.Device.AppVersion}, v.exactly(at), causeCell(cause),
		})
	}
	return templates.DeskPart{Title: "Devices that ended", Table: t}, err
}

// causeCell is why something ended, and how the person's own pages say it, for whoever has them on the phone.
func causeCell(cause identity.EndCause) templates.DeskCell {
	return templates.DeskCell{Text: string(cause), Under: "They read: " + templates.CauseSaid(string(cause)) + "."}
}

func (d *Desk) activity(v visitor, p personAt) (templates.DeskPart, error) {
	all, err := d.o.Rows.Activity(v.ctx(), p.ID, maxPart)
	t := eventTable(v, all)
	t.NextURL = DeskPrefix + "events?" + url.Values{"user": {p.Email}}.Encode()
	return templates.DeskPart{Title: "Activity", Table: t}, err
}
