package admin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
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

// An operator adds a client and changes it by what the request names; everything else stays, its sessions too.
func TestClients_areAddedAndChanged(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		for body, field := range map[string]string{
			`{"client_id":"web","redirect_uris":["https://web.example/cb"]}`:                                                         "client_secret",
			`{"client_id":"web","client_secret":"short","redirect_uris":["https://web.example/cb"]}`:                                 "client_secret",
			`{"client_id":"a b","token_endpoint_auth_method":"none","redirect_uris":["https://web.example/cb"]}`:                     "client_id",
			`{"client_id":"web","token_endpoint_auth_method":"none","redirect_uris":["http://web.example/cb"]}`:                      "redirect_uris",
			`{"client_id":"web","token_endpoint_auth_method":"none","redirect_uris":"https://web.example/cb"}`:                       "redirect_uris",
			`{"client_id":"web","token_endpoint_auth_method":"none","redirect_uris":["https://a.b/"],"Scope":"x"}`:                   "Scope",
			`{"client_id":"web","token_endpoint_auth_method":"none","redirect_uris":["https://a.b/"],"device_name":"x"}`:             "device_name",
			`{"client_id":"web","jwks":{"keys":[]},"token_endpoint_auth_method":"private_key_jwt","redirect_uris":["https://a.b/"]}`: "jwks",
		} {
			var refused struct{ Field string }
			if d.want(http.StatusBadRequest, "POST /api/clients "+body, &refused); refused.Field != field {
				d.Errorf("%s: refused is %q", body, refused.Field)
			}
		}
		var added, got admin.Client
		d.want(http.StatusOK, `POST /api/clients {"client_id":"web","client_secret":"0123456789abcdef","client_name":"Web","scope":"files","redirect_uris":["https://web.example/cb"],"trusted":true}`, &added)
		d.want(http.StatusConflict, `POST /api/clients {"client_id":"web","client_secret":"0123456789abcdef","redirect_uris":["https://web.example/cb"]}`, nil)
		s := d.begin(d.user("ada@example.com"), "web")
		read := d.want(http.StatusOK, "GET /api/clients/web", nil)
		if read.header.Get("ETag") == "" {
			d.Fatal("no ETag")
		}
		d.want(http.StatusBadRequest, `PATCH /api/clients/web {"client_name":"Other"}`, nil)
		reply := d.patch("web", read.header.Get("ETag"), `{"client_name":"Other","contacts":["ops@example.com"],"session_idle_seconds":3600,"scope":null}`)
		d.same(http.StatusOK, reply.status)
		d.ok(json.Unmarshal([]byte(reply.body), &got))
		want := added
		want.Name, want.Contacts, want.Idle, want.Scope = "Other", []string{"ops@example.com"}, 3600, "openid profile email offline_access"
		d.same(want, got)
		d.same(http.StatusConflict, d.patch("web", read.header.Get("ETag"), `{"client_name":"Third"}`).status)
		d.same(http.StatusOK, d.patch("web", reply.header.Get("ETag"), `{"client_name":"Other"}`).status) // as it is: nothing to tell
		d.same(http.StatusNotFound, d.patch("nobody", "*", `{"client_name":"Third"}`).status)
		alive := func() bool {
			session, err := d.db.SessionByID(d.Context(), s.ID)
			d.ok(err)
			return session.EndCause == ""
		}
		if d.same(1, d.told(identity.ClientUpdated, "api:deploy")); !alive() {
			d.Error("a change of its name ended a session")
		}
		d.same(http.StatusOK, d.patch("web", "*", `{"trusted":false}`).status)
		if alive() {
			d.Error("a session that nobody was asked for goes on after trust was taken back")
		}
	})
}

// Of changes that read the same client one is made, and the others are told so.
func TestClients_ofSixteenChangesOneWins(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		d.want(http.StatusOK, `POST /api/clients {"client_id":"web","client_secret":"0123456789abcdef","redirect_uris":["https://web.example/cb"]}`, nil)
		read := d.want(http.StatusOK, "GET /api/clients/web", nil).header.Get("ETag")
		var made, lost atomic.Int64
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				switch status := d.patch("web", read, fmt.Sprintf(`{"client_name":"Name %d"}`, i)).status; status {
				case http.StatusOK:
					made.Add(1)
				case http.StatusConflict:
					lost.Add(1)
				default:
					d.Error(status)
				}
			})
		}
		if all.Wait(); made.Load() != 1 || lost.Load() != 15 {
			d.Errorf("%d were made, %d refused", made.Load(), lost.Load())
		}
	})
}

// patch changes a client that was read with an ETag.
func (d *desk) patch(id, version, body string) reply {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), http.MethodPatch, d.url+"/api/clients/"+id, strings.NewReader(body))
	d.ok(err)
	return d.sendWith(r, version)
}

// sendWith sends a change of what was read with an ETag, with the desk's token.
func (d *desk) sendWith(r *http.Request, version string) reply {
	d.Helper()
	r.Header.Set("Authorization", "Bearer "+d.token)
	r.Header.Set("If-Match", version)
	response, err := http.DefaultClient.Do(r)
	d.ok(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	d.ok(err)
	return reply{response.StatusCode, response.Header, string(answer)}
}
