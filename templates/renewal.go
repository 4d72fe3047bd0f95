package templates

import (
	"html/template"
	"net/url"
	"strings"
)

// Renewal hands out new recovery codes (hidden field "renewal").
type Renewal struct {
	Frame
	Form
	// Username is the e-mail address, for the file.
	Username string
	// RecoveryCodes are shown here and never again.
	RecoveryCodes []string
	// Renewal is the sealed codes that the form sends back.
	Renewal string
	// BackURL leads back without new codes.
	BackURL string
}

func (Renewal) template() string { return "renewal" }

// Inputs are what the page has to say of a refusal.
func (p Renewal) Inputs() inputs { return p.arrange() }

// RecoveryDownload is the recovery codes as a text file that needs neither script nor server.
func (p Renewal) RecoveryDownload() (template.URL, error) {
	return recoveryFile(p.Operator.Name, p.Username, p.RecoveryCodes)
}

func recoveryFile(operator, username string, codes []string) (template.URL, error) {
	head, err := text("enrol.file", "operator", operator, "username", username)
	if err != nil {
		return "", err
	}
	lines := head + "\r\n\r\n" + strings.Join(codes, "\r\n") + "\r\n"
	file := "data:text/plain;charset=utf-8," + url.PathEscape(lines)
	return template.URL(file), nil //nolint:gosec // escaped above, never HTML
}
