package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// timeout bounds connecting up to signing in, and then the mail itself.
const timeout = 10 * time.Second

// Options are how mails leave.
type Options struct {
	Server string         // smtp://user:password@host:port, smtps://…, or print:
	From   string         // like Harbour <no-reply@example.com>
	Print  io.Writer      // where print: writes mails
	Roots  *x509.CertPool // who vouches for the server; nil: whom the system trusts
}

// Sender sends mails. It keeps no connection, and may be used by many at once.
type Sender struct {
	from   netmail.Address
	server *url.URL
	print  *printer
	roots  *x509.CertPool
}

// New returns a Sender. The error never repeats the server's address: it may hold a password.
func New(o Options) (*Sender, error) {
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("%q is no sender like Harbour <no-reply@example.com>", o.From)
	}
	server, err := url.Parse(o.Server)
	if err != nil {
		return nil, errors.New("the mail server is no URL like smtp://user:password@mail.example.com:587")
	}
	s := &Sender{from: *from, server: server, roots: o.Roots}
	switch {
	case server.Scheme == "print" && o.Print != nil:
		s.print = &printer{to: o.Print}
	case server.Scheme != "smtp" && server.Scheme != "smtps" || server.Hostname() == "":
		return nil, errors.New("the mail server is neither smtp://HOST nor smtps://HOST")
	}
	return s, nil
}

// Send hands a mail over and returns once the server answers for it. Where another try can't help the error is
// ErrRefused; every other failure may pass.
func (s *Sender) Send(ctx context.Context, m Message) error {
	msg, err := s.message(m)
	if err != nil {
		return err
	}
	if s.print != nil {
		return s.print.show(s.from.String(), m)
	}
	return s.deliver(ctx, msg)
}

func (s *Sender) deliver(ctx context.Context, msg *gomail.Msg) error {
	ctx, hangUp := context.WithTimeout(ctx, 2*timeout)
	defer hangUp()
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	line, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return connecting(err)
	}
	err = client.SendWithSMTPClient(line, msg)
	if msg.IsDelivered() { // whatever came after the server took it: another try would be another mail
		_ = line.Quit()
		return nil
	}
	return sending(err)
}

// client is a new one for each mail. Its connection ends with ctx, which go-mail does not see to.
func (s *Sender) client(ctx context.Context) (*gomail.Client, error) {
	host := s.server.Hostname()
	secured := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, RootCAs: s.roots}
	dial := (&net.Dialer{}).DialContext
	port, policy := 587, gomail.TLSMandatory // RFC 6409 §3.1
	switch {
	case s.server.Scheme == "smtps":
		port, dial = 465, (&tls.Dialer{Config: secured}).DialContext // RFC 8314 §3.3
	case isLoopback(host):
		policy = gomail.TLSOpportunistic
	}
	if text := s.server.Port(); text != "" {
		port, _ = strconv.Atoi(text) // url.Parse took only digits, and WithPort judges the number
	}
	options := []gomail.Option{
		gomail.WithPort(port), gomail.WithTimeout(timeout), gomail.WithTLSConfig(secured), gomail.WithTLSPolicy(policy),
		gomail.WithoutNoop(), gomail.WithDialContextFunc(endingWith(ctx, dial)),
	}
	if s.server.Scheme == "smtps" {
		options = append(options, gomail.WithSSL())
	}
	return gomail.NewClient(host, append(options, s.credentials()...)...)
}

// credentials names mechanisms that work everywhere. go-mail sends a password in the clear to this machine alone.
func (s *Sender) credentials() []gomail.Option {
	password, known := s.server.User.Password()
	if !known {
		return nil
	}
	return []gomail.Option{
		gomail.WithUsername(s.server.User.Username()), gomail.WithPassword(password),
		gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin),
	}
}

// endingWith closes what dial opens when outer ends.
func endingWith(outer context.Context, dial gomail.DialContextFunc) gomail.DialContextFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := dial(ctx, network, address)
		if err == nil {
			context.AfterFunc(outer, func() { _ = connection.Close() })
		}
		return connection, err
	}
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// ErrRefused marks, by errors.Is, a mail that will never arrive: the server does not take mail for that address, or not
// this mail.
var ErrRefused = errors.New("refused for good")

// connecting tells why no mail could be offered. Of what the server answered only the code is told: the rest may repeat
// the login name.
func connecting(err error) error {
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		return fmt.Errorf("the mail server answered %d before any mail was offered", answer.Code)
	}
	return fmt.Errorf("connect to the mail server: %w", err)
}

// sending tells why a mail was not taken. Of what the server answered only the codes are told: the rest may repeat the
// address, and filters quote links.
func sending(err error) error {
	failure, ok := errors.AsType[*gomail.SendError](err)
	if !ok || failure.ErrorCode() == 0 {
		return errors.New("the connection to the mail server broke before it took the mail")
	}
	told := fmt.Errorf("the mail server answered %d %s (%s)", failure.ErrorCode(), failure.EnhancedStatusCode(), failure.Reason)
	// RFC 5321 §4.2.1: 5yz is for good. Of the sender it is a setting that an operator puts right meanwhile.
	atMail := []gomail.SendErrReason{gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose}
	if failure.ErrorCode() >= 500 && slices.Contains(atMail, failure.Reason) {
		return fmt.Errorf("%w: %w", ErrRefused, told)
	}
	return told
}

// printer shows mails instead of sending them, for development: the links in them work.
type printer struct {
	mu sync.Mutex
	to io.Writer
}

func (p *printer) show(from string, m Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Fprintf(p.to, "\n---- mail\nFrom: %s\nTo: %s\nSubject: %s\n\n%s\n---- end of mail\n",
		from, m.To, m.Subject, m.Text)
	return err
}
