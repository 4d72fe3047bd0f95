package admin_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// Whatever the desk rests on: when it is over, the desk is closed at the next request, and what comes back later opens nothing.
func TestDesk_isOverWithWhatItRestsOn(t *testing.T) {
	t.Parallel()
	ends := map[string]func(o *office, c *clerk){
		"the role is taken": func(o *office, c *clerk) { o.give(c, identity.NoRole) },
		"the role is taken and given again": func(o *office, c *clerk) {
			o.give(c, identity.NoRole)
			o.give(c, identity.RoleOperator)
		},
		"another role is given": func(o *office, c *clerk) { o.give(c, identity.RoleReader) },
		"the account is locked": func(o *office, c *clerk) { o.do(o.operators().Lock(o.Context(), c.user.ID)) },
		"the account is locked and unlocked": func(o *office, c *clerk) {
			o.do(o.operators().Lock(o.Context(), c.user.ID))
			o.do(o.operators().Unlock(o.Context(), c.user.ID))
		},
		"the password is changed, though the browser stays signed in": func(o *office, c *clerk) {
			o.ok(o.db.InTx(o.Context(), func(ctx context.Context) error {
				_, err := o.db.End(ctx, identity.Ending{User: c.user.ID, Keep: c.standing.SignIn.ID, KeepSessions: true, Cause: identity.EndPassword})
				return err
			}))
		},
		"the second factor is removed": func(o *office, c *clerk) {
			o.ok(mfa.TOTP{Store: o.db, Keys: storagetest.Keys(o.T), Now: o.now}.RemoveFor(o.Context(), o.operators(), c.user.ID, "lost"))
		},
		"the browser is signed out elsewhere": func(o *office, c *clerk) {
			_, err := o.db.End(o.Context(), identity.Ending{SignIn: c.standing.SignIn.ID, Cause: identity.EndDevice})
			o.ok(err)
		},
		"everything is signed out":   func(o *office, c *clerk) { o.do1(o.operators().EndAll(o.Context(), c.user.ID)) },
		"it is left":                 func(_ *office, c *clerk) { c.post("/desk/leave") },
		"nobody used it for an hour": func(o *office, _ *clerk) { o.pass(identity.DeskIdle) },
		"it is twelve hours old": func(o *office, c *clerk) {
			for range 24 {
				o.pass(identity.DeskLasts / 24)
				c.get("/desk/people")
			}
		},
	}
	inOffice(t, func(o *office) {
		n := 0
		o.clerk("boss@example.com", identity.RoleOperator) // the last one would stay one
		for what, end := range ends {
			n++
			c := o.clerk(strings.Repeat("a", n)+"@example.com", identity.RoleOperator).enter()
			if got := c.get("/desk/people"); got.status != http.StatusOK {
				o.Errorf("%s: before, the desk answers %d", what, got.status)
			}
			kept := c.cookies()
			end(o, c)
			c.setCookies(kept)
			if got := c.get("/desk/people"); got.status == http.StatusOK {
				o.Errorf("%s: the desk is still open", what)
			}
		}
	})
}

// A ticket is for the browser that knocked, the desk where it did, and a minute.
func TestDesk_aTicketIsForItsBrowserItsDeskAndAMinute(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		c := o.clerk("ada@example.com", identity.RoleOperator)
		door := c.knock("/desk/people")
		here := c.ticket(door)
		elsewhere := c.ticket(identity.DeskDoor{Origin: "https://evil.example", Challenge: door.Challenge})
		other := c.ticket(identity.DeskDoor{Origin: door.Origin, Challenge: identity.NewKnock().Challenge})
		for what, ticket := range map[string]string{
			"of another desk": elsewhere, "of another browser": other, "of nobody": "", "that is none": "sj_dk_AAAA", "that is cut": here[:len(here)-4],
			"that is the cookie of the pages": storagetest.Keys(o.T).CookieText(c.standing.Pointer),
		} {
			if got := c.get("/desk/enter?" + url.Values{"ticket": {ticket}}.Encode()); got.status != http.StatusForbidden {
				o.Errorf("a ticket %s: %d", what, got.status)
			}
		}
		o.pass(identity.DeskTicketLives)
		if got := c.get("/desk/enter?" + url.Values{"ticket": {here}}.Encode()); got.status != http.StatusForbidden {
			o.Errorf("a ticket that is a minute old: %d", got.status)
		}
		for _, to := range []string{"https://evil.example/", "//evil.example/", "/desk/leave", "/\\evil.example"} {
			c.signIn()
			ticket := c.ticket(c.knock("/desk/people"))
			if got := c.get("/desk/enter?" + url.Values{"ticket": {ticket}, "to": {to}}.Encode()); got.leads() != "/desk/" {
				o.Errorf("to %s: it leads to %q", to, got.leads())
			}
		}
		if c := o.clerk("eve@example.com", identity.NoRole); true {
			_, err := o.doorway.Ticket(o.Context(), c.standing, c.knock("/desk/people"))
			if identity.KindOf(err) != identity.Forbidden {
				o.Errorf("who has no role: %v", err)
			}
		}
	})
}

