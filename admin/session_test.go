package admin_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

type sessions struct {
	Sessions []admin.Session `json:"sessions"`
	Next     string          `json:"next"`
}

func TestSessions_ofAPersonAndOfAClient(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada, bob := d.user("ada@example.com"), d.user("bob@example.com")
		d.client("notes")
		d.client("mail")
		first, second, third := d.begin(ada, "notes"), d.begin(bob, "notes"), d.begin(ada, "mail")
		for query, want := range map[string][]identity.ID{
			"":                                     {third.ID, second.ID, first.ID},
			"?limit=2":                             {third.ID, second.ID},
			"?limit=2&after=" + second.ID.String(): {first.ID},
			"?user=" + ada.ID.String():             {third.ID, first.ID},
			"?client=notes":                        {second.ID, first.ID},
			"?client=nothing":                      {},
		} {
			var page sessions
			d.want(http.StatusOK, "GET /api/sessions"+query, &page)
			got := []identity.ID{}
			for _, s := range page.Sessions {
				got = append(got, s.ID)
			}
			d.same(want, got)
		}
	})
}

func TestSessions_oneIsShownWithItsHistory(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		d.client("notes")
		s := d.begin(ada, "notes")
		one := "/api/sessions/" + s.ID.String()
		var got admin.Dossier
		reply := d.want(http.StatusOK, "GET "+one, &got)
		if !got.Alive || got.User != ada.Email || got.Name != "Ada's phone" || got.SignInID != s.SignInID || !got.Offline {
			d.Error(reply.body)
		}
		if strings.Contains(reply.body, "secret") {
			d.Error(reply.body)
		}
		d.pass(time.Minute)
		d.want(http.StatusOK, "DELETE "+one, nil)
		d.want(http.StatusOK, "GET "+one, &got)
		if got.Alive || got.EndCause != identity.EndOperator || !got.EndedAt.Equal(d.now()) || len(got.Events) == 0 ||
			got.Events[0].Kind != identity.SessionEnded || got.Events[0].Actor != "api:deploy" {
			d.Errorf("%+v", got)
		}
		for _, nothing := range []string{identity.NewID().String(), "1", "%00"} {
			d.want(http.StatusNotFound, "GET /api/sessions/"+nothing, nil)
			d.want(http.StatusNotFound, "DELETE /api/sessions/"+nothing, nil)
		}
	})
}

// What expired says why, although nobody ended it.
func TestSessions_oneThatWentIdleSaysSo(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		d.client("notes")
		s := d.begin(d.user("ada@example.com"), "notes")
		d.pass(90 * time.Minute)
		var got admin.Dossier
		d.want(http.StatusOK, "GET /api/sessions/"+s.ID.String(), &got)
		if got.Alive || got.EndCause != identity.EndIdle || !got.EndedAt.Equal(s.IdleEndsAt) {
			d.Errorf("%+v", got)
		}
	})
}

func TestSessions_endOneOrItsDevice(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		d.client("notes")
		alone, other := d.begin(ada, "notes"), d.begin(ada, "notes")
		for _, c := range []struct{ what, want string }{
			{alone.ID.String(), `{"sid":"` + alone.ID.String() + `","ended":true}`},
			{alone.ID.String() + "?device=false", `{"sid":"` + alone.ID.String() + `","ended":false}`},
			{other.ID.String() + "?device=true", `{"sid":"` + other.ID.String() + `","ended":true,"sessions_ended":1}`},
		} {
			if got := d.want(http.StatusOK, "DELETE /api/sessions/"+c.what, nil); strings.TrimSpace(got.body) != c.want {
				d.Errorf("%s: %s", c.what, got.body)
			}
		}
		// A Session alone leaves the browser signed in; its device does not.
		for signIn, want := range map[identity.ID]identity.EndCause{alone.SignInID: "", other.SignInID: identity.EndOperator} {
			standing, err := d.db.StandingOf(d.Context(), signIn)
			d.ok(err)
			d.same(want, standing.SignIn.EndCause)
		}
	})
}

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
		got, _ = list("?kind=user.locked&since=2020-01-01T00:00:00Z")
		d.same([]identity.EventKind{identity.UserLocked, identity.UserLocked}, got)
		got, _ = list("?client=notes&user=" + ada.ID.String())
		d.same([]identity.EventKind{identity.SessionEnded}, got)
		got, _ = list("?since=2200-01-01T00:00:00Z")
		d.same(0, len(got))
		after := ""
		for _, kind := range want {
			page, next := list("?limit=1&user=" + ada.ID.String() + after)
			d.same([]identity.EventKind{kind}, page)
			after = "&after=" + next
		}
	})
}

func TestEvents_areExportedLineByLineAndGoOnAfterTheLast(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		for range 3 {
			d.want(http.StatusOK, "POST /api/users/"+ada.ID.String()+"/lock", nil)
			d.want(http.StatusOK, "POST /api/users/"+ada.ID.String()+"/unlock", nil)
		}
		d.same("", d.want(http.StatusOK, "GET /api/events/export", nil).body) // it may not be all of it yet
		d.pass(2 * time.Minute)
		got := d.want(http.StatusOK, "GET /api/events/export", nil)
		d.same("application/x-ndjson", got.header.Get("Content-Type"))
		lines := strings.Split(strings.TrimSpace(got.body), "\n")
		if len(lines) < 6 || !strings.Contains(lines[len(lines)-1], "user.unlocked") {
			d.Fatal(got.body)
		}
		id := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(lines[len(lines)-2])[1]
		d.same(lines[len(lines)-1]+"\n", d.want(http.StatusOK, "GET /api/events/export?after="+id, nil).body)
		d.want(http.StatusNotFound, "GET /api/events/export?after="+identity.NewID().String(), nil)
		d.want(http.StatusBadRequest, "GET /api/events/export?after=x", nil)
		d.want(http.StatusBadRequest, "GET /api/events/export?user="+ada.ID.String(), nil)
	})
}
