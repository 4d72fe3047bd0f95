package simulate

import (
	"encoding/base64"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/server"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// running is a server on this machine with a user and an app.
func running(t *testing.T, rotation identity.Rotation) (*storage.DB, LoadOptions) {
	t.Helper()
	db := storagetest.Open(t, storage.SQLite)
	site := httptest.NewUnstartedServer(nil)
	issuer := "http://" + site.Listener.Addr().String()
	cfg, err := config.Load(config.Options{Getenv: func(string) string { return "" }, Flags: map[string]string{
		"issuer": issuer, "secret": base64.StdEncoding.EncodeToString(storagetest.Root()),
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.PasswordCost = config.HashCost(storagetest.CheapHash)
	s, err := server.New(t.Context(), cfg, db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	site.Config.Handler = s.Handler()
	site.Start()
	t.Cleanup(site.Close)
	o := LoadOptions{
		Target: issuer, ClientID: "notes", RedirectURI: redirectURI, Email: "ada@example.com", Password: password,
		Devices: 20, Duration: 2 * time.Second, Rate: 20, Loss: .1, Parallel: .1, Seed: 1, Wall: time.Now,
	}
	move(t, db, o, rotation)
	return db, o
}

// move adds the user and the app.
func move(t *testing.T, db *storage.DB, o LoadOptions, rotation identity.Rotation) {
	t.Helper()
	users := identity.Users{Store: db, Passwords: identity.NewPasswords(storagetest.CheapHash), Now: db.Now}
	_, err := users.Add(t.Context(), identity.NewUser{Email: o.Email, EmailVerified: true, Password: o.Password})
	if err != nil {
		t.Fatal(err)
	}
	err = db.CreateClient(t.Context(), identity.Client{ID: o.ClientID, CreatedAt: db.Now(), Metadata: identity.Metadata{
		Name: "Notes", AuthMethod: "none", ApplicationType: "native", RedirectURIs: []string{redirectURI}, Scope: "openid offline_access",
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, Rotation: rotation,
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLoad_phonesSignInThroughThePagesAndStaySignedIn(t *testing.T) {
	t.Parallel()
	db, o := running(t, identity.RotateForking)
	r, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + r.String())
	if r.ForcedLogins != 0 || r.Unanswered != 0 {
		t.Errorf("%d forced logins, %d unanswered", r.ForcedLogins, r.Unanswered)
	}
	if r.Refreshes < 10 || r.CutConnections == 0 || r.P50 <= 0 || r.P99 < r.P50 || r.Max < r.P99 {
		t.Errorf("that was no load: %+v", r)
	}
	if r.Seconds > 2+requestTimeout.Seconds() {
		t.Errorf("it went on for %v s", r.Seconds)
	}
	everySessionEnded(t, db, o)
}

// everySessionEnded looks whether the run cleared up behind it.
func everySessionEnded(t *testing.T, db *storage.DB, o LoadOptions) {
	t.Helper()
	user, err := db.UserByEmail(t.Context(), o.Email)
	if err != nil {
		t.Fatal(err)
	}
	events, err := db.Events(t.Context(), identity.EventQuery{UserID: user.ID, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	ended := 0
	for _, e := range events {
		if e.Kind == identity.SessionEnded && e.Detail == string(identity.EndRevoked) {
			ended++
		}
	}
	if ended != o.Devices {
		t.Errorf("%d of %d sessions were ended", ended, o.Devices)
	}
}

// Load must be able to fail, too.
func TestLoad_seesForcedLoginsOfStrictRotation(t *testing.T) {
	t.Parallel()
	_, o := running(t, identity.RotateStrict)
	o.Loss = .4
	r, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.ForcedLogins == 0 {
		t.Errorf("nobody had to sign in again: %+v", r)
	}
}

func TestLoad_saysWhyNobodyGetsIn(t *testing.T) {
	t.Parallel()
	_, o := running(t, identity.RotateForking)
	for want, change := range map[string]func(*LoadOptions){
		"do not belong":     func(o *LoadOptions) { o.Password = "not hers at all" },
		"say just that":     func(o *LoadOptions) { o.Target = strings.Replace(o.Target, "127.0.0.1", "localhost", 1) },
		"/oauth2/authorize": func(o *LoadOptions) { o.ClientID = "nobody" },
	} {
		o := o
		change(&o)
		if _, err := Load(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got: %v", want, err)
		}
	}
}

func TestLoad_refusesNonsenseAndServersOfOthers(t *testing.T) {
	t.Parallel()
	good := LoadOptions{
		Target: "http://localhost:1", ClientID: "a", Email: "a@b.c", Password: "p", Devices: 10, Duration: time.Second, Rate: 1,
	}
	for want, change := range map[string]func(*LoadOptions){
		"--i-own-this-server": func(o *LoadOptions) { o.Target = "https://id.example.com" },
		"--target":            func(o *LoadOptions) { o.Target = "localhost:8080" },
		"--client":            func(o *LoadOptions) { o.ClientID = "" },
		"--password-stdin":    func(o *LoadOptions) { o.Password = "" },
		"--devices":           func(o *LoadOptions) { o.Devices = 0 },
		"--duration":          func(o *LoadOptions) { o.Duration = 24 * time.Hour },
		"--rate":              func(o *LoadOptions) { o.Rate = 11 },
		"--loss":              func(o *LoadOptions) { o.Loss = .6 },
		"--parallel":          func(o *LoadOptions) { o.Parallel = -1 },
	} {
		o := good
		change(&o)
		if err := o.problems(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got: %v", want, err)
		}
	}
	good.Target, good.Mine = "https://id.example.com", true
	if err := good.problems(); err != nil {
		t.Errorf("the operator's own server: %v", err)
	}
	for _, host := range []string{"localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "0.0.0.0", ""} {
		if loopback(host) {
			t.Errorf("%q passes for this machine", host)
		}
	}
}

// The examples are RFC 6238's own, appendix B, cut to six digits.
func TestTOTPCode_isRFC6238s(t *testing.T) {
	t.Parallel()
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 20000000000: "353130"} {
		if got := totpCode([]byte("12345678901234567890"), time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}
