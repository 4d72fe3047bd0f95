package storage_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/migrations"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// released is the schema of the last release. Nothing is released yet: it is the one that the next change found.
const released = 3

// upTo are the migrations of a kind of database up to a version.
func upTo(t *testing.T, kind string, version int) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	for v := 1; v <= version; v++ {
		found, err := fs.Glob(migrations.Files, fmt.Sprintf("%s/%05d_*.sql", kind, v))
		if err != nil || len(found) != 1 {
			t.Fatalf("version %d of %s: %v, %v", v, kind, found, err)
		}
		content := must[[]byte](t)(fs.ReadFile(migrations.Files, found[0]))
		files[strings.TrimPrefix(found[0], kind+"/")] = &fstest.MapFile{Data: content}
	}
	return files
}

// What the last release wrote, this program reads: through every migration since, on both databases.
func TestUpgrade_keepsWhatTheLastReleaseWrote(t *testing.T) {
	t.Parallel()
	onEmpty(t, func(t *testing.T, dsn string) {
		old := open(t, dsn, 4)
		old.UseMigrations(upTo(t, old.Kind(), released))
		ok(t, old.Migrate(t.Context()))
		r := newRelease(t)
		r.write(t, old)
		holdsEverything(t, old)

		db := must[*storage.DB](t)(storage.Open(t.Context(), dsn, storage.Options{
			MaxConns: 4, Keys: r.keys, Now: func() time.Time { return r.at(3) },
		}))
		t.Cleanup(func() { _ = db.Close() })
		ok(t, db.Migrate(t.Context()))
		r.readPeople(t, db)
		r.readSessions(t, db)
		r.readTokens(t, db)
		r.readRest(t, db)
	})
}

// holdsEverything holds the rows to all that a schema can say: each table has some, and each column that may be NULL
// both is and is not.
func holdsEverything(t *testing.T, db *storage.DB) {
	t.Helper()
	for table, cols := range migrated(t, db) {
		for column, null := range cols {
			var all, set int
			row := db.Q(t.Context()).Raw(fmt.Sprintf("SELECT count(*), count(%s) FROM %s", column, table)).Row()
			ok(t, row.Scan(&all, &set))
			if set == 0 || null && set == all {
				t.Errorf("%s.%s: %d of %d rows have a value", table, column, set, all)
			}
		}
	}
}

// release is what the last release left behind.
type release struct {
	keys     *identity.Keyring
	ada, bob identity.User     // of whom bob is locked
	here     identity.SignIn   // ada's
	over     identity.SignIn   // bob's, which ended
	bound    identity.Session  // ada's, with all that a Session can have
	ended    identity.Session  // bob's, with as little as it can
	factor   mfa.Authenticator // ada's
	signing  []identity.SigningKey
	mail     identity.ID
}

// at is some hours after the beginning.
func (release) at(hours int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC).Add(time.Duration(hours) * time.Hour)
}

