package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// What a command of another process ends is over on a server that runs within a second.
func TestOperators_whatACommandEndsIsOverWithinASecond(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		for name, end := range map[string]func(context.Context, identity.Operators, identity.Session) error{
			"session": func(ctx context.Context, o identity.Operators, s identity.Session) error {
				_, err := o.EndSession(ctx, s.ID, false)
				return err
			},
			"user": func(ctx context.Context, o identity.Operators, s identity.Session) error {
				_, err := o.Lock(ctx, s.UserID)
				return err
			},
			"client": func(ctx context.Context, o identity.Operators, s identity.Session) error {
				_, err := o.DisableClient(ctx, s.ClientID)
				return err
			},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				dsn := storagetest.DSN(t, kind)
				w := newWorldAt(t, dsn)
				a, asking := w.app(t, trusted), w.app(t, confidential)
				got := a.redeem(t, newVisitor(t).signIn(t, a, w.person(t)))
				active := func() bool {
					return strings.Contains(asking.form(t, "/oauth2/introspect", "token", got.AccessToken).body, `"active":true`)
				}
				if !active() {
					t.Fatal("it never lived")
				}
				other := w.elsewhere(t, dsn)
				live, err := other.FindSessions(t.Context(), identity.SessionQuery{Limit: 1})
				if err != nil {
					t.Fatal(err)
				}
				if err := end(t.Context(), identity.Operators{Store: other, Now: other.Now}, live[0].Session); err != nil {
					t.Fatal(err)
				}
				if w.pass(time.Second); active() {
					t.Fatal("a second later it is still active")
				}
				if r := a.refresh(t, got.RefreshToken); r.status == http.StatusOK {
					t.Error("it refreshes")
				}
			})
		}
	}
}

// elsewhere is the world's database as another process has it.
func (w *world) elsewhere(t *testing.T, dsn string) *storage.DB {
	t.Helper()
	db, err := storage.Open(t.Context(), dsn, storage.Options{Keys: w.keys, Now: w.now, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// adminToken makes a token for the API of the world.
func (w *world) adminToken(t *testing.T, name string) string {
	t.Helper()
	token, err := identity.AdminTokens{Store: w.db, Now: w.now}.Add(t.Context(), name, identity.RoleOperator)
	if err != nil {
		t.Fatal(err)
	}
	w.journal.hide(token)
	return token
}

func TestAdminAPI_locksAPersonOutAndSaysWhoDidIt(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		token, p, a := w.adminToken(t, "deploy"), w.person(t), w.app(t, trusted)
		got := a.redeem(t, newVisitor(t).signIn(t, a, p))
		if r := w.bearing(t, http.MethodPost, w.admin+"/api/users/"+p.user.ID.String()+"/lock", token); r.status != http.StatusOK {
			t.Fatalf("%d %s", r.status, r.body)
		}
		if r := a.refresh(t, got.RefreshToken); r.Error != "invalid_grant" || r.Action != "login" {
			t.Errorf("refresh: %d %s", r.status, r.body)
		}
		if r := a.userinfo(t, got.AccessToken); r.status != http.StatusUnauthorized {
			t.Errorf("userinfo: %d", r.status)
		}
		line := w.journal.line(`"route":"/api/users/{id}/lock"`)
		for _, want := range []string{`"actor":"api:deploy"`, `"user":"` + p.user.ID.String() + `"`, `"status":200`} {
			if !strings.Contains(line, want) {
				t.Errorf("%s is not in the log: %s", want, line)
			}
		}
	})
}

// line is the first one that holds a text.
func (j *journal) line(text string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.lines.String()) {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

// Around the API is what is around everything else; what the server notices before it is a problem too.
func TestAdminAPI_refusesInItsOwnWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	token := w.adminToken(t, "deploy")
	for _, c := range []struct {
		method, path, origin, body string
		want                       int
	}{
		{http.MethodGet, "/api/users", "", "", 200},
		{http.MethodGet, "/api/nothing", "", "", 404},
		{http.MethodGet, "/api/", "", "", 404},
		{http.MethodPut, "/api/users", "", "", 405},
		{http.MethodPost, "/api/clients/a/disable", "https://evil.example", "", 403},
		{http.MethodPost, "/api/clients/a/disable", "", strings.Repeat("x", maxBody+1), 413},
		{http.MethodPost, "/api/clients/a/disable", "", "", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, w.admin+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		got := send(t, r)
		var p struct{ Status int }
		_ = json.Unmarshal([]byte(got.body), &p)
		isProblem := p.Status == got.status && got.header.Get("Content-Type") == "application/problem+json"
		if got.status != c.want || isProblem != (c.want >= 400) {
			t.Errorf("%s %s: %d %s", c.method, c.path, got.status, got.body)
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "", "Set-Cookie": "",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s %s: %s is %q", c.method, c.path, name, got.header.Get(name))
			}
		}
		if allowed := got.header.Get("Allow"); c.want == 405 && allowed != "GET" {
			t.Errorf("allowed is %q", allowed)
		}
	}
	if r := w.bearing(t, http.MethodGet, w.issuer+"/api/users", token); r.status != http.StatusNotFound {
		t.Errorf("on the public listener: %d", r.status)
	}
}
