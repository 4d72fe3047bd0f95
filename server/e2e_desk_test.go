package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// officer is someone with an authenticator and a role.
func (w *world) officer(t *testing.T, role identity.Role) *person {
	t.Helper()
	p := w.enrolled(t)
	w.give(t, p, role)
	return p
}

func (w *world) give(t *testing.T, p *person, role identity.Role) {
	t.Helper()
	if _, err := (identity.Offices{Store: w.db, Now: w.now}).Set(t.Context(), p.user.ID, role); err != nil {
		t.Fatal(err)
	}
}

// toDesk does what the pages want until a page of the desk, or one that says why not, is there.
func (v *visitor) toDesk(t *testing.T, w *world, path string, p *person) sight {
	t.Helper()
	now := v.open(t, w.admin+path)
	for range 12 {
		switch {
		case strings.HasPrefix(now.at.Path, "/desk/"), now.status == http.StatusForbidden:
			return now
		case now.at.Path == "/account/desk":
			now = v.submitTo(t, now)
		default:
			now = v.step(t, now, p)
		}
	}
	t.Fatalf("the pages lead nowhere: %v", v.seen)
	return now
}

// submitTo is submit for a form with an address of its own.
func (v *visitor) submitTo(t *testing.T, from sight, pairs ...string) sight {
	t.Helper()
	action, _ := from.Find("form[method=post]").First().Attr("action")
	from.at = from.at.ResolveReference(parsed(t, action))
	return v.submit(t, from, pairs...)
}

func TestDesk_operatorsEnterByTheIssuersPages(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		boss, other := w.officer(t, identity.RoleOperator), w.person(t)
		v := newVisitor(t)
		now := v.toDesk(t, w, "/desk/people", boss)
		if now.status != http.StatusOK || now.at.Path != "/desk/people" || !strings.Contains(now.words(), other.email) {
			t.Fatalf("%d %s %s", now.status, now.at, now.words())
		}
		if !v.saw("/signin") || !v.saw("/signin/totp") || !v.saw("/account/desk") {
			t.Errorf("the way was %v", v.seen)
		}
		if got := now.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control %q", got)
		}
		if got := now.header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || !strings.Contains(got, "frame-ancestors 'none'") {
			t.Errorf("Content-Security-Policy %q", got)
		}
		w.pass(identity.FreshFor + identity.DeskTicketLives) // what is dangerous asks once more, and leads back
		lock := v.toDesk(t, w, "/desk/people/"+other.user.ID.String()+"/lock", boss)
		if lock.at.Path != "/desk/people/"+other.user.ID.String()+"/lock" {
			t.Fatalf("it leads to %s", lock.at)
		}
		done := v.submit(t, lock, "reason", "ticket 4711")
		if done.status != http.StatusOK || !strings.Contains(done.words(), "The account is locked") {
			t.Errorf("%d %s", done.status, done.words())
		}
		if user, err := w.db.UserByID(t.Context(), other.user.ID); err != nil || user.DisabledAt.IsZero() {
			t.Error("the account is not locked", err)
		}
		w.officer(t, identity.RoleOperator) // the last one would stay one
		w.give(t, boss, identity.NoRole)
		if now := v.open(t, w.admin+"/desk/people"); now.status != http.StatusForbidden || !strings.Contains(now.words(), "no role") {
			t.Errorf("without a role: %d %s", now.status, now.words())
		}
	})
}

func TestDesk_whoMayNotEnterIsToldWhy(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		stranger, plain := w.enrolled(t), w.person(t)
		w.give(t, plain, identity.RoleReader)
		if now := newVisitor(t).toDesk(t, w, "/desk/", stranger); now.status != http.StatusForbidden || !strings.Contains(now.words(), "no role") {
			t.Errorf("without a role: %d %s", now.status, now.words())
		}
		if now := newVisitor(t).toDesk(t, w, "/desk/", plain); now.status != http.StatusForbidden || now.Find(`a[href^="/account/totp?next="]`).Length() != 1 {
			t.Errorf("without a second factor: %d %s", now.status, now.words())
		}
		for _, at := range []string{"https://evil.example", w.issuer, "http://localhost.evil.example", "javascript:alert(1)", "http://localhost:1/x"} {
			v := newVisitor(t)
			if now := v.open(t, w.issuer+"/account/desk?knock=x&at="+at); now.status != http.StatusBadRequest {
				t.Errorf("a desk at %s: %d %s", at, now.status, now.words())
			}
		}
	}, "mfa", "optional")
}