// A cookie of the pages opens no desk, and one of a desk elsewhere neither.
func TestDesk_onlyItsOwnCookieOpensIt(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	c := o.clerk("ada@example.com", identity.RoleOperator)
	elsewhere := c.elsewhere("https://desk.example")
	for what, value := range map[string]string{
		"the cookie of the pages": storagetest.Keys(t).CookieText(c.standing.Pointer), "that of another desk": elsewhere, "a ticket": c.ticket(c.knock("/desk/people")),
	} {
		c.setCookies([]*http.Cookie{{Name: identity.DeskCookieName(false), Value: value}})
		if got := c.get("/desk/people"); got.status == http.StatusOK {
			t.Errorf("%s opens the desk", what)
		}
	}
}

// Who has which role may do what: for every address of the desk.
func TestDesk_everyAddressAsksForItsRole(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	person, app := o.user("ada@example.com"), o.client("notes")
	s := o.begin(person, app.ID)
	o.webhook("crm")
	storagetest.AddSigningKeys(t, o.db, identity.KeyCurrent, identity.KeyNext)
	keys, err := o.db.SigningKeys(t.Context())
	o.ok(err)
	ids := map[string]string{
		"people": person.ID.String(), "sessions": s.ID.String(), "clients": app.ID, "webhooks": "crm", "keys": keys[0].ID,
		"deliveries": identity.NewID().String(), "cases": o.found(identity.Decision{Rule: "new-country", UserID: person.ID, Answer: identity.AnswerTell}).String(),
	}
	acts := 0
	for _, role := range identity.Roles {
		c := o.clerk(string(role)+"@example.com", role).enter()
		for _, door := range o.pages.Doors() {
			kind, _, _ := strings.Cut(strings.TrimPrefix(door.Path, admin.DeskPrefix), "/")
			path := strings.Replace(door.Path, "{id}", ids[kind], 1)
			got := c.get(path)
			if allowed := got.status != http.StatusForbidden; allowed != role.Covers(door.Needs) {
				t.Errorf("%s at %s: %d %s", role, path, got.status, got.words())
			}
			if door.Act && !role.Covers(door.Needs) {
				acts++
				if got := c.post(path, "reason", "because", "new_email", "eve@example.com"); got.status != http.StatusForbidden {
					t.Errorf("%s posts to %s: %d", role, path, got.status)
				}
			}
		}
	}
	if acts < 20 {
		t.Errorf("only %d acts were tried", acts)
	}
	events, err := o.db.Events(t.Context(), identity.EventQuery{Limit: 1000})
	o.ok(err)
	for _, e := range events {
		if e.Actor != "" {
			t.Errorf("a refused act, or a look at its page, told %s by %s", e.Kind, e.Actor)
		}
	}
}

// No page shows a button that its reader may not press.
func TestDesk_showsNoButtonThatMayNotBePressed(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	person, app := o.user("ada@example.com"), o.client("notes")
	s := o.begin(person, app.ID)
	o.webhook("crm")
	pages := []string{
		"/desk/", "/desk/cases", "/desk/cases/" + o.found(identity.Decision{Rule: "r", Answer: identity.AnswerWebhook}).String(), "/desk/people", "/desk/people/" + person.ID.String(), "/desk/sessions", "/desk/sessions/" + s.ID.String(), "/desk/clients",
		"/desk/clients/notes", "/desk/registrations", "/desk/events", "/desk/deliveries", "/desk/webhooks", "/desk/webhooks/crm", "/desk/keys", "/desk/settings",
	}
	seen := map[identity.Role]int{}
	for _, role := range identity.Roles {
		c := o.clerk(string(role)+"@example.com", role).enter()
		for _, page := range pages {
			got := c.get(page)
			if got.status != http.StatusOK {
				t.Fatalf("%s sees %s: %d %s", role, page, got.status, got.words())
			}
			if cc := got.Find("form[method=post]").Length(); cc != 1 {
				t.Errorf("%s has %d forms that post, want the one that signs out", page, cc)
			}
			for _, link := range got.Find(".acts a").Nodes {
				to := link.Attr[1].Val
				if at := c.get(to); at.status == http.StatusForbidden {
					t.Errorf("%s sees a button to %s on %s", role, to, page)
				}
				seen[role]++
			}
		}
	}
	if seen[identity.RoleReader] >= seen[identity.RoleSupport] || seen[identity.RoleSupport] >= seen[identity.RoleOperator] {
		t.Errorf("buttons by role: %v", seen)
	}
}

