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
	o.ByMail = identity.ByMail{
		Store: db, Links: identity.MailLinks{Store: db, Keys: o.Keys, Now: now}, Credentials: o.Credentials,
		Devices: o.Devices, Now: now,
	}
	o.MailOn, o.SignIns.ConfirmFirst = true, true
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
	text, err := links.Make(s.t.Context(), identity.LinkFor{
		UserID: userID, Kind: kind, Detail: detail, Epoch: s.account(userID).Epoch,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// happened counts the Events of a kind of a user.
func (s *site) happened(userID identity.ID, kind identity.EventKind) (n int) {
	s.t.Helper()
	events, err := s.db.Events(s.t.Context(), identity.EventQuery{UserID: userID, Limit: 1000})
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

func TestForgot_doesAndSaysTheSameForKnownAndUnknownAddresses(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		s.user("known@example.com")
		b, next := s.browser(), s.next("login_hint", "known@example.com")
		b.get("/signin?next="+next).is(http.StatusOK, "Forgot your password?")
		page := b.get("/forgot?next="+next).is(http.StatusOK, "Forgot your password?", "Continue to Notes")
		if field(page, "next") != next || field(page, "username") != "known@example.com" {
			t.Error("the form does not carry the request, or does not know the address")
		}
		pages, asked := map[string]string{}, map[string]int64{}
		for _, email := range []string{"known@example.com", "other@example.com"} {
			before := s.statements.Load()
			a := b.post("/forgot", "next", next, "username", " "+strings.ToUpper(email))
			asked[email] = s.statements.Load() - before
			page := a.is(http.StatusOK, "Look into your mail")
			if way, _ := page.Find("main a.button").Attr("href"); way != "/signin?next="+next {
				t.Errorf("%s: the way on is %q", email, way)
			}
			pages[email] = strings.ReplaceAll(a.body, strings.ToUpper(email), "")
			if got, want := s.letter(identity.LetterForgot), (identity.Letter{Kind: identity.LetterForgot, To: email}); got != want {
				t.Errorf("the letter is %+v, want %+v", got, want)
			}
		}
		if diff := cmp.Diff(pages["known@example.com"], pages["other@example.com"]); diff != "" {
			t.Errorf("the pages differ:\n%s", diff)
		}
		if asked["known@example.com"] != asked["other@example.com"] || asked["known@example.com"] == 0 {
			t.Errorf("the database is asked differently, so the clock could tell: %v", asked)
		}
	})
}

func TestForgot_limitsLettersToAnAddressAndFromANetwork(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		b := s.browser()
		for range identity.LetterThrottle.Free {
			b.post("/forgot", "username", "anna@example.com").is(http.StatusOK)
		}
		a := b.post("/forgot", "username", "anna@example.com")
		page := a.is(http.StatusTooManyRequests, "Too many tries")
		if a.header.Get("Retry-After") != "300" || field(page, "username") != "anna@example.com" {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		}
		b.post("/forgot", "username", "bob@example.com").is(http.StatusOK)
		if n := len(s.letters()); n != identity.LetterThrottle.Free+1 {
			t.Errorf("%d letters", n)
		}
		place := identity.ThrottleKey("letters", "127.0.0.1")
		for range identity.AddressThrottle.Free {
			if _, err := s.db.CountTry(t.Context(), place, identity.AddressThrottle); err != nil {
				t.Fatal(err)
			}
		}
		b.post("/forgot", "username", "carl@example.com").is(http.StatusTooManyRequests)
	})
}

// A stranger who asks a hundred times keeps the owner from nothing, in a browser that knows them or by a link in their mailbox.
func TestForgot_strangersUseUpNothingOfTheOwners(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.confirmed("anna@example.com")
		b := s.signedIn(u.Email)
		moment := identity.Moment{Before: s.time(), Email: u.Email}
		for range 100 {
			s.browser().post("/forgot", "username", u.Email)
		}
		s.signedIn(s.user("bob@example.com").Email).post("/forgot", "username", u.Email).is(http.StatusTooManyRequests)
		s.letters()
		for range identity.LetterThrottle.Free {
			b.post("/forgot", "username", u.Email).is(http.StatusOK)
		}
		b.post("/forgot", "username", u.Email).is(http.StatusTooManyRequests)
		if n := len(s.letters()); n < identity.LetterThrottle.Free {
			t.Errorf("%d letters", n)
		}
		for range identity.AddressThrottle.Free {
			_, err := s.db.CountTry(t.Context(), identity.ThrottleKey("letters", "127.0.0.1"), identity.AddressThrottle)
			if err != nil {
				t.Fatal(err)
			}
		}
		s.wait(time.Hour)
		b.post("/not-me", "link", s.link(u.ID, identity.LinkNotMe, moment.Detail()), "mail", "reset").is(http.StatusOK)
	})
}

