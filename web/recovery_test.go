package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

// withCodes gives a user an authenticator and returns the recovery codes.
func (s *site) withCodes(u identity.User) []string {
	s.t.Helper()
	e, err := s.totp.Begin(identity.Standing{User: u})
	if err != nil {
		s.t.Fatal(err)
	}
	err = s.totp.Confirm(s.t.Context(), identity.Standing{User: u}, mfa.Confirmation{Sealed: e.Sealed, Code: s.codeOf(e.Secret)})
	if err != nil {
		s.t.Fatal(err)
	}
	return e.Codes
}

func TestRecovery_codeStandsInForTheAuthenticatorOnce(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		codes := s.withCodes(s.user("anna@example.com"))
		b, next := s.signedIn("anna@example.com"), s.next()
		old := b.cookie()
		page := b.get("/signin/recovery?next="+next).is(http.StatusOK, "Use a recovery code")
		if page.Find("a[href='/signin/totp?next="+next+"']").Length() != 1 {
			t.Error("no way back to the authenticator")
		}
		b.post("/signin/recovery", "next", next, "recovery_code", strings.ToUpper(codes[3])).leadsTo(newPhone(next))
		if got := b.standing().SignIn.AMR; got != identity.PWD|identity.OTP|identity.MFA {
			t.Errorf("what was proved is %v, want password and code", got.Names())
		}
		if b.cookie() == old || s.standingOf(old).SignedIn() {
			t.Error("the cookie's old value still works")
		}
		again := s.signedIn("anna@example.com").post("/signin/recovery", "recovery_code", codes[3]).is(http.StatusUnauthorized)
		if problemBeside(again, "recovery_code") == "" {
			t.Error("no word beside the field")
		}
		s.signedIn("anna@example.com").post("/signin/recovery", "recovery_code", codes[4]).leadsTo("/account/totp/new")
	})
}

func TestRecovery_typingErrorIsToldBesideTheField(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.withCodes(s.user("anna@example.com"))
		b := s.signedIn("anna@example.com")
		for what, value := range values {
			page := b.post("/signin/recovery", "recovery_code", value).is(http.StatusBadRequest)
			if problemBeside(page, "recovery_code") == "" {
				t.Errorf("%s: no word beside the field", what)
			}
		}
	})
}

func TestRecovery_pressedTwiceLeadsOnBothTimes(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		codes := s.withCodes(s.user("anna@example.com"))
		b, next := s.signedIn("anna@example.com"), s.next()
		late := b.twin()
		b.post("/signin/recovery", "next", next, "recovery_code", codes[0]).leadsTo(newPhone(next))
		late.post("/signin/recovery", "next", next, "recovery_code", codes[0]).leadsTo(onward(next)) // with a cookie that was replaced: authorize knows
	})
}

func TestCodes_newOnesCountOnceThePersonHasThem(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		b.get("/account/codes").leadsTo("/account/security") // nothing to recover
		first := codes(b.enrol("").is(http.StatusOK))
		page := b.get("/account/codes").is(http.StatusOK, "Save these first")
		second := codes(page)
		other := s.signedIn(u.Email)
		other.post("/signin/recovery", "recovery_code", first[0]).leadsTo("/account/totp/new") // the old ones still do
		form := []string{"renewal", field(page, "renewal")}
		b.post("/account/codes", form...).leadsTo(renewed)
		b.get("/account/security").is(http.StatusOK, "10 recovery codes left")
		s.signedIn(u.Email).post("/signin/recovery", "recovery_code", first[1]).is(http.StatusUnauthorized)
		s.signedIn(u.Email).post("/signin/recovery", "recovery_code", second[0]).leadsTo("/account/totp/new")
		again := b.post("/account/codes", form...).is(http.StatusConflict, "can’t be taken any more") // with one that was used
		s.signedIn(u.Email).post("/signin/recovery", "recovery_code", second[0]).is(http.StatusUnauthorized)
		b.post("/account/codes", "renewal", field(again, "renewal")).leadsTo(renewed)
		s.wait(11 * time.Minute)
		b.get("/account/codes").nextOf("/signin")
		b.post("/account/codes", form...).nextOf("/signin")
		if n := s.told(u.ID, identity.RecoveryRenewed); n != 2 {
			t.Errorf("%d Events tell of two renewals", n)
		}
	})
}

const renewed = "/account/security?notice=security.codes.renewed"

// codes are the recovery codes on a page.
func codes(page *goquery.Document) []string {
	return page.Find(".codes code").Map(func(_ int, code *goquery.Selection) string { return code.Text() })
}
