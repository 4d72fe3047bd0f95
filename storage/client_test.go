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
	age, yes := 60, true
	return identity.Client{
		ID: "full", SecretHash: []byte{1, 0, 2}, Trusted: true, SelfRegistered: true,
		Metadata: identity.Metadata{
			RedirectURIs: []string{"https://a.example/cb", "com.example:/cb"}, AuthMethod: "private_key_jwt",
			AuthSigningAlg: "ES256", GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
			ApplicationType: "native", Name: `Zoë's "App" 🦊`, URI: "https://a.example", LogoURI: "https://a.example/l.png",
			PolicyURI: "https://a.example/p", TermsURI: "https://a.example/t", Scope: "openid email",
			Contacts: []string{"a@example.com"}, JWKSURI: "https://a.example/jwks", JWKS: json.RawMessage(`{"keys": []}`),
			SoftwareID: "id", SoftwareVersion: "1", SubjectType: "public", SectorURI: "https://a.example/sector", IDTokenAlg: "EdDSA", DefaultMaxAge: &age,
			RequireAuthTime: true, DefaultACRValues: []string{"mfa"}, RequireMFA: true, RequirePKCE: true,
			IDTokenOnRefresh: &yes, IDTokenProfile: &yes, Rotation: identity.RotateStrict, DPoPBound: true, AccessFormat: "reference",
			UserinfoAlg: "ES256", IntrospectionAlg: "ES256", Resources: []string{"https://api.example"},
			RequestURIs: []string{"https://a.example/request"}, PostLogoutRedirectURIs: []string{"https://a.example/bye"}, BackchannelLogoutURI: "https://a.example/back",
			BackchannelSession: true, FrontchannelLogoutURI: "https://a.example/front", FrontchannelSession: true,
			Device: identity.Device{Name: "Zoë's phone", Model: "Pixel", AppVersion: "1.2", InstallID: "i-1"},
		},
		Lives:            identity.Lifetimes{Idle: time.Hour, Absolute: 48 * time.Hour},
		RegistrationHash: []byte("registration"), PreviousHash: []byte("previous"), CreatedAt: now,
		FormerSecret: []byte("former"), FormerUntil: now.Add(time.Minute), FirstUsedAt: now.Add(time.Hour),
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
			ok(t, failed(db.SaveGrant(t.Context(), identity.Grant{UserID: p.user.ID, ClientID: client, Scopes: []string{"openid"}}, identity.MaxGrants)))
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
			ok(t, failed(db.SaveGrant(t.Context(), identity.Grant{UserID: user.ID, ClientID: id, Scopes: []string{"openid"}}, identity.MaxGrants)))
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

// No flood of registrations fills the table: of those that never signed anyone in the newest are kept, and nobody else's goes.
func TestSweepClients_aFloodPushesOutItsOwnOldest(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		old := w.Now().Add(-time.Hour)
		for id, c := range map[string]identity.Client{
			"used": {SelfRegistered: true, FirstUsedAt: old}, "operator": {}, "first": {SelfRegistered: true}, "flood": {SelfRegistered: true},
		} {
			if c.ID, c.CreatedAt = id, old; id == "flood" {
				c.CreatedAt = w.Now()
			}
			ok(t, db.CreateClient(t.Context(), c))
		}
		alive := func() (n int) {
			ok(t, db.Q(t.Context()).Raw("SELECT count(*) FROM clients").Scan(&n).Error)
			return n
		}
		flood := func(n int) {
			ok(t, db.Q(t.Context()).Exec(`INSERT INTO clients (id, secret_hash, trusted, self_registered, metadata, idle_seconds,
				absolute_seconds, registration_hash, previous_hash, created_at)
				WITH RECURSIVE more (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM more WHERE i < ?)
				SELECT 'flood' || i, secret_hash, trusted, self_registered, metadata, idle_seconds, absolute_seconds,
				registration_hash, previous_hash, created_at + i FROM clients, more WHERE id = 'flood'`, n).Error)
		}
		flood(storage.MaxUnused - 2)
		if n := must[int](t)(db.SweepClients(t.Context(), old)); n != 0 || alive() != storage.MaxUnused+2 {
			t.Errorf("%d of as many as may be went, %d are left", n, alive())
		}
		ok(t, db.CreateClient(t.Context(), identity.Client{ID: "one more", SelfRegistered: true, CreatedAt: w.Now().Add(time.Second)}))
		if n := must[int](t)(db.SweepClients(t.Context(), old)); n != 1 || alive() != storage.MaxUnused+2 {
			t.Errorf("at one more %d went, %d are left", n, alive())
		}
		for id, want := range map[string]bool{"used": true, "operator": true, "first": false, "one more": true} {
			if _, err := db.ClientByID(t.Context(), id); (err == nil) != want {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}

// registered makes a client with a registration access token of that hash.
func registered(t *testing.T, db *storage.DB, hash string) identity.Client {
	t.Helper()
	c := identity.Client{ID: "third", SelfRegistered: true, RegistrationHash: []byte(hash), CreatedAt: db.Now()}
	ok(t, db.CreateClient(t.Context(), c))
	return c
}

// update reads a client, then sends a change with the token presented and makes next the new one.
func update(t *testing.T, db *storage.DB, c identity.Client, presented, next string) error {
	t.Helper()
	read := must[identity.Client](t)(db.RegisteredClient(t.Context(), c.ID)).RegistrationHash
	c.PreviousHash, c.RegistrationHash = []byte(presented), []byte(next)
	return db.UpdateRegistration(t.Context(), c, read)
}

func TestUpdateClient_writesOnlyWhatAClientMayChange(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := registered(t, db, "one")
		must[identity.Client](t)(db.ClientByID(t.Context(), c.ID)) // cached
		want := everyField(db.Now())
		want.ID, want.RegistrationHash, want.PreviousHash = c.ID, []byte("two"), []byte("one")
		ok(t, db.UpdateRegistration(t.Context(), want, []byte("one")))
		want.FormerSecret, want.FormerUntil = nil, time.Time{}
		want.Trusted, want.SelfRegistered, want.CreatedAt, want.FirstUsedAt = false, true, c.CreatedAt, time.Time{}
		same(t, want, must[identity.Client](t)(db.ClientByID(t.Context(), c.ID)))
	})
}

func TestUpdateClient_writesAllThatAnOperatorMayChange(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := registered(t, db, "one")
		must[identity.Client](t)(db.ClientByID(t.Context(), c.ID)) // cached
		want := everyField(db.Now())
		want.ID, want.TrustedNative = c.ID, true
		ok(t, db.UpdateClient(t.Context(), want))
		want.RegistrationHash, want.PreviousHash, want.Epoch = c.RegistrationHash, c.PreviousHash, c.Epoch
		want.SelfRegistered, want.CreatedAt, want.FirstUsedAt, want.DisabledAt = true, c.CreatedAt, time.Time{}, time.Time{}
		same(t, want, must[identity.Client](t)(db.ClientByID(t.Context(), c.ID)))
		want.ID = "nobody"
		wantKind(t, db.UpdateClient(t.Context(), want), identity.NotFound)
	})
}

