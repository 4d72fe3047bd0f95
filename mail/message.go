package mail

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
)

// Message is a mail to one person.
type Message struct {
	ID      string // letters, digits and hyphens; the same at each try, so that whoever gets it twice can tell
	To      string // a bare address, like ada@example.com
	Subject string // at most 200 characters on one line
	Text    string // complete by itself, at most 64 KiB
	HTML    string // the same once more, or empty
}

const (
	maxSubject = 200
	maxBody    = 64 * 1024
)

// check refuses what is no mail. Only the address may have come from a person, so only that is ErrRefused.
func (m Message) check() error {
	address, err := netmail.ParseAddress(m.To)
	if err != nil || address.Name != "" || address.Address != m.To {
		return fmt.Errorf("%w: what the person gave is no address that mail can be sent to", ErrRefused)
	}
	odd := func(r rune) bool {
		return r != '-' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}
	switch {
	case m.ID == "" || strings.ContainsFunc(m.ID, odd):
		return errors.New("the mail's id has other characters than letters, digits and hyphens")
	case m.Subject == "" || utf8.RuneCountInString(m.Subject) > maxSubject ||
		strings.ContainsFunc(m.Subject, unicode.IsControl):
		return fmt.Errorf("the mail's subject is not one line of 1 to %d characters", maxSubject)
	case m.Text == "" || len(m.Text) > maxBody || len(m.HTML) > maxBody:
		return fmt.Errorf("the mail's text is empty or longer than %d bytes", maxBody)
	}
	return nil
}

// message is the mail as it goes over the line.
func (s *Sender) message(m Message) (*gomail.Msg, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&s.from)
	msg.ToMailAddress(&netmail.Address{Address: m.To})
	msg.Subject(m.Subject)
	msg.SetDate()
	_, domain, _ := strings.Cut(s.from.Address, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)       // RFC 5322 §3.6.4
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: nobody's absence notes answer it
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}
