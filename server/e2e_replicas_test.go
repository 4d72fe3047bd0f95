package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/storage"
)

// TestReplicas_areOneServer walks between two servers on one database.
func TestReplicas_areOneServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.Postgres)
	first, second := w.issuer, w.replica(t)
	p, a, v := w.enrolled(t), w.app(t), newVisitor(t)
	// The code is minted on the first, after the password was proved on the second.
	now := v.open(t, strings.Replace(a.asking(), first, second, 1))
	now = v.submit(t, now, "username", p.email, "password", p.password)
	if now.at.Path != "/signin/totp" || now.at.Host != parsed(t, second).Host {
		t.Fatalf("got to %s", now.at)
	}
	now = v.open(t, first+now.at.RequestURI()) // a load balancer without sticky sessions
	got := a.at(second).redeem(t, v.carryOn(t, now, a, p))
	for _, at := range []string{first, second, second, first} {
		got = a.tokens(t, a.at(at).refresh(t, got.RefreshToken))
		if r := a.at(first).userinfo(t, got.AccessToken); r.status != http.StatusOK {
			t.Fatalf("userinfo: %d %s", r.status, r.body)
		}
	}
	if r := a.at(second).form(t, "/oauth2/revoke", "token", got.RefreshToken); r.status != http.StatusOK {
		t.Fatalf("revoke: %d %s", r.status, r.body)
	}
	if r := a.at(first).refresh(t, got.RefreshToken); r.Error != "invalid_grant" || r.Action != "login" {
		t.Errorf("signed out on one, on the other: %d %s", r.status, r.body)
	}
	if r := a.at(first).userinfo(t, got.AccessToken); r.status != http.StatusUnauthorized {
		t.Errorf("signed out on one, on the other userinfo says %d", r.status)
	}
}
