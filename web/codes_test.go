package web_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestCodes_newOnesCountOnceThePersonHasThem(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		b.get("/account/codes").leadsTo("/account/security") // nothing to recover
		page := b.get("/account/totp").is(http.StatusOK)
		first := codes(page)
		b.post("/account/totp", "enrolment", field(page, "enrolment"), "totp", s.codeOf(key(page)))
		page = b.get("/account/codes").is(http.StatusOK, "Save these first")
		second := codes(page)
		other := s.signedIn(u.Email)
		other.post("/signin/recovery", "recovery_code", first[0]).leadsTo("/account") // the old ones still do
		form := []string{"renewal", field(page, "renewal")}
		b.post("/account/codes", form...).leadsTo(renewed)
		b.get("/account/security").is(http.StatusOK, "10 recovery codes left")
		s.signedIn(u.Email).post("/signin/recovery", "recovery_code", first[1]).is(http.StatusUnauthorized)
		s.signedIn(u.Email).post("/signin/recovery", "recovery_code", second[0]).leadsTo("/account")
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