func newRelease(t *testing.T) (r release) {
	t.Helper()
	r.keys, r.mail = storagetest.Keys(t), identity.NewID()
	r.ada = identity.User{
		ID: identity.NewID(), Sub: "ada-sub", Email: "ada@example.com", EmailVerified: true, Name: "Ada Löwe ✓",
		PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", Epoch: 3, CreatedAt: r.at(0), UpdatedAt: r.at(1),
		PasswordSetAt: r.at(1),
	}
	r.bob = identity.User{
		ID: identity.NewID(), Sub: "bob-sub", Email: "bob@example.com", CreatedAt: r.at(0), UpdatedAt: r.at(0),
		DisabledAt: r.at(1), PasswordSetAt: r.at(0), // from before it was kept: since the account is there
	}
	r.here = identity.SignIn{
		ID: identity.NewID(), UserID: r.ada.ID, SecretHash: []byte{0, 1, 255}, CodeSecretHash: []byte("code"), Epoch: 3,
		AMR: identity.PWD | identity.OTP, ProvedAt: r.at(1), CreatedAt: r.at(0), LastUsedAt: r.at(2), IdleEndsAt: r.at(12),
		EndsAt: r.at(300), Address: "2001:db8::1", UserAgent: "Firefox",
	}
	r.over = identity.SignIn{
		ID: identity.NewID(), UserID: r.bob.ID, SecretHash: []byte{}, CodeSecretHash: []byte{}, AMR: identity.PWD,
		ProvedAt: r.at(0), CreatedAt: r.at(0), LastUsedAt: r.at(0), IdleEndsAt: r.at(12), EndsAt: r.at(300),
		EndedAt: r.at(1), EndCause: "user_disabled",
	}
	r.bound = identity.Session{
		ID: identity.NewID(), ClientID: "notes", UserID: r.ada.ID, Sub: r.ada.Sub, SignInID: r.here.ID,
		SecretHash: []byte("secret hash"), Key: identity.Thumbprint{31: 7}, Resources: []string{"https://a.example", "https://b.example"},
		Line: identity.Line{Generation: 1<<32 - 1, Branch: 7, Previous: 3}, Scopes: []string{"offline_access", "openid"},
		AMR: r.here.AMR, AuthTime: r.at(1), CreatedAt: r.at(1), LastUsedAt: r.at(2), IdleEndsAt: r.at(500), EndsAt: r.at(5000),
		Address: "192.0.2.1", UserAgent: "Notes/1", Device: identity.Device{
			Name: "Ada's phone", Model: "Pixel 9", AppVersion: "1.2", InstallID: "install",
		},
		Epoch: r.ada.Epoch, // as the migration gives it
	}
	r.ended = identity.Session{
		ID: identity.NewID(), ClientID: "old", UserID: r.bob.ID, Sub: r.bob.Sub, SignInID: r.over.ID, SecretHash: []byte{},
		Scopes: []string{"openid"}, AMR: identity.PWD, AuthTime: r.at(0), CreatedAt: r.at(0), LastUsedAt: r.at(0), IdleEndsAt: r.at(1),
		EndsAt: r.at(2), EndedAt: r.at(1), EndCause: "reuse",
	}
	r.factor = mfa.Authenticator{UserID: r.ada.ID, Secret: []byte("a TOTP secret"), LastStep: 58_000_000, ConfirmedAt: r.at(0)}
	r.signing = []identity.SigningKey{
		{ID: "k1", Alg: "RS256", State: "retired", Public: []byte("p1"), CreatedAt: r.at(0), ActivatedAt: r.at(0), RetiredAt: r.at(1)},
		{ID: "k2", Alg: "RS256", State: "current", Private: []byte("s2"), Public: []byte("p2"), CreatedAt: r.at(1), ActivatedAt: r.at(1)},
		{ID: "k3", Alg: "ES256", State: "next", Private: []byte("s3"), Public: []byte("p3"), CreatedAt: r.at(2)},
	}
	return r
}

// record is a row by the names that the release's columns had.
type record map[string]any

// insert writes a row as the release did: a zero time is NULL.
func insert(t *testing.T, db *storage.DB, table string, r record) {
	t.Helper()
	values := map[string]any{}
	for column, v := range r {
		values[column] = v
		switch v := v.(type) {
		case time.Time:
			values[column] = storage.FromTimeOrNull(v)
		case identity.ID:
			values[column] = v.String()
		}
	}
	ok(t, db.Q(t.Context()).Table(table).Create(values).Error)
}

