package server

import (
	"encoding/base32"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

// person is someone with a password and, perhaps, an authenticator app.
type person struct {
	w        *world
	email    string
	password string
	user     identity.User // zero before sign-up

	mu     sync.Mutex
	secret string // Base32; empty without an authenticator
	used   int64  // the last time step whose code was given out
	codes  []string
}

// stranger is someone who has no account yet.
func (w *world) stranger() *person {
	p := &person{w: w, email: strings.ToLower(identity.RandomText(6)) + "@example.com", password: "pass " + identity.RandomText(9)}
	w.journal.hide(p.password, p.email)
	return p
}

// person is someone with an account.
func (w *world) person(t *testing.T) *person {
	t.Helper()
	return w.account(t, true)
}

// account is someone with an account, whose address is confirmed or not.
func (w *world) account(t *testing.T, confirmed bool) *person {
	t.Helper()
	p := w.stranger()
	users := identity.Users{Store: w.db, Passwords: w.passwords, Now: w.now}
	var err error
	p.user, err = users.Add(t.Context(), identity.NewUser{Email: p.email, EmailVerified: confirmed, Name: "Ada Lovelace", Password: p.password})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// enrolled is someone with an account, an authenticator and recovery codes.
func (w *world) enrolled(t *testing.T) *person {
	t.Helper()
	p := w.person(t)
	p.enrol(t)
	return p
}

func (p *person) enrol(t *testing.T) {
	t.Helper()
	factors := mfa.TOTP{Store: p.w.db, Keys: p.w.keys, Now: p.w.now, Issuer: "Harbour"}
	e, err := factors.Begin(identity.Standing{User: p.user})
	if err != nil {
		t.Fatal(err)
	}
	at := p.w.now().Add(-30 * time.Second) // so that the present code is still unused
	code, err := totp.GenerateCode(e.Secret, at)
	if err != nil {
		t.Fatal(err)
	}
	if err := factors.Confirm(t.Context(), identity.Standing{User: p.user}, mfa.Confirmation{Sealed: e.Sealed, Code: code}); err != nil {
		t.Fatal(err)
	}
	p.got(e.Secret, e.Codes)
}

// got keeps what an enrolment page showed.
func (p *person) got(secret string, codes []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secret, p.codes, p.used = secret, codes, 0
	p.w.journal.hide(secret)
	p.w.journal.hide(codes...)
}

// saved keeps the recovery codes that a page handed out.
func (p *person) saved(codes []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes = codes
	p.w.journal.hide(codes...)
}

// code is one that was not used yet: this step's or the next one's, or else time passes.
func (p *person) code(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	step := max(p.w.now().Unix()/30, p.used+1)
	for step > p.w.now().Unix()/30+1 {
		p.w.pass(30 * time.Second)
	}
	p.used = step
	return codeAt(t, p.secret, step)
}

// wrongCode is six digits that are not right now, nor near now.
func (p *person) wrongCode(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	right := map[string]bool{}
	for step := p.w.now().Unix()/30 - 3; step < p.w.now().Unix()/30+4; step++ {
		right[codeAt(t, p.secret, step)] = true
	}
	for {
		code := codeAt(t, base32.StdEncoding.EncodeToString([]byte("someone else's secret")), rand.Int64N(1<<40))
		if !right[code] {
			return code
		}
	}
}

func codeAt(t *testing.T, secret string, step int64) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, time.Unix(step*30, 0))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// recoveryCode takes one off the list.
func (p *person) recoveryCode(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.codes) == 0 {
		t.Fatal("no recovery code left")
	}
	code := p.codes[0]
	p.codes = p.codes[1:]
	return code
}
