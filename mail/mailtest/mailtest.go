// Package mailtest runs a real SMTP server inside a test and hands out what arrives.
//
// Its one rule: it is for tests alone; nothing else imports it.
package mailtest

import (
	"bytes"
	"crypto/tls"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Mail is one that arrived.
type Mail struct {
	From, To   string // of the envelope
	Header     netmail.Header
	Subject    string // decoded
	Text, HTML string
}

var links = regexp.MustCompile(`https?://\S+`)

// Link returns the link of the text whose path begins with path, and fails the test where there is none.
func (m Mail) Link(t testing.TB, path string) string {
	t.Helper()
	for _, link := range links.FindAllString(m.Text, -1) {
		_, rest, _ := strings.Cut(link, "://")
		if _, rest, _ = strings.Cut(rest, "/"); strings.HasPrefix("/"+rest, path) {
			return link
		}
	}
	t.Fatalf("no link to %s in:\n%s", path, m.Text)
	return ""
}

// read parses a mail with one text part or with alternatives.
func read(r io.Reader) (m Mail, err error) {
	parsed, err := netmail.ReadMessage(r)
	if err != nil {
		return m, err
	}
	m.Header = parsed.Header
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); err != nil {
		return m, err
	}
	kind, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		return m, err
	}
	if kind == "text/plain" {
		m.Text, err = decoded(parsed.Header.Get("Content-Transfer-Encoding"), parsed.Body)
		return m, err
	}
	return m, m.readParts(multipart.NewReader(parsed.Body, params["boundary"]))
}

func (m *Mail) readParts(parts *multipart.Reader) error {
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // its documented end
			return nil
		}
		if err != nil {
			return err
		}
		text, err := decoded(part.Header.Get("Content-Transfer-Encoding"), part)
		if err != nil {
			return err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			m.HTML = text
		} else {
			m.Text = text
		}
	}
}

func decoded(encoding string, r io.Reader) (string, error) {
	if strings.EqualFold(encoding, "quoted-printable") {
		r = quotedprintable.NewReader(r)
	}
	text, err := io.ReadAll(r)
	return strings.ReplaceAll(string(text), "\r\n", "\n"), err
}

// Options are how the server behaves. The zero value takes everything from everyone, without TLS.
type Options struct {
	TLS      *tls.Config // offers STARTTLS with it
	Implicit bool        // speaks TLS from the first byte instead
	Password string      // of the user mailer; empty: nobody signs in
	Envelope func(from, to string) error
	Content  func(to string, r io.Reader) error // nil: takes it
}

// Server is a mail server that keeps what arrives.
type Server struct {
	Address string // host:port
	options Options
	arrived chan Mail
}

// Run starts a server on a loopback port; it ends with the test.
func Run(t testing.TB, o Options) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends with the test
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: listener.Addr().String(), options: o, arrived: make(chan Mail, 1000)}
	server := smtp.NewServer(s)
	server.Domain, server.TLSConfig, server.EnableSMTPUTF8 = "mail.test", o.TLS, true
	server.MaxMessageBytes, server.AllowInsecureAuth = 1<<20, true
	server.ErrorLog = quiet{}
	if o.Implicit {
		server.TLSConfig, listener = nil, tls.NewListener(listener, o.TLS)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return s
}

// URL is the server's address for SOJOURN_SMTP.
func (s *Server) URL() string { return "smtp://" + s.Address }

// Next waits for the next mail that arrives.
func (s *Server) Next(t testing.TB) Mail {
	t.Helper()
	select {
	case m := <-s.arrived:
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no mail arrived within ten seconds")
	}
	return Mail{}
}

// Waiting is how many mails have arrived that Next did not return.
func (s *Server) Waiting() int { return len(s.arrived) }

// NewSession implements smtp.Backend.
func (s *Server) NewSession(*smtp.Conn) (smtp.Session, error) {
	letter := &session{server: s}
	if s.options.Password == "" {
		return letter, nil
	}
	return &guarded{session: letter}, nil
}

// session takes one mail after the other on one connection.
type session struct {
	server   *Server
	from, to string
}

func (s *session) Reset() {}

func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.server.options.Envelope == nil {
		return nil
	}
	return s.server.options.Envelope(s.from, to)
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.server.options.Content != nil {
		if err := s.server.options.Content(s.to, bytes.NewReader(text)); err != nil {
			return err
		}
	}
	m, err := read(bytes.NewReader(text))
	if err != nil {
		return err
	}
	m.From, m.To = s.from, s.to
	s.server.arrived <- m
	return nil
}

// guarded is a session that takes no mail before someone signed in.
type guarded struct {
	*session
	known bool
}

func (g *guarded) AuthMechanisms() []string { return []string{sasl.Plain} }

func (g *guarded) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		g.known = username == "mailer" && password == g.server.options.Password
		if !g.known {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (g *guarded) Mail(from string, o *smtp.MailOptions) error {
	if !g.known {
		return smtp.ErrAuthRequired
	}
	return g.session.Mail(from, o)
}

// quiet drops what the server logs of connections that break, as tests make them do.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

func (quiet) Println(...any) {}