// A form that another site sends, be it on the same machine, changes nothing; and away from this machine the desk stays closed.
func TestDesk_takesNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		boss, other := w.officer(t, identity.RoleOperator), w.person(t)
		v := newVisitor(t)
		v.toDesk(t, w, "/desk/", boss)
		path := w.admin + "/desk/people/" + other.user.ID.String() + "/end-all"
		for name, value := range map[string]string{"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader("reason=x"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(name, value)
			if got := v.send(t, r); got.status != http.StatusForbidden {
				t.Errorf("%s: %s: %d", name, value, got.status)
			}
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.admin+"/desk/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "desk.example"
		if got := v.send(t, r); got.status != http.StatusForbidden || !strings.Contains(got.words(), "SOJOURN_ADMIN_URL") {
			t.Errorf("at another host: %d %s", got.status, got.words())
		}
	})
}

// oddity has a rule find something about a person, and returns its case.
func (w *world) oddity(t *testing.T, p *person) string {
	t.Helper()
	e := identity.Decision{
		Rule: "new-country", At: w.now(), Value: 1, Threshold: 1, Answer: identity.AnswerTell, About: nastyPhone[1], UserID: p.user.ID, Address: "203.0.113.9",
	}.Event()
	if err := w.db.AddEvent(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e.ID.String()
}

// What people and apps call themselves is anything.
var nastyPhone = []string{
	"device_name", "=HYPERLINK(\"http://evil.example\")<b onload=alert(1)>", "device_model", "Pixel \u202e9\u0007", "app_version", "👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
}

// The pages fit a phone and a desk, in light and dark, and work by keyboard and without scripts.
func TestDesk_fitsPhonesAndDesks(t *testing.T) {
	t.Parallel()
	c, w := startChromium(t), newWorld(t, storage.SQLite)
	boss, ada := w.officer(t, identity.RoleOperator), w.enrolled(t)
	a, _, _ := w.uses(t, ada)
	newVisitor(t).signIn(t, w.app(t, selfMade), ada)
	nasty := a.redeem(t, newVisitor(t).signIn(t, a, ada, nastyPhone...))
	sid := claimsOf(t, nasty.AccessToken)["sid"].(string)
	odd := w.oddity(t, ada)
	b := c.phone(t)
	b.script(t, false)
	b.visit(t, w.admin+"/desk/")
	for range 4 {
		if strings.HasPrefix(b.path(t), "/account/desk") {
			break
		}
		b.step(t, boss)
	}
	b.show(t, "opendesk")
	b.press(t, "main form .button")
	person := "/desk/people/" + ada.user.ID.String()
	for name, path := range map[string]string{
		"desk": "/desk/", "cases": "/desk/cases", "case": "/desk/cases/" + odd, "people": "/desk/people", "person": person, "session": "/desk/sessions/" + sid, "sessions": "/desk/sessions", "clients": "/desk/clients",
		"client": "/desk/clients/" + a.client.ID, "change-client": "/desk/clients/" + a.client.ID + "/change", "registrations": "/desk/registrations",
		"events": "/desk/events", "deliveries": "/desk/deliveries", "webhooks": "/desk/webhooks", "keys": "/desk/keys", "settings": "/desk/settings",
		"lock": person + "/lock", "new-client": "/desk/new/client",
	} {
		if at := b.visit(t, w.admin+path); !strings.HasSuffix(at.At, path) {
			t.Fatalf("%s leads to %s: %s", path, at.At, at.Words)
		}
		b.show(t, "desk-"+name)
	}
	b.script(t, true)
	b.visit(t, w.admin+person+"/lock")
	b.fill(t, "reason", "ticket 4711")
	b.away(t)
	b.evaluate(t, `document.querySelector("[name=reason]").focus()`)
	b.do(t, chromedp.KeyEvent("\r"))
	b.look(t).says(t, "The account is locked")
}
