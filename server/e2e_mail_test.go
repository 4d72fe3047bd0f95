package server

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/mail/mailtest"
	"github.com/sojourn-auth/sojourn/storage"
)

// mailbox is where the mails of a world arrive.
type mailbox struct {
	w *world
	*mailtest.Server
}

// newMailbox starts a server on SQLite that sends mail.
func newMailbox(t *testing.T) mailbox {
	t.Helper()
	s := mailtest.Run(t, mailtest.Options{})
	return mailbox{newWorld(t, storage.SQLite, "smtp", s.URL(), "mail_from", "Harbour <no-reply@harbour.example>"), s}
}

// link waits for the next mail to an address that has a link to path, and returns that.
func (m mailbox) link(t *testing.T, to, path string) string {
	t.Helper()
	for {
		if got := m.Next(t); got.To == to && strings.Contains(got.Text, path+"?") {
			link := got.Link(t, path)
			m.w.journal.hide(parsed(t, link).Query().Get("link"))
			return link
		}
	}
}

// on opens an address of the server.
func (m mailbox) on(t *testing.T, b tab, path string) view {
	t.Helper()
	return b.visit(t, m.w.issuer+path)
}

const pageButton = "main form button:not([type=button])"

// says fails the test unless a page says something.
func (v view) says(t *testing.T, words string) {
	t.Helper()
	if !strings.Contains(v.Words, words) {
		t.Fatalf("%s lacks %q:\n%s", v.At, words, v.Words)
	}
}

// enters signs in by the form alone.
func (m mailbox) enters(t *testing.T, b tab, p *person) {
	t.Helper()
	m.on(t, b, "/signin?switch=1")
	b.fill(t, "username", p.email, "password", p.password)
	b.press(t, pageButton).says(t, "Your account")
}

// TestMail is what people do with mails on a phone.
func TestMail(t *testing.T) {
	t.Parallel()
	c := startChromium(t)
	for name, promise := range map[string]func(*testing.T, chromium, mailbox){
		"aNewAccountConfirmsItsAddress":       confirmAddress,
		"aForgottenPasswordIsChosenAnew":      forgotten,
		"aForgottenPasswordWithoutScript":     forgottenWithoutScript,
		"aStrangersBrowserIsThrownOutByAMail": strangersBrowser,
		"anAccountMovesToAnotherAddress":      anotherAddress,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promise(t, c, newMailbox(t))
		})
	}
}

func confirmAddress(t *testing.T, c chromium, m mailbox) {
	p, b := m.w.stranger(), c.phone(t)
	m.on(t, b, "/signup")
	b.fill(t, "username", p.email, "password", p.password)
	b.press(t, pageButton).says(t, "We have sent a mail to "+p.email)
	b.show(t, "mail-signed-up")
	b.press(t, "main a.button")
	b.fill(t, "username", p.email, "password", p.password)
	b.press(t, pageButton).says(t, "Confirm your address first")
	b.show(t, "mail-unconfirmed")
	b.visit(t, m.link(t, p.email, "/verify")).says(t, p.email)
	b.show(t, "mail-verify")
	b.press(t, pageButton).says(t, "Your address is confirmed")
	b.show(t, "mail-verified")
	m.enters(t, c.phone(t), p)
	u, err := m.w.db.UserByEmail(t.Context(), p.email)
	if err != nil || !u.EmailVerified {
		t.Errorf("verified: %v, %v", u.EmailVerified, err)
	}
	b = b.back(t)
	b.press(t, pageButton).says(t, "nothing is left to do")
	b.show(t, "mail-verify-over")
}

func forgotten(t *testing.T, c chromium, m mailbox) {
	b := c.phone(t)
	m.on(t, b, "/signin")
	b.show(t, "mail-sign-in")
	b.press(t, `a[href^="/forgot"]`)
	b.show(t, "mail-forgot")
	b.press(t, pageButton)
	b.focused(t, "username")
	m.forgotten(t, b)
}

func forgottenWithoutScript(t *testing.T, c chromium, m mailbox) {
	b := c.phone(t)
	b.script(t, false)
	m.forgotten(t, b)
}

func (m mailbox) forgotten(t *testing.T, b tab) {
	t.Helper()
	p := m.w.person(t)
	m.on(t, b, "/signin")
	b.press(t, `a[href^="/forgot"]`).says(t, "we mail you a link")
	b.fill(t, "username", p.email)
	b.press(t, pageButton).says(t, "Look into your mail")
	link := m.link(t, p.email, "/reset")
	b.visit(t, link).says(t, "Choose a new password")
	p.password = "another password of mine"
	m.w.journal.hide(p.password)
	b.fill(t, "new_password", "short")
	b.press(t, pageButton).says(t, "at least")
	b.fill(t, "new_password", p.password)
	b.press(t, pageButton).says(t, "Your new password is set")
	b.fill(t, "username", p.email, "password", p.password)
	b.press(t, pageButton).says(t, "Your account")
	b.visit(t, link).says(t, "This link no longer works")
}

func strangersBrowser(t *testing.T, c chromium, m mailbox) {
	p, mine, thiefs := m.w.person(t), c.phone(t), c.phone(t)
	m.enters(t, mine, p)
	m.enters(t, thiefs, p)
	mine.visit(t, m.link(t, p.email, "/not-me")).says(t, "Was it not you?")
	mine.show(t, "mail-not-me")
	mine.press(t, pageButton).says(t, "Every device, app and browser is signed out")
	mine.show(t, "mail-stopped")
	m.on(t, thiefs, "/account").says(t, "This browser was signed out")
	mine.press(t, pageButton).says(t, "Look into your mail")
	mine.show(t, "mail-sent")
	m.on(t, mine, "/account").says(t, "Sign in")
	mine.visit(t, m.link(t, p.email, "/reset")).says(t, "Choose a new password")
	mine.show(t, "mail-reset")
}

func anotherAddress(t *testing.T, c chromium, m mailbox) {
	p, b := m.w.person(t), c.phone(t)
	m.enters(t, b, p)
	m.on(t, b, "/account/email").says(t, p.email)
	b.show(t, "mail-new-address")
	old, email := p.email, "new-"+p.email
	b.fill(t, "new_email", email)
	b.press(t, pageButton).says(t, "Look into your mail")
	b.visit(t, m.link(t, email, "/email")).says(t, email)
	b.show(t, "mail-move")
	b.press(t, pageButton).says(t, "Your address is changed")
	b.show(t, "mail-moved")
	b.press(t, "main a.button").says(t, "Your account")
	link := m.link(t, old, "/not-me") // who has lost the account learns it, and can still stop it
	b.visit(t, link).says(t, "Was it not you?")
	b.visit(t, m.w.issuer+"/not-me?"+url.Values{"link": {"cut"}}.Encode()).says(t, "This link no longer works")
	b.show(t, "mail-link-over")
}
