package admin_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// found has a rule decide something, and returns the id of its Event.
func (d *desk) found(by identity.Decision) identity.ID {
	d.Helper()
	by.At = d.now()
	e := by.Event()
	d.ok(d.db.AddEvent(d.Context(), e))
	return e.ID
}

// shownCases are as much of a list as the tests read.
type shownCases struct {
	Cases []struct {
		ID, Rule, State, Reason string
		By                      string `json:"closed_by"`
	}
}

// What a rule did something about is a case until somebody closes it, which says who and why; what it only noted is none.
func TestCases_areOpenUntilSomebodySaysWhatItWas(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		id := d.found(identity.Decision{Rule: "new-country", About: "JP", UserID: ada.ID, Answer: identity.AnswerTell | identity.AnswerAsk}).String()
		d.found(identity.Decision{Rule: "new-network", UserID: ada.ID})
		flood := d.found(identity.Decision{Rule: "registration-flood", Answer: identity.AnswerWebhook}).String()
		var open shownCases
		d.want(http.StatusOK, "GET /api/cases?state=open", &open)
		if len(open.Cases) != 2 || open.Cases[0].ID != flood || open.Cases[1].ID != id || open.Cases[1].State != "open" {
			d.Fatalf("open are %+v", open)
		}
		for _, what := range []string{"", "{}", `{"reason":"  "}`} {
			d.want(http.StatusBadRequest, "POST /api/cases/"+id+"/close "+what, nil)
		}
		d.want(http.StatusNotFound, "POST /api/cases/"+identity.NewID().String()+`/close {"reason":"x"}`, nil)
		d.want(http.StatusBadRequest, "GET /api/cases?state=new", nil)
		var done struct {
			Changed       bool
			State, Reason string
		}
		d.want(http.StatusOK, "POST /api/cases/"+id+`/close {"reason":"She travels: called her"}`, &done)
		if !done.Changed || done.State != "closed" || done.Reason != "She travels: called her" {
			d.Errorf("%+v", done)
		}
		d.want(http.StatusOK, "POST /api/cases/"+id+`/close {"reason":"once more"}`, &done)
		if done.Changed || done.Reason != "She travels: called her" {
			d.Errorf("closed twice: %+v", done)
		}
		var closed shownCases
		d.want(http.StatusOK, "GET /api/cases?state=closed", &closed)
		if len(closed.Cases) != 1 || closed.Cases[0].By != "api:deploy" || d.told(identity.CaseWasClosed, "api:deploy") != 1 {
			d.Errorf("closed are %+v", closed)
		}
		d.ok(d.db.InTx(d.Context(), func(ctx context.Context) error {
			return identity.Operators{Store: d.db, Now: d.now}.DeleteUser(ctx, ada.ID)
		}))
		if got := d.ask("GET /api/cases"); strings.Contains(got.body, "travels") || strings.Contains(got.body, ada.ID.String()) {
			d.Errorf("of who is erased: %s", got.body)
		}
	})
}

// Of many who close a case at once, one did.
func TestCases_areClosedByOne(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		id := d.found(identity.Decision{Rule: "reuse-cluster", Answer: identity.AnswerWebhook})
		var all sync.WaitGroup
		var won atomic.Int32
		for range 8 {
			all.Go(func() {
				changed, err := identity.Operators{Store: d.db, Now: d.now}.CloseCase(t.Context(), id, "an app's bug")
				if err != nil {
					t.Error(err)
				}
				if changed {
					won.Add(1)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || d.told(identity.CaseWasClosed, "") != 1 {
			d.Errorf("%d closed it", won.Load())
		}
	})
}

// At the desk a case says why its rule is there, whom it is about and what else happened; support closes none about the desk's own.
func TestDesk_casesAreLookedAtAndClosed(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	help, boss := o.clerk("help@example.com", identity.RoleSupport).enter(), o.clerk("boss@example.com", identity.RoleOperator).enter()
	ada := o.user("ada@example.com")
	about := func(id identity.ID) string {
		return "/desk/cases/" + o.found(identity.Decision{Rule: "new-country", About: "JP<b>", UserID: id, Answer: identity.AnswerTell}).String()
	}
	hers, theirs := about(ada.ID), about(boss.user.ID)
	if page := help.get("/desk/").words(); !strings.Contains(page, "Open cases") {
		t.Errorf("the overview says %s", page)
	}
	page := help.get(hers)
	for _, want := range []string{"Why there is new-country.", "ada@example.com", "JP<b>", "anomaly.found", "Close the case"} {
		if !strings.Contains(page.words(), want) {
			t.Errorf("the case does not say %q: %s", want, page.words())
		}
	}
	for _, c := range []*clerk{help, boss} { // one has no say over operators, the other none over themselves
		if got := c.post(theirs+"/close", "reason", "x"); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", c.user.Email, got.status)
		}
	}
	if got := help.post(hers + "/close"); got.status != http.StatusBadRequest {
		t.Errorf("without a reason: %d", got.status)
	}
	if got := help.post(hers+"/close", "reason", "she travels"); got.status != http.StatusSeeOther {
		t.Fatal(got.status, got.words())
	}
	if page := help.get(hers).words(); !strings.Contains(page, "she travels") || !strings.Contains(page, "desk:help@example.com") || strings.Contains(page, "Close the case") {
		t.Errorf("afterwards: %s", page)
	}
	if page := help.get("/desk/cases?state=open").words(); !strings.Contains(page, "new-country") {
		t.Errorf("the other one is not open: %s", page)
	}
}
