package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

type clients struct {
	Clients []admin.Client `json:"clients"`
	Next    string         `json:"next"`
}

func TestClients_disableEndsAndEnableBringsNothingBack(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		d.client("notes")
		s := d.begin(d.user("ada@example.com"), "notes")
		var got struct {
			Changed  bool `json:"changed"`
			Disabled bool `json:"disabled"`
		}
		for _, step := range []struct {
			what              string
			changed, disabled bool
		}{{"enable", false, false}, {"disable", true, true}, {"disable", false, true}, {"enable", true, false}} {
			d.want(http.StatusOK, "POST /api/clients/notes/"+step.what, &got)
			if got.Changed != step.changed || got.Disabled != step.disabled {
				d.Errorf("%s: %+v", step.what, got)
			}
		}
		over, err := d.db.SessionByID(d.Context(), s.ID)
		d.ok(err)
		d.same(identity.EndClientOff, over.EndCause)
		d.same([]int{1, 1}, []int{d.told(identity.ClientDisabled, "api:deploy"), d.told(identity.ClientEnabled, "api:deploy")})
	})
}

func TestClients_areListedShownAndDeletedWithoutSecrets(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		for _, id := range []string{"a", "b", "c"} {
			d.client(id)
		}
		d.want(http.StatusOK, "POST /api/clients/b/disable", nil)
		var page clients
		reply := d.want(http.StatusOK, "GET /api/clients?limit=2", &page)
		if len(page.Clients) != 2 || page.Next != "b" || !page.Clients[1].Disabled || page.Clients[0].Name != "Notes" {
			d.Error(reply.body)
		}
		if strings.Contains(reply.body, "hash") {
			d.Error(reply.body)
		}
		page = clients{}
		if d.want(http.StatusOK, "GET /api/clients?limit=2&after=b", &page); len(page.Clients) != 1 || page.Next != "" {
			d.Errorf("%+v", page)
		}
		d.want(http.StatusNoContent, "DELETE /api/clients/b", nil)
		for _, nothing := range []string{"b", "%00", "%ff", strings.Repeat("x", 300)} {
			d.want(http.StatusNotFound, "GET /api/clients/"+nothing, nil)
			d.want(http.StatusNotFound, "DELETE /api/clients/"+nothing, nil)
			d.want(http.StatusNotFound, "POST /api/clients/"+nothing+"/disable", nil)
		}
		d.same(1, d.told(identity.ClientDeleted, "api:deploy"))
	})
}

// The id of a client may hold any visible character.
func TestClients_anyIDCanBeNamed(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		for _, id := range []string{"https://app.example//x?y#z", "100%", "a/../b", "..", "+"} {
			d.client(id)
			var got admin.Client
			if id == ".." {
				continue // no URL can name it: RFC 3986 §5.2.4
			}
			d.want(http.StatusOK, "GET /api/clients/"+url.PathEscape(id), &got)
			d.same(id, got.ID)
		}
	})
}

// A secret is rotated through the API as from the command line, and no answer tells it.
func TestClients_aSecretIsRotated(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		d.client("notes")
		path := "POST /api/clients/notes/rotate-secret "
		for _, body := range []string{
			`{}`, `{"secret":"short"}`, `{"secret":"0123456789abcdef","overlap_seconds":-1}`,
			`{"secret":"0123456789abcdef","overlap_seconds":99999999999}`,
		} {
			d.want(http.StatusBadRequest, path+body, nil)
		}
		got := d.want(http.StatusOK, path+`{"secret":"0123456789abcdef","overlap_seconds":60}`, nil)
		if strings.Contains(got.body, "0123456789abcdef") {
			d.Error("the answer tells the secret")
		}
		c, err := d.db.RegisteredClient(d.Context(), "notes")
		d.ok(err)
		keys := storagetest.Keys(t)
		if !keys.SecretMatches("0123456789abcdef", c.SecretHash) || string(c.FormerSecret) != "secret hash" ||
			!c.FormerUntil.Equal(d.now().Add(time.Minute)) {
			d.Errorf("%+v", c)
		}
		if n := d.told(identity.ClientUpdated, "api:deploy"); n != 1 {
			d.Error("told", n, "times")
		}
		d.want(http.StatusNotFound, `POST /api/clients/nobody/rotate-secret {"secret":"0123456789abcdef"}`, nil)
	})
}
