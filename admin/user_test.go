package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

type users struct {
	Users []admin.User `json:"users"`
	Next  string       `json:"next"`
}

type changed struct {
	Changed bool `json:"changed"`
	Locked  bool `json:"locked"`
}

func TestUsers_areListedPageByPage(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		want := []string{}
		for _, email := range []string{"c@example.com", "b@example.com", "a@example.com"} {
			d.user(email)
			want = append([]string{email}, want...)
		}
		got, after := []string{}, ""
		for range want {
			var page users
			d.want(http.StatusOK, "GET /api/users?limit=1"+after, &page)
			got, after = append(got, page.Users[0].Email), "&after="+page.Next
		}
		d.same(want, got)
		if after != "&after=" {
			d.Errorf("after the last page comes %s", after)
		}
		var one users
		d.want(http.StatusOK, "GET /api/users?email=%20B@example.com", &one)
		if len(one.Users) != 1 || one.Users[0].Email != "b@example.com" {
			d.Errorf("%+v", one)
		}
	})
}

func TestUsers_oneIsShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		d.client("notes")
		d.begin(ada, "notes")
		var got admin.User
		reply := d.want(http.StatusOK, "GET /api/users/"+ada.ID.String(), &got)
		d.same(admin.User{
			ID: ada.ID, Sub: ada.Sub, Email: ada.Email, EmailVerified: true, Name: "Ada", Factors: []string{}, Sessions: 1,
			CreatedAt: ada.CreatedAt, PasswordSetAt: ada.PasswordSetAt,
		}, got)
		if strings.Contains(reply.body, "argon2id") || reply.header.Get("Content-Type") != "application/json" {
			d.Error(reply.header, reply.body)
		}
		for _, nobody := range []string{identity.NewID().String(), "ada@example.com", "%00", "%ff", "1"} {
			d.want(http.StatusNotFound, "GET /api/users/"+nobody, nil)
		}
	})
}

// Sixteen operators press the same button: one lock, one Event, and everybody is told that the account is locked.
func TestUsers_sixteenLocksAtOnceAreOne(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		d.client("notes")
		s := d.begin(ada, "notes")
		answers := make([]changed, 16)
		var all sync.WaitGroup
		start := make(chan struct{})
		for i := range answers {
			all.Go(func() {
				<-start
				got := d.ask("POST /api/users/" + ada.ID.String() + "/lock")
				if err := json.Unmarshal([]byte(got.body), &answers[i]); err != nil || got.status != http.StatusOK {
					d.Errorf("%d %s", got.status, got.body)
				}
			})
		}
		close(start)
		all.Wait()
		won := 0
		for _, a := range answers {
			if !a.Locked {
				d.Error("somebody is told that the account is open")
			}
			if a.Changed {
				won++
			}
		}
		if told := d.told(identity.UserLocked, "api:deploy"); won != 1 || told != 1 {
			d.Errorf("%d locks and %d Events", won, told)
		}
		over, err := d.db.SessionByID(d.Context(), s.ID)
		d.ok(err)
		d.same(identity.EndLocked, over.EndCause)
		d.same(1, d.told(identity.SessionEnded, "api:deploy"))
	})
}

func TestUsers_unlockingBringsNothingBack(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		d.client("notes")
		s := d.begin(ada, "notes")
		one := "/api/users/" + ada.ID.String()
		var got changed
		for _, step := range []struct {
			what string
			want changed
		}{
			{"unlock", changed{false, false}},
			{"lock", changed{true, true}},
			{"lock", changed{false, true}},
			{"unlock", changed{true, false}},
		} {
			d.want(http.StatusOK, "POST "+one+"/"+step.what, &got)
			d.same(step.want, got)
		}
		over, err := d.db.SessionByID(d.Context(), s.ID)
		d.ok(err)
		if over.Alive(d.now()) {
			d.Error("it is alive again")
		}
		d.same(1, d.told(identity.UserUnlocked, "api:deploy"))
		d.want(http.StatusNotFound, "POST /api/users/"+identity.NewID().String()+"/lock", nil)
	})
}

