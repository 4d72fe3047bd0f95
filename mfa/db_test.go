package mfa_test

import (
	"context"
	"encoding/base32"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

const secret = "12345678901234567890"

var seen = identity.Seen{Address: "192.0.2.7"}

// desk is a person with a phone before a database whose clock the test moves.
type desk struct {
	t     *testing.T
	db    *storage.DB
	mu    sync.Mutex
	now   time.Time
	totp  mfa.TOTP
	codes mfa.Recovery
	anna  identity.User

	browser identity.ID // anna's sign-in
}

// run runs f on both kinds of database.
func run(t *testing.T, f func(t *testing.T, d *desk)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := &desk{t: t, now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
			d.db = storagetest.OpenAt(t, kind, d.time)
			d.totp = mfa.TOTP{Store: d.db, Keys: storagetest.Keys(t), Now: d.time, Issuer: "Harbour"}
			d.codes = mfa.Recovery{Store: d.db, Keys: d.totp.Keys, Now: d.time}
			d.anna, d.browser = d.user("anna@example.com"), identity.NewID()
			f(t, d)
		})
	}
}

func (d *desk) time() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) wait(span time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(span)
}

func (d *desk) user(email string) identity.User {
	d.t.Helper()
	u := identity.User{
		ID: identity.NewID(), Sub: identity.RandomText(16), Email: email, PasswordHash: "-",
		CreatedAt: d.time(), UpdatedAt: d.time(),
	}
	if err := d.db.CreateUser(context.Background(), u); err != nil {
		d.t.Fatal(err)
	}
	return u
}

// enrolled gives anna an authenticator with a known secret and no recovery codes.
func (d *desk) enrolled() {
	d.t.Helper()
	if err := d.totp.Import(context.Background(), d.anna.ID, []byte(secret)); err != nil {
		d.t.Fatal(err)
	}
}

// code is what the phone shows for a Base32 secret.
func (d *desk) code(secret string) string {
	d.t.Helper()
	code, err := totp.GenerateCode(secret, d.time())
	if err != nil {
		d.t.Fatal(err)
	}
	return code
}

// right is what anna's phone shows, wrong is any other code that no step near now has.
func (d *desk) right() string {
	return d.code(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(secret)))
}

func (d *desk) wrong() string {
	for _, code := range []string{"000000", "111111", "222222", "333333"} {
		if !d.near(code) {
			return code
		}
	}
	d.t.Fatal("four codes in a row are right")
	return ""
}

func (d *desk) near(code string) bool {
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(secret))
	for _, off := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
		if c, err := totp.GenerateCode(text, d.time().Add(off)); err != nil || c == code {
			return true
		}
	}
	return false
}

func (d *desk) verify(code string) error {
	return d.totp.Verify(context.Background(), d.anna, code, seen)
}

func (d *desk) recover(code string) error {
	return d.codes.Recover(context.Background(), d.anna, code, seen)
}

// expect checks the kind of a verdict; kind 0 means accepted.
func (d *desk) expect(what string, err error, kind identity.Kind) {
	d.t.Helper()
	if kind == 0 && err == nil {
		return
	}
	if err == nil || identity.KindOf(err) != kind || kind == 0 {
		d.t.Fatalf("%s: %v, want kind %d", what, err, kind)
	}
}

// details returns the details of anna's events of a kind.
func (d *desk) details(kind identity.EventKind) (details []string) {
	d.t.Helper()
	events, err := d.db.Events(context.Background(), identity.EventQuery{UserID: d.anna.ID, Limit: 100})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == kind {
			details = append(details, e.Detail+" "+e.Address)
		}
	}
	return details
}

// race lets 16 goroutines try at once and returns how many were accepted; every other verdict must be a refusal.
func (d *desk) race(try func() error) (accepted int) {
	d.t.Helper()
	verdicts := make(chan error)
	for range 16 {
		go func() { verdicts <- try() }()
	}
	for range 16 {
		err := <-verdicts
		if err == nil {
			accepted++
		} else if kind := identity.KindOf(err); kind != identity.BadLogin && kind != identity.Throttled {
			d.t.Errorf("a racer got %v, want a refusal", err)
		}
	}
	return accepted
}

// begun is an enrolment that anna has before her eyes.
func (d *desk) begun() mfa.Enrolment {
	d.t.Helper()
	e, err := d.totp.Begin(d.standing())
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}

// standing is anna in a browser of hers, without any factor that she may have got meanwhile.
func (d *desk) standing() identity.Standing {
	return identity.Standing{User: d.anna, SignIn: identity.SignIn{ID: d.browser}}
}

func (d *desk) confirm(e mfa.Enrolment, code string) error {
	return d.totp.Confirm(context.Background(), d.standing(), mfa.Confirmation{Sealed: e.Sealed, Code: code, Seen: seen})
}

// changed begins another epoch of anna's account, as every change of its credentials does.
func (d *desk) changed() {
	d.t.Helper()
	if _, err := d.db.End(context.Background(), identity.Ending{User: d.anna.ID, Cause: identity.EndPassword}); err != nil {
		d.t.Fatal(err)
	}
}

// account is anna as she is now.
func (d *desk) account() identity.User {
	d.t.Helper()
	u, err := d.db.UserByID(context.Background(), d.anna.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	return u
}

func upper(code string) string { return strings.ToUpper(strings.ReplaceAll(code, "-", " ")) }
