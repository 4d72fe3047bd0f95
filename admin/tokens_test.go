package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestTokens_nothingIsServedWithoutOne(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		for _, authorization := range []string{
			"", "Bearer", "Bearer ", "Basic " + d.token, d.token, "Bearer x" + d.token, "Bearer " + d.token[:len(d.token)-1],
			"Bearer sj_ad_" + identity.RandomText(32), "Bearer " + strings.ToUpper(d.token),
		} {
			got := d.askWith(authorization, "GET /api/users")
			challenge := got.header.Get("WWW-Authenticate")
			if got.status != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Bearer ") ||
				strings.Contains(got.body, "users") {
				d.Errorf("%q: %d %s %s", authorization, got.status, challenge, got.body)
			}
			sent := strings.HasPrefix(authorization, "Bearer ") && len(authorization) > len("Bearer ")
			if strings.Contains(challenge, "invalid_token") != sent {
				d.Errorf("%q: challenged with %s", authorization, challenge) // RFC 6750 §3.1: only where one was sent
			}
		}
		d.want(http.StatusOK, "GET /api/users", nil)
		if got := d.askWith("bearer "+d.token, "GET /api/users"); got.status != http.StatusOK {
			d.Errorf("the scheme has no case (RFC 9110 §11.1): %d", got.status)
		}
	})
}

func TestTokens_theFirstIsMadeByACommand(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storage.SQLite)
	got := d.askWith("", "GET /api/events")
	hint := "There is no admin token yet. Make one with: sojourn admin-token add NAME"
	if got.status != http.StatusUnauthorized || !strings.Contains(got.body, hint) {
		d.Errorf("%d %s", got.status, got.body)
	}
}

func TestTokens_oneThatIsRemovedIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		other := d.add("other")
		d.want(http.StatusOK, "GET /api/users", nil)
		d.ok(d.tokens.Remove(d.Context(), "deploy"))
		d.want(http.StatusUnauthorized, "GET /api/users", nil)
		if got := d.askWith("Bearer "+other, "GET /api/users"); got.status != http.StatusOK {
			d.Errorf("another token: %d", got.status)
		}
		if err := d.tokens.Remove(d.Context(), "deploy"); identity.KindOf(err) != identity.NotFound {
			d.Error(err)
		}
	})
}

func TestTokens_wrongOnesWaitAndRightOnesDoNot(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		wrong := "Bearer sj_ad_" + identity.RandomText(32)
		statuses := map[int]int{}
		for range identity.AdminThrottle.Free + 5 {
			got := d.askWith(wrong, "GET /api/users")
			if statuses[got.status]++; got.status == http.StatusTooManyRequests && got.header.Get("Retry-After") != "30" {
				d.Errorf("wait %q", got.header.Get("Retry-After"))
			}
		}
		d.same(map[int]int{http.StatusUnauthorized: identity.AdminThrottle.Free, http.StatusTooManyRequests: 5}, statuses)
		d.want(http.StatusOK, "GET /api/users", nil)
		d.pass(31 * time.Second)
		if got := d.askWith(wrong, "GET /api/users"); got.status != http.StatusUnauthorized {
			d.Errorf("after the wait: %d", got.status)
		}
	})
}

func TestTokens_theirUseIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		used := func() time.Time {
			all, err := d.tokens.All(d.Context())
			d.ok(err)
			return all[0].LastUsedAt
		}
		first := d.now()
		for range 3 {
			d.want(http.StatusOK, "GET /api/users", nil)
			d.pass(29 * time.Second)
		}
		d.same(first, used())
		d.want(http.StatusOK, "GET /api/users", nil)
		d.same(first.Add(87*time.Second), used())
	})
}

// The database keeps what proves a token and not the token; each is told of once, with who made it.
func TestTokens_areKeptAsHashesAndToldOf(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		tokens := identity.AdminTokens{Store: db, Now: db.Now}
		ctx := identity.WithActor(t.Context(), "cli:ada")
		text, err := tokens.Add(ctx, "deploy", identity.RoleReader)
		if err != nil || !strings.HasPrefix(text, "sj_ad_") || len(text) != len("sj_ad_")+43 {
			t.Fatal(text, err)
		}
		if _, err := db.AdminTokenByHash(ctx, identity.HashToken(text)); err != nil {
			t.Error(err)
		}
		for name, want := range map[string]identity.Kind{
			"deploy": identity.Conflict, "": identity.Invalid, "a b": identity.Invalid, "ü": identity.Invalid,
			"\x00": identity.Invalid, strings.Repeat("x", 65): identity.Invalid,
		} {
			if _, err := tokens.Add(ctx, name, identity.RoleReader); identity.KindOf(err) != want {
				t.Errorf("%q: %v", name, err)
			}
		}
		if err := tokens.Remove(ctx, "deploy"); err != nil {
			t.Error(err)
		}
		events, err := db.Events(ctx, identity.EventQuery{Limit: 10})
		if err != nil || len(events) != 2 {
			t.Fatal(events, err)
		}
		for i, want := range []identity.Event{
			{Kind: identity.AdminTokenRemoved, Detail: "deploy"}, {Kind: identity.AdminTokenAdded, Detail: "deploy, reader"},
		} {
			if e := events[i]; e.Kind != want.Kind || e.Detail != want.Detail || e.Actor != "cli:ada" {
				t.Errorf("%+v", e)
			}
		}
	})
}
