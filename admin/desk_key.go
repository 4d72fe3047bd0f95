package admin

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// keys are what can be done to a signing key.
var keys = noun[identity.SigningKey]{
	path:  "keys/{id}",
	find:  (*Desk).keyOf,
	home:  func(identity.SigningKey) string { return DeskPrefix + "keys" },
	about: func(identity.SigningKey) identity.Act { return identity.Act{} },
	named: func(identity.SigningKey) string { return "Keys" },
	deeds: []deed[identity.SigningKey]{{
		name: "remove", needs: identity.RoleOperator, fresh: true, danger: true, button: "Remove the key",
		says: "For a key whose private half somebody may have. Within a second what it signed is refused here, and the next key takes its " +
			"place. An API that checks tokens by itself believes the key until it reads the key set again.",
		done: "The key is removed.",
		do: func(d *Desk, v visitor, k identity.SigningKey) (once, error) {
			return once{}, d.o.SigningKeys.Remove(v.ctx(), k.ID, v.r.PostFormValue("reason"))
		},
	}},
}

func (d *Desk) keyOf(v visitor) (identity.SigningKey, error) {
	all, err := d.o.SigningKeys.All(v.ctx())
	if err != nil {
		return identity.SigningKey{}, err
	}
	id := named(v.r)
	if i := slices.IndexFunc(all, func(k identity.SigningKey) bool { return k.ID == id }); i >= 0 {
		return all[i], nil
	}
	return identity.SigningKey{}, identity.Refuse(identity.NotFound, "There is no such key.")
}

// listedKeys are the keys that sign tokens, and those that did.
var listedKeys = listing[identity.SigningKey]{
	path: "keys",
	find: func(d *Desk, v visitor, _ int) ([]identity.SigningKey, url.Values, error) {
		all, err := d.o.SigningKeys.All(v.ctx())
		return all, nil, err
	},
	line:    func(k identity.SigningKey) any { return newKey(k) },
	columns: []string{"kid", "alg", "state", "created_at", "activated_at", "retired_at"},
}

func (d *Desk) keysPage(v visitor) (page templates.Desk, err error) {
	page.Title = "Keys"
	page.Acts = nothingsAt(v, "keys")
	t := &templates.DeskTable{Columns: []string{"Key", "Algorithm", "State", "Made", "Signs since"}, Empty: "There is none yet."}
	_, err = listedKeys.fill(v, t, func(k identity.SigningKey) []templates.DeskCell {
		cell := templates.DeskCell{Text: k.ID, Code: true}
		if v.may(identity.RoleOperator) {
			cell.URL = DeskPrefix + "keys/" + k.ID + "/remove"
		}
		return []templates.DeskCell{cell, {Text: k.Alg}, {Text: string(k.State)}, v.moment(k.CreatedAt), v.moment(k.ActivatedAt)}
	})
	page.Parts = []templates.DeskPart{{Table: t}}
	return page, err
}

// currentKey is one of those that sign, so that whoever presses twice rotates once.
func (d *Desk) currentKey(v visitor) (in templates.DeskInput, err error) {
	all, err := d.o.SigningKeys.All(v.ctx())
	in = templates.DeskInput{Name: "current", Type: "hidden"}
	if i := slices.IndexFunc(all, func(k identity.SigningKey) bool { return k.State == identity.KeyCurrent }); i >= 0 {
		in.Value = all[i].ID
	}
	return in, err
}

// settings lists what this process runs with, without secrets, and who may do what here.
func (d *Desk) settings(v visitor) (page templates.Desk, err error) {
	page.Title = "Settings"
	page.Lead = "In force in the process that answered. They are changed in its environment or file."
	t := &templates.DeskTable{Columns: []string{"Setting", "Value"}}
	for line := range strings.Lines(d.o.Settings) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		t.Rows = append(t.Rows, []templates.DeskCell{{Text: name, Code: true}, {Text: cmp.Or(value, "–")}})
	}
	who, err := d.officers(v)
	page.Parts = []templates.DeskPart{
		{Table: t}, {Title: "Who has a role here", Text: "An operator gives and takes roles on a person's page.", Table: who},
	}
	return page, err
}

// officers lists people who have a role, page by page.
func (d *Desk) officers(v visitor) (*templates.DeskTable, error) {
	t := &templates.DeskTable{Columns: []string{"Person", "Role", "Since"}, Empty: "Nobody has one."}
	after, err := afterOf(v)
	if err != nil {
		return t, err
	}
	all, err := d.o.Store.Officers(v.ctx(), after, pageSize+1)
	officers, next := cut(all, pageSize, func(one identity.Officer) ([]templates.DeskCell, string) {
		id := one.User.ID.String()
		return []templates.DeskCell{{Text: one.User.Email, URL: DeskPrefix + "people/" + id}, {Text: string(one.Role)}, v.moment(one.Since)}, id
	})
	if t.Rows = officers; next != "" {
		t.NextURL = DeskPrefix + "settings?after=" + next
	}
	return t, err
}
