package server

import (
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// The form registers what the endpoint would: a client of its own making, shown to nobody else, under the same limits.
func TestRegister_byHandIsAsByProgram(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := assembled(t, db, map[string]string{"registration": "open"})
		form := url.Values{"client_name": {"Wege"}, "redirect_uris": {"https://a.example/cb myapp:/x"}, "secret": {"yes"}}
		send := func() (int, string) {
			r := httptest.NewRequest("POST", "/register", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			got := ask(s.Handler(), r)
			if !strings.Contains(got.Header.Get("Cache-Control"), "no-store") {
				t.Errorf("a secret may be kept: %v", got.Header)
			}
			text, _ := io.ReadAll(got.Body)
			return got.StatusCode, string(text)
		}
		status, page := send()
		clients, err := db.Clients(t.Context(), identity.ClientQuery{Limit: 10})
		if err != nil || len(clients) != 1 || status != 200 {
			t.Fatalf("%d: %d clients, %v", status, len(clients), err)
		}
		c := clients[0]
		if !c.SelfRegistered || c.Name != "Wege" || len(c.SecretHash) == 0 || !c.Allows(identity.GrantTypeRefresh) ||
			!strings.Contains(page, c.ID) || !strings.Contains(page, "myapp:/x") {
			t.Errorf("registered %+v, shown %s", c, page)
		}
		for range 59 {
			send()
		}
		if status, _ := send(); status != 429 {
			t.Errorf("the 61st is answered %d", status)
		}
	})
}

func TestRegister_byHandAsksForTheTokenOrIsNotThere(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]int{"token": 200, "closed": 404} {
		s := assembled(t, storagetest.Open(t, storage.SQLite), map[string]string{"registration": mode})
		got := ask(s.Handler(), httptest.NewRequest("GET", "/register", nil))
		text, _ := io.ReadAll(got.Body)
		if got.StatusCode != want || strings.Contains(string(text), `name="initial_token"`) != (mode == "token") {
			t.Errorf("%s: %d %s", mode, got.StatusCode, text)
		}
	}
}