// Support acts on persons, but on none who has a role, or it could make itself an operator; nobody acts on themselves.
func TestDesk_supportActsOnNobodyWithARole(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	boss, support := o.clerk("boss@example.com", identity.RoleOperator), o.clerk("help@example.com", identity.RoleSupport)
	support.enter()
	boss.enter()
	act := func(c *clerk, on *clerk, what string) int {
		return c.post("/desk/people/"+on.user.ID.String()+"/"+what, "reason", "because", "new_email", "eve@example.com").status
	}
	for _, what := range []string{"lock", "remove-factor", "set-email", "way-in", "end-all"} {
		if got := act(support, boss, what); got != http.StatusForbidden {
			t.Errorf("support does %s to an operator: %d", what, got)
		}
		if got := act(boss, boss, what); got != http.StatusForbidden {
			t.Errorf("an operator does %s to themselves: %d", what, got)
		}
	}
	if got := act(boss, support, "lock"); got != http.StatusSeeOther {
		t.Errorf("an operator locks support: %d", got)
	}
}

// Every address that the router knows but those that open and close the desk is judged by a role: none can be forgotten.
func TestDesk_everyRouteIsADoor(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	doors := map[string]admin.Door{}
	for _, door := range o.pages.Doors() {
		doors[door.Path] = door
	}
	open := []string{"/desk", "/", "/desk/enter", "/desk/leave", "/static/"}
	router := mux.NewRouter()
	o.pages.Routes(router)
	o.ok(router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		methods, _ := route.GetMethods()
		door, known := doors[path]
		switch {
		case err != nil:
			return err
		case !known && !slices.Contains(open, path):
			t.Errorf("%s is no door", path)
		case known && !door.Act && !slices.Equal(methods, []string{http.MethodGet}):
			t.Errorf("%s takes %v and is no act", path, methods)
		case known && door.Act && door.Needs == identity.RoleReader:
			t.Errorf("%s lets a reader act", path)
		}
		return nil
	}))
}

// Before a client is deleted the page says how many sessions end by it.
func TestDesk_deletingAClientTellsWhatEnds(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		c := o.clerk("boss@example.com", identity.RoleOperator).enter()
		o.client("notes")
		ada := o.user("ada@example.com")
		o.begin(ada, "notes")
		o.begin(ada, "notes")
		if got := c.get("/desk/clients/notes/delete"); !strings.Contains(got.words(), "2 sessions live and end.") {
			o.Error(got.words())
		}
		if got := c.post("/desk/clients/notes/delete"); got.status != http.StatusBadRequest {
			o.Errorf("without a reason: %d", got.status)
		}
		if got := c.post("/desk/clients/notes/delete", "reason", "retired"); got.status != http.StatusSeeOther || !strings.HasPrefix(got.leads(), "/desk/clients?done=") {
			o.Fatal(got.status, got.leads(), got.words())
		}
		if got := c.get("/desk/clients?done=clients%2F%7Bid%7D%2Fdelete"); !strings.Contains(got.words(), "The app is deleted.") {
			o.Error(got.words())
		}
		_, err := o.db.RegisteredClient(o.Context(), "notes")
		if identity.KindOf(err) != identity.NotFound {
			o.Error("the client is there", err)
		}
		o.same(1, o.told(identity.ClientDeleted, "desk:boss@example.com"))
	})
}