func TestUpdateClient_thePreviousTokenLivesUntilTheNewOneIsUsed(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := registered(t, db, "one")
		ok(t, update(t, db, c, "one", "two"))
		ok(t, update(t, db, c, "one", "three")) // the answer was lost
		wantKind(t, update(t, db, c, "two", "four"), identity.Conflict)

		ok(t, db.ConfirmRegistrationToken(t.Context(), c.ID, []byte("one"))) // the old one confirms nothing
		ok(t, update(t, db, c, "one", "three"))
		ok(t, db.ConfirmRegistrationToken(t.Context(), c.ID, []byte("three")))
		wantKind(t, update(t, db, c, "one", "four"), identity.Conflict)
		got := must[identity.Client](t)(db.ClientByID(t.Context(), c.ID))
		if string(got.RegistrationHash) != "three" || got.PreviousHash != nil {
			t.Errorf("the tokens became %q, %q", got.RegistrationHash, got.PreviousHash)
		}
		ok(t, update(t, db, c, "three", "four"))
	})
}

func TestUpdateRegistration_ofSixteenThatReadTheSameOneIsWritten(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := registered(t, db, "one")
		for _, read := range []string{"one", "next"} { // the second time as if all answers were lost: the token before is good
			won := race(func(i int) bool {
				c := c
				c.PreviousHash, c.RegistrationHash = []byte("one"), fmt.Append(nil, read, i)
				if read == "one" {
					c.RegistrationHash = []byte("next")
				}
				err := db.UpdateRegistration(t.Context(), c, []byte(read))
				if err != nil {
					wantKind(t, err, identity.Conflict)
				}
				return err == nil
			})
			if won != 1 {
				t.Errorf("%d of 16 updates that read %q were written", won, read)
			}
		}
	})
}

func TestUpdateClient_nothingPresentedIsNoToken(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := registered(t, db, "one")
		wantKind(t, update(t, db, c, "", "two"), identity.Conflict)
		operator := identity.Client{ID: "operator", CreatedAt: db.Now()}
		ok(t, db.CreateClient(t.Context(), operator))
		operator.Name = "Renamed"
		ok(t, db.UpdateClient(t.Context(), operator))
		same(t, operator, must[identity.Client](t)(db.ClientByID(t.Context(), "operator")))
	})
}

func TestUpdateClient_afterAConfirmedUpdateAllOthersLose(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := registered(t, db, "one")
		won := race(func(i int) bool {
			next := string(rune('a' + i))
			if update(t, db, c, "one", next) != nil {
				return false
			}
			ok(t, db.ConfirmRegistrationToken(t.Context(), c.ID, []byte(next)))
			return string(must[identity.Client](t)(db.ClientByID(t.Context(), c.ID)).RegistrationHash) == next
		})
		if got := must[identity.Client](t)(db.ClientByID(t.Context(), c.ID)); won < 1 || got.PreviousHash != nil {
			t.Errorf("%d of 16 updates were confirmed, and %q is left", won, got.PreviousHash)
		}
	})
}

func TestSpendRegistrationToken_asOftenAsItSays(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		ok(t, db.CreateRegistrationToken(t.Context(), []byte("hash"), 3, w.Now().Add(time.Hour)))
		spent := race(func(int) bool {
			err := db.SpendRegistrationToken(t.Context(), []byte("hash"))
			if err != nil {
				wantKind(t, err, identity.BadLogin)
			}
			return err == nil
		})
		if spent != 3 {
			t.Errorf("it was spent %d times, want 3", spent)
		}
		ok(t, db.CreateRegistrationToken(t.Context(), []byte("late"), 3, w.Now().Add(time.Hour)))
		w.pass(time.Hour)
		wantKind(t, db.SpendRegistrationToken(t.Context(), []byte("late")), identity.BadLogin)
		wantKind(t, db.SpendRegistrationToken(t.Context(), []byte("unknown")), identity.BadLogin)
	})
}
