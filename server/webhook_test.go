package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// receiver is a program of the operator's: it believes what the published library believes, and knows what it heard by id.
type receiver struct {
	t      *testing.T
	site   *httptest.Server
	key    *webhooks.Webhook
	answer func(w http.ResponseWriter, try int) // nil: 200

	mu    sync.Mutex
	tries int
	heard map[string]heardEvent
}

type heardEvent struct {
	Type      string
	Timestamp time.Time
	Data      struct {
		ID     string
		Kind   string
		UserID string `json:"user_id"`
		SID    string `json:"sid"`
		Detail string
		User   *struct{ Sub, Email, Name string }
	}
}

// receiver adds a webhook that is told of kinds.
func (w *world) receiver(t *testing.T, answer func(http.ResponseWriter, int), kinds ...identity.EventKind) *receiver {
	t.Helper()
	l := &receiver{t: t, answer: answer, heard: map[string]heardEvent{}}
	l.site = httptest.NewServer(l)
	t.Cleanup(l.site.Close)
	secret, err := Webhooks(w.db, true).Add(t.Context(), &identity.Webhook{Name: "follower", URL: l.site.URL + "/in?key=hidden-in-address", Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	w.journal.hide("hidden-in-address", secret)
	if l.key, err = webhooks.NewWebhook(secret); err != nil {
		t.Fatal(err)
	}
	if err := w.db.LoadWebhooks(t.Context()); err != nil { // a server does within seconds
		t.Fatal(err)
	}
	return l
}

// ServeHTTP keeps what is signed well.
func (l *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries++
	if err := l.key.Verify(body, r.Header); err != nil {
		l.t.Errorf("a message that is not signed well: %v", err)
	}
	var e heardEvent
	if err := json.Unmarshal(body, &e); err != nil || e.Data.ID != r.Header.Get("Webhook-Id") || e.Type != e.Data.Kind {
		l.t.Errorf("%v: %s", err, body)
	}
	if l.answer != nil {
		if l.answer(w, l.tries); slices.Contains([]string{"", "200"}, w.Header().Get("X-Status")) {
			l.heard[e.Data.ID] = e
		}
		return
	}
	l.heard[e.Data.ID] = e
}

// of waits until so many Events of a kind were heard, and returns them.
func (l *receiver) of(kind identity.EventKind, n int) (all []heardEvent) {
	l.t.Helper()
	eventually(l.t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		all = nil
		for _, e := range l.heard {
			if e.Type == string(kind) {
				all = append(all, e)
			}
		}
		return len(all) >= n
	})
	return all
}

// The database of somebody's app follows ours: who came, who signed out, who is gone.
func TestWebhook_tellsWhatHappens(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			l := w.receiver(t, nil, identity.UserCreated, identity.SessionEnded, identity.UserDeleted)
			p, a := w.person(t), w.app(t, trusted)
			created := l.of(identity.UserCreated, 1)[0]
			if created.Data.User == nil || created.Data.User.Email != p.email || created.Data.User.Sub == "" {
				t.Errorf("%+v", created.Data)
			}
			got := a.redeem(t, newVisitor(t).signIn(t, a, p))
			a.form(t, "/oauth2/revoke", "token", got.RefreshToken)
			if ended := l.of(identity.SessionEnded, 1)[0]; ended.Data.SID != sidOf(t, got).String() ||
				ended.Data.Detail != string(identity.EndRevoked) || ended.Data.UserID != created.Data.UserID {
				t.Errorf("%+v", ended.Data)
			}
			if err := Operators(w.db, load(t, nil)).DeleteUser(t.Context(), p.user.ID); err != nil {
				t.Fatal(err)
			}
			if gone := l.of(identity.UserDeleted, 1)[0]; gone.Data.UserID != created.Data.UserID || gone.Data.User != nil {
				t.Errorf("%+v", gone.Data)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, e := range l.heard {
				if e.Type == string(identity.SignedIn) {
					t.Error("it was told of what it did not ask for")
				}
			}
		})
	}
}

