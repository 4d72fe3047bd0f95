package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sojourn-auth/sojourn/anomaly"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mail"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/templates"
)

const (
	// mailTimeout bounds one try: looking up, and what the mail package takes at most.
	mailTimeout = 25 * time.Second
	// mailsAtOnce is how many connections our own mail server gets from this process.
	mailsAtOnce = 4
)

// noticeThrottle bounds what a person is told by mail of what happened, each kind by itself: the twentieth notice within an
// hour of another is the last for an hour. Whoever causes thousands of Events must not fill a mailbox, and each mail has the
// same way out. That a password or a factor has changed is told each time (Event.Droppable).
var noticeThrottle = identity.Throttle{Free: 20, First: time.Hour, Max: time.Hour, Forget: time.Hour}

// postman turns Letters into mails and hands them to the mail server.
type postman struct {
	db     *storage.DB
	links  identity.MailLinks
	sender *mail.Sender
	frame  templates.MailFrame
	place  func(address string) string
	told   func(rule string) (signal anomaly.Signal, own string)

	dropped prometheus.Counter // notices that were one too many
}

// addressed is a mail and where it goes.
type addressed struct {
	to   string
	mail templates.Mail
}

// newPostman returns nil where no mail is sent.
func (s *Server) newPostman(links identity.MailLinks) (*postman, error) {
	if s.cfg.SMTP == "" {
		return nil, nil //nolint:nilnil // documented above
	}
	sender, err := mail.New(mail.Options{Server: string(s.cfg.SMTP), From: s.cfg.MailFrom, Print: os.Stdout})
	if err != nil {
		return nil, fmt.Errorf("SOJOURN_SMTP: %w", err)
	}
	return &postman{
		db: s.db, links: links, sender: sender, place: s.places.place, told: s.watch.Told, dropped: s.metrics.notices,
		frame: templates.MailFrame{Operator: s.cfg.OperatorName, Site: s.cfg.Issuer},
	}, nil
}

// warnOfNoMail says once what is missing without a mail server.
func (s *Server) warnOfNoMail(ctx context.Context) {
	if s.cfg.SMTP == "" {
		s.log.WarnContext(ctx, "no mail can be sent, so nobody can reset a password or is told of what happens to their account: "+
			"set SOJOURN_SMTP and SOJOURN_MAIL_FROM")
	}
}

// deliver writes and sends the mail of a Delivery. Nothing is sent, and that is no error, to somebody who is gone or who
// got enough for now. The error is Permanent where no other try can help.
func (p *postman) deliver(ctx context.Context, d identity.Delivery) error {
	var l identity.Letter
	if err := json.Unmarshal(d.Body, &l); err != nil {
		return identity.Permanent(errors.New("the letter is not readable"))
	}
	user, known, err := p.reader(ctx, l)
	if err != nil || !known {
		return err
	}
	bring := func() error {
		letter, err := p.write(ctx, l, user)
		if err != nil || letter.to == "" {
			return err
		}
		return p.send(ctx, d.ID, letter)
	}
	if l.Kind != identity.LetterEvent || !l.Event.Droppable() { // whoever asks for the others is throttled
		return bring()
	}
	return p.bounded(ctx, user, l.Event.Kind, bring)
}

// reader looks up whose letter it is; false when they are gone, or never were.
func (p *postman) reader(ctx context.Context, l identity.Letter) (user identity.User, known bool, err error) {
	switch {
	case l.Kind == identity.LetterEvent && l.Event == nil:
		return user, false, identity.Permanent(errors.New("the letter tells of no event"))
	case l.To != "" && l.UserID == (identity.ID{}): // who that is, if anybody, is looked up only here
		user, err = p.db.UserByEmail(ctx, l.To)
	default:
		user, err = p.db.UserByID(ctx, l.UserID)
	}
	if identity.KindOf(err) == identity.NotFound {
		return user, false, nil
	}
	return user, err == nil, err
}

// bounded counts what is sent against what a person gets of that kind.
func (p *postman) bounded(ctx context.Context, user identity.User, kind identity.EventKind, bring func() error) error {
	key := identity.ThrottleKey("notice", user.ID.String()+"\n"+string(kind))
	wait, err := p.db.CountTry(ctx, key, noticeThrottle)
	if err != nil || wait > 0 {
		if wait > 0 {
			p.dropped.Inc()
		}
		return err
	}
	if err := bring(); err != nil {
		return errors.Join(err, p.db.ForgiveTry(ctx, key))
	}
	return nil
}

