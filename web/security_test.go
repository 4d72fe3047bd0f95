package web_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/web"
)

const changed = "/account/security?notice=security.password.changed"

func TestSecurity_newPasswordKeepsThisBrowserAndEndsTheRest(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		here, other := s.signedIn(u.Email), s.signedIn(u.Email)
		mine, theirs := here.session("notes", "openid", "offline_access"), other.session("notes", "openid")
		old, late := here.cookie(), here.twin()
		s.wait(time.Hour) // the current password is proof enough
		form := []string{"current_password", password, "new_password", "another long password"}
		here.post("/account/security", form...).leadsTo(changed)
		here.get(changed).is(http.StatusOK, "Everything but this browser was signed out.", "Chosen just now")
		late.post("/account/security", form...).leadsTo("/account/security") // a second press, with the cookie of before
		if !here.standing().SignedIn() || here.cookie() == old || s.standingOf(old).SignedIn() {
			t.Error("this browser is signed out, or its old cookie still works")
		}
		if s.alive(mine.ID) || s.alive(theirs.ID) || other.standing().SignedIn() {
			t.Error("something else stays signed in")
		}
		s.browser().post("/signin", "username", u.Email, "password", password).is(http.StatusUnauthorized)
		s.browser().post("/signin", "username", u.Email, "password", "another long password").leadsTo("/account")
	})
}

func TestSecurity_wrongCurrentPasswordIsToldBesideItAndThenCostsAWait(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		wrong := []string{"current_password", "wrong", "new_password", "another long password"}
		for range 5 {
			page := b.post("/account/security", wrong...).is(http.StatusUnauthorized)
			if problemBeside(page, "current_password") == "" {
				t.Fatal("no word beside the current password")
			}
		}
		a := b.post("/account/security", "current_password", password, "new_password", "another long password")
		a.is(http.StatusTooManyRequests, "Too many tries")
		if a.header.Get("Retry-After") == "" {
			t.Error("the page does not say how long to wait")
		}
		s.wait(time.Minute)
		page := b.post("/account/security", "current_password", password, "new_password", "short").is(http.StatusBadRequest)
		if problemBeside(page, "new_password") == "" || strings.Contains(page.Text(), "short"+password) {
			t.Error("no word beside the new password")
		}
		b.post("/account/security", "current_password", password, "new_password", "another long password").leadsTo(changed)
	})
}

func TestSecurity_authenticatorIsRemovedOnAFreshProofOnly(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.enrolled(u)
		here, other := s.signedIn(u.Email), s.signedIn(u.Email)
		next := here.get("/account/security").nextOf("/signin/totp")
		here.post("/signin/totp", "next", next, "totp", s.code()).leadsTo("/account/security")
		here.get("/account/security").is(http.StatusOK, "On: signing in", "0 recovery codes left", "before you need them")
		session := other.session("notes", "openid")
		s.wait(11 * time.Minute)
		next = here.post("/account/totp/remove").nextOf("/signin")
		here.get("/signin?next="+next).is(http.StatusOK, "To change this, sign in once more.")
		here.signIn(u.Email, next).leadsTo("/account/security")
		next = here.get("/account/security").nextOf("/signin/totp")
		here.post("/signin/totp", "next", next, "totp", s.code()).leadsTo("/account/security")
		if !here.standing().Enrolled() {
			t.Fatal("it is removed without a fresh proof")
		}
		late := here.twin()
		here.post("/account/totp/remove").leadsTo("/account/security?notice=security.totp.removed")
		late.post("/account/totp/remove").leadsTo("/account/security") // a second press
		here.post("/account/totp/remove").leadsTo("/account/security") // and one of a restored tab
		here.get("/account/totp/remove").leadsTo("/account/security")
		here.get("/account/security").is(http.StatusOK, "Off. A code from an app", "The authenticator app was removed")
		if s.alive(session.ID) || other.standing().SignedIn() || s.told(u.ID, identity.FactorRemoved) != 1 {
			t.Error("something else stays signed in, or more than one Event tells of it")
		}
	})
}

func TestSecurity_whereNoOneIsChallengedAStepUpAsksForTheCodeAllTheSame(t *testing.T) {
	t.Parallel()
	run(t, func(o *web.Options) { o.Policy = identity.MFAOff }, func(_ *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.enrolled(u)
		b := s.signedIn(u.Email)
		next := b.post("/account/totp/remove").nextOf("/signin/totp")
		b.post("/signin/totp", "next", next, "totp", s.code()).leadsTo("/account/security")
		b.post("/account/totp/remove").leadsTo("/account/security?notice=security.totp.removed")
		if page := b.get("/account/security").is(http.StatusOK); page.Find("a[href='/account/totp']").Length() != 0 {
			s.t.Error("where no one is challenged, an authenticator is offered")
		}
	})
}

func TestEnrol_byThePersonThemselvesNeedsAFreshProof(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		b.get("/account/totp").is(http.StatusOK)
		s.wait(11 * time.Minute)
		for _, path := range []string{"/account/totp", "/account/totp?next=" + s.next()} {
			b.signIn(u.Email, b.get(path).nextOf("/signin"))
			s.wait(11 * time.Minute)
		}
		next := b.get("/account/totp").nextOf("/signin")
		b.get("/signin?next="+next).is(http.StatusOK, "To change this, sign in once more.")
		b.signIn(u.Email, next).leadsTo("/account/totp")
		page := b.get("/account/totp").is(http.StatusOK)
		s.wait(11 * time.Minute) // finding the app took its time
		b.post("/account/totp", "enrolment", field(page, "enrolment"), "totp", s.codeOf(key(page))).nextOf("/account/totp/codes")
		if !b.standing().Enrolled() {
			t.Error("a key that was shown on a fresh proof is not taken")
		}
	})
}

