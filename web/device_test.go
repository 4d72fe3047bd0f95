package web_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/web"
)

const ended = "/account/devices?notice=devices.ended"

// device is the entry of a list that ends id, as words.
func device(page *goquery.Document, id identity.ID) string {
	return strings.Join(strings.Fields(page.Find("li:has(input[value='"+id.String()+"'])").Text()), " ")
}

func (s *site) describe(session identity.Session, d identity.Device) {
	s.t.Helper()
	session, err := s.db.SessionByID(s.t.Context(), session.ID)
	session.Device = d
	if err := errors.Join(err, s.db.WriteLine(s.t.Context(), session)); err != nil {
		s.t.Fatal(err)
	}
}

func TestDevices_saysWhatPeopleKnowThemBy(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		here, phone := s.signedIn("anna@example.com"), s.signedIn("anna@example.com")
		desk := phone.session("notes", "openid")
		s.describe(desk, identity.Device{Name: "Anna’s phone", Model: "Pixel 9", AppVersion: "4.2.0"})
		s.wait(3 * time.Hour)
		bare := s.signedIn("anna@example.com").standing().SignIn
		mine := here.session("notes", "openid")
		page := here.get("/account/devices").is(http.StatusOK)
		for id, words := range map[identity.ID][]string{
			desk.ID: {"Notes", "Anna’s phone, Pixel 9", "Last seen 3 hours ago", "4.2.0", "With your password"},
			mine.ID: {"Notes", "This device", "Last seen just now"},
			bare.ID: {"Browser", "Last seen just now"},
		} {
			for _, word := range words {
				if said := device(page, id); !strings.Contains(said, word) {
					t.Errorf("the entry %q lacks %q", said, word)
				}
			}
			if said := device(page, id); id != mine.ID && strings.Contains(said, "This device") {
				t.Errorf("%q is not this device", said)
			}
		}
		if n := page.Find("form li, .list > li").Length(); n != 3 {
			t.Errorf("%d entries for three; a browser that an app was opened from is that app's entry", n)
		}
		if said := page.Find(".list > li").First().Text(); !strings.Contains(said, "This device") {
			t.Errorf("first comes %q", said)
		}
	})
}

// What registered itself is said to be no app of the service, with what it may do.
func TestDevices_marksConnectedAppsAndSaysWhatTheyMayDo(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		s.client(identity.Client{ID: "agent", SelfRegistered: true, Metadata: identity.Metadata{Name: "Agent", RedirectURIs: []string{callback}}})
		here, desk := s.signedIn("anna@example.com"), s.signedIn("anna@example.com")
		agent, own := desk.session("agent", "email", "offline_access"), desk.session("notes", "openid")
		page := here.get("/account/devices").is(http.StatusOK)
		for _, word := range []string{"Agent", "Connected app", "See your e-mail address", "Keep you signed in"} {
			if said := device(page, agent.ID); !strings.Contains(said, word) {
				t.Errorf("the entry %q lacks %q", said, word)
			}
		}
		if said := device(page, own.ID); strings.Contains(said, "Connected app") {
			t.Errorf("the service's own app is marked: %q", said)
		}
		here.post("/account/devices", "sid", agent.ID.String()).leadsTo("/account/devices?notice=devices.ended")
		if s.alive(agent.ID) {
			t.Error("it cannot be ended")
		}
	})
}

// At a resource it is said in the words of who runs it, as the consent page did: a scope's name tells people nothing.
func TestDevices_sayWhatConnectedAppsMayDoAtAResource(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		s.notesPlace()
		s.client(identity.Client{ID: "agent", SelfRegistered: true, Metadata: identity.Metadata{
			Name: "Agent", RedirectURIs: []string{callback}, GrantTypes: []string{identity.GrantTypeCode},
		}})
		all, err := s.db.Resources(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("%d resources (%v)", len(all), err)
		}
		here := s.signedIn("anna@example.com")
		agent := here.sessionAt([]string{all[0].Mark()}, "agent", "openid", "notes.read")
		said := device(here.get("/account/devices").is(http.StatusOK), agent.ID)
		if !strings.Contains(said, "MayKnow that it is you May in Your notesRead your notes") || strings.Contains(said, "notes.read") ||
			strings.Contains(said, "Change your notes") {
			t.Errorf("the entry is %q", said)
		}
	})
}

func TestDevices_saysWhereTheNetworkIsWhereThatIsKnown(t *testing.T) {
	t.Parallel()
	atlas := func(o *web.Options) {
		o.Place = func(string) string { return "Berlin, Germany" }
	}
	run(t, atlas, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		here := s.signedIn("anna@example.com")
		said := here.get("/account/devices").is(http.StatusOK).Find(".list > li").First().Text()
		if !strings.Contains(said, "Last seen just now near Berlin, Germany") {
			t.Errorf("the entry is %q", said)
		}
	})
}

func TestDevices_oneTapEndsOneAndSaysSo(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		here, phone := s.signedIn("anna@example.com"), s.signedIn("anna@example.com")
		lost, kept := phone.session("notes", "openid", "offline_access"), here.session("notes", "openid")
		here.get("/account/devices").is(http.StatusOK, "can’t be undone")
		for range 2 { // one press too many does no harm
			here.post("/account/devices", "sid", lost.ID.String()).leadsTo(ended)
		}
		here.get(ended).is(http.StatusOK, "That is signed out.", "just now: you ended it from your account")
		if s.alive(lost.ID) || !s.alive(kept.ID) || phone.standing().SignedIn() || !here.standing().SignedIn() {
			t.Error("the wrong ones ended")
		}
		here.post("/account/devices", "sid", kept.ID.String()).leadsTo(ended)
		if s.alive(kept.ID) || !here.standing().SignedIn() {
			t.Error("an app's Session in this browser takes the browser with it, or stays")
		}
	})
}