func (r release) write(t *testing.T, db *storage.DB) {
	t.Helper()
	for _, u := range []identity.User{r.ada, r.bob} {
		row := record{
			"id": u.ID, "sub": u.Sub, "email": u.Email, "email_verified": u.EmailVerified, "name": u.Name,
			"password_hash": u.PasswordHash, "epoch": u.Epoch, "disabled_at": u.DisabledAt, "created_at": u.CreatedAt,
			"updated_at": u.UpdatedAt, "password_set_at": u.PasswordSetAt,
		}
		if u.ID == r.bob.ID {
			delete(row, "password_set_at")
		}
		insert(t, db, "users", row)
	}
	for _, s := range []identity.SignIn{r.here, r.over} {
		insert(t, db, "sign_ins", record{
			"id": s.ID, "user_id": s.UserID, "secret_hash": s.SecretHash, "code_secret_hash": s.CodeSecretHash, "epoch": s.Epoch,
			"amr": int(s.AMR), "proved_at": s.ProvedAt, "created_at": s.CreatedAt, "last_used_at": s.LastUsedAt,
			"idle_ends_at": s.IdleEndsAt, "ends_at": s.EndsAt, "ended_at": s.EndedAt, "end_cause": string(s.EndCause),
			"address": s.Address, "user_agent": s.UserAgent,
		})
	}
	for _, s := range []identity.Session{r.bound, r.ended} {
		key := s.Key[:]
		if s.Key == (identity.Thumbprint{}) {
			key = []byte{}
		}
		insert(t, db, "sessions", record{
			"id": s.ID, "client_id": s.ClientID, "user_id": s.UserID, "sub": s.Sub, "sign_in_id": s.SignInID,
			"secret_hash": s.SecretHash, "generation": int64(s.Line.Generation), "branch": int(s.Line.Branch),
			"previous": int(s.Line.Previous), "amr": int(s.AMR), "scope": strings.Join(s.Scopes, " "), "offline": s.Offline(),
			"auth_time": s.AuthTime, "created_at": s.CreatedAt, "last_used_at": s.LastUsedAt, "idle_ends_at": s.IdleEndsAt,
			"ends_at": s.EndsAt, "ended_at": s.EndedAt, "end_cause": string(s.EndCause), "address": s.Address,
			"user_agent": s.UserAgent, "key": key, "resources": strings.Join(s.Resources, " "),
			"device_name": s.Device.Name, "device_model": s.Device.Model, "app_version": s.Device.AppVersion,
			"install_id": s.Device.InstallID,
		})
	}
	r.writeTokens(t, db)
	r.writeRest(t, db)
}

func (r release) writeTokens(t *testing.T, db *storage.DB) {
	t.Helper()
	insert(t, db, "totp_factors", record{
		"user_id": r.ada.ID, "secret": r.keys.Seal(identity.ForFactor, r.factor.Secret, r.ada.ID[:]),
		"last_step": r.factor.LastStep, "confirmed_at": r.factor.ConfirmedAt,
	})
	insert(t, db, "recovery_codes", record{"user_id": r.ada.ID, "hash": []byte("unused"), "used_at": nil})
	insert(t, db, "recovery_codes", record{"user_id": r.ada.ID, "hash": []byte("used"), "used_at": r.at(1)})
	for _, k := range r.signing {
		private := []byte{}
		if k.State != identity.KeyRetired {
			private = r.keys.Seal(identity.ForKey, k.Private, []byte(k.ID))
		}
		insert(t, db, "signing_keys", record{
			"id": k.ID, "alg": k.Alg, "state": string(k.State), "private": private, "public": k.Public,
			"created_at": k.CreatedAt, "activated_at": k.ActivatedAt, "retired_at": k.RetiredAt,
		})
	}
	insert(t, db, "registration_tokens", record{"hash": []byte("once"), "uses_left": 1, "expires_at": r.at(9), "created_at": r.at(0)})
	insert(t, db, "registration_tokens", record{"hash": []byte("spent"), "uses_left": 0, "expires_at": r.at(9), "created_at": r.at(0)})
	insert(t, db, "denied_tokens", record{"jti": "denied", "expires_at": r.at(9)})
	jti := sha256.Sum256([]byte("spent"))
	insert(t, db, "spent_assertions", record{"client_id": "notes", "jti_hash": jti[:], "expires_at": r.at(9)})
	insert(t, db, "admin_tokens", record{"name": "backup", "hash": []byte("b"), "created_at": r.at(0), "last_used_at": r.at(1)})
	insert(t, db, "admin_tokens", record{"name": "new", "hash": []byte("n"), "created_at": r.at(0), "last_used_at": nil})
}