func TestActivity_tellsEachThingOnceAndNoDailyBusiness(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		client := "notes"
		event := func(kind identity.EventKind, detail string) {
			e := identity.Event{ID: identity.NewID(), At: s.time(), Kind: kind, UserID: u.ID, ClientID: client}
			e.Detail = detail
			if err := s.db.AddEvent(identity.WithActor(t.Context(), "operator:ada"), e); err != nil {
				t.Fatal(err)
			}
		}
		event(identity.SessionEnded, string(identity.EndOperator))
		for range 30 {
			event(identity.SessionForked, "")
		}
		page := b.get("/account/security").is(http.StatusOK,
			"Notes was signed out: the people who run this service ended it", "Done by the people who run this service.")
		if strings.Contains(page.Text(), "operator:ada") || page.Find(".line").Length() != 1 {
			t.Errorf("the page says %q", page.Find(".list").Text())
		}
		for range 250 { // whoever holds a stolen token hides nothing by a loop of them
			event(identity.SessionForked, "")
			event(identity.ProfileChanged, "name")
		}
		page = b.get("/account/security").is(http.StatusOK, "Notes was signed out", "250 times within an hour.")
		if n := page.Find(".line").Length(); n != 2 {
			t.Errorf("%d things are told, want 2: %q", n, page.Find(".list").Text())
		}
		for i := range 25 {
			client = fmt.Sprint("app", i)
			event(identity.FactorRefused, "totp")
			event(identity.FactorRefused, "totp")
		}
		if n := b.get("/account/security").is(http.StatusOK).Find(".line").Length(); n != 20 {
			t.Errorf("%d things are told, want 20", n)
		}
	})
}

// TestActivity_everyEventAndCauseHasASentence reads the kinds where they are declared, so that none can be forgotten.
func TestActivity_everyEventAndCauseHasASentence(t *testing.T) {
	t.Parallel()
	kinds, causes := constants(t, "EventKind"), constants(t, "EndCause")
	if len(kinds) < 25 || len(causes) < 20 {
		t.Fatalf("%d kinds of Event and %d causes are declared", len(kinds), len(causes))
	}
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b, seen := s.signedIn(u.Email), map[string]string{}
		for _, kind := range append(kinds, causes...) {
			e := identity.Event{ID: identity.NewID(), Kind: identity.EventKind(kind), UserID: u.ID, ClientID: "notes"}
			s.wait(time.Minute)
			e.At = s.time()
			switch {
			case !strings.Contains(kind, "."):
				e.Kind, e.Detail = identity.SessionEnded, kind
			case e.Kind == identity.SignInEnded:
				e.Detail = string(identity.EndIdle)
			case e.Kind == identity.SessionForked, e.Kind == identity.SessionEnded: // not told; told with each cause
				continue
			}
			if err := s.db.AddEvent(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			said := strings.TrimSpace(b.get("/account/security").is(http.StatusOK).Find(".line").First().Text())
			before, twice := seen[said]
			if twice || strings.Contains(said, "it is over") || strings.Contains(said, "Something about") {
				t.Errorf("of %s the page says %q, as of %q", kind, said, before)
			}
			seen[said] = kind
		}
	})
}

// constants are the values of the constants of a type that package identity declares.
func constants(t *testing.T, name string) (values []string) {
	t.Helper()
	files, err := filepath.Glob("../identity/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, is := n.(*ast.ValueSpec); is {
				values = append(values, valuesOf(spec, name)...)
			}
			return true
		})
	}
	return values
}

func valuesOf(spec *ast.ValueSpec, name string) (values []string) {
	if of, named := spec.Type.(*ast.Ident); !named || of.Name != name {
		return nil
	}
	for _, value := range spec.Values {
		if literal, is := value.(*ast.BasicLit); is {
			text, _ := strconv.Unquote(literal.Value)
			values = append(values, text)
		}
	}
	return values
}

func TestActivity_oneActIsOneLineThatSaysFromWhere(t *testing.T) {
	t.Parallel()
	near := func(o *web.Options) { o.Place = func(string) string { return "Berlin, Germany" } }
	run(t, near, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		codes := s.withCodes(u)
		agent := identity.Seen{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
		if err := s.db.AddEvent(identity.WithBrowser(t.Context(), agent), identity.Event{
			ID: identity.NewID(), At: s.time(), Kind: identity.EmailVerified, UserID: u.ID, Address: "203.0.113.7",
		}); err != nil {
			t.Fatal(err)
		}
		s.signedIn(u.Email).post("/signin", "username", u.Email, "password", "wrong").is(http.StatusUnauthorized)
		b := s.signedIn(u.Email)
		b.post("/signin/recovery", "recovery_code", codes[0]).leadsTo("/account/totp/new")
		page := b.get("/account/security").is(http.StatusOK, "A recovery code was used", "A wrong password was typed", "· Firefox on Linux · near Berlin, Germany / 203.0.113.7")
		if lines := page.Find(".list .line").Text(); strings.Contains(lines, "Confirmed with a recovery code") {
			t.Errorf("one act has two lines: %s", lines)
		}
	})
}
