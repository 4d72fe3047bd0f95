package identity

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxClientName = 100 // characters
	maxContacts   = 10
	maxSoftware   = 255 // bytes
)

// cleanTexts bounds what is shown to people or kept for operators.
func cleanTexts(m *Metadata) error {
	m.Name = strings.TrimSpace(m.Name)
	if !plain(m.Name) || utf8.RuneCountInString(m.Name) > maxClientName || m.Name != "" && !visible(m.Name) {
		return RefuseField("client_name", "Use a visible name of at most 100 characters on one line, "+
			"without characters that turn the direction of writing.")
	}
	if !plain(m.SoftwareID) || len(m.SoftwareID) > maxSoftware {
		return RefuseField("software_id", "Use at most 255 bytes on one line.")
	}
	if !plain(m.SoftwareVersion) || len(m.SoftwareVersion) > maxSoftware {
		return RefuseField("software_version", "Use at most 255 bytes on one line.")
	}
	if len(m.Contacts) > maxContacts {
		return RefuseField("contacts", "Give at most 10 contacts.")
	}
	for _, contact := range m.Contacts {
		if contact == "" || len(contact) > maxEmail || !plain(contact) {
			return RefuseField("contacts", "Give each contact as an e-mail address of at most 254 bytes.")
		}
	}
	m.Contacts = once(m.Contacts)
	return nil
}

// plain reports whether text stays on its line and in its direction: a name on the consent page must not be able to
// rearrange the words around it (Unicode TR36 §2.5).
func plain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
	})
}

// visible reports whether there is something to read in text.
func visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S)
	})
}

// cleanPages judges the addresses of the client's own pages and keys.
func cleanPages(m *Metadata) error {
	for _, page := range []struct{ field, uri string }{
		{"client_uri", m.URI},
		{"logo_uri", m.LogoURI},
		{"policy_uri", m.PolicyURI},
		{"tos_uri", m.TermsURI},
		{"jwks_uri", m.JWKSURI},
	} {
		if page.uri == "" {
			continue
		}
		if err := checkPage(page.field, page.uri); err != nil {
			return err
		}
	}
	return nil
}

func checkPage(field, uri string) error {
	if err := checkText(field, uri); err != nil {
		return err
	}
	u, err := url.Parse(uri)
	if err != nil || u.User != nil || !(u.Scheme == "https" && wholeHost(u) || onLoopback(uri)) {
		return RefuseField(field, "Use an https address, or http on 127.0.0.1, [::1] or localhost.")
	}
	return nil
}