func (r release) writeRest(t *testing.T, db *storage.DB) {
	t.Helper()
	client := record{
		"id": "notes", "secret_hash": []byte{}, "trusted": true, "self_registered": false,
		"metadata":     `{"client_name":"Notes","redirect_uris":["com.example.notes:/cb"],"default_max_age":60,"device_name":"x"}`,
		"idle_seconds": 0, "absolute_seconds": 0, "registration_hash": []byte{}, "previous_hash": []byte{},
		"created_at": r.at(0), "first_used_at": nil, "disabled_at": nil,
	}
	insert(t, db, "clients", client)
	maps.Copy(client, record{
		"id": "old", "secret_hash": []byte("s"), "trusted": false, "self_registered": true, "metadata": `{}`, "idle_seconds": 60,
		"absolute_seconds": 3600, "registration_hash": []byte("r"), "previous_hash": []byte("q"), "first_used_at": r.at(1),
		"disabled_at": r.at(2),
	})
	insert(t, db, "clients", client)
	insert(t, db, "grants", record{"user_id": r.ada.ID, "client_id": "notes", "scope": "email openid", "updated_at": r.at(1)})
	insert(t, db, "throttles", record{"key": "signin ada", "misses": 7, "blocked_until": r.at(4), "last_try_at": r.at(2)})
	event := record{
		"id": identity.NewID(), "at": r.at(1), "kind": "session.ended", "user_id": r.bob.ID, "session_id": r.ended.ID,
		"client_id": "old", "detail": "reuse", "address": "192.0.2.1", "actor": "cli:eve",
	}
	insert(t, db, "events", event)
	maps.Copy(event, record{"id": identity.NewID(), "at": r.at(2), "user_id": nil, "session_id": nil, "detail": "", "actor": ""})
	insert(t, db, "events", event)
	delivery := record{
		"id": r.mail, "kind": "mail", "host": "", "tries": 2, "created_at": r.at(0), "next_try_at": r.at(1),
		"dead_at": nil, "last_error": "451 later",
		"body": r.keys.Seal(identity.ForDelivery, []byte(`{"kind":"forgot","to":"ada@example.com"}`), r.mail[:]),
	}
	insert(t, db, "deliveries", delivery)
	maps.Copy(delivery, record{"id": identity.NewID(), "kind": "logout", "host": "a.example", "dead_at": r.at(1)})
	insert(t, db, "deliveries", delivery)
	insert(t, db, "mail_links", record{
		"user_id": r.ada.ID, "kind": "email", "secret_hash": []byte("link"), "detail": "new@example.com",
		"created_at": r.at(2), "expires_at": r.at(9),
	})
	document := record{
		"user_id": r.ada.ID, "client_id": "notes", "key": "theme", "value": `"dark"`, "version": int64(1) << 40, "updated_at": r.at(1),
		"deleted": false,
	}
	insert(t, db, "states", document)
	maps.Copy(document, record{"key": "gone", "value": "", "deleted": true})
	insert(t, db, "states", document)
}

func (r release) readPeople(t *testing.T, db *storage.DB) {
	t.Helper()
	ctx := t.Context()
	for _, u := range []identity.User{r.ada, r.bob} {
		same(t, u, must[identity.User](t)(db.UserByID(ctx, u.ID)))
		same(t, u, must[identity.User](t)(db.UserByEmail(ctx, u.Email)))
	}
	same(t, r.factor, must[mfa.Authenticator](t)(db.TOTPOf(ctx, r.ada.ID)))
	same(t, 1, must[int](t)(db.RecoveryCodesLeft(ctx, r.ada.ID)))
	for code, want := range map[string]bool{"unused": true, "used": false, "never was": false} {
		same(t, want, must[bool](t)(db.UseRecoveryCode(ctx, r.ada.ID, [][]byte{[]byte(code)})))
	}
	link := identity.MailLink{LinkFor: identity.LinkFor{UserID: r.ada.ID, Epoch: r.ada.Epoch}, Slot: "email", SecretHash: []byte("link")}
	detail, alive, err := db.ReadMailLink(ctx, link)
	ok(t, err)
	same(t, []any{"new@example.com", true}, []any{detail, alive})
	same(t, identity.Grant{UserID: r.ada.ID, ClientID: "notes", Scopes: []string{"email", "openid"}, UpdatedAt: r.at(1)},
		must[identity.Grant](t)(db.GrantOf(ctx, r.ada.ID, "notes")))
}

func (r release) readSessions(t *testing.T, db *storage.DB) {
	t.Helper()
	ctx := t.Context()
	for _, want := range []struct {
		signIn   identity.SignIn
		user     identity.User
		enrolled bool
		session  identity.Session
	}{{r.here, r.ada, true, r.bound}, {r.over, r.bob, false, r.ended}} {
		got := must[identity.Standing](t)(db.StandingOf(ctx, want.signIn.ID))
		same(t, want.signIn, got.SignIn)
		same(t, want.user, got.User)
		same(t, want.enrolled, got.Enrolled())
		same(t, want.session, must[identity.Session](t)(db.SessionByID(ctx, want.session.ID)))
	}
	alive := must[[]identity.Live](t)(db.FindSessions(ctx, identity.SessionQuery{UserID: r.ada.ID, Limit: 9}))
	same(t, 1, len(alive))
}

