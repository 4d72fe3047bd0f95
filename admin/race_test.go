package admin_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// atOnce does something sixteen times at once.
func atOnce(do func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range 16 {
		all.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	all.Wait()
}

// Operators who take the role from each other all at once leave one; so does one who is alone.
func TestRoles_theLastOperatorStaysOne(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		people := make([]identity.User, 16)
		for i := range people {
			people[i] = d.user(string(rune('a'+i)) + "@example.com")
			d.want(http.StatusOK, "POST /api/users/"+people[i].ID.String()+`/set-role {"role":"operator","reason":"hired"}`, nil)
		}
		roles := []string{"none", "reader", "support"}
		atOnce(func(i int) {
			got := d.ask("POST /api/users/" + people[i].ID.String() + `/set-role {"role":"` + roles[i%3] + `","reason":"left"}`)
			if got.status != http.StatusOK && got.status != http.StatusConflict {
				d.Errorf("%d %s", got.status, got.body)
			}
		})
		all, err := d.db.Officers(d.Context(), identity.ID{}, len(people))
		d.ok(err)
		left := []identity.User{}
		for _, one := range all {
			if one.Role == identity.RoleOperator {
				left = append(left, one.User)
			}
		}
		if len(left) != 1 {
			d.Fatalf("%d operators are left", len(left))
		}
		path := "POST /api/users/" + left[0].ID.String() + "/set-role "
		d.want(http.StatusConflict, path+`{"role":"none","reason":"left"}`, nil)
		d.want(http.StatusOK, path+`{"role":"operator","reason":"stays"}`, nil)
		if told := d.told(identity.RoleChanged, "api:deploy"); told != 31 {
			d.Errorf("%d Events of roles, want 16 that were given and 15 that were taken", told)
		}
	})
}

// Who may act on whom is judged in the transaction of the act: a role that is given, or one's own that is taken, while the request
// waits for the person's row counts.
func TestDesk_aRoleThatChangesMeanwhileCounts(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		for i, what := range []string{"the person gets a role", "support loses its own"} {
			at := string(rune('a'+i)) + "@example.com"
			help, ada := o.clerk("help-"+at, identity.RoleSupport).enter(), o.user(at)
			who, role := ada.ID, identity.RoleReader
			if i == 1 {
				who, role = help.user.ID, identity.NoRole
			}
			answer := make(chan int, 1)
			o.ok(o.db.InTx(o.Context(), func(ctx context.Context) error {
				if err := o.db.LockUser(ctx, ada.ID); err != nil {
					return err
				}
				go func() {
					answer <- help.post("/desk/people/"+ada.ID.String()+"/end-all", "reason", "ticket 4711").status
				}()
				time.Sleep(200 * time.Millisecond) // it comes as far as the row, or it is refused as any later request is
				_, err := identity.Offices{Store: o.db, Now: o.now}.Set(ctx, who, role)
				return err
			}))
			if got := <-answer; got < 300 || got == http.StatusSeeOther && o.because(ada.ID, "end-all: ticket 4711", "desk:"+help.user.Email) > 0 {
				o.Errorf("%s: %d, and the act was done", what, got)
			}
		}
	})
}

// Of sixteen rotations at once of one webhook each is an Event, and two secrets sign: the last one and the one before.
func TestWebhooks_sixteenRotationsAtOnce(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		hooks := identity.Webhooks{Store: d.db, Now: d.now}
		_, err := hooks.Add(d.Context(), &identity.Webhook{Name: "crm", URL: "https://crm.example/in"})
		d.ok(err)
		made := [16]string{}
		atOnce(func(i int) {
			secret, _, err := hooks.Rotate(identity.WithActor(d.Context(), "api:deploy"), "crm", time.Hour)
			made[i] = secret
			if err != nil {
				d.Error(err)
			}
		})
		_, secrets, err := d.db.WebhookSecrets(d.Context(), "crm")
		d.ok(err)
		known := 0
		for _, secret := range made {
			for _, one := range secrets {
				if one == secret {
					known++
				}
			}
		}
		if len(secrets) != 2 || known != 2 || d.told(identity.WebhookRotated, "api:deploy") != 16 {
			d.Errorf("%d secrets, %d of them were told", len(secrets), known)
		}
	})
}

// Of sixteen who rotate the keys as they saw them, one does, by the API and by the desk's button: a key that no API has read yet must not sign.
func TestKeys_sixteenRotationsOfWhatWasSeenAreOne(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		o.token = o.add("deploy")
		keys := identity.SigningKeys{Store: o.db, Now: o.now, Algs: []string{"ES256"}}
		o.ok(keys.Ensure(o.Context()))
		o.ok(keys.Prepare(o.Context()))
		clerk := o.clerk("boss@example.com", identity.RoleOperator).enter()
		seen := clerk.get("/desk/new/rotate-keys").Find("input[name=current]").AttrOr("value", "")
		var won, lost atomic.Int32
		atOnce(func(i int) {
			status := 0
			if i%2 == 0 {
				status = o.ask(`POST /api/keys/rotate {"current":"` + seen + `"}`).status
			} else {
				status = clerk.post("/desk/new/rotate-keys", "current", seen).status
			}
			switch status {
			case http.StatusOK, http.StatusSeeOther:
				won.Add(1)
			case http.StatusConflict:
				lost.Add(1)
			default:
				o.Errorf("%d", status)
			}
		})
		if won.Load() != 1 || lost.Load() != 15 {
			o.Errorf("%d rotated, %d were told that somebody else did", won.Load(), lost.Load())
		}
	})
}

// Of sixteen who delete one client, one does.
func TestClients_sixteenDeletionsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		d.client("notes")
		d.begin(d.user("ada@example.com"), "notes")
		var mu sync.Mutex
		won := 0
		atOnce(func(int) {
			got := d.ask("DELETE /api/clients/notes")
			mu.Lock()
			defer mu.Unlock()
			if got.status == http.StatusNoContent {
				won++
			} else if got.status != http.StatusNotFound {
				d.Errorf("%d %s", got.status, got.body)
			}
		})
		if told := d.told(identity.ClientDeleted, "api:deploy"); won != 1 || told != 1 {
			d.Errorf("%d deletions, %d Events", won, told)
		}
	})
}
