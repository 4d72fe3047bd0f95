package admin_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// deskLists are the pages that list something, each with how many rows furnished and two people more give it; -1: some.
var deskLists = map[string]int{
	"cases": 1, "people": 3, "sessions": 1, "clients": 2, "registrations": 1, "events": -1, "deliveries": 1, "webhooks": 1, "keys": 6,
}

// download is a file of the desk as it came.
func (c *clerk) download(path string) (string, http.Header) {
	c.o.Helper()
	r, err := http.NewRequestWithContext(c.o.Context(), http.MethodGet, c.o.at+path, nil)
	c.o.ok(err)
	resp, err := c.http.Do(r)
	c.o.ok(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	c.o.ok(err)
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment; ") {
		c.o.Fatalf("%s: %d %v", path, resp.StatusCode, resp.Header)
	}
	return string(text), resp.Header
}

// rows are those of a sheet, without the names of its columns.
func (c *clerk) rows(path string) [][]string {
	c.o.Helper()
	text, _ := c.download(path)
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	c.o.ok(err)
	return all[1:]
}

// lines are those of a file for programs.
func (c *clerk) lines(path string) (all []map[string]any) {
	c.o.Helper()
	text, _ := c.download(path)
	for line := range strings.Lines(text) {
		var one map[string]any
		c.o.ok(json.Unmarshal([]byte(line), &one))
		all = append(all, one)
	}
	return all
}

// furnished puts one or more of everything into the lists of the desk: a person's, who and whose apps call themselves so.
func (o *office) furnished(name, app string) identity.Session {
	o.Helper()
	person := o.user("ada@example.com")
	o.ok(o.db.SetName(o.Context(), person.ID, name))
	for _, c := range []identity.Client{{ID: app}, {ID: "self", SelfRegistered: true}} {
		c.CreatedAt, c.SecretHash, c.RegistrationHash = o.now(), []byte("secret hash"), []byte("token hash")
		c.Metadata = identity.Metadata{Name: name, RedirectURIs: []string{"https://notes.example/cb"}, BackchannelLogoutURI: "https://notes.example/logout"}
		o.ok(o.db.CreateClient(o.Context(), c))
	}
	over, s := o.begin(person, app), o.begin(person, app)
	_, err := o.operators().EndSession(o.Context(), over.ID, false)
	o.ok(err)
	claimed, found, err := o.db.ClaimDelivery(o.Context(), identity.DeliveryClaim{Kind: identity.LogoutDelivery, Lease: time.Minute})
	if o.ok(err); !found {
		o.Fatal("nothing is due")
	}
	o.ok(o.db.DeliveryFailed(o.Context(), claimed.Failed(identity.FailedTry{At: o.now(), Cause: identity.Permanent(errors.New(name))})))
	o.webhook("crm")
	o.found(identity.Decision{Rule: "new-country", About: name, UserID: person.ID, ClientID: app, Answer: identity.AnswerTell})
	storagetest.AddSigningKeys(o.T, o.db, identity.KeyCurrent, identity.KeyNext)
	return s
}

// Every list is there as a sheet and as lines, by links of its page: the same rows, found by the same search, without a secret.
func TestDesk_everyListComesAsFiles(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		c := o.clerk("boss@example.com", identity.RoleReader).enter()
		s := o.furnished("Ada", "notes")
		o.user("bob@example.com")
		for path, want := range deskLists {
			page := c.get("/desk/" + path)
			links := page.Find("a[download]").Map(func(_ int, a *goquery.Selection) string { return a.AttrOr("href", "") })
			if len(links) != 2 {
				o.Fatalf("%s leads to the files %v", path, links)
			}
			shown, sheet, lines := page.Find("tbody tr").Length(), c.rows(links[0]), c.lines(links[1])
			if shown == 0 || len(sheet) != shown || len(lines) != shown || want >= 0 && shown != want {
				o.Errorf("%s: %d rows of the page, want %d, %d of the sheet, %d lines", path, shown, want, len(sheet), len(lines))
			}
			all := fmt.Sprint(sheet, lines)
			for _, secret := range []string{"argon2id", "secret hash", "token hash", "told nobody", "PRIVATE", "c2VjcmV0", "whsec"} {
				if strings.Contains(all, secret) {
					o.Errorf("%s tells %s", path, secret)
				}
			}
		}
		for path, want := range map[string]int{
			"people.csv?q=ada": 1, "people.csv?q=nobody": 0, "sessions.csv?user=ada@example.com": 1, "sessions.csv?user=bob@example.com": 0,
			"sessions.csv?client=notes": 1, "sessions.csv?client=other": 0, "deliveries.csv?state=dead": 1,
		} {
			if got := c.rows("/desk/" + path); len(got) != want {
				o.Errorf("%s: %v, want %d rows", path, got, want)
			}
		}
		o.same(s.ID.String(), c.lines("/desk/sessions.jsonl?client=notes")[0]["sid"])
	})
}

// A file says where the next one is, and both together hold each row once.
func TestDesk_aFileLeadsToTheNext(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	c := o.clerk("boss@example.com", identity.RoleReader).enter()
	var want []string
	for i := range 1001 {
		want = append(want, o.client(fmt.Sprintf("app%04d", i)).ID)
	}
	_, header := c.download("/desk/clients.csv")
	next, _, found := strings.Cut(strings.TrimPrefix(header.Get("Link"), "<"), ">")
	if to, err := url.Parse(next); !found || err != nil || to.Path != "/desk/clients.csv" {
		t.Fatalf("it leads to %q", header.Get("Link"))
	}
	var got []string
	for _, row := range slices.Concat(c.rows("/desk/clients.csv"), c.rows(next)) {
		got = append(got, row[0])
	}
	o.same(want, got)
	if _, header := c.download(next); header.Get("Link") != "" {
		t.Errorf("the last one leads to %q", header.Get("Link"))
	}
}

// A file that is full says so, in either form: it names the next one, which holds the rest.
func TestDesk_aFullFileSaysSo(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	c := o.clerk("boss@example.com", identity.RoleReader).enter()
	const bound = 10_000 // as docs/desk.md says
	full := make([]identity.Event, bound)
	for i := range full {
		full[i] = identity.Event{ID: identity.NewID(), At: o.now(), Kind: identity.ProfileChanged, Detail: fmt.Sprint(i)}
	}
	o.ok(o.db.SeedEvents(t.Context(), full))
	for kind, rows := range map[string]func(string) int{
		"csv":   func(path string) int { return len(c.rows(path)) },
		"jsonl": func(path string) int { return len(c.lines(path)) },
	} {
		if _, header := c.download("/desk/events." + kind + "?kind=profile.changed"); header.Get("Link") != "" {
			t.Errorf("all of them fit, and %s leads to %q", kind, header.Get("Link"))
		}
		path := "/desk/events." + kind
		_, header := c.download(path) // somebody entered the desk, too
		next, _, found := strings.Cut(strings.TrimPrefix(header.Get("Link"), "<"), `>; rel="next"`)
		if !found || !strings.HasPrefix(next, path+"?") {
			t.Fatalf("it leads to %q", header.Get("Link"))
		}
		if first, rest := rows(path), rows(next); first != bound || rest < 1 || rest > 10 {
			t.Errorf("%d rows and %d of the next %s", first, rest, kind)
		}
	}
}