func TestUsers_endSessionsAndDelete(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		d.client("notes")
		d.begin(ada, "notes")
		d.begin(ada, "notes")
		one := "/api/users/" + ada.ID.String()
		if got := d.want(http.StatusOK, "POST "+one+"/end-sessions", nil); got.body != "{\"sessions_ended\":2}\n" {
			d.Error(got.body)
		}
		d.same(2, d.told(identity.SessionEnded, "api:deploy"))
		got := d.want(http.StatusOK, "GET "+one+"/export", nil).body
		if !strings.Contains(got, `{"kind":"account","record":{`) || strings.Count(got, `{"kind":"session"`) != 2 || strings.Contains(got, "argon2") {
			d.Error(got)
		}
		d.want(http.StatusNoContent, "DELETE "+one, nil)
		d.want(http.StatusNotFound, "GET "+one+"/export", nil)
		d.want(http.StatusNotFound, "DELETE "+one, nil)
		d.want(http.StatusNotFound, "GET "+one, nil)
		d.same(1, d.told(identity.UserDeleted, "api:deploy"))
	})
}

// Who lost their phone calls. The authenticator goes, with all that was signed in, and the history says who did it and why.
func TestUsers_anAuthenticatorIsRemovedForAReason(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		d.client("notes")
		d.begin(ada, "notes")
		totp := mfa.TOTP{Store: d.db, Keys: storagetest.Keys(t), Now: d.now}
		d.ok(totp.Import(d.Context(), ada.ID, []byte("12345678901234567890")))
		path := "POST /api/users/" + ada.ID.String() + "/remove-factor "
		for _, body := range []string{"", "{}", `{"reason":" "}`, `{"reason":"lost","also":1}`} {
			d.want(http.StatusBadRequest, path+body, nil)
		}
		var got admin.User
		d.want(http.StatusOK, path+`{"reason":"lost phone, ticket 4711"}`, &got)
		if len(got.Factors) != 0 || got.CodesLeft != 0 || got.Sessions != 0 {
			d.Errorf("%+v", got)
		}
		d.want(http.StatusNotFound, path+`{"reason":"again"}`, nil)
		if n := d.told(identity.FactorRemoved, "api:deploy"); n != 1 {
			d.Error("told", n, "times")
		}
		events, err := d.db.Events(d.Context(), identity.EventQuery{UserID: ada.ID, Limit: 1})
		d.ok(err)
		if events[0].Detail != "totp: lost phone, ticket 4711" {
			d.Errorf("%+v", events[0])
		}
	})
}

// Who reads no mail is handed a link, once. The history says who made it and why; a locked account gets none.
func TestUsers_aWayInIsMadeForAReason(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		path := "POST /api/users/" + ada.ID.String()
		d.want(http.StatusBadRequest, path+"/way-in {}", nil)
		d.want(http.StatusOK, path+"/lock", nil) // what was begun before it is void, and what is begun after it is not
		d.want(http.StatusOK, path+"/unlock", nil)
		var got identity.WayIn
		d.want(http.StatusOK, path+`/way-in {"reason":"mailbox lost"}`, &got)
		text, found := strings.CutPrefix(got.Link, "https://id.example/reset?link=")
		links := identity.MailLinks{Store: d.db, Keys: storagetest.Keys(t), Now: d.now}
		link, err := links.Spend(d.Context(), text, identity.LinkReset)
		if !found || err != nil || link.UserID != ada.ID || !got.ExpiresAt.Equal(d.now().Add(30*time.Minute)) {
			d.Errorf("%+v %v", got, err)
		}
		if n := d.told(identity.WayInMade, "api:deploy"); n != 1 {
			d.Error("told", n, "times")
		}
		d.want(http.StatusOK, path+"/lock", nil)
		d.want(http.StatusConflict, path+`/way-in {"reason":"locked"}`, nil)
		d.want(http.StatusNotFound, "POST /api/users/"+identity.NewID().String()+`/way-in {"reason":"nobody"}`, nil)
	})
}