// write turns a letter into a mail; one without an address is not to be sent. What was asked for from within an account is
// void once what opens it has changed.
func (p *postman) write(ctx context.Context, l identity.Letter, user identity.User) (addressed, error) {
	locked := !user.DisabledAt.IsZero()
	if (l.Kind == identity.LetterVerify || l.Kind == identity.LetterNewEmail) && l.Epoch != user.Epoch {
		return addressed{}, nil
	}
	to := identity.LinkFor{UserID: user.ID, Epoch: user.Epoch, Detail: l.Detail}
	switch l.Kind {
	case identity.LetterForgot:
		if locked { // a new password would not open it
			return addressed{}, nil
		}
		to.Kind = identity.LinkReset
		link, err := p.link(ctx, "/reset", to)
		return addressed{user.Email, templates.ForgotMail{MailFrame: p.frame, Link: link}}, err
	case identity.LetterVerify:
		if locked || user.EmailVerified {
			return addressed{}, nil
		}
		to.Kind, to.Detail = identity.LinkVerify, user.Email
		link, err := p.link(ctx, "/verify", to)
		return addressed{user.Email, templates.VerifyMail{MailFrame: p.frame, Link: link}}, err
	case identity.LetterSignUp, identity.LetterConfirm:
		return p.confirm(ctx, l, user)
	case identity.LetterNewEmail:
		to.Kind = identity.LinkEmail
		link, err := p.link(ctx, "/email", to)
		return addressed{l.To, templates.NewAddressMail{MailFrame: p.frame, Link: link}}, err
	case identity.LetterOldEmail:
		link, err := p.notMe(ctx, user, identity.Moment{Before: l.Before, Email: l.To})
		return addressed{l.To, templates.OldAddressMail{MailFrame: p.frame, Email: l.Detail, NotMe: link}}, err
	case identity.LetterMoved:
		return addressed{l.To, templates.OldAddressMail{MailFrame: p.frame, Email: l.Detail}}, nil
	case identity.LetterTakenBack:
		return addressed{l.To, templates.OldAddressMail{MailFrame: p.frame, Email: l.Detail, TakenBack: true}}, nil
	case identity.LetterHave:
		return p.have(user), nil
	case identity.LetterEvent:
		return p.notice(ctx, *l.Event, user)
	}
	return addressed{}, identity.Permanent(fmt.Errorf("there is no letter of kind %q", l.Kind))
}

// confirm is what whoever made an account with this address gets: the link that confirms it, or word that it has one. Once
// more only the former is asked for.
func (p *postman) confirm(ctx context.Context, l identity.Letter, user identity.User) (addressed, error) {
	switch {
	case user.Unconfirmed() && user.DisabledAt.IsZero():
		link, err := p.link(ctx, "/verify", identity.LinkFor{
			UserID: user.ID, Kind: identity.LinkVerify, Epoch: user.Epoch, Detail: identity.ConfirmDetail(user.Email, l.Detail),
		})
		return addressed{user.Email, templates.ConfirmMail{MailFrame: p.frame, Link: link}}, err
	case l.Kind == identity.LetterSignUp:
		return p.have(user), nil
	default:
		return addressed{}, nil
	}
}

func (p *postman) have(user identity.User) addressed {
	return addressed{user.Email, templates.HaveMail{
		MailFrame: p.frame, SignInURL: p.frame.Site + "/signin", ForgotURL: p.frame.Site + "/forgot",
	}}
}

func (p *postman) notMe(ctx context.Context, user identity.User, m identity.Moment) (string, error) {
	return p.link(ctx, "/not-me", identity.LinkFor{UserID: user.ID, Kind: identity.LinkNotMe, Detail: m.Detail()})
}

// moment is what the mail of an Event tells of, and the address that the account had then: who changes that at once must not
// get the mail that tells of what they did before. Of a change of address the new one is told, and what follows is at stake.
func (p *postman) moment(ctx context.Context, e identity.Event, user identity.User) (m identity.Moment, err error) {
	if e.Kind == identity.EmailChanged {
		return identity.Moment{Before: p.db.Now(), Email: user.Email}, nil
	}
	m = e.Before()
	m.Email, err = p.db.AddressAt(ctx, user.ID, m.Before)
	return m, err
}

