package mail_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sojourn-auth/sojourn/mail"
	"github.com/sojourn-auth/sojourn/mail/mailtest"
)

const from = "Hafen Zürich <no-reply@example.com>"

var hello = mail.Message{
	ID: "0190163d-8694-739b-aea5-966c26f8ad91", To: "ada@example.com", Subject: "Grüße, 你好", HTML: "<p>Hallo</p>",
	Text: "Guten Tag,\n\n.\nhttps://id.example.com/reset?link=" + strings.Repeat("x", 120) + "\n",
}

func newSender(t *testing.T, o mail.Options) *mail.Sender {
	t.Helper()
	o.From = from
	s, err := mail.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSend_arrivesAsWritten(t *testing.T) {
	t.Parallel()
	server := mailtest.Run(t, mailtest.Options{})
	if err := newSender(t, mail.Options{Server: server.URL()}).Send(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	got := server.Next(t)
	same := got.Subject == hello.Subject && got.Text == hello.Text && got.HTML == hello.HTML
	if got.From != "no-reply@example.com" || got.To != hello.To || !same {
		t.Errorf("arrived as %+v", got)
	}
	for name, want := range map[string]string{
		"From": "=?utf-8?q?Hafen_Z=C3=BCrich?= <no-reply@example.com>", "To": "<ada@example.com>",
		"Auto-Submitted": "auto-generated", "Message-Id": "<" + hello.ID + "@example.com>",
	} {
		if text := got.Header.Get(name); text != want {
			t.Errorf("%s is %q, want %q", name, text, want)
		}
	}
	if date, err := got.Header.Date(); err != nil || time.Since(date) > time.Minute {
		t.Errorf("Date is %v, %v", date, err)
	}
	if len(got.Header) != 8 { // with Subject, Content-Type, MIME-Version
		t.Errorf("headers are %v", got.Header)
	}
}

func TestSend_addressesOfOtherLetters(t *testing.T) {
	t.Parallel()
	server := mailtest.Run(t, mailtest.Options{})
	m := hello
	m.To = "jürgen@exämple.de"
	if err := newSender(t, mail.Options{Server: server.URL()}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := server.Next(t); got.To != m.To {
		t.Errorf("sent to %q", got.To)
	}
}

func TestSend_signsIn(t *testing.T) {
	t.Parallel()
	server := mailtest.Run(t, mailtest.Options{Password: "pa:ss@word"})
	for url, want := range map[string]string{
		"smtp://mailer:pa%3Ass%40word@": "", "smtp://mailer:hunter2@": "answered 5", "smtp://": "answered 5",
	} {
		err := newSender(t, mail.Options{Server: url + server.Address}).Send(t.Context(), hello)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && (strings.Contains(err.Error(), "mailer") || errors.Is(err, mail.ErrRefused)) {
			t.Errorf("the error names who signs in, or gives up: %v", err)
		}
	}
}

func TestSend_speaksTLS(t *testing.T) {
	t.Parallel()
	pair, roots := certificate(t)
	server := mailtest.Run(t, mailtest.Options{TLS: pair, Password: "pass"})
	implicit := mailtest.Run(t, mailtest.Options{TLS: pair, Implicit: true, Password: "pass"})
	for url, where := range map[string]*mailtest.Server{
		"smtp://mailer:pass@" + server.Address: server, "smtps://mailer:pass@" + implicit.Address: implicit,
	} {
		if err := newSender(t, mail.Options{Server: url, Roots: roots}).Send(t.Context(), hello); err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		where.Next(t)
		if err := newSender(t, mail.Options{Server: url}).Send(t.Context(), hello); err == nil {
			t.Errorf("%s: a certificate that nobody vouches for was taken", url)
		}
	}
}

// RFC 8314 §4.1: what is not this machine gets neither mail nor password in the clear, whatever it offers.
func TestSend_neverInTheClearToAnotherMachine(t *testing.T) {
	t.Parallel()
	server := mailtest.Run(t, mailtest.Options{Password: "pass"})
	_, port, err := net.SplitHostPort(server.Address)
	if err != nil {
		t.Fatal(err)
	}
	name := "LOCALHOST" // which we don't take for this machine
	err = newSender(t, mail.Options{Server: "smtp://mailer:pass@" + name + ":" + port}).Send(t.Context(), hello)
	if err == nil || !strings.Contains(err.Error(), "STARTTLS") || server.Waiting() > 0 {
		t.Errorf("got %v, and %d mails", err, server.Waiting())
	}
}

func TestSend_tellsForGoodFromForNow(t *testing.T) {
	t.Parallel()
	answer := func(code int) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "no ada@example.com here"}
	}
	server := mailtest.Run(t, mailtest.Options{
		Envelope: func(_, to string) error {
			return map[string]error{"unknown@example.com": answer(550), "full@example.com": answer(452)}[to]
		},
		Content: func(to string, _ io.Reader) error {
			return map[string]error{"spam@example.com": answer(554), "later@example.com": answer(451)}[to]
		},
	})
	s := newSender(t, mail.Options{Server: server.URL()})
	for to, want := range map[string]struct {
		code    string
		forGood bool
	}{
		"unknown@example.com": {"550 5.1.1", true}, "full@example.com": {"452 4.1.1", false},
		"spam@example.com": {"554 5.1.1", true}, "later@example.com": {"451 4.1.1", false},
	} {
		m := hello
		m.To = to
		err := s.Send(t.Context(), m)
		if err == nil || !strings.Contains(err.Error(), want.code) || errors.Is(err, mail.ErrRefused) != want.forGood {
			t.Errorf("%s: %v", to, err)
		}
		if err != nil && strings.Contains(err.Error(), "@") {
			t.Errorf("the error repeats what the server said: %v", err)
		}
	}
	if server.Waiting() > 0 {
		t.Error("a refused mail arrived")
	}
}

// The sender's address is a setting: mails wait until an operator puts it right.
func TestSend_aRefusedSenderIsForNow(t *testing.T) {
	t.Parallel()
	server := fake(t, "220 hi", "250 hi", "553 5.7.1 not yours")
	err := newSender(t, mail.Options{Server: server}).Send(t.Context(), hello)
	if err == nil || !strings.Contains(err.Error(), "553") || errors.Is(err, mail.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestSend_brokenLines(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string][]string{
		"nothing":     {},
		"busy":        {"421 come back later"},
		"no SMTP":     {"HTTP/1.1 400 Bad Request"},
		"cut at DATA": {"220 hi", "250 hi", "250 ok", "250 ok", "354 go"},
		"cut in DATA": {"220 hi", "250 hi", "250 ok", "250 ok", "354 go", "\x00"},
		"silent":      {"220 hi", "250-and then nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := newSender(t, mail.Options{Server: fake(t, answers...)}).Send(t.Context(), hello)
			if err == nil || errors.Is(err, mail.ErrRefused) {
				t.Errorf("got %v, want a failure that may pass", err)
			}
		})
	}
}

func TestSend_takenThoughTheLineBreaksAfterwards(t *testing.T) {
	t.Parallel()
	server := fake(t, "220 hi", "250 hi", "250 ok", "250 ok", "354 go", "250 taken")
	if err := newSender(t, mail.Options{Server: server}).Send(t.Context(), hello); err != nil {
		t.Errorf("a mail that was taken would be sent again: %v", err)
	}
}

func TestSend_aSilentServerIsLeftWhenTheCallerLeaves(t *testing.T) {
	t.Parallel()
	release, left := make(chan struct{}), make(chan time.Time, 1)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	server := mailtest.Run(t, mailtest.Options{Content: func(string, io.Reader) error {
		left <- time.Now()
		leave()
		<-release
		return nil
	}})
	t.Cleanup(func() { close(release) })
	err := newSender(t, mail.Options{Server: server.URL()}).Send(ctx, hello)
	if stayed := time.Since(<-left); err == nil || stayed > 5*time.Second { // by itself it leaves after ten
		t.Errorf("got %v after %v", err, stayed)
	}
}

func TestSend_refusesWhatIsNoMail(t *testing.T) {
	t.Parallel()
	server := mailtest.Run(t, mailtest.Options{})
	s := newSender(t, mail.Options{Server: server.URL()})
	for name, spoil := range map[string]func(*mail.Message){
		"header in subject": func(m *mail.Message) { m.Subject = "Hi\r\nBcc: eve@example.com" },
		"long subject":      func(m *mail.Message) { m.Subject = strings.Repeat("x", 201) },
		"header in id":      func(m *mail.Message) { m.ID = "1>\r\nBcc: <eve@example.com" },
		"no text":           func(m *mail.Message) { m.Text = "" },
		"long text":         func(m *mail.Message) { m.Text = strings.Repeat("x", 64*1024+1) },
	} {
		m := hello
		spoil(&m)
		if err := s.Send(t.Context(), m); err == nil || errors.Is(err, mail.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, to := range []string{
		"", "ada", "ada@example.com,eve@example.com", "Ada <ada@example.com>", "ada@example.com\r\nBcc: eve@example.com",
		`"a\"b@example.com`,
	} {
		m := hello
		m.To = to
		if err := s.Send(t.Context(), m); !errors.Is(err, mail.ErrRefused) {
			t.Errorf("to %q: %v", to, err)
		}
	}
	if server.Waiting() > 0 {
		t.Error("something arrived")
	}
}

func FuzzSend_isOneMailToOnePerson(f *testing.F) {
	for _, seed := range []string{
		"ada@example.com", "a@b>\r\nRCPT TO:<eve@example.com", "Hi\nBcc: eve@example.com", "=?utf-8?q?=0ABcc:_eve?=",
		".\r\nQUIT",
	} {
		f.Add(seed, seed, seed)
	}
	server := mailtest.Run(f, mailtest.Options{})
	s, err := mail.New(mail.Options{Server: server.URL(), From: from})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, to, subject, text string) {
		if s.Send(t.Context(), mail.Message{ID: "1", To: to, Subject: subject, Text: text}) != nil {
			return
		}
		got := server.Next(t)
		if got.To != to || len(got.Header) != 9 || got.Header.Get("Bcc") != "" || server.Waiting() > 0 {
			t.Errorf("sent to %q: %v", got.To, got.Header)
		}
	})
}

func TestNew_refusesWhatCannotSend(t *testing.T) {
	t.Parallel()
	for server, sender := range map[string]string{
		"": from, "http://example.com": from, "smtp://": from, "smtp://u:hunter2%zz@h": from, "print:": from,
		"smtp://example.com": "nobody",
	} {
		if _, err := mail.New(mail.Options{Server: server, From: sender}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", server, err)
		}
	}
}

func TestPrint_showsTheText(t *testing.T) {
	t.Parallel()
	var terminal bytes.Buffer
	if err := newSender(t, mail.Options{Server: "print:", Print: &terminal}).Send(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"To: ada@example.com\n", "Subject: " + hello.Subject + "\n", hello.Text} {
		if !strings.Contains(terminal.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &terminal)
		}
	}
}

// fake is a server that says one answer after the other, whatever it is told, and hangs up.
func fake(t *testing.T, answers ...string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		for _, answer := range answers {
			_, _ = io.WriteString(connection, answer+"\r\n")
			_, _ = connection.Read(make([]byte, 4096))
		}
		_ = connection.Close()
	}()
	return "smtp://" + listener.Addr().String()
}

// certificate is one for 127.0.0.1, and the pool that vouches for it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}, roots
}
