package web_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/web"
)

var pages = []string{"/signin", "/signin/totp", "/signin/recovery", "/signup", "/account/totp", "/consent"}

func TestPages_brokenRequestIsToldKindlyAndWithoutOneThereIsAWayOn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.enrolled(s.user("anna@example.com"))
		b, gone := s.signedIn("anna@example.com"), s.next("client_id", "gone")
		for _, path := range append(pages, "/signout") {
			for _, next := range []string{"garbage", s.next() + "x", gone, "https://evil.example/", "\x00\xff"} {
				page := b.post(path, "next", next).is(http.StatusBadRequest, "Go back to the app", "You did nothing wrong", "REF12345")
				want := "/signin"
				if path == "/account/totp" {
					want = "/account"
				}
				if way, _ := page.Find("a.button").Attr("href"); way != want {
					t.Errorf("%s: the way on is %q", path, way)
				}
			}
			if path != "/signout" {
				b.get(path+"?next=garbage").is(http.StatusBadRequest, "Go back to the app")
			}
			if a := b.get(path); a.status != http.StatusOK && a.status != http.StatusSeeOther {
				t.Errorf("%s without a request: status %d", path, a.status)
			}
		}
	})
}

func TestPages_takeNoFormThatIsTooLongOrUnreadable(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		for _, path := range append(pages, "/signout") {
			s.browser().send(path, "username="+strings.Repeat("a", 17<<10)).is(http.StatusRequestEntityTooLarge, "write less", "REF12345")
			s.browser().send(path, "username=%zz").is(http.StatusBadRequest, "could not read", "REF12345")
		}
	})
}

func TestPages_databaseAwayIsNobodysFaultAndKeepsTheRequest(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		s.away.Store(true)
		for _, path := range pages {
			a := b.get(path + "?next=" + next)
			page := a.is(http.StatusServiceUnavailable, "REF12345")
			if way, _ := page.Find("a.button").Attr("href"); way != onward(next) || a.header.Get("Retry-After") != "5" {
				t.Errorf("%s: the way on is %q, Retry-After %q", path, way, a.header.Get("Retry-After"))
			}
		}
		if strings.Contains(s.log.String(), next) || strings.Contains(s.log.String(), b.cookie()) {
			t.Error("the log tells the request or the cookie")
		}
	})
}

func TestProblem_leadsBackToTheApp(t *testing.T) {
	t.Parallel()
	notes := identity.Client{ID: "notes", Metadata: identity.Metadata{Name: "Notes"}}
	for _, c := range []struct {
		problem    web.Problem
		texts      []string
		way, label string
	}{
		{
			web.Problem{
				Status: 400, Title: "Notes asked for something", Msg: "It wants the moon.", Client: notes,
				BackURL: callback + "&error=invalid_scope", BackLabel: "Back, please",
			},
			[]string{"Notes asked for something", "It wants the moon.", "You did nothing wrong", "This leads to notes.example", "REF"},
			callback + "&error=invalid_scope", "Back, please",
		},
		{
			web.Problem{Status: 400, Client: notes, BackURL: "com.example.notes:/cb?error=x"},
			[]string{"We can’t go on from here"},
			"com.example.notes:/cb?error=x", "Back to Notes",
		},
		{
			web.Problem{Status: 400, Msg: "Your mistake.", Yours: true, BackURL: "javascript:alert(1)"},
			[]string{"Your mistake."},
			"/signin", "Go to sign-in",
		},
		{web.Problem{Status: 403}, []string{"That isn’t allowed"}, "/signin", "Go to sign-in"},
		{web.Problem{Status: 404}, []string{"Nothing here"}, "/signin", "Go to sign-in"},
		{web.Problem{Status: 405}, []string{"We can’t go on from here"}, "/signin", "Go to sign-in"},
		{web.Problem{Status: 429}, []string{"Too many tries"}, "/signin", "Go to sign-in"},
		{web.Problem{Status: 500}, []string{"Something failed on our side"}, "/signin", "Go to sign-in"},
		{web.Problem{Status: 503}, []string{"We are not ready right now"}, "/signin", "Go to sign-in"},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("X-Request-Id", "REF")
		pages := web.New(web.Options{Fetch: http.DefaultClient, Log: slog.New(slog.DiscardHandler)})
		pages.Problem(w, httptest.NewRequest(http.MethodGet, "/oauth2/authorize", nil), c.problem)
		page := answer{t, c.problem.Msg, w.Code, w.Header(), w.Body.String()}.is(c.problem.Status, c.texts...)
		way, _ := page.Find("a.button").Attr("href")
		if label := page.Find("a.button").Text(); way != c.way || label != c.label {
			t.Errorf("%+v: the way on is %q to %q, want %q to %q", c.problem, label, way, c.label, c.way)
		}
		blameless := !c.problem.Yours && c.problem.Status != http.StatusTooManyRequests
		if blameless != strings.Contains(page.Text(), "You did nothing wrong") {
			t.Errorf("%+v: the page says the wrong thing about whose fault it is", c.problem)
		}
	}
}

func TestProblem_speaksToPeopleFirstAndToWhoeverMakesTheAppLast(t *testing.T) {
	t.Parallel()
	pages := web.New(web.Options{Fetch: http.DefaultClient, Log: slog.New(slog.DiscardHandler)})
	w := httptest.NewRecorder()
	pages.Problem(w, httptest.NewRequest(http.MethodGet, "/oauth2/authorize", nil), web.Problem{
		Status: http.StatusBadRequest, Title: "This sign-in cannot go on", Msg: "Go back to the app.", Detail: "redirect_uri is missing.",
		Client: identity.Client{ID: "readme-notes"},
	})
	page := answer{t: t, status: w.Code, body: w.Body.String()}.is(http.StatusBadRequest, "For whoever makes the app: redirect_uri is missing.")
	if header := page.Find("header").Text(); strings.Contains(header, "Continue") || !strings.Contains(header, "readme-notes") {
		t.Errorf("the header says %q", header)
	}
	if page.Find("a[href='/signin']").Length() != 0 {
		t.Error("it offers to sign in, which does not help")
	}
}
