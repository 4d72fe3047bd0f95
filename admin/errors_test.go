package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// A parameter that is misspelt is never taken for "all of them".
func TestQuery_whatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storage.SQLite)
	d.token = d.add("deploy")
	sid := identity.NewID().String()
	for what, want := range map[string]string{
		"GET /api/users?mail=a@b.example":                    "Use: email, limit, after",
		"GET /api/users?email=a":                             `"field":"email"`,
		"GET /api/users?limit=0":                             "between 1 and 500",
		"GET /api/users?limit=501":                           `"field":"limit"`,
		"GET /api/users?limit=-1":                            `"field":"limit"`,
		"GET /api/users?limit=all":                           `"field":"limit"`,
		"GET /api/users?limit=1&limit=2":                     "Send it once",
		"GET /api/users?after=1":                             `"field":"after"`,
		"GET /api/users?%zz":                                 "cannot be read",
		"GET /api/sessions?user=ada@example.com":             `"field":"user"`,
		"GET /api/sessions?client=%00":                       `"field":"client"`,
		"GET /api/clients?after=%ff":                         `"field":"after"`,
		"GET /api/clients?after=" + strings.Repeat("x", 257): "at most 256 bytes",
		"GET /api/events?session=1":                          `"field":"session"`,
		"GET /api/events?since=yesterday":                    `"field":"since"`,
		"GET /api/events?kind=session.ended":                 `"field":"since"`,
		"GET /api/events?client=notes":                       `"field":"since"`,
		"DELETE /api/sessions/" + sid + "?device=maybe":      "Use true or false",
		"DELETE /api/sessions/" + sid + "?devices=true":      "Use: device",
	} {
		if got := d.want(http.StatusBadRequest, what, nil); !strings.Contains(got.body, want) {
			t.Errorf("%s: %s", what, got.body)
		}
	}
}

// broken is a database that answers with an error of the test's.
type broken struct {
	*storage.DB
	err error
}

func (b broken) Accounts(context.Context, identity.AccountQuery) ([]identity.Account, error) {
	return nil, b.err
}

// Every kind of refusal has its answer; what is no refusal tells nothing of itself.
func TestRefuse_everyKindIsAProblem(t *testing.T) {
	t.Parallel()
	for _, kind := range identity.Kinds {
		refusal := &identity.Error{Kind: kind, Msg: "What would be right.", Field: "part", Wait: 1500 * time.Millisecond}
		got, log := refusedWith(t, refusal)
		var p struct {
			Title  string `json:"title"`
			Status int    `json:"status"`
			Detail string `json:"detail"`
		}
		err := json.Unmarshal(got.Body.Bytes(), &p)
		if err != nil || got.Code < 400 || p.Status != got.Code || p.Title != http.StatusText(got.Code) || p.Detail == "" ||
			got.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("kind %d: %d %s", kind, got.Code, got.Body)
		}
		if fault := got.Code >= 500; fault == strings.Contains(got.Body.String(), "What would be right") || fault == (log == "") {
			t.Errorf("kind %d: %s; logged: %s", kind, got.Body, log)
		}
		if wait := map[int]string{429: "2", 503: "2"}[got.Code]; got.Header().Get("Retry-After") != wait {
			t.Errorf("kind %d: wait %q", kind, got.Header().Get("Retry-After"))
		}
	}
	got, log := refusedWith(t, errors.New("pq: password of the database"))
	if got.Code != http.StatusInternalServerError || strings.Contains(got.Body.String(), "pq") || !strings.Contains(log, "pq") {
		t.Errorf("%d %s; logged: %s", got.Code, got.Body, log)
	}
	got, _ = refusedWith(t, fmt.Errorf("list users: %w", identity.ErrUnavailable))
	if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// refusedWith is the answer to a request that meets an error.
func refusedWith(t *testing.T, err error) (*httptest.ResponseRecorder, string) {
	t.Helper()
	db := storagetest.Open(t, storage.SQLite)
	tokens := identity.AdminTokens{Store: db, Now: db.Now}
	token, made := tokens.Add(t.Context(), "deploy", identity.RoleOperator)
	if made != nil {
		t.Fatal(made)
	}
	var log strings.Builder
	router := mux.NewRouter()
	admin.New(admin.Options{
		Store: broken{db, err}, Lists: broken{db, err}, Tokens: tokens, Operators: identity.Operators{Store: db, Now: db.Now},
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}).Routes(router)
	r := httptest.NewRequest(http.MethodGet, "/api/users", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	return w, log.String()
}