// A role is given at the desk by an operator, for a reason, to others.
func TestDesk_rolesAreGivenAndTaken(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		boss, help := o.clerk("boss@example.com", identity.RoleOperator).enter(), o.clerk("help@example.com", identity.RoleSupport).enter()
		ada := o.user("ada@example.com")
		path := func(id identity.ID) string { return "/desk/people/" + id.String() + "/role" }
		for what, c := range map[*clerk]identity.ID{help: ada.ID, boss: boss.user.ID} {
			if got := what.post(path(c), "role", "operator", "reason", "x"); got.status != http.StatusForbidden {
				o.Errorf("%s: %d", what.user.Email, got.status)
			}
		}
		if got := boss.post(path(ada.ID), "role", "reader", "reason", "hired"); got.status != http.StatusSeeOther {
			o.Fatal(got.status, got.words())
		}
		office, err := o.db.OfficeOf(o.Context(), ada.ID)
		o.ok(err)
		o.same(identity.RoleReader, office.Role)
		if got := help.post("/desk/people/"+ada.ID.String()+"/lock", "reason", "x"); got.status != http.StatusForbidden {
			o.Errorf("support acts on a reader: %d", got.status)
		}
		o.same(1, o.because(ada.ID, "role: hired", "desk:boss@example.com"))
	})
}

// What is dangerous asks for a proof of the last ten minutes, before anything is typed.
func TestDesk_whatIsDangerousAsksForAFreshProof(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	person := o.user("ada@example.com")
	c := o.clerk("boss@example.com", identity.RoleOperator).enter()
	o.pass(identity.FreshFor + time.Second)
	path := "/desk/people/" + person.ID.String()
	for _, got := range []sheet{c.get(path + "/lock"), c.post(path+"/lock", "reason", "because")} {
		if got.status != http.StatusSeeOther || !strings.Contains(got.leads(), "/account/desk?") || !strings.Contains(got.leads(), "fresh=yes") {
			t.Errorf("%d, leads to %q", got.status, got.leads())
		}
	}
	if got := c.get(path + "/end-all"); got.status != http.StatusOK {
		t.Errorf("what is not dangerous: %d", got.status)
	}
	if user, err := o.db.UserByID(t.Context(), person.ID); err != nil || !user.DisabledAt.IsZero() {
		t.Error("the account is locked", err)
	}
}

// Each act asks why, and is an Event with who and why; without a why nothing happens.
func TestDesk_eachActOnAPersonAsksWhyAndIsAnEvent(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		c := o.clerk("help@example.com", identity.RoleSupport).enter()
		app := o.client("notes")
		for what, more := range map[string][]string{
			"end-all": nil, "lock": nil, "way-in": nil, "send-reset": nil, "set-email": {"new_email", "new@example.com"},
		} {
			person := o.user(what + "@example.com")
			o.begin(person, app.ID)
			path := "/desk/people/" + person.ID.String() + "/" + what
			if got := c.post(path, more...); got.status != http.StatusBadRequest || !strings.Contains(got.words(), "Say why") {
				o.Errorf("%s without a reason: %d %s", what, got.status, got.words())
			}
			if got := c.post(path, append(more, "reason", "lost phone, ticket 4711")...); got.status >= http.StatusBadRequest {
				o.Errorf("%s: %d %s", what, got.status, got.words())
			}
			if n := o.because(person.ID, what+": lost phone, ticket 4711", "desk:help@example.com"); n != 1 {
				o.Errorf("%s: %d events say why", what, n)
			}
		}
	})
}

// What anybody calls themselves is a text to a spreadsheet, and one line.
func TestDesk_theOverviewShowsWhatRulesFoundHoweverMuchElseHappened(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		c := o.clerk("reader@example.com", identity.RoleReader).enter()
		if page := c.get("/desk/").words(); !strings.Contains(page, "Nothing unusual was found.") {
			o.Error("it says nothing of it")
		}
		o.ok(o.db.AddEvent(o.Context(), identity.Event{ID: identity.NewID(), At: o.now(), Kind: identity.AnomalyFound, Detail: "rule=registration-flood"}))
		for range 20 {
			o.ok(o.db.AddEvent(o.Context(), identity.Event{ID: identity.NewID(), At: o.now(), Kind: identity.SignedIn}))
		}
		if page := c.get("/desk/").words(); !strings.Contains(page, "registration-flood") || strings.Contains(page, "Nothing unusual was found.") {
			o.Error("what was found is not there")
		}
	})
}

