package admin_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// addresses are every address of the desk that is there in an office that is furnished, by whether it changes something.
func (o *office) addresses(s identity.Session) (looks, acts []string) {
	o.Helper()
	keys, err := o.db.SigningKeys(o.Context())
	o.ok(err)
	waiting, err := o.db.Deliveries(o.Context(), identity.DeliveryFilter{Limit: 1})
	o.ok(err)
	cases, err := o.db.Cases(o.Context(), identity.CaseQuery{Limit: 1})
	o.ok(err)
	ids := map[string]string{
		"people": s.UserID.String(), "sessions": s.ID.String(), "clients": url.PathEscape(s.ClientID), "webhooks": "crm", "keys": keys[0].ID,
		"deliveries": waiting[0].ID.String(), "cases": cases[0].Found.ID.String(),
	}
	for _, door := range o.pages.Doors() {
		kind, _, _ := strings.Cut(strings.TrimPrefix(door.Path, admin.DeskPrefix), "/")
		path := strings.Replace(door.Path, "{id}", ids[kind], 1)
		if looks = append(looks, path); door.Act {
			acts = append(acts, path)
		}
	}
	return looks, acts
}

// Whatever a person, a device and an app call themselves: no page takes it for HTML or shows what cannot be seen, no cell of a sheet
// begins a formula, and each line is JSON.
func TestDesk_noNameIsMoreThanAName(t *testing.T) {
	t.Parallel()
	for what, name := range map[string]string{
		"HTML": `<img/src=x><script>"'&</script>`, "a formula": `=HYPERLINK("https://evil.example";"a,b")`, "plus": "+1+1", "minus": "-1+1", "at": "@SUM(A1)",
		"a semicolon": "x;=1+1;y", "a semicolon and a quote": `x; "=1+1";"y`, "a tab": "\t=1+1", "a CR": "\r=1+1", "control characters": "a\x01\x1b[31m\n\u0085\u202eb", "emoji": strings.Repeat("🚢", 16),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, storage.SQLite)
			c, app := o.clerk("boss@example.com", identity.RoleOperator).enter(), name
			if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
				app = "notes" // no client is called so
			}
			o.phone = name
			s := o.furnished(name, app)
			o.ok(o.db.AddEvent(t.Context(), identity.Event{
				ID: identity.NewID(), At: o.now(), Kind: identity.ProfileChanged, UserID: s.UserID, ClientID: app, Detail: name, Browser: name,
			}))
			looks, _ := o.addresses(s)
			for _, path := range looks {
				switch {
				case strings.HasSuffix(path, ".csv"):
					for _, row := range c.rows(path) {
						for _, cell := range strings.Split(strings.Join(row, ";"), ";") { // as where a semicolon parts cells
							if begins := strings.Trim(cell, ` "`); begins != "" && strings.ContainsAny(begins[:1], "=+-@") || strings.ContainsFunc(cell, unicode.IsControl) {
								t.Errorf("%s: the cell %q", path, cell)
							}
						}
					}
				case strings.HasSuffix(path, ".jsonl"):
					c.lines(path)
				default:
					c.harmless(path)
				}
			}
			for path, member := range map[string]string{"people": "name", "sessions": "device_name", "registrations": "client_name"} {
				found := false
				for _, line := range c.lines("/desk/" + path + ".jsonl") {
					found = found || line[member] == name
				}
				if !found {
					t.Errorf("the lines of %s do not tell the name as it is", path)
				}
			}
		})
	}
}

