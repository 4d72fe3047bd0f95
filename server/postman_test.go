package server

import (
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sojourn-auth/sojourn/anomaly"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mail"
	"github.com/sojourn-auth/sojourn/mail/mailtest"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
	"github.com/sojourn-auth/sojourn/templates"
)

// office is a postman with a mail server, and no courier that calls him.
type office struct {
	*postman
	w      *world
	server *mailtest.Server
}

// inOffices runs f on both kinds of database.
func inOffices(t *testing.T, o mailtest.Options, f func(t *testing.T, o *office)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w, server := newWorld(t, kind), mailtest.Run(t, o)
			sender, err := mail.New(mail.Options{Server: server.URL(), From: "Harbour <no-reply@harbour.example>"})
			if err != nil {
				t.Fatal(err)
			}
			f(t, &office{w: w, server: server, postman: &postman{
				dropped: newMetrics(50).notices, db: w.db, links: identity.MailLinks{Store: w.db, Keys: w.keys, Now: w.now}, sender: sender,
				frame: templates.MailFrame{Operator: "Harbour", Site: w.issuer}, place: func(string) string { return "" },
				told: func(string) (anomaly.Signal, string) { return anomaly.NewCountry, "" },
			}})
		})
	}
}

func (o *office) bring(t *testing.T, l identity.Letter) error {
	t.Helper()
	body, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return o.deliver(t.Context(), identity.Delivery{ID: identity.NewID(), Kind: identity.MailDelivery, Body: body})
}

// brought brings a letter that must arrive.
func (o *office) brought(t *testing.T, l identity.Letter) mailtest.Mail {
	t.Helper()
	if err := o.bring(t, l); err != nil {
		t.Fatal(err)
	}
	return o.server.Next(t)
}

// opens fails the test unless the mail's link to path works for kind, and returns what the link is for.
func (o *office) opens(t *testing.T, m mailtest.Mail, path string, kind identity.LinkKind) identity.LinkFor {
	t.Helper()
	u, err := url.Parse(m.Link(t, path+"?"))
	if err != nil {
		t.Fatal(err)
	}
	link, err := o.links.Read(t.Context(), u.Query().Get("link"), kind)
	if err != nil {
		t.Fatalf("the link to %s: %v", path, err)
	}
	return link
}

func event(user identity.User, kind identity.EventKind, at time.Time) identity.Letter {
	e := identity.Event{
		ID: identity.NewID(), At: at, Kind: kind, UserID: user.ID, Detail: string(identity.EndReuse), Address: "2001:db8::7",
	}
	if kind == identity.AnomalyFound {
		e.Detail = identity.Decision{Rule: "new-country", Answer: identity.AnswerTell}.Detail()
	}
	return identity.Letter{Kind: identity.LetterEvent, UserID: user.ID, Event: &e}
}

var eventKind = regexp.MustCompile(`\w+ +EventKind = "([a-z_.]+)"`)

func TestPostman_everyMailedEventHasAMail(t *testing.T) {
	t.Parallel()
	kinds, err := os.ReadFile("../identity/event.go")
	if err != nil {
		t.Fatal(err)
	}
	inOffices(t, mailtest.Options{}, func(t *testing.T, o *office) {
		mailed := 0
		for _, found := range eventKind.FindAllStringSubmatch(string(kinds), -1) {
			p := o.w.person(t)
			l := event(p.user, identity.EventKind(found[1]), o.w.now())
			if !l.Event.Mailed() {
				continue
			}
			mailed++
			l.Event.Browser = "Firefox on Linux"
			got := o.brought(t, l)
			if got.To != p.email || !strings.Contains(got.Text, "network 2001:db8::/64\nBrowser: Firefox on Linux\n") {
				t.Errorf("%s: to %s:\n%s", found[1], got.To, got.Text)
			}
			if link := o.opens(t, got, "/not-me", identity.LinkNotMe); link.UserID != p.user.ID {
				t.Errorf("%s: the link ends somebody else's", found[1])
			}
		}
		if mailed != len(notices) {
			t.Errorf("%d kinds of event are mailed, but there are %d notices", mailed, len(notices))
		}
	})
}

func TestPostman_reuseNamesAppAndDevice(t *testing.T) {
	t.Parallel()
	inOffices(t, mailtest.Options{}, func(t *testing.T, o *office) {
		p := o.w.person(t)
		l := event(p.user, identity.SessionEnded, o.w.now())
		l.Event.ClientID, l.Event.SessionID = "gone", identity.NewID()
		if got := o.brought(t, l); got.Subject != "We signed an app out on one of your devices" {
			t.Errorf("an app that is gone: %q", got.Subject)
		}
		c := identity.Client{ID: "notes", Metadata: identity.Metadata{Name: "Notes <b>&"}, CreatedAt: o.w.now()}
		if err := o.w.db.CreateClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		l.Event.ClientID = c.ID
		got := o.brought(t, l)
		if got.Subject != "We signed Notes <b>& out on one of your devices" || strings.Contains(got.HTML, "<b>") {
			t.Errorf("%q\n%s", got.Subject, got.HTML)
		}
	})
}

