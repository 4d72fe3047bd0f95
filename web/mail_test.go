package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/web"
)

// withMail makes the pages those of a server that can send mail.
func withMail(o *web.Options) {
	db, now := o.Store.(door).DB, o.Now
	o.Mailed = identity.Mailed{
		Store: db, Links: identity.MailLinks{Store: db, Keys: o.Keys, Now: now}, Credentials: o.Credentials,
		Devices: o.Devices, Now: now,
	}
	o.MailOn = true
}

// letters takes what waits for the postman.
func (s *site) letters() (all []identity.Letter) {
	s.t.Helper()
	for {
		claim := identity.DeliveryClaim{Kind: identity.MailDelivery, Lease: time.Hour}
		d, found, err := s.db.ClaimDelivery(s.t.Context(), claim)
		if err != nil {
			s.t.Fatal(err)
		}
		if !found {
			return all
		}
		var l identity.Letter
		if err := json.Unmarshal(d.Body, &l); err != nil {
			s.t.Fatal(err)
		}
		if err := s.db.DeliveryDone(s.t.Context(), d.ID); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, l)
	}
}

// letter takes the only letter that waits.
func (s *site) letter(want identity.LetterKind) identity.Letter {
	s.t.Helper()
	all := s.letters()
	if len(all) != 1 || all[0].Kind != want {
		s.t.Fatalf("%d letters wait: %+v, want one of kind %s", len(all), all, want)
	}
	return all[0]
}

func (s *site) link(userID identity.ID, kind identity.LinkKind, detail string) string {
	s.t.Helper()
	links := identity.MailLinks{Store: s.db, Keys: s.keys, Now: s.time}
	text, err := links.Make(s.t.Context(), identity.LinkFor{UserID: userID, Kind: kind, Detail: detail})
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// happened counts the Events of a kind of a user.
func (s *site) happened(userID identity.ID, kind identity.EventKind) (n int) {
	s.t.Helper()
	events, err := s.db.EventsOf(s.t.Context(), userID, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// account reads a user.
func (s *site) account(id identity.ID) identity.User {
	s.t.Helper()
	u, err := s.db.UserByID(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// linkPages are the pages that a mailed link opens.
var linkPages = map[string]identity.LinkKind{
	"/reset": identity.LinkReset, "/verify": identity.LinkVerify, "/email": identity.LinkEmail, "/not-me": identity.LinkNotMe,
}

func TestMailedLinks_sayKindlyWhenTheyAreOverAndLeadOn(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u, b := s.user("anna@example.com"), s.browser()
		for path, kind := range linkPages {
			other := identity.LinkNotMe
			if kind == other {
				other = identity.LinkReset
			}
			old := s.link(u.ID, kind, u.Email)
			s.wait(7 * 24 * time.Hour)
			for why, text := range map[string]string{
				"none": "", "forged": "sj_ml_AQAAAAAA", "markup": `"><script>`, "of another kind": s.link(u.ID, other, u.Email),
				"too old": old, "much": strings.Repeat("a", 4000), "a NUL byte": "sj_ml_%00", "broken UTF-8": "%ff%fe",
			} {
				page := b.get(path+"?link="+text).is(http.StatusNotFound, "This link no longer works")
				if page.Find("main a.button").Length() == 0 {
					t.Errorf("%s with a link that is %s: no way on", path, why)
				}
				b.post(path, "link", text, "new_password", "another password").is(http.StatusNotFound, "This link no longer works")
			}
		}
		if len(s.letters()) != 0 || s.account(u.ID).Epoch != 0 {
			t.Error("a link that does not work did something")
		}
	})
}

func TestMailPages_keepTheLinkToThemselves(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u, b := s.user("anna@example.com"), s.browser()
		for path, kind := range linkPages {
			text := s.link(u.ID, kind, u.Email)
			if got := b.get(path + "?link=" + text).header.Get("Referrer-Policy"); got != "strict-origin" {
				t.Errorf("%s: Referrer-Policy is %q", path, got)
			}
			s.away.Store(true)
			b.http.Jar.SetCookies(b.at(), s.signedIn(u.Email).http.Jar.Cookies(b.at()))
			b.post(path, "link", text, "new_password", "short")
			s.away.Store(false)
		}
		if strings.Contains(s.log.String(), "sj_ml_") {
			t.Error("the log holds a link")
		}
	})
}

func TestMailPages_withoutMailAreNotThereAndNotLinked(t *testing.T) {
	t.Parallel()
	off := func(o *web.Options) { withMail(o); o.MailOn = false }
	run(t, off, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		for _, path := range []string{"/forgot", "/reset", "/verify", "/email", "/not-me", "/account/email"} {
			b.get(path).is(http.StatusNotFound, "No mail is sent from here")
			b.post(path, "username", u.Email).is(http.StatusNotFound, "No mail is sent from here")
		}
		b.post("/account/verify").is(http.StatusNotFound)
		if s.browser().get("/signin").is(http.StatusOK).Find("a[href^='/forgot']").Length() != 0 {
			t.Error("the sign-in page links to /forgot")
		}
		if diff := cmp.Diff([]identity.Letter(nil), s.letters()); diff != "" {
			t.Error(diff)
		}
	})
}
