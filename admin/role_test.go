package admin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

// A role is given and taken for a reason, which stands in an Event with the token's name.
func TestRoles_areGivenListedAndTakenForAReason(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		path := "POST /api/users/" + ada.ID.String() + "/set-role "
		for body, field := range map[string]string{`{"role":"reader"}`: "reason", `{"role":"king","reason":"x"}`: "role", `{}`: "role"} {
			if got := d.want(http.StatusBadRequest, path+body, nil); !strings.Contains(got.body, `"field":"`+field+`"`) {
				d.Error(got.body)
			}
		}
		var done admin.ChangedRole
		d.want(http.StatusOK, path+`{"role":"reader","reason":"hired, ticket 4711"}`, &done)
		d.same(admin.ChangedRole{ID: ada.ID, Email: ada.Email, Role: "reader", Changed: true}, done)
		var all struct{ Roles []admin.Officer }
		d.want(http.StatusOK, "GET /api/roles", &all)
		if len(all.Roles) != 1 || all.Roles[0].UserID != ada.ID || all.Roles[0].Role != identity.RoleReader {
			d.Errorf("%+v", all)
		}
		d.want(http.StatusOK, path+`{"role":"none","reason":"left"}`, &done)
		d.want(http.StatusOK, "GET /api/roles", &all)
		if len(all.Roles) != 0 || done.Role != "none" {
			d.Errorf("%+v %+v", all, done)
		}
		d.want(http.StatusNotFound, "POST /api/users/"+identity.NewID().String()+`/set-role {"role":"reader","reason":"x"}`, nil)
		d.same(2, d.told(identity.RoleChanged, "api:deploy"))
		d.same(2, d.told(identity.OperatorActed, "api:deploy"))
	})
}

// However many have a role, whoever lists them learns of each, by the API and at the desk.
func TestRoles_areListedPageByPage(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		o.token = o.add("deploy")
		c := o.clerk("boss@example.com", identity.RoleReader).enter()
		want := []string{c.user.Email}
		for i := range 50 {
			user := o.user(fmt.Sprintf("ada%02d@example.com", i))
			o.do(identity.Offices{Store: o.db, Now: o.now}.Set(o.Context(), user.ID, identity.RoleReader))
			want = append([]string{user.Email}, want...)
		}
		got, after := []string{}, ""
		for range 2 {
			var page struct {
				Roles []admin.Officer
				Next  string
			}
			o.want(http.StatusOK, "GET /api/roles?limit=50"+after, &page)
			for _, one := range page.Roles {
				got = append(got, one.Email)
			}
			after = "&after=" + page.Next
		}
		o.same(want, got)
		o.same("&after=", after)
		for query, field := range map[string]string{"limit=501": "limit", "after=ada": "after"} {
			if got := o.want(http.StatusBadRequest, "GET /api/roles?"+query, nil); !strings.Contains(got.body, `"field":"`+field+`"`) {
				o.Error(got.body)
			}
		}
		first := c.get("/desk/settings")
		older := c.get(first.Find(".ways a").AttrOr("href", "there is none"))
		o.same(want, slices.Concat(officersOf(first), officersOf(older)))
		if older.Find(".ways a").Length() != 0 {
			o.Error("the last page leads on")
		}
	})
}

func officersOf(s sheet) []string {
	return s.Find(`td a[href^="/desk/people/"]`).Map(func(_ int, a *goquery.Selection) string { return strings.TrimSpace(a.Text()) })
}

// Keys are listed without their private halves, rotated, and removed for a reason.
func TestKeys_areListedRotatedAndRemoved(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		d.ok(identity.SigningKeys{Store: d.db, Now: d.now}.Ensure(d.Context()))
		var before, after admin.KeyList
		if got := d.want(http.StatusOK, "GET /api/keys", &before); strings.Contains(got.body, "rivate") {
			d.Error(got.body)
		}
		d.want(http.StatusOK, `POST /api/keys/rotate {"alg":"ES256"}`, &after)
		states := map[identity.KeyState]int{}
		for _, k := range after.Keys {
			if k.Alg == "ES256" {
				states[k.State]++
			}
		}
		d.same(map[identity.KeyState]int{identity.KeyNext: 1, identity.KeyCurrent: 1, identity.KeyRetired: 1}, states)
		d.want(http.StatusBadRequest, `POST /api/keys/rotate {"alg":"none"}`, nil)
		d.want(http.StatusBadRequest, "POST /api/keys/"+before.Keys[0].ID+"/remove {}", nil)
		d.want(http.StatusNotFound, `POST /api/keys/nokey/remove {"reason":"leaked"}`, nil)
		d.want(http.StatusOK, "POST /api/keys/"+before.Keys[0].ID+`/remove {"reason":"leaked"}`, &after)
		for _, k := range after.Keys {
			if k.ID == before.Keys[0].ID {
				d.Error("the key is still there")
			}
		}
		d.same(1, d.told(identity.KeysRotated, "api:deploy"))
		d.same(1, d.told(identity.KeyRemoved, "api:deploy"))
	})
}

// Initial access tokens are made within bounds; what registered itself is listed.
func TestRegistrations_tokensAreMadeAndAppsListed(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		var made admin.RegistrationToken
		d.want(http.StatusOK, `POST /api/registration-tokens {"uses":3,"expires_in_seconds":3600}`, &made)
		if !strings.HasPrefix(made.Token, "sj_it_") || made.Uses != 3 || !made.Expires.Equal(d.now().Add(time.Hour)) {
			d.Errorf("%+v", made)
		}
		for _, body := range []string{`{"uses":0}`, `{"uses":1001}`, `{"expires_in_seconds":59}`, `{"expires_in_seconds":2592001}`, `{"x":1}`, ``} {
			d.want(http.StatusBadRequest, "POST /api/registration-tokens "+body, nil)
		}
		d.same(1, d.told(identity.RegistrationTokenAdded, "api:deploy"))
		d.client("ours")
		d.ok(d.db.CreateClient(d.Context(), identity.Client{ID: "theirs", SelfRegistered: true, CreatedAt: d.now()}))
		var all struct{ Clients []admin.Client }
		d.want(http.StatusOK, "GET /api/registrations", &all)
		if len(all.Clients) != 1 || all.Clients[0].ID != "theirs" {
			d.Errorf("%+v", all)
		}
	})
}

// Mails to a person are asked for with a reason, and not into a locked account, nor where the address is confirmed.
func TestUsers_mailsAreSentForAReason(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		path := "POST /api/users/" + ada.ID.String() + "/"
		d.want(http.StatusBadRequest, path+"send-reset {}", nil)
		d.want(http.StatusNoContent, path+`send-reset {"reason":"ticket 4711"}`, nil)
		d.want(http.StatusConflict, path+`send-confirmation {"reason":"ticket 4711"}`, nil)
		d.same(1, d.told(identity.OperatorActed, "api:deploy"))
		d.want(http.StatusOK, path+"lock", nil)
		d.want(http.StatusConflict, path+`send-reset {"reason":"ticket 4711"}`, nil)
		d.want(http.StatusOK, "POST /api/deliveries/retry-dead", &admin.Retried{})
	})
}