func TestForgot_saysWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		b := s.browser()
		for what, value := range values {
			page := b.post("/forgot", "username", value).is(http.StatusBadRequest)
			if problemBeside(page, "username") == "" {
				t.Errorf("%s: no word beside the field", what)
			}
		}
		b.post("/forgot", "username", "anna@example.com", "next", "forged").is(http.StatusBadRequest)
	})
}

func TestReset_changesThePasswordOnceAndEndsEverything(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.confirmed("anna@example.com")
		elsewhere, b := s.signedIn(u.Email), s.browser()
		text := s.link(u.ID, identity.LinkReset, "")
		for range 6 { // who forgot a password guesses first
			b.post("/signin", "username", u.Email, "password", "wrong password")
		}
		page := b.get("/reset?link=" + text).is(http.StatusOK)
		whose := page.Find("input[name=username][autocomplete=username][readonly]")
		if whose.AttrOr("value", "") != u.Email || field(page, "link") != text {
			t.Error("the form does not say whose password it is, or lacks the link")
		}
		for _, wrong := range []string{"", "short", "\xff\xfe broken", "with \x00 in it", strings.Repeat("a", 257)} {
			page := b.post("/reset", "link", text, "new_password", wrong).is(http.StatusBadRequest)
			if problemBeside(page, "new_password") == "" || field(page, "link") != text || field(page, "new_password") != "" {
				t.Errorf("%.10q: no word beside the field, or no form to try again", wrong)
			}
		}
		b.post("/reset", "link", text, "new_password", "another password").leadsTo("/signin?notice=reset&switch=1")
		b.get("/signin?notice=reset&switch=1").is(http.StatusOK, "Your new password is set")
		again := b.post("/reset", "link", text, "new_password", "a third password") // by the back button
		again.is(http.StatusNotFound, "sign in with it")
		b.get("/reset?link=" + text).is(http.StatusNotFound)
		if elsewhere.standing().SignedIn() || b.cookie() != "" {
			t.Error("a sign-in outlived the reset, or one began by it")
		}
		if s.happened(u.ID, identity.PasswordReset) != 1 || s.letter(identity.LetterEvent).Event.Kind != identity.PasswordReset {
			t.Error("the person is not told, or twice")
		}
		b.post("/signin", "username", u.Email, "password", "another password").leadsTo("/account")
	})
}

func TestReset_stillAsksForTheSecondFactor(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.confirmed("anna@example.com")
		s.enrolled(u)
		s.wait(identity.UndoFor + time.Minute) // a week in which the mails that told of it could be answered
		b := s.browser()
		b.post("/reset", "link", s.link(u.ID, identity.LinkReset, ""), "new_password", "another password").
			leadsTo("/signin?notice=reset&switch=1")
		b.post("/signin", "username", u.Email, "password", "another password")
		if b.standing().SignIn.AMR.Has(identity.MFA) || !b.standing().Enrolled() {
			t.Error("the factor is gone, or counts as proved")
		}
	})
}

// The page asks first: what was changed lately goes, unless it was the person.
func TestReset_saysWhatItTakesBackAndAsks(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.confirmed("anna@example.com")
		s.enrolled(u)
		b := s.browser()
		page := b.get("/reset?link="+s.link(u.ID, identity.LinkReset, "")).is(http.StatusOK, "your authenticator app or recovery codes")
		if page.Find("input[type=checkbox][name=keep]").Length() != 1 {
			t.Error("no box to say that it was oneself")
		}
		b.post("/reset", "link", field(page, "link"), "new_password", "another password", "keep", "yes").
			leadsTo("/signin?notice=reset&switch=1")
		b.post("/signin", "username", u.Email, "password", "another password")
		if !b.standing().Enrolled() {
			t.Error("the authenticator is gone, although it was the person's")
		}
		b.post("/reset", "link", s.link(u.ID, identity.LinkReset, ""), "new_password", "a third password")
		b.post("/signin", "username", u.Email, "password", "a third password")
		if b.standing().Enrolled() || s.happened(u.ID, identity.ChangesUndone) != 1 {
			t.Error("the authenticator is still there, or nobody is told")
		}
		b.get("/reset?link="+s.link(s.user("bob@example.com").ID, identity.LinkReset, "")).is(http.StatusOK, "the account starts clean")
	})
}

func TestReset_inAnotherPersonsBrowserLeavesThemSignedIn(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.user("bob@example.com")
		bobs := s.signedIn("bob@example.com")
		bobs.post("/reset", "link", s.link(u.ID, identity.LinkReset, ""), "new_password", "another password").
			leadsTo("/signin?notice=reset&switch=1")
		page := bobs.get("/signin?notice=reset&switch=1").is(http.StatusOK, "Your new password is set")
		if field(page, "username") != u.Email || bobs.standing().User.Email != "bob@example.com" {
			t.Error("Bob is signed out, or named to whoever reset Anna's password")
		}
	})
}