func TestDownloads_noTextIsAFormula(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	c := o.clerk("boss@example.com", identity.RoleReader).enter()
	person := o.user("ada@example.com")
	for i, detail := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a\x00b\u202ec", "  =1", "plain"} {
		o.ok(o.db.AddEvent(t.Context(), identity.Event{
			ID: identity.NewID(), At: o.now().Add(time.Duration(i) * time.Second), Kind: identity.ProfileChanged, UserID: person.ID,
			Detail: strings.ReplaceAll(detail, "\x00", ""), ClientID: "=cmd",
		}))
	}
	got := c.get("/desk/events.csv?user=ada@example.com")
	if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "text/csv") || !strings.Contains(got.header.Get("Content-Disposition"), "attachment") {
		t.Fatal(got.status, got.header)
	}
	rows, err := csv.NewReader(strings.NewReader(got.Find("body").Text())).ReadAll()
	o.ok(err)
	if len(rows) < 10 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows[1:] {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("%q begins like a formula", cell)
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(c.get("/desk/events.jsonl?user=ada@example.com&kind=profile.changed").Find("body").Text()), "\n")
	if len(lines) != 9 || !strings.HasPrefix(lines[0], `{"id":`) {
		t.Errorf("%d lines: %s", len(lines), lines[0])
	}
}

// FuzzHarmless: what comes out begins no formula, holds nothing that cannot be seen, and what was harmless stays.
func FuzzHarmless(f *testing.F) {
	for _, seed := range []string{"=1", "\t=1", "-2+3", "plain", "\u202e=1", "＝1", "é", "\ufeff=1", "'=1", "a;=1", `a; "=1`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out := identity.SheetText(text)
		for cell := range strings.SplitSeq(out, ";") {
			if first := strings.TrimLeftFunc(cell, unicode.IsSpace); first != "" && strings.ContainsAny(first[:1], "=+-@") {
				t.Errorf("%q becomes %q", text, out)
			}
		}
		if strings.ContainsFunc(out, unicode.IsControl) {
			t.Errorf("%q holds what cannot be seen", out)
		}
	})
}

// The list of what happened says to whom and when, leads to what a rule found, and ends with the day that was asked for.
func TestDesk_eventsSayToWhomAndWhen(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		c := o.clerk("reader@example.com", identity.RoleReader).enter()
		person := o.user("ada@example.com")
		found := identity.Decision{
			Rule: "new-country", At: o.now(), Value: 1, Threshold: 1, Answer: identity.AnswerTell, About: "JP", UserID: person.ID,
		}.Event()
		o.ok(o.db.AddEvent(o.Context(), found))
		today := o.now().UTC()
		page := c.get("/desk/events?kind=anomaly.found&until=" + today.Format(time.DateOnly))
		for _, want := range []string{"ada@example.com", "new-country: JP", "1, from 1 on; tell", today.Format("2006-01-02 15:04:05") + " UTC"} {
			if !strings.Contains(page.words(), want) {
				o.Errorf("it does not say %q: %s", want, page.words())
			}
		}
		if page.Find(`a[href="/desk/cases/`+found.ID.String()+`"]`).Length() != 1 {
			o.Error("it does not lead to the case")
		}
		before := c.get("/desk/events?kind=anomaly.found&until=" + today.AddDate(0, 0, -1).Format(time.DateOnly))
		if !strings.Contains(before.words(), "Nothing happened.") {
			o.Errorf("up to yesterday: %s", before.words())
		}
		if all := c.get("/desk/events?since=0000-01-01&until=9999-12-31"); !strings.Contains(all.words(), "new-country: JP") {
			o.Errorf("of all time: %d %s", all.status, all.words())
		}
		for _, day := range []string{"2026-13-45", "28.11.2026", "9999999999-01-01", "%25", "2026-11-28T00:00:00+99:00"} {
			if got := c.get("/desk/events?until=" + day); got.status != http.StatusBadRequest || !strings.Contains(got.words(), "Write a day like") {
				o.Errorf("until %s: %d %s", day, got.status, got.words())
			}
		}
	})
}

// Whoever has to sign in again comes back to the search that they were at.
func TestDesk_aSearchSurvivesSigningIn(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	c := o.clerk("reader@example.com", identity.RoleReader)
	for path, want := range map[string]string{
		"/desk/events?kind=session.ended&since=2026-11-01": "/desk/events?kind=session.ended&since=2026-11-01",
		"/desk/people?q=" + strings.Repeat("a", 4000):      "/desk/people",
		"/desk/people?q=%0d%0aSet-Cookie:x":                "/desk/people?q=%0d%0aSet-Cookie:x",
	} {
		to, err := url.Parse(c.get(path).leads())
		o.ok(err)
		if got := to.Query().Get("to"); got != want {
			t.Errorf("%.60s leads back to %q", path, got)
		}
	}
	if got := c.post("/desk/keys/x/remove?a=b"); strings.Contains(got.leads(), "a%3Db") {
		t.Errorf("what was posted leads back to %s", got.leads())
	}
}