// A receiver that is away hears it later, once it is back; what is told again has the same id.
func TestWebhook_isToldLaterAndAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	began := w.now().Add(-time.Second)
	l := w.receiver(t, func(rw http.ResponseWriter, try int) {
		if try <= 2 {
			rw.Header().Set("X-Status", "503")
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	w.person(t)
	l.of(identity.UserCreated, 1)
	l.mu.Lock()
	before := l.tries
	known := len(l.heard)
	l.mu.Unlock()
	done, err := Webhooks(w.db, true).Replay(t.Context(), "follower", began)
	if err != nil || done.Events < known {
		t.Fatal(done, err, known)
	}
	eventually(t, func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.tries >= before+done.Events })
	l.of(identity.WebhookReplayed, 1)
	if created := l.of(identity.UserCreated, 1); len(created) != 1 {
		t.Errorf("a replay told it under another id: %d", len(created))
	}
}

// A secret that is rotated signs nothing any more once its overlap is over; until then a program that knows either believes.
func TestWebhook_bothSecretsSignUntilTheOverlapIsOver(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db := newWorld(t, kind)
			hooks := Webhooks(db.db, true)
			secret, err := hooks.Add(t.Context(), &identity.Webhook{Name: "crm", URL: "https://crm.example/in"})
			if err != nil {
				t.Fatal(err)
			}
			believed := func(secret string) bool {
				_, secrets, err := db.db.WebhookSecrets(t.Context(), "crm")
				if err != nil {
					t.Fatal(err)
				}
				// the library judges the age by the clock on the wall
				r, err := message{"https://crm.example/in", secrets, "1", []byte("{}")}.signed(t.Context(), time.Now())
				if err != nil {
					t.Fatal(err)
				}
				judge, err := webhooks.NewWebhook(secret)
				if err != nil {
					t.Fatal(err)
				}
				return judge.Verify([]byte("{}"), r.Header) == nil
			}
			next, _, err := hooks.Rotate(t.Context(), "crm", time.Hour)
			if err != nil || !believed(secret) || !believed(next) {
				t.Error("within the overlap a secret signs nothing", err)
			}
			db.pass(time.Hour)
			if believed(secret) || !believed(next) {
				t.Error("after the overlap the one before signs, or the new one does not")
			}
			leaked, _, err := hooks.Rotate(t.Context(), "crm", 0)
			if err != nil || believed(next) || !believed(leaked) {
				t.Error("without an overlap the one before signs", err)
			}
			for overlap, want := range map[time.Duration]identity.Kind{-1: identity.Invalid, identity.MaxOverlap + 1: identity.Invalid} {
				if _, _, err := hooks.Rotate(t.Context(), "crm", overlap); identity.KindOf(err) != want {
					t.Errorf("%v: %v", overlap, err)
				}
			}
			if _, _, err := hooks.Rotate(t.Context(), "nobody", 0); identity.KindOf(err) != identity.NotFound {
				t.Error(err)
			}
		})
	}
}

// slowly is longer than a receiver may take.
const slowly = 8 * time.Second

// What does not answer well is waited for, not followed elsewhere; 410 is taken at its word.
func TestWebhook_ofReceiversThatAreWrong(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	for name, c := range map[string]struct {
		status int
		said   string
		dead   bool
	}{
		"redirecting": {http.StatusTemporaryRedirect, "it answered 307, not 2xx", false},
		"failing":     {http.StatusInternalServerError, "it answered 500, not 2xx", false},
		"slow":        {0, "deadline exceeded: it did not answer in time", false},
		"gone":        {http.StatusGone, "it answered 410: it wants none of this", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storage.SQLite)
			w.journal.expectFaults()
			w.receiver(t, func(rw http.ResponseWriter, _ int) {
				if rw.Header().Set("X-Status", "bad"); c.status == 0 {
					time.Sleep(slowly)
					return
				}
				rw.Header().Set("Location", elsewhere.URL)
				rw.WriteHeader(c.status)
			}, identity.UserCreated)
			w.person(t)
			eventually(t, func() bool {
				all, err := w.db.Lists().Deliveries(t.Context(), identity.DeliveryFilter{Limit: 10})
				return err == nil && len(all) == 1 && all[0].LastError == c.said && all[0].Event == identity.UserCreated &&
					all[0].DeadAt.IsZero() != c.dead
			})
		})
	}
}

func TestWebhook_aPrivateAddressIsNotCalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	w.journal.expectFaults()
	_, err := Webhooks(w.db, true).Add(t.Context(), &identity.Webhook{Name: "inside", URL: "https://10.0.0.1/in"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.LoadWebhooks(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.person(t)
	eventually(t, func() bool {
		all, err := w.db.Lists().Deliveries(t.Context(), identity.DeliveryFilter{Limit: 10})
		return err == nil && len(all) > 0 && strings.Contains(all[0].LastError, "SOJOURN_FETCH_ALLOW")
	})
}

// eventually waits until something is so.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came to be")
		}
	}
}