// link makes a link when it is sent, so that it lives from then on and stands nowhere before.
func (p *postman) link(ctx context.Context, path string, to identity.LinkFor) (string, error) {
	text, err := p.links.Make(ctx, to)
	return p.frame.Site + path + "?" + url.Values{"link": {text}}.Encode(), err
}

// notices are the mails of Events that a person is told of (identity.Event.Mailed).
var notices = map[identity.EventKind]templates.Notice{
	identity.NewBrowser:       templates.NoticeNewBrowser,
	identity.PasswordChanged:  templates.NoticePasswordChanged,
	identity.PasswordReset:    templates.NoticePasswordReset,
	identity.EmailChanged:     templates.NoticeAddressChanged,
	identity.FactorAdded:      templates.NoticeFactorAdded,
	identity.FactorRemoved:    templates.NoticeFactorRemoved,
	identity.FactorReplaced:   templates.NoticeFactorReplaced,
	identity.RecoveryCodeUsed: templates.NoticeCodeUsed,
	identity.RecoveryRenewed:  templates.NoticeCodesRenewed,
	identity.WayInMade:        templates.NoticeWayIn,
	identity.ChangesUndone:    templates.NoticeUndone,
	identity.EmailVouched:     templates.NoticeVouched,
	identity.SessionEnded:     templates.NoticeReuse, // mailed for EndReuse alone
	identity.AnomalyFound:     templates.NoticeAnomaly,
}

// notice tells a person, at the address that they had then, of what happened.
func (p *postman) notice(ctx context.Context, e identity.Event, user identity.User) (addressed, error) {
	n := templates.NoticeMail{
		MailFrame: p.frame, Notice: notices[e.Kind], At: e.At, Network: networkOf(e.Address), Place: p.place(e.Address),
		Browser: e.Browser,
	}
	var err error
	switch e.Kind {
	case identity.NewBrowser:
		n.Browser = cmp.Or(e.Browser, e.Detail)
	case identity.RecoveryCodeUsed:
		n.CodesLeft, err = p.db.RecoveryCodesLeft(ctx, user.ID)
	case identity.ChangesUndone:
		n.Undone = e.Detail
	case identity.AnomalyFound:
		signal, own := p.told(identity.ReadDecision(e.Detail).Rule)
		n.Unusual, n.Own = string(signal), own
		if e.SessionID != (identity.ID{}) {
			n.App, n.Device, err = p.whatEnded(ctx, e)
		}
	case identity.SessionEnded:
		n.App, n.Device, err = p.whatEnded(ctx, e)
	default: // says enough by itself
	}
	if err != nil {
		return addressed{}, err
	}
	moment, err := p.moment(ctx, e, user)
	if err != nil {
		return addressed{}, err
	}
	n.NotMe, err = p.notMe(ctx, user, moment)
	return addressed{moment.Email, n}, err
}

// whatEnded names the app of a Session, and the device as the app describes it; empty is what nobody knows any more.
func (p *postman) whatEnded(ctx context.Context, e identity.Event) (app, device string, err error) {
	c, err := p.db.ClientByID(ctx, e.ClientID)
	if err != nil && identity.KindOf(err) != identity.NotFound {
		return "", "", err
	}
	s, err := p.db.SessionByID(ctx, e.SessionID)
	if err != nil && identity.KindOf(err) != identity.NotFound {
		return "", "", err
	}
	device = s.Device.Name
	if s.Device.Model != "" {
		device = strings.TrimSpace(device + " (" + s.Device.Model + ")")
	}
	return c.Called(), device, nil
}

// networkOf is identity.Network of an address that there may not be.
func networkOf(address string) string {
	if address == "" {
		return ""
	}
	return identity.Network(address)
}

func (p *postman) send(ctx context.Context, id identity.ID, letter addressed) error {
	words, err := templates.WriteMail(letter.mail)
	if err != nil {
		return identity.Permanent(err)
	}
	ctx, end := within(ctx, "send mail")
	err = p.sender.Send(ctx, mail.Message{
		ID: id.String(), To: letter.to, Subject: words.Subject, Text: words.Text, HTML: words.HTML,
	})
	end(err)
	if errors.Is(err, mail.ErrRefused) {
		return identity.Permanent(err)
	}
	return err
}