func TestUsers_anAddressIsSetOrConfirmedForAReason(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		ada := d.user("ada@example.com")
		d.user("bob@example.com")
		d.client("notes")
		session := d.begin(ada, "notes")
		path := "POST /api/users/" + ada.ID.String()
		d.want(http.StatusBadRequest, path+`/set-email {"new_email":"new@example.com"}`, nil)
		d.want(http.StatusBadRequest, path+`/set-email {"new_email":"nowhere","reason":"moved"}`, nil)
		d.want(http.StatusConflict, path+`/set-email {"new_email":"bob@example.com","reason":"moved"}`, nil)
		if s, err := d.db.SessionByID(d.Context(), session.ID); err != nil || !s.Alive(d.now()) {
			d.Fatalf("a refusal ended something: %v, %v", s.EndCause, err)
		}
		var got admin.User
		d.want(http.StatusOK, path+`/set-email {"new_email":"New@Example.com","reason":"mailbox lost"}`, &got)
		s, err := d.db.SessionByID(d.Context(), session.ID)
		if err != nil || s.EndCause != identity.EndEmail || got.Email != "new@example.com" || !got.EmailVerified {
			d.Errorf("%+v, the session ended by %q, %v", got, s.EndCause, err)
		}
		if n := d.told(identity.EmailChanged, "api:deploy"); n != 1 {
			d.Error("told", n, "times")
		}

		carl := d.squatter("carl@example.com")
		path = "POST /api/users/" + carl.ID.String()
		d.want(http.StatusBadRequest, path+`/confirm-email {}`, nil)
		for _, changed := range []bool{true, false} {
			var got struct {
				Changed       bool `json:"changed"`
				EmailVerified bool `json:"email_verified"`
			}
			d.want(http.StatusOK, path+`/confirm-email {"reason":"called back"}`, &got)
			if got.Changed != changed || !got.EmailVerified {
				d.Errorf("%+v, want changed %v", got, changed)
			}
		}
		if n := d.told(identity.EmailVouched, "api:deploy"); n != 1 {
			d.Error("told", n, "times")
		}
		d.want(http.StatusNotFound, "POST /api/users/"+identity.NewID().String()+`/confirm-email {"reason":"nobody"}`, nil)
	})
}

func TestUsers_whatClaimsAreMadeOfIsSaidByAPatch(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		at := "PATCH /api/users/" + d.user("ada@example.com").ID.String() + " "
		var got admin.User
		d.want(http.StatusOK, at+`{"attributes":{"tenant":"acme","roles":["a","b"]},"groups":["staff","admins","staff"]}`, &got)
		d.same(map[string]any{"tenant": "acme", "roles": []any{"a", "b"}}, got.Attributes)
		d.same([]string{"staff", "admins"}, got.Groups)
		got = admin.User{}
		d.want(http.StatusOK, at+`{"attributes":{"roles":null,"desk":"4"}}`, &got)
		d.same(map[string]any{"tenant": "acme", "desk": "4"}, got.Attributes)
		d.same([]string{"staff", "admins"}, got.Groups)
		got = admin.User{}
		d.want(http.StatusOK, at+`{"attributes":{"desk":null,"level":3,"share":0.25,"beta":true,"paid":false,"born":-123456789012345}}`, &got)
		d.same(map[string]any{"tenant": "acme", "level": 3.0, "share": 0.25, "beta": true, "paid": false, "born": -123456789012345.0}, got.Attributes)
		got = admin.User{}
		d.want(http.StatusOK, at+`{"groups":[]}`, &got)
		d.same([]string(nil), got.Groups)
		if n := d.told(identity.ProfileChanged, "api:deploy"); n != 4 {
			d.Errorf("%d changes are told as the operator's", n)
		}
		for body, field := range map[string]string{
			`{}`: "attributes", `{"attributes":null}`: "attributes", `{"groups":null}`: "attributes",
			`{"attributes":{"a b":"x"}}`: "attributes", `{"attributes":{"a":{"b":"c"}}}`: "attributes", `{"attributes":{"a":[1]}}`: "attributes",
			`{"attributes":{"a":1234567890123456}}`: "attributes", `{"attributes":{"a":-1e300}}`: "attributes", `{"attributes":{"a":1e999}}`: "",
			`{"attributes":{"a":""}}`: "attributes", `{"attributes":{"a":"b\nc"}}`: "attributes",
			`{"attributes":{"a":"` + strings.Repeat("x", 2048) + `"}}`: "attributes",
			`{"groups":[""]}`: "groups", `{"groups":["a\u0000"]}`: "groups", `{"groups":"staff"}`: "", `{"sub":"x"}`: "", `[]`: "", `x`: "",
		} {
			if r := d.ask(at + body); r.status != http.StatusBadRequest || field != "" && !strings.Contains(r.body, `"`+field+`"`) {
				d.Errorf("%.60s is answered %d %s", body, r.status, r.body)
			}
		}
		d.want(http.StatusNotFound, "PATCH /api/users/"+identity.NewID().String()+` {"groups":["a"]}`, nil)
	})
}

// squatter is somebody who has not confirmed their address.
func (d *desk) squatter(email string) identity.User {
	d.Helper()
	user := identity.User{
		ID: identity.NewID(), Sub: identity.RandomText(16), Email: email, CreatedAt: d.now(), UpdatedAt: d.now(), PasswordSetAt: d.now(),
	}
	d.ok(d.db.CreateUser(d.Context(), user))
	return user
}
