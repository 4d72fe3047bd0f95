package storage_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// everyField is a client that has something in every field.
func everyField(now time.Time) identity.Client {
	age := 0
	return identity.Client{
		ID: "full", SecretHash: []byte{1, 0, 2}, Trusted: true, SelfRegistered: true,
		Metadata: identity.Metadata{
			RedirectURIs: []string{"https://a.example/cb", "com.example:/cb"}, AuthMethod: "private_key_jwt",
			AuthSigningAlg: "ES256", GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
			ApplicationType: "native", Name: `Zoë's "App" 🦊`, URI: "https://a.example", LogoURI: "https://a.example/l.png",
			PolicyURI: "https://a.example/p", TermsURI: "https://a.example/t", Scope: "openid email",
			Contacts: []string{"a@example.com"}, JWKSURI: "https://a.example/jwks", JWKS: json.RawMessage(`{"keys": []}`),
			SoftwareID: "id", SoftwareVersion: "1", SubjectType: "public", IDTokenAlg: "EdDSA", DefaultMaxAge: &age,
			RequireAuthTime: true, DefaultACRValues: []string{"mfa"}, RequireMFA: true, RequirePKCE: true,
			IDTokenOnRefresh: true, IDTokenProfile: true, Rotation: identity.RotateStrict, DPoPBound: true, AccessFormat: "reference",
			IntrospectionAlg: "ES256", Resources: []string{"https://api.example"},
			PostLogoutRedirectURIs: []string{"https://a.example/bye"}, BackchannelLogoutURI: "https://a.example/back",
			BackchannelSession: true, FrontchannelLogoutURI: "https://a.example/front", FrontchannelSession: true,
			Device: identity.Device{Name: "Zoë's phone", Model: "Pixel", AppVersion: "1.2", InstallID: "i-1"},
		},
		Lives:            identity.Lifetimes{Idle: time.Hour, Absolute: 48 * time.Hour},
		RegistrationHash: []byte("registration"), PreviousHash: []byte("previous"), CreatedAt: now, FirstUsedAt: now.Add(time.Hour),
	}
}

func TestClients_comeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		for _, want := range []identity.Client{everyField(db.Now()), {ID: "bare", CreatedAt: db.Now()}} {
			ok(t, db.CreateClient(t.Context(), want))
			for range 2 { // from the database and from the cache
				same(t, want, must[identity.Client](t)(db.ClientByID(t.Context(), want.ID)))
			}
			wantKind(t, db.CreateClient(t.Context(), want), identity.Conflict)
		}
		for _, id := range []string{"", "nobody", "full ", "fu\x00ll", "\xff"} {
			_, err := db.ClientByID(t.Context(), id)
			wantKind(t, err, identity.NotFound)
		}
	})
}

func TestMarkClientUsed_remembersTheFirstTime(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		first := w.Now()
		ok(t, db.CreateClient(t.Context(), identity.Client{ID: "app", CreatedAt: first}))
		for range 2 {
			ok(t, db.MarkClientUsed(t.Context(), "app"))
			w.pass(time.Hour)
		}
		if got := must[identity.Client](t)(db.ClientByID(t.Context(), "app")).FirstUsedAt; got != first {
			t.Errorf("first used %v, want %v", got, first)
		}
		ok(t, db.MarkClientUsed(t.Context(), "nobody"))
	})
}

func TestDeleteClient_takesAllThatRestsOnIt(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		s := p.begin(t, db, "offline_access")
		for _, client := range []string{"app", "other"} {
			ok(t, db.SaveGrant(t.Context(), identity.Grant{UserID: p.user.ID, ClientID: client, Scopes: []string{"openid"}}))
		}
		ok(t, db.DeleteClient(t.Context(), "app"))

		_, err := db.ClientByID(t.Context(), "app")
		wantKind(t, err, identity.NotFound)
		if got := must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)); got.EndCause != identity.EndClientGone {
			t.Errorf("its session became %+v", got)
		}
		if told := p.told(t, db, identity.SessionEnded, identity.EndClientGone); told != 1 {
			t.Errorf("%d endings were told, want 1", told)
		}
		same(t, identity.Grant{}, must[identity.Grant](t)(db.GrantOf(t.Context(), p.user.ID, "app")))
		if must[identity.Grant](t)(db.GrantOf(t.Context(), p.user.ID, "other")).Scopes == nil {
			t.Error("another client's grant went too")
		}
		wantKind(t, db.DeleteClient(t.Context(), "app"), identity.NotFound)
	})
}

func TestSweepClients_takesOnlyWhatNobodyEverUsed(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		user, old := someone(t, db).user, w.Now().Add(-time.Hour)
		for id, c := range map[string]identity.Client{
			"young":    {SelfRegistered: true, CreatedAt: w.Now()},
			"used":     {SelfRegistered: true, CreatedAt: old, FirstUsedAt: old},
			"operator": {CreatedAt: old},
			"idle":     {SelfRegistered: true, CreatedAt: old},
		} {
			c.ID = id
			ok(t, db.CreateClient(t.Context(), c))
			ok(t, db.SaveGrant(t.Context(), identity.Grant{UserID: user.ID, ClientID: id, Scopes: []string{"openid"}}))
		}
		must[identity.Client](t)(db.ClientByID(t.Context(), "idle"))
		if n := must[int](t)(db.SweepClients(t.Context(), w.Now())); n != 1 {
			t.Errorf("swept %d clients, want 1", n)
		}
		for id, want := range map[string]bool{"young": true, "used": true, "operator": true, "idle": false} {
			_, err := db.ClientByID(t.Context(), id)
			granted := must[identity.Grant](t)(db.GrantOf(t.Context(), user.ID, id)).Scopes != nil
			if (err == nil) != want || granted != want {
				t.Errorf("%s: %v, granted %v, want %v", id, err, granted, want)
			}
		}
		var told int64
		ok(t, db.Q(t.Context()).Raw("SELECT count(*) FROM events WHERE kind = ? AND client_id = 'idle'", identity.ClientDeleted).Scan(&told).Error)
		if told != 1 {
			t.Errorf("it was told %d times", told)
		}
	})
}

func TestSweepClients_goesOnUntilNoneIsLeft(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		const many = storage.Batch + 3
		for i := range many {
			ok(t, db.CreateClient(t.Context(), identity.Client{ID: fmt.Sprint(i), SelfRegistered: true, CreatedAt: w.Now()}))
		}
		if n := must[int](t)(db.SweepClients(t.Context(), w.Now().Add(1))); n != 0 {
			t.Errorf("swept %d clients of this very microsecond", n)
		}
		if n := must[int](t)(db.SweepClients(t.Context(), w.Now().Add(time.Second))); n != many {
			t.Errorf("swept %d clients, want %d", n, many)
		}
	})
}
