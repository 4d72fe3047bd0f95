package admin_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func TestDeliveries_whatWasGivenUpIsSeenAndTriedAgain(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		c := identity.Client{ID: "notes", CreatedAt: d.now()}
		c.BackchannelLogoutURI = "https://notes.example/logout"
		d.ok(d.db.CreateClient(d.Context(), c))
		ada := d.user("ada@example.com")
		for range 2 {
			d.begin(ada, "notes")
		}
		d.want(http.StatusOK, "POST /api/users/"+ada.ID.String()+"/end-sessions", nil)

		list := func(query string) (all []admin.Delivery, next string) {
			var page struct {
				Deliveries []admin.Delivery `json:"deliveries"`
				Next       string           `json:"next"`
			}
			got := d.want(http.StatusOK, "GET /api/deliveries"+query, &page)
			if strings.Contains(got.body, ada.Sub) {
				d.Error("it tells what is delivered: ", got.body)
			}
			return page.Deliveries, page.Next
		}
		first, next := list("?limit=1")
		rest, last := list("?limit=1&after=" + next)
		if len(first) != 1 || len(rest) != 1 || last != "" || first[0].ID == rest[0].ID || first[0].ClientID != "notes" {
			d.Errorf("%+v %+v %q", first, rest, last)
		}
		due := identity.DeliveryClaim{Kind: identity.LogoutDelivery, Lease: time.Minute}
		claimed, found, err := d.db.ClaimDelivery(d.Context(), due)
		if err != nil || !found {
			d.Fatal(found, err)
		}
		lost := identity.FailedTry{At: d.now(), Cause: identity.Permanent(errors.New("gone"))}
		d.ok(d.db.DeliveryFailed(d.Context(), claimed.Failed(lost)))
		dead, _ := list("?dead=true")
		if len(dead) != 1 || dead[0].DeadAt.IsZero() ||
			!dead[0].NextTryAt.IsZero() || dead[0].Tries != 1 || dead[0].LastError == "" {
			d.Fatalf("%+v", dead)
		}
		d.want(http.StatusNoContent, "POST /api/deliveries/"+dead[0].ID.String()+"/retry", nil)
		d.want(http.StatusNotFound, "POST /api/deliveries/"+identity.NewID().String()+"/retry", nil)
		if dead, _ = list("?dead=true"); len(dead) != 0 {
			d.Errorf("%+v", dead)
		}
		d.same(1, d.told(identity.DeliveryRetried, "api:deploy"))
	})
}
