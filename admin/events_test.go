package admin_test

import (
	"net/http"
	"testing"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func TestEvents_ofAPersonAndOfASession(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada, bob := d.user("ada@example.com"), d.user("bob@example.com")
		d.client("notes")
		s := d.begin(ada, "notes")
		for _, user := range []identity.User{ada, bob} {
			d.want(http.StatusOK, "POST /api/users/"+user.ID.String()+"/lock", nil)
		}
		list := func(query string) (kinds []identity.EventKind, next string) {
			var page struct {
				Events []admin.Event `json:"events"`
				Next   string        `json:"next"`
			}
			d.want(http.StatusOK, "GET /api/events"+query, &page)
			for _, e := range page.Events {
				kinds = append(kinds, e.Kind)
			}
			return kinds, page.Next
		}
		want := []identity.EventKind{identity.UserLocked, identity.SessionEnded, identity.SignInEnded}
		got, _ := list("?user=" + ada.ID.String())
		d.same(want, got)
		got, _ = list("?session=" + s.ID.String())
		d.same([]identity.EventKind{identity.SessionEnded}, got)
		after := ""
		for _, kind := range want {
			page, next := list("?limit=1&user=" + ada.ID.String() + after)
			d.same([]identity.EventKind{kind}, page)
			after = "&after=" + next
		}
	})
}
