package templates

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"strings"
)

// The sentences that the pages around mailed links choose. SentReset, SentAddress, SentSignUp,
// SentConfirm, AddressChanged, Verified and ConfirmedNew speak of {email}.
const (
	NoMail              Sentence = "mailed.none"
	MailTitle           Sentence = "mailed.look"
	SentReset           Sentence = "mailed.reset"
	SentVerify          Sentence = "mailed.verify"
	SentAddress         Sentence = "mailed.address"
	SentAnew            Sentence = "mailed.anew"
	ToSignIn            Sentence = "mailed.signin"
	ToAccount           Sentence = "mailed.account"
	ToSecurity          Sentence = "mailed.security"
	ToDevices           Sentence = "mailed.devices"
	LinkTitle           Sentence = "link.over"
	ResetOver           Sentence = "link.reset"
	ResetAnew           Sentence = "link.reset.anew"
	VerifyOver          Sentence = "link.verify"
	AddressOver         Sentence = "link.address"
	AddressAnew         Sentence = "link.address.anew"
	NotMeOver           Sentence = "link.notme"
	NotMeAnew           Sentence = "link.notme.anew"
	AddressStays        Sentence = "address.stays"
	AddressTaken        Sentence = "address.taken"
	AddressChangedTitle Sentence = "address.done"
	AddressChanged      Sentence = "address.done.lead"
	VerifyTitle         Sentence = "verify.done"
	Verified            Sentence = "verify.done.lead"
	ResetDone           Sentence = "signin.reset"
	SignedUpBy          Sentence = "signin.signed_up_mail"
	SentSignUp          Sentence = "mailed.signup"
	SentConfirm         Sentence = "mailed.confirm"
	ConfirmedNew        Sentence = "verify.done.new"
	Confirmed           Sentence = "signin.confirmed"
)

// Forgot asks for a link to choose a new password (field "username", hidden "next").
type Forgot struct {
	Frame
	Form
	Username string
	// SignInURL leads back to SignIn.
	SignInURL string
}

func (Forgot) template() string { return "forgot" }

// Inputs are the page's fields.
func (p Forgot) Inputs() inputs { return p.arrange(usernameField(p.Username, "username")) }

// Reset takes a new password from whoever holds the link (field "new_password", hidden "link").
type Reset struct {
	Frame
	Form
	Link string
	// Username tells password managers, and people, whose password it is.
	Username    string
	MinPassword int
	// Changed is what a new password takes back, as the catalogue knows it ("name", "factors"), unless the person presses the
	// box (field "keep").
	Changed []string
	// Clean says that nobody has confirmed the address so far, so that the account starts clean.
	Clean bool
	// Contested says that the account was made more than once, so that its password may be somebody else's.
	Contested bool
}

func (Reset) template() string { return "reset" }

// Inputs are the page's fields.
func (p Reset) Inputs() inputs {
	whose := usernameField(p.Username, "username")
	whose.Fixed = true
	return p.arrange(whose, otherPasswordField(p.MinPassword))
}

// Verify confirms an address (hidden "link"). It takes a press, since mail scanners follow links too.
type Verify struct {
	Frame
	Form
	Link  string
	Email string
}

func (Verify) template() string { return "verify" }

// Unconfirmed says that a new account's address must be confirmed first, and offers the mail again (hidden "username", "next").
type Unconfirmed struct {
	Frame
	Form
	Username string
	// SignInURL leads back to SignIn.
	SignInURL string
}

func (Unconfirmed) template() string { return "unconfirmed" }

// Inputs are what the page has to say of a refusal.
func (p Unconfirmed) Inputs() inputs { return p.arrange() }

// NewEmail asks for another address for the account (field "new_email").
type NewEmail struct {
	Frame
	Form
	// Username is the address so far.
	Username string
	NewEmail string
	// BackURL leads back without a change.
	BackURL string
}

func (NewEmail) template() string { return "email" }

// Inputs are the page's fields.
func (p NewEmail) Inputs() inputs {
	f := usernameField(p.NewEmail, "email")
	f.Name, f.Label, f.EnterKeyHint = "new_email", "field.new_email", "go"
	return p.arrange(f)
}

// ChangeAddress moves an account to the address that the link was mailed to (hidden "link").
type ChangeAddress struct {
	Frame
	Form
	Link  string
	Email string
}

func (ChangeAddress) template() string { return "address" }

// NotMe ends everything that is signed in to an account, and takes back what was changed (hidden "link").
type NotMe struct {
	Frame
	Form
	Link     string
	Username string
	// Since is when what the link tells of happened; zero where it takes nothing back.
	Since Moment
}

func (NotMe) template() string { return "notme" }

// Stopped says that everything is signed out, and offers a mail to choose a new password (hidden "link",
// button name=mail value=reset).
type Stopped struct {
	Frame
	Form
	Link string
	// Undone is what was taken back, as the catalogue knows it: "address", "name", "factors", "consent".
	Undone []string
	// Void says that the password works no more.
	Void bool
}

func (Stopped) template() string { return "stopped" }

// Inputs are what the page has to say of a refusal.
func (p Stopped) Inputs() inputs { return p.arrange() }

// Told says what was done or what is not possible, and leads on. Frame.Title says it in short.
type Told struct {
	Frame
	// Lead is the whole of it; see Say.
	Lead string
	// More is what else there is to say, perhaps nothing.
	More string
	// Done is whether it is good news.
	Done bool
	// Ways are where people go on to, the likeliest first.
	Ways []Link
}

func (Told) template() string { return "told" }

// link passes an address that leads back to an app or to a page of ours. html/template
// knows only web schemes; apps have their own, with a dot in it (RFC 8252 §7.1), which
// script-bearing schemes never have.
func link(address string) (template.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("link: %w", err)
	}
	ours := u.Scheme == "" && u.Host == "" && strings.HasPrefix(address, "/")
	if ours || isWeb(u) || strings.Contains(u.Scheme, ".") {
		return template.URL(address), nil //nolint:gosec // its scheme was checked
	}
	return "", fmt.Errorf("link: scheme %q is neither web nor private-use", u.Scheme)
}

// weblink passes an http(s) address and drops any other: clients name these themselves.
func weblink(address string) template.URL {
	u, err := url.Parse(address)
	if err != nil || !isWeb(u) {
		return ""
	}
	return template.URL(address) //nolint:gosec // its scheme was checked
}

func isWeb(u *url.URL) bool {
	return (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// otpauth passes the address of an authenticator's key.
func otpauth(address string) (template.URL, error) {
	if !strings.HasPrefix(address, "otpauth://totp/") {
		return "", errors.New("otpauth: address must begin with otpauth://totp/")
	}
	return template.URL(address), nil //nolint:gosec // its scheme was checked
}
