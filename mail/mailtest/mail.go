package mailtest

import (
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"strings"
	"testing"
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