// harmless wants a page without an element, or a character that cannot be seen, of somebody else's.
func (c *clerk) harmless(path string) {
	c.o.Helper()
	page := c.get(path)
	if page.status != http.StatusOK && page.status != http.StatusSeeOther {
		c.o.Errorf("%s: %d %s", path, page.status, page.words())
	}
	if n := page.Find("img, script:not([src])").Length(); n > 0 {
		c.o.Errorf("%s: %d elements are a name", path, n)
	}
	unseen := func(r rune) bool { return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
	if text := page.Find("main").Text(); strings.ContainsFunc(text, unseen) {
		c.o.Errorf("%s shows what cannot be seen: %q", path, text)
	}
}

// What another site has a browser post to the desk is refused, whichever door it is (every route is one: TestDesk_everyRouteIsADoor), and changes nothing.
func TestDesk_nothingIsPostedFromElsewhere(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	c := o.clerk("boss@example.com", identity.RoleOperator).enter()
	_, acts := o.addresses(o.furnished("Ada", "notes"))
	unchanged := c.listed()
	if len(acts) < 20 {
		t.Fatalf("only %d acts", len(acts))
	}
	for _, path := range append(acts, "/desk/leave") {
		for _, from := range [][2]string{
			{"Origin", "https://evil.example"},
			{"Origin", "null"},
			{"Origin", strings.Replace(o.at, "http:", "https:", 1) + "0"},
			{"Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"},
		} {
			if got := c.postFrom(path, from); got != http.StatusForbidden {
				t.Errorf("%s with %s: %d", path, from, got)
			}
		}
	}
	unchanged()
	if got := c.postFrom("/desk/new/retry-dead", [2]string{"Origin", o.at}); got != http.StatusSeeOther {
		t.Errorf("from the desk itself: %d", got)
	}
}

// listed reads what the desk lists, and returns what checks that it is the same still.
func (c *clerk) listed() (unchanged func()) {
	c.o.Helper()
	before := map[string]string{}
	for path := range deskLists {
		before[path], _ = c.download("/desk/" + path + ".jsonl")
	}
	return func() {
		c.o.Helper()
		for path, want := range before {
			if got, _ := c.download("/desk/" + path + ".jsonl"); got != want {
				c.o.Errorf("%s changed from\n%s to\n%s", path, want, got)
			}
		}
	}
}

func (c *clerk) postFrom(path string, header [2]string) int {
	c.o.Helper()
	return c.sent(http.MethodPost, path, header)
}

// Nothing but a POST to its very address acts: no other method, none that a header or a parameter names, no address that is nearly it.
func TestDesk_onlyAPostActs(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	c := o.clerk("boss@example.com", identity.RoleOperator).enter()
	_, acts := o.addresses(o.furnished("Ada", "notes"))
	unchanged := c.listed()
	for _, path := range append(acts, "/desk/leave") {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodTrace, "post"} {
			c.tried(method, path+"?_method=POST&reason=because&new_email=eve%40example.com&role=operator&overlap=1")
		}
		for _, near := range []string{path + "/", "/" + path, path + "%2f", path + "/.", path + ";a=b", strings.Replace(path, "/desk/", "/desk/./", 1)} {
			if got := c.tried(http.MethodPost, near); got < http.StatusBadRequest {
				t.Errorf("POST %s: %d", near, got)
			}
		}
	}
	unchanged()
}

// tried sends the form by any method, as one that some servers take for a POST.
func (c *clerk) tried(method, path string) int {
	c.o.Helper()
	return c.sent(method, path, [2]string{"X-HTTP-Method-Override", "POST"}, [2]string{"X-HTTP-Method", "POST"}, [2]string{"X-Method-Override", "POST"})
}

// sent sends a form that has what any act asks for.
func (c *clerk) sent(method, path string, headers ...[2]string) int {
	c.o.Helper()
	form := url.Values{"reason": {"because"}, "new_email": {"eve@example.com"}, "role": {"operator"}, "uses": {"1"}, "hours": {"1"}, "overlap": {"1"}}
	r, err := http.NewRequestWithContext(c.o.Context(), method, c.o.at+path, strings.NewReader(form.Encode()))
	c.o.ok(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, header := range headers {
		r.Header.Set(header[0], header[1])
	}
	resp, err := c.http.Do(r)
	c.o.ok(err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	c.o.ok(err)
	return resp.StatusCode
}