func TestPostman_lettersCarryLinksThatWork(t *testing.T) {
	t.Parallel()
	inOffices(t, mailtest.Options{}, func(t *testing.T, o *office) {
		p := o.w.person(t)
		forgot := o.brought(t, identity.Letter{Kind: identity.LetterForgot, To: p.email})
		if link := o.opens(t, forgot, "/reset", identity.LinkReset); link.UserID != p.user.ID || forgot.To != p.email {
			t.Errorf("forgotten password: %+v to %s", link, forgot.To)
		}
		const from, to = "old@example.com", "new@example.com"
		moves := o.brought(t, identity.Letter{Kind: identity.LetterNewEmail, UserID: p.user.ID, To: to, Detail: "x " + to})
		if link := o.opens(t, moves, "/email", identity.LinkEmail); link.Detail != "x "+to || moves.To != to {
			t.Errorf("new address: %+v to %s", link, moves.To)
		}
		moved := o.brought(t, identity.Letter{Kind: identity.LetterOldEmail, UserID: p.user.ID, To: from, Detail: to})
		o.opens(t, moved, "/not-me", identity.LinkNotMe)
		if moved.To != from || !strings.Contains(moved.Text, "belongs to "+to+".") {
			t.Errorf("old address: to %s:\n%s", moved.To, moved.Text)
		}
		moved = o.brought(t, identity.Letter{Kind: identity.LetterMoved, UserID: p.user.ID, To: from, Detail: to})
		if moved.To != from || !strings.Contains(moved.Text, "moved your account to "+to) || strings.Contains(moved.Text, "/not-me") {
			t.Errorf("moved by an operator: to %s:\n%s", moved.To, moved.Text)
		}
		have := o.brought(t, identity.Letter{Kind: identity.LetterHave, To: p.email})
		if have.To != p.email || have.Link(t, "/forgot") != o.w.issuer+"/forgot" {
			t.Errorf("taken address: to %s:\n%s", have.To, have.Text)
		}
	})
}

func TestPostman_verifiesTheAddressThatTheMailWentTo(t *testing.T) {
	t.Parallel()
	inOffices(t, mailtest.Options{}, func(t *testing.T, o *office) {
		p := o.w.stranger()
		users := identity.Users{Store: o.w.db, Passwords: o.w.passwords, Now: o.w.now}
		user, err := users.Add(t.Context(), identity.NewUser{Email: p.email, Password: p.password})
		if err != nil {
			t.Fatal(err)
		}
		l := identity.Letter{Kind: identity.LetterVerify, UserID: user.ID}
		got := o.brought(t, l)
		if link := o.opens(t, got, "/verify", identity.LinkVerify); link.Detail != p.email || got.To != p.email {
			t.Errorf("confirms %q, sent to %s", link.Detail, got.To)
		}
		if err := o.w.db.VerifyEmail(t.Context(), user.ID, p.email); err != nil {
			t.Fatal(err)
		}
		if err := o.bring(t, l); err != nil || o.server.Waiting() > 0 {
			t.Errorf("asked to confirm what is confirmed: %v", err)
		}
	})
}

// What a sign-up comes to only the mail says; it goes to exactly the address that was taken.
func TestPostman_aNewAccountIsToConfirmAndATakenAddressHearsThatItHasOne(t *testing.T) {
	t.Parallel()
	inOffices(t, mailtest.Options{}, func(t *testing.T, o *office) {
		p := o.w.person(t)
		if got := o.brought(t, identity.Letter{Kind: identity.LetterSignUp, To: p.email}); got.To != p.email || got.Subject != "You have an account at Harbour" {
			t.Errorf("a taken address: %q to %s", got.Subject, got.To)
		}
		users := identity.Users{Store: o.w.db, Passwords: identity.NewPasswords(storagetest.CheapHash), Now: o.w.now}
		for typed, to := range map[string]string{
			"New+Notes@Example.com": "new+notes@example.com", "o'neil=x/y@B\u00fccher.example": "o'neil=x/y@xn--bcher-kva.example",
		} {
			if err := users.Begin(t.Context(), identity.NewUser{Email: typed, Password: p.password}, "request"); err != nil {
				t.Fatal(err)
			}
			for _, kind := range []identity.LetterKind{identity.LetterSignUp, identity.LetterConfirm} {
				got := o.brought(t, identity.Letter{Kind: kind, To: to, Detail: "request"})
				link := o.opens(t, got, "/verify", identity.LinkVerify)
				want := identity.Confirmed{Email: to, First: true, Request: "request"}
				if got.To != to || identity.ReadConfirmed(link.Detail) != want {
					t.Errorf("%s: to %s, with a link for %+v", kind, got.To, link)
				}
			}
		}
	})
}

