package admin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// supports are what a token of support may do beside what a reader sees.
var supports = []string{
	"GET /api/users/{id}/export", "POST /api/users/{id}/lock", "POST /api/users/{id}/unlock", "POST /api/users/{id}/end-sessions",
	"POST /api/users/{id}/remove-factor", "POST /api/users/{id}/way-in", "POST /api/users/{id}/set-email", "POST /api/users/{id}/confirm-email",
	"POST /api/users/{id}/send-reset", "POST /api/users/{id}/send-confirmation", "DELETE /api/sessions/{id}", "POST /api/cases/{id}/close",
}

// needs is the role that a route asks its token for.
func needs(route string) identity.Role {
	switch {
	case slices.Contains(supports, route):
		return identity.RoleSupport
	case strings.HasPrefix(route, "GET "):
		return identity.RoleReader
	}
	return identity.RoleOperator
}

// Every route of the API asks the role of its token; who has too little of one changes nothing.
func TestTokens_everyRouteAsksForItsRole(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storage.SQLite)
	d.token = d.add("deploy")
	person := d.user("ada@example.com")
	s := d.begin(person, d.client("notes").ID)
	for _, role := range identity.Roles {
		token, err := d.tokens.Add(t.Context(), string(role), role)
		d.ok(err)
		tried := 0
		d.ok(d.router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
			path, _ := route.GetPathTemplate()
			methods, _ := route.GetMethods()
			what := methods[0] + " " + path
			if role.Covers(needs(what)) && needs(what) != identity.RoleReader { // what it may do is tried below
				return nil
			}
			id := person.ID.String()
			if strings.HasPrefix(path, "/api/sessions/") {
				id = s.ID.String()
			}
			tried++
			got := d.askWith("Bearer "+token, strings.Replace(what, "{id}", id, 1)+` {"reason":"because","role":"operator"}`)
			if refused := got.status == http.StatusForbidden; refused == role.Covers(needs(what)) {
				t.Errorf("%s: %s: %d %s", role, what, got.status, got.body)
			}
			return nil
		}))
		if tried < 15 {
			t.Errorf("%s: only %d routes were tried", role, tried)
		}
	}
	var shown struct{ Alive bool }
	d.want(http.StatusOK, "GET /api/sessions/"+s.ID.String(), &shown)
	events, err := d.db.Events(t.Context(), identity.EventQuery{Limit: 1000})
	d.ok(err)
	for _, e := range events {
		if e.Actor != "" || !shown.Alive {
			t.Errorf("what was refused told %s by %s", e.Kind, e.Actor)
		}
	}
}

// A token of support acts on persons, but on none who has a role at the desk, nor on what they are signed in to, and takes nothing along
// of them.
func TestTokens_supportActsOnNobodyWithARole(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		boss, ada, app := d.user("boss@example.com"), d.user("ada@example.com"), d.client("notes")
		_, err := identity.Offices{Store: d.db, Now: d.now}.Set(d.Context(), boss.ID, identity.RoleReader)
		d.ok(err)
		token, err := d.tokens.Add(d.Context(), "help", identity.RoleSupport)
		d.ok(err)
		for email, want := range map[string]int{boss.Email: http.StatusForbidden, ada.Email: http.StatusOK} {
			user, err := d.db.UserByEmail(d.Context(), email)
			d.ok(err)
			session := d.begin(user, app.ID)
			for _, what := range []string{
				"DELETE /api/sessions/" + session.ID.String(), "POST /api/users/" + user.ID.String() + "/end-sessions",
				"POST /api/users/" + user.ID.String() + `/way-in {"reason":"lost phone"}`, "POST /api/users/" + user.ID.String() + "/lock",
				"POST /api/users/" + user.ID.String() + "/unlock", "GET /api/users/" + user.ID.String() + "/export",
			} {
				if got := d.askWith("Bearer "+token, what); got.status != want {
					d.Errorf("%s: %s: %d %s", user.Email, what, got.status, got.body)
				}
			}
		}
		if got := d.askWith("Bearer "+token, "POST /api/users/"+identity.NewID().String()+"/lock"); got.status != http.StatusNotFound {
			d.Errorf("nobody: %d %s", got.status, got.body)
		}
	})
}
