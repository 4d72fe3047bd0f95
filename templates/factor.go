package templates

import (
	"encoding/base64"
	"html/template"
	"net/url"
	"slices"
	"strings"
)

// TOTP asks for the authenticator's code (field "totp", hidden "next").
type TOTP struct {
	Frame
	Form
	Person
	// RecoveryURL leads to Recovery.
	RecoveryURL string
}

func (TOTP) template() string { return "totp" }

// Inputs are the page's fields.
func (p TOTP) Inputs() inputs { return p.arrange(totpField()) }

// Recovery asks for a recovery code (field "recovery_code", hidden "next").
type Recovery struct {
	Frame
	Form
	Person
	// TOTPURL leads back to TOTP.
	TOTPURL string
}

func (Recovery) template() string { return "recovery" }

// Inputs are the page's fields.
func (p Recovery) Inputs() inputs { return p.arrange(recoveryField()) }

// Enrol adds an authenticator app, or puts one in the place of another (field "totp", hidden "next" and "enrolment").
type Enrol struct {
	Frame
	Form
	Person
	// Replaces is whether the person has an authenticator already.
	Replaces bool
	// OtpauthURL is the otpauth://totp/… address; any other scheme is refused.
	OtpauthURL string
	// Secret is the same key in Base32. The page shows it in groups of four.
	Secret string
	// QR is a PNG of OtpauthURL.
	QR []byte
	// Enrolment is the sealed enrolment that the form sends back.
	Enrolment string
	// LaterURL leads on without an authenticator. Empty, where one is required: left out.
	LaterURL string
}

func (p Enrol) template() string {
	if p.Replaces {
		return "replace"
	}
	return "enrol"
}

// Inputs are the page's fields. Without a problem nothing takes the focus: the page is
// read from the top.
func (p Enrol) Inputs() inputs {
	in := p.arrange(totpField())
	in.Fields[0].Focus = in.Fields[0].Problem != ""
	return in
}

// SecretGroups are four characters each, as people type them.
func (p Enrol) SecretGroups() []string {
	var groups []string
	for group := range slices.Chunk([]byte(p.Secret), 4) {
		groups = append(groups, string(group))
	}
	return groups
}

// Picture is the QR code as an address, which our img-src allows.
func (p Enrol) Picture() template.URL {
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(p.QR)) //nolint:gosec // Base64 has no markup
}

// Save hands out the recovery codes of an authenticator that was just added (hidden "next").
type Save struct {
	Frame
	Form
	// Username is the e-mail address, for the file.
	Username      string
	RecoveryCodes []string
}

func (Save) template() string { return "save" }

// RecoveryDownload is the recovery codes as a text file that needs neither script nor server.
func (p Save) RecoveryDownload() (template.URL, error) {
	return recoveryFile(p.Operator.Name, p.Username, p.RecoveryCodes)
}

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

// CodesKept says that the recovery codes are the ones there were before, and how many are left.
func CodesKept(left int) string {
	if left == 0 {
		return Say(CodesNone)
	}
	said, err := count("replaced.codes", left)
	if err != nil {
		panic(err) // a test says it
	}
	return said
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