func TestPostman_sendsNothingToThoseWhoAreNotThere(t *testing.T) {
	t.Parallel()
	inOffices(t, mailtest.Options{}, func(t *testing.T, o *office) {
		locked := o.w.person(t)
		if _, err := o.w.db.SetUserDisabled(t.Context(), locked.user.ID, o.w.now()); err != nil {
			t.Fatal(err)
		}
		nobody := identity.User{ID: identity.NewID()}
		for _, l := range []identity.Letter{
			{Kind: identity.LetterForgot, To: "nobody@example.com"},
			{Kind: identity.LetterHave, To: "nobody@example.com"},
			{Kind: identity.LetterSignUp, To: "nobody@example.com"},
			{Kind: identity.LetterConfirm, To: "nobody@example.com"},
			{Kind: identity.LetterConfirm, To: o.w.person(t).email},
			{Kind: identity.LetterForgot, To: locked.email},
			{Kind: identity.LetterVerify, UserID: nobody.ID},
			{Kind: identity.LetterNewEmail, UserID: nobody.ID, To: "x@example.com"},
			{Kind: identity.LetterOldEmail, UserID: nobody.ID, To: "x@example.com"},
			event(nobody, identity.PasswordChanged, o.w.now()),
		} {
			if err := o.bring(t, l); err != nil || o.server.Waiting() > 0 {
				t.Errorf("%s: %v, and %d mails", l.Kind, err, o.server.Waiting())
			}
		}
	})
}

// A thief who causes one Event after the other must not fill a mailbox, nor use up what another person gets.
func TestPostman_aBurstOfNoticesStopsAtTwenty(t *testing.T) {
	t.Parallel()
	inOffices(t, mailtest.Options{}, func(t *testing.T, o *office) {
		p, other := o.w.person(t), o.w.person(t)
		for range 30 {
			if err := o.bring(t, event(p.user, identity.SessionEnded, o.w.now())); err != nil {
				t.Fatal(err)
			}
		}
		if n := o.server.Waiting(); n != 20 {
			t.Errorf("%d mails in a burst, want 20", n)
		}
		if err := o.bring(t, event(other.user, identity.SessionEnded, o.w.now())); err != nil || o.server.Waiting() != 21 {
			t.Errorf("another person heard nothing: %v", err)
		}
		if err := o.bring(t, identity.Letter{Kind: identity.LetterForgot, To: p.email}); err != nil || o.server.Waiting() != 22 {
			t.Errorf("nor can the person reset the password: %v", err)
		}
		o.w.pass(time.Hour + time.Second)
		if err := o.bring(t, event(p.user, identity.SessionEnded, o.w.now())); err != nil || o.server.Waiting() != 23 {
			t.Errorf("nothing after an hour: %v", err)
		}
	})
}

// Each kind has a budget of its own: what a thief causes in a loop never drops the mail that tells of the thief.
func TestPostman_noNumberOfOthersDropsANotice(t *testing.T) {
	t.Parallel()
	inOffices(t, mailtest.Options{}, func(t *testing.T, o *office) {
		p := o.w.person(t)
		for range 30 {
			if err := o.bring(t, event(p.user, identity.NewBrowser, o.w.now())); err != nil {
				t.Fatal(err)
			}
		}
		want := o.server.Waiting()
		for kind := range notices {
			if kind == identity.NewBrowser {
				continue
			}
			want++
			if err := o.bring(t, event(p.user, kind, o.w.now())); err != nil || o.server.Waiting() != want {
				t.Errorf("%s was not mailed (%v)", kind, err)
			}
		}
	})
}

// Of each kind, 25 at once: what tells that the account opens otherwise now arrives each time.
func TestPostman_whatTellsOfCredentialsIsNeverDropped(t *testing.T) {
	t.Parallel()
	inOffices(t, mailtest.Options{}, func(t *testing.T, o *office) {
		p := o.w.person(t)
		for kind := range notices {
			before, want := o.server.Waiting(), 25
			if (identity.Event{Kind: kind}).Droppable() {
				want = noticeThrottle.Free
			}
			for range 25 {
				if err := o.bring(t, event(p.user, kind, o.w.now())); err != nil {
					t.Fatal(err)
				}
			}
			if got := o.server.Waiting() - before; got != want {
				t.Errorf("%s: %d mails, want %d", kind, got, want)
			}
		}
	})
}