func TestReset_onlyTheNewestLinkWorksAndNoneAfterAChange(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u, b := s.user("anna@example.com"), s.browser()
		first, second := s.link(u.ID, identity.LinkReset, ""), s.link(u.ID, identity.LinkReset, "")
		b.get("/reset?link="+first).is(http.StatusNotFound, "a newer mail took its place")
		b.get("/reset?link=" + second).is(http.StatusOK) // one tab
		b.get("/reset?link=" + second).is(http.StatusOK) // another
		credentials := identity.Credentials{Store: s.db, Keys: s.keys, Now: s.time}
		if err := credentials.ResetPassword(t.Context(), u.ID, passwordHash(), identity.Seen{}); err != nil {
			t.Fatal(err)
		}
		b.post("/reset", "link", second, "new_password", "another password").is(http.StatusNotFound)
	})
}

func TestVerify_takesAPressAndNotAScannersLook(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u, b := s.user("anna@example.com"), s.browser()
		text := s.link(u.ID, identity.LinkVerify, u.Email)
		for range 3 {
			page := b.get("/verify?link="+text).is(http.StatusOK, "anna@example.com")
			if page.Find("form button").Length() != 1 || field(page, "link") != text || s.account(u.ID).EmailVerified {
				t.Fatal("want one button, and nothing done yet")
			}
		}
		b.post("/verify", "link", text).is(http.StatusOK, "Your address is confirmed")
		b.post("/verify", "link", text).is(http.StatusNotFound, "nothing is left to do") // a second press
		if !s.account(u.ID).EmailVerified || s.happened(u.ID, identity.EmailVerified) != 1 ||
			s.happened(u.ID, identity.ProfileChanged) != 1 {
			t.Error("not verified, or not told exactly once")
		}
	})
}

func TestVerify_aLinkToAnAddressOfBeforeIsWorthNothing(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u, b := s.user("anna@example.com"), s.browser()
		text := s.link(u.ID, identity.LinkVerify, "before@example.com")
		b.post("/verify", "link", text).is(http.StatusNotFound)
		if s.account(u.ID).EmailVerified {
			t.Error("an address counts as verified by a mail to another")
		}
	})
}

func TestAskVerify_sendsTheLinkAgainToWhoeverNeedsIt(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		for range identity.LetterThrottle.Free {
			b.post("/account/verify").is(http.StatusOK, "Look into your mail")
		}
		b.post("/account/verify").is(http.StatusTooManyRequests, "Too many tries")
		letters, want := s.letters(), identity.Letter{Kind: identity.LetterVerify, UserID: u.ID}
		if len(letters) != identity.LetterThrottle.Free || letters[0] != want {
			t.Errorf("letters: %+v", letters)
		}
		b.get("/account/verify").leadsTo("/signin") // a restored tab
		if a := s.browser().post("/account/verify"); a.status != http.StatusSeeOther {
			t.Errorf("nobody signed in: status %d", a.status)
		}
		if err := s.db.VerifyEmail(t.Context(), u.ID, u.Email); err != nil {
			t.Fatal(err)
		}
		b.post("/account/verify").is(http.StatusOK)
		if got := s.letters(); len(got) != 0 {
			t.Errorf("who is verified gets %+v", got)
		}
	})
}

// The demo shows mails and waits for nobody to read one.
func TestSignUp_mailsTheNewOwnerOrTheOneThereIs(t *testing.T) {
	t.Parallel()
	demo := func(o *web.Options) {
		withMail(o)
		o.SignIns.ConfirmFirst = false
	}
	run(t, demo, func(t *testing.T, s *site) {
		taken := s.user("taken@example.com")
		b := s.browser()
		for range identity.LetterThrottle.Free + 2 {
			b.post("/signup", "username", taken.Email, "password", "another password").leadsTo("/signin?notice=signup")
		}
		b.get("/signin?notice=signup").is(http.StatusOK, "A mail is on its way to you")
		letters, want := s.letters(), identity.Letter{Kind: identity.LetterHave, To: taken.Email}
		if len(letters) != identity.LetterThrottle.Free || letters[0] != want {
			t.Errorf("the owner gets %+v", letters)
		}
		b.post("/signup", "username", "free@example.com", "password", "another password").leadsTo("/signin?notice=signup")
		made, err := s.db.UserByEmail(t.Context(), "free@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if got := s.letter(identity.LetterVerify); got.UserID != made.ID || made.EmailVerified {
			t.Errorf("the new account gets %+v", got)
		}
	})
}

// confirmed is a user who has confirmed their address.
func (s *site) confirmed(email string) identity.User {
	s.t.Helper()
	u := s.user(email)
	if err := s.db.VerifyEmail(s.t.Context(), u.ID, email); err != nil {
		s.t.Fatal(err)
	}
	u.EmailVerified = true
	return u
}