func TestDevices_nobodyEndsWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		s.user("eve@example.com")
		anna, eve := s.signedIn("anna@example.com"), s.signedIn("eve@example.com")
		session := anna.session("notes", "openid")
		for what, form := range map[string][]string{
			"somebody else's Session": {"sid", session.ID.String()},
			"somebody else's browser": {"signin", anna.standing().SignIn.ID.String()},
			"an unknown one":          {"sid", identity.NewID().String()},
			"an unknown browser":      {"signin", identity.NewID().String()},
			"garbage":                 {"sid", "garbage"}, "a NUL byte": {"signin", "\x00"}, "nothing": {},
		} {
			page := eve.post("/account/devices", form...).is(http.StatusNotFound, "Your devices")
			if !strings.Contains(page.Find("[role=alert]").Text(), "among yours") {
				t.Errorf("%s: the page says %q", what, page.Find("[role=alert]").Text())
			}
		}
		if !s.alive(session.ID) || !anna.standing().SignedIn() {
			t.Error("somebody else's ended")
		}
		if page := eve.get("/account/devices").is(http.StatusOK); strings.Contains(page.Text(), "Notes") {
			t.Error("somebody else's is listed")
		}
	})
}

func TestDevices_endsABrowser(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		here, library := s.signedIn("anna@example.com"), s.signedIn("anna@example.com")
		here.post("/account/devices", "signin", library.standing().SignIn.ID.String()).leadsTo(ended)
		if library.standing().SignedIn() || !here.standing().SignedIn() {
			t.Error("the wrong browser ended")
		}
		page := here.get("/account/devices").is(http.StatusOK)
		if action, _ := page.Find("li form").Attr("action"); action != "/signout" {
			t.Errorf("this browser is signed out at %q", action)
		}
		if page.Find("[name=others]").Length() != 0 {
			t.Error("where nothing else is, everything else can be signed out")
		}
	})
}

func TestDevices_everywhereElse(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		here := s.signedIn("anna@example.com")
		mine := here.session("notes", "openid")
		var others []identity.Session
		for range 3 {
			others = append(others, s.signedIn("anna@example.com").session("notes", "openid", "offline_access"))
		}
		bare := s.signedIn("anna@example.com")
		here.post("/account/devices", "others", "end").leadsTo("/account/devices?notice=devices.ended_all")
		for _, other := range others {
			if s.alive(other.ID) {
				t.Error("another device is still signed in")
			}
		}
		if bare.standing().SignedIn() || !here.standing().SignedIn() || !s.alive(mine.ID) {
			t.Error("another browser stays, or this one does not")
		}
	})
}

func TestDevices_endedWhileThePageWasOpenLeadsToSigningInAndBack(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		lost, here := s.signedIn("anna@example.com"), s.signedIn("anna@example.com")
		session := here.session("notes", "openid")
		lost.get("/account/devices").is(http.StatusOK)
		here.post("/account/devices", "others", "end")
		lost.post("/account/devices", "sid", session.ID.String()).leadsTo("/account/devices")
		next := lost.get("/account/devices").nextOf("/signin")
		lost.get("/signin?next="+next).is(http.StatusOK, "This browser was signed out.")
		if !s.alive(session.ID) {
			t.Error("a browser that is signed out ends a Session")
		}
	})
}

func TestDevices_listIsBoundedAndSaysSo(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		here := s.signedIn("anna@example.com")
		for range 100 {
			here.session("notes", "openid")
		}
		if page := here.get("/account/devices").is(http.StatusOK); strings.Contains(page.Text(), "Only the newest") {
			t.Error("a list of a hundred says that there are more")
		}
		s.client(identity.Client{ID: "other", Metadata: identity.Metadata{Name: "Other", RedirectURIs: []string{callback}}})
		here.session("other", "openid") // of one app, nobody has more than a hundred
		page := here.get("/account/devices").is(http.StatusOK, "Only the newest are shown.")
		if n := page.Find("li").Length(); n != 100 || page.Find("[name=others]").Length() != 1 {
			t.Errorf("%d entries", n)
		}
	})
}

func TestDevices_pastOnesSayWhy(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		old := s.signedIn("anna@example.com")
		idle := old.session("notes", "openid")
		s.wait(25 * time.Hour) // longer than it may be idle
		page := s.signedIn("anna@example.com").get("/account/devices").is(http.StatusOK)
		said, want := page.Find(".past").Text(), "1 hour ago: it had not been used for a long time."
		if !strings.Contains(said, want) || s.alive(idle.ID) {
			t.Errorf("the list of past ones says %q", said)
		}
		s.wait(31 * 24 * time.Hour)
		page = s.signedIn("anna@example.com").get("/account/devices").is(http.StatusOK)
		if page.Find(".past").Length() != 0 {
			t.Error("what ended a month ago is still told")
		}
	})
}

func TestDevices_manyPressesAtOnceNeverShowAnError(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		s.user("anna@example.com")
		here := s.signedIn("anna@example.com")
		sid := s.signedIn("anna@example.com").session("notes", "openid").ID.String()
		answers := make(chan answer)
		for i := range 8 {
			form := []string{"sid", sid}
			if i%2 == 0 {
				form = []string{"others", "end"}
			}
			go func() { answers <- here.twin().post("/account/devices", form...) }()
		}
		for range 8 {
			if to := (<-answers).header.Get("Location"); !strings.HasPrefix(to, ended) {
				s.t.Errorf("one leads to %s", to)
			}
		}
	})
}