func TestPostman_whatWasNotSentDoesNotCount(t *testing.T) {
	t.Parallel()
	const busy = 25
	var tries sync.Map // by address
	refuse := func(to string, _ io.Reader) error {
		n, _ := tries.LoadOrStore(to, new(atomic.Int64))
		if n.(*atomic.Int64).Add(1) <= busy {
			return &smtp.SMTPError{Code: 451, Message: "later"}
		}
		return nil
	}
	inOffices(t, mailtest.Options{Content: refuse}, func(t *testing.T, o *office) {
		l := event(o.w.person(t).user, identity.PasswordChanged, o.w.now())
		for range busy {
			err := o.bring(t, l)
			if err == nil || !(identity.Delivery{}).Failed(identity.FailedTry{At: o.w.now(), Cause: err}).DeadAt.IsZero() {
				t.Fatalf("a mail server that is busy: %v", err)
			}
		}
		o.brought(t, l)
	})
}

func TestPostman_givesUpWhatNoTryCanChange(t *testing.T) {
	t.Parallel()
	refuse := func(_, to string) error {
		return map[string]error{"gone@example.com": &smtp.SMTPError{Code: 550, Message: "gone@example.com is unknown"}}[to]
	}
	inOffices(t, mailtest.Options{Envelope: refuse}, func(t *testing.T, o *office) {
		p := o.w.person(t)
		for name, body := range map[string]string{
			"the address":     `{"kind":"new_email","user":"` + p.user.ID.String() + `","to":"gone@example.com"}`,
			"no JSON":         `{`,
			"no such kind":    `{"kind":"postcard","user":"` + p.user.ID.String() + `"}`,
			"an event of 0":   `{"kind":"event","user":"` + p.user.ID.String() + `"}`,
			"no such notice":  `{"kind":"event","user":"` + p.user.ID.String() + `","event":{"Kind":"user.locked"}}`,
			"no real address": `{"kind":"new_email","user":"` + p.user.ID.String() + `","to":"x y"}`,
		} {
			err := o.deliver(t.Context(), identity.Delivery{ID: identity.NewID(), Body: json.RawMessage(body)})
			if err == nil {
				t.Errorf("%s: no error", name)
				continue
			}
			d := identity.Delivery{}.Failed(identity.FailedTry{At: o.w.now(), Cause: err})
			if d.DeadAt.IsZero() || strings.Contains(d.LastError, "@") {
				t.Errorf("%s: %v is tried again, or tells the address", name, err)
			}
		}
		if errors.Is(o.bring(t, identity.Letter{Kind: identity.LetterForgot, To: p.email}), mail.ErrRefused) {
			t.Error("everyone is refused")
		}
	})
}

// From the Event to the mailbox, through the outbox of a whole server.
func TestMail_arrivesSoonAfterWhatItTells(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int64
			server := mailtest.Run(t, mailtest.Options{Content: func(string, io.Reader) error {
				if tries.Add(1) == 1 {
					return &smtp.SMTPError{Code: 451, Message: "try once more"}
				}
				return nil
			}})
			w := newWorld(t, kind, "smtp", server.URL(), "mail_from", "Harbour <no-reply@harbour.example>")
			p := w.person(t)
			users := identity.Users{Store: w.db, Passwords: w.passwords, Now: w.now}
			if err := users.SetPassword(t.Context(), p.email, "another "+p.password); err != nil {
				t.Fatal(err)
			}
			if got := server.Next(t); got.Subject != "Your password for Harbour was changed" || got.To != p.email {
				t.Errorf("%q to %s", got.Subject, got.To)
			}
		})
	}
}

// The network is that of whoever showed the old token, all the way from their request into the mail.
func TestPostman_aMailOfReuseSaysFromWhereItCame(t *testing.T) {
	t.Parallel()
	m := newMailbox(t)
	p, a := m.w.person(t), m.w.app(t, vouched)
	old := a.redeem(t, newVisitor(t).signIn(t, a, p))
	next := a.tokens(t, a.refresh(t, old.RefreshToken))
	a.tokens(t, a.refresh(t, next.RefreshToken))
	if got := a.refresh(t, old.RefreshToken); got.Error != "invalid_grant" {
		t.Fatal(got.status, got.body)
	}
	for {
		if got := m.Next(t); strings.Contains(got.Subject, "signed Notes out") {
			if !strings.Contains(got.Text, "network 127.0.0.1\n") {
				t.Errorf("the mail does not say from where:\n%s", got.Text)
			}
			return
		}
	}
}