func (r release) readTokens(t *testing.T, db *storage.DB) {
	t.Helper()
	ctx := t.Context()
	same(t, r.signing, must[[]identity.SigningKey](t)(db.SigningKeys(ctx)))
	ok(t, db.SpendRegistrationToken(ctx, []byte("once")))
	for _, gone := range []string{"once", "spent"} {
		wantKind(t, db.SpendRegistrationToken(ctx, []byte(gone)), identity.BadLogin)
	}
	same(t, true, must[bool](t)(db.TokenDenied(ctx, "denied")))
	same(t, false, must[bool](t)(db.TokenDenied(ctx, "other")))
	same(t, false, must[bool](t)(db.SpendAssertion(ctx, "notes", "spent", r.at(9))))
	same(t, true, must[bool](t)(db.SpendAssertion(ctx, "notes", "fresh", r.at(9))))
	same(t, []identity.AdminToken{{Name: "backup", Role: identity.RoleOperator, CreatedAt: r.at(0), LastUsedAt: r.at(1)}, {Name: "new", Role: identity.RoleOperator, CreatedAt: r.at(0)}},
		must[[]identity.AdminToken](t)(db.AdminTokens(ctx)))
	same(t, time.Hour, must[time.Duration](t)(db.CountTry(ctx, "signin ada", identity.Throttle{Forget: 24 * time.Hour})))
}

func (r release) readRest(t *testing.T, db *storage.DB) {
	t.Helper()
	ctx, age := t.Context(), 60
	same(t, identity.Client{
		ID: "notes", Trusted: true, CreatedAt: r.at(0), Metadata: identity.Metadata{
			Name: "Notes", RedirectURIs: []string{"com.example.notes:/cb"}, DefaultMaxAge: &age, Device: identity.Device{Name: "x"},
		},
	}, must[identity.Client](t)(db.ClientByID(ctx, "notes")))
	wantKind(t, second(db.ClientByID(ctx, "old")), identity.NotFound) // it is disabled
	same(t, identity.Client{
		ID: "old", SecretHash: []byte("s"), SelfRegistered: true, RegistrationHash: []byte("r"), PreviousHash: []byte("q"),
		Lives: identity.Lifetimes{Idle: time.Minute, Absolute: time.Hour}, CreatedAt: r.at(0), FirstUsedAt: r.at(1), DisabledAt: r.at(2),
	}, must[[]identity.Client](t)(db.Clients(ctx, identity.ClientQuery{Limit: 9}))[1])

	events := must[[]identity.Event](t)(db.Events(ctx, identity.EventQuery{Limit: 9}))
	same(t, 2, len(events))
	told := must[[]identity.Event](t)(db.Events(ctx, identity.EventQuery{UserID: r.bob.ID, Limit: 9}))
	same(t, 1, len(told))
	told[0].ID = identity.ID{}
	same(t, identity.Event{
		At: r.at(1), Kind: identity.SessionEnded, UserID: r.bob.ID, SessionID: r.ended.ID, ClientID: "old",
		Detail: string(identity.EndReuse), Address: "192.0.2.1", Actor: "cli:eve",
	}, told[0])

	waiting := must[[]identity.ListedDelivery](t)(db.Deliveries(ctx, identity.DeliveryFilter{Limit: 9}))
	same(t, 2, len(waiting))
	same(t, []any{r.mail, identity.LetterForgot, 2, "451 later", time.Time{}},
		[]any{waiting[0].ID, waiting[0].Letter, waiting[0].Tries, waiting[0].LastError, waiting[0].DeadAt})
	same(t, r.at(1), waiting[1].DeadAt)
	documents := must[[]identity.Document](t)(db.Documents(ctx, r.ada.ID, "notes"))
	same(t, 1, len(documents))
	same(t, []any{"theme", `"dark"`, int64(1) << 40, r.at(1)},
		[]any{documents[0].Key, documents[0].Value, documents[0].Version, documents[0].UpdatedAt})
}
