package templates

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"time"
)

// Page is one page for people: a struct of this package that embeds Frame.
type Page interface {
	template() string
	frame() Frame
}

// Frame is what every page has around its content.
type Frame struct {
	// Operator is whose door this is.
	Operator Operator
	// App is the client that asks. Empty when the person came by themselves.
	App App
	// Title is the heading. Empty: the page's own, from the catalogue.
	Title string
	// Reference is the short request reference that Problem shows.
	Reference string
	// Theme is the operator's stylesheet, same-origin because of our
	// Content-Security-Policy. It overrides the properties at the top of app.css.
	Theme string
}

func (f Frame) frame() Frame { return f }

// Operator is who runs this server. An empty LogoURL shows the name alone.
type Operator struct {
	Name    string
	LogoURL string
}

// App is the client that asks.
type App struct {
	// Name is what people know it by.
	Name string
	// LogoURL is served from here, never from the client's own host.
	LogoURL string
	// Host is where the redirect leads. Empty: an app on this device
	// (loopback or private-use scheme, RFC 8252 §7).
	Host string
}

// Called is the app's name, else its host, else a phrase that stands for it.
func (a App) Called() string {
	switch {
	case a.Name != "":
		return a.Name
	case a.Host != "":
		return a.Host
	}
	return english.sentences["app.unnamed"]
}

// Known is whether there is an app to name.
func (a App) Known() bool { return a.Name != "" || a.Host != "" }

// Link is a way on: where it leads and what it says.
type Link struct {
	URL   string
	Label string
}

// Person is who the page speaks to, with a way out for someone else.
type Person struct {
	// Username is the e-mail address. Empty: the line is left out.
	Username string
	// NotYouURL leads to signing in as someone else.
	NotYouURL string
}

// Form is what all forms share. Action empty posts to the page's own address.
type Form struct {
	Action string
	// Next is the sealed request, sent back in the hidden field "next".
	Next string
	// Problem is the sentence that says what was wrong and what would be right.
	Problem string
	// ProblemField is the name of the field that Problem is about. On a page with
	// one field it may stay empty. A name that the page has no field for shows the
	// sentence above the form; on Enrol, "enrolment" shows it at the top.
	ProblemField string
}

// inputs is a form's fields, ready to render, and the sentence that none of them owns.
type inputs struct {
	Alert  string
	Fields []field
}

// arrange puts the problem beside its field and the focus where the person should go on:
// to the problem, else to the first field that is still empty.
func (f Form) arrange(fields ...field) inputs {
	if f.Problem == "" {
		focusFirstEmpty(fields)
		return inputs{Fields: fields}
	}
	sole := len(fields) == 1 && f.ProblemField == ""
	for i := range fields {
		if sole || fields[i].Name == f.ProblemField {
			fields[i].Problem, fields[i].Focus = f.Problem, true
			return inputs{Fields: fields}
		}
	}
	return inputs{Alert: f.Problem, Fields: fields}
}

func focusFirstEmpty(fields []field) {
	for i := range fields {
		if fields[i].Value == "" {
			fields[i].Focus = true
			return
		}
	}
}

// field is one labelled input. Its attributes are what password managers, one-time-code
// autofill and phone keyboards go by; see the table in the HTML standard, "Autofill".
type field struct {
	Name, Label  string
	Type         string
	Autocomplete string
	InputMode    string
	EnterKeyHint string
	Value        string
	// Hint is the catalogue's key of a sentence about MinLength.
	Hint      string
	MinLength int
	Problem   string
	Focus     bool
	// Fixed is whether the value only tells whose form it is.
	Fixed bool
}

// Describers are the ids of what explains the input, for aria-describedby.
func (f field) Describers() string {
	switch {
	case f.Problem != "" && f.Hint != "":
		return f.Name + "-problem " + f.Name + "-hint"
	case f.Problem != "":
		return f.Name + "-problem"
	case f.Hint != "":
		return f.Name + "-hint"
	}
	return ""
}

// Secret is whether the input hides what is typed. Such a field is never filled in by us.
func (f field) Secret() bool { return f.Type == "password" }

// Code is whether spaces in the input mean nothing.
func (f field) Code() bool { return f.Name == "totp" || f.Name == "recovery_code" }

func usernameField(value, autocomplete string) field {
	return field{
		Name: "username", Label: "field.username", Type: "email", InputMode: "email",
		Autocomplete: autocomplete, EnterKeyHint: "next", Value: value,
	}
}

func nameField(value string) field {
	return field{Name: "name", Label: "field.name", Type: "text", Autocomplete: "name", EnterKeyHint: "next", Value: value}
}

func currentPasswordField() field {
	return field{Name: "password", Label: "field.password", Type: "password", Autocomplete: "current-password", EnterKeyHint: "go"}
}

func newPasswordField(minLength int) field {
	f := field{Name: "password", Label: "field.new_password", Type: "password", Autocomplete: "new-password", EnterKeyHint: "go"}
	if minLength > 0 {
		f.MinLength, f.Hint = minLength, "signup.password_hint"
	}
	return f
}

// oldPasswordField is for a change. A password manager fills it in and keeps what stands in otherPasswordField.
func oldPasswordField() field {
	return field{
		Name: "current_password", Label: "field.current_password", Type: "password", Autocomplete: "current-password",
		EnterKeyHint: "next",
	}
}

func otherPasswordField(minLength int) field {
	f := newPasswordField(minLength)
	f.Name, f.Label = "new_password", "field.other_password"
	return f
}

func totpField() field {
	return field{
		Name: "totp", Label: "field.totp", Type: "text", InputMode: "numeric",
		Autocomplete: "one-time-code", EnterKeyHint: "go",
	}
}

// recoveryField is not one-time-code: phones would offer the authenticator's code for it.
func recoveryField() field {
	return field{Name: "recovery_code", Label: "field.recovery_code", Type: "text", Autocomplete: "off", EnterKeyHint: "go"}
}

//go:embed *.html
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"t":        rich,
	"n":        count,
	"heading":  heading,
	"title":    title,
	"scope":    scope,
	"ago":      ago,
	"cause":    cause,
	"happened": happened,
	"stuck":    stuck,
	"homeward": homeward,
	"lang":     func() string { return english.tag },
	"dir":      func() string { return english.dir },
	"static":   staticURL,
	"link":     link,
	"weblink":  weblink,
	"otpauth":  otpauth,
	"cleaned":  cleaned,
}).ParseFS(files, "*.html"))

// stuck is whether the page leads to no app for now.
func stuck(page Page) bool {
	_, is := page.(Problem)
	return is
}

// homeward is whether the page's head leads to the person's account: where no app asks, so that nothing is left behind.
func homeward(page Page) bool { return !page.frame().App.Known() }

// Show answers with page under status. It renders to memory first: an error means that
// nothing was written, so the caller may still answer otherwise.
func Show(w http.ResponseWriter, status int, page Page) error {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, page.template(), page); err != nil {
		return fmt.Errorf("show page %q: %w", page.template(), err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // a reader who left is no failure of the page
	return nil
}

// Moment is when something happened, as seen from now.
type Moment struct{ At, Now time.Time }

// ago is a moment as people say it.
func ago(m Moment) (string, error) {
	past := m.Now.Sub(m.At)
	switch {
	case past < time.Minute:
		return text("ago.now")
	case past < time.Hour:
		return count("ago.minutes", int(past/time.Minute))
	case past < 24*time.Hour:
		return count("ago.hours", int(past/time.Hour))
	case past < 30*24*time.Hour:
		return count("ago.days", int(past/(24*time.Hour)))
	}
	layout, err := text("ago.layout")
	if err != nil {
		return "", err
	}
	return text("ago.date", "date", m.At.Format(layout))
}

// The sentences that the pages of an account choose.
const (
	StepUp          Sentence = "signin.step_up"
	SignInOver      Sentence = "signin.over"
	SignInEnded     Sentence = "signin.ended"
	DeviceEnded     Sentence = "devices.ended"
	OthersEnded     Sentence = "devices.ended_all"
	AccessWithdrawn Sentence = "apps.withdrawn"
	PasswordChanged Sentence = "security.password.changed"
	FactorRemoved   Sentence = "security.totp.removed"
	FactorReplaced  Sentence = "replaced.lead"
	ReplacedTitle   Sentence = "replaced.title"
	CodesNone       Sentence = "replaced.none"
	CodesNew        Sentence = "security.codes.new"
	NewPhone        Sentence = "newphone.title"
	NewPhoneWhy     Sentence = "newphone.lead"
	NewPhoneGo      Sentence = "newphone.go"
	NotNow          Sentence = "enrol.later"
	FactorRequired  Sentence = "security.totp.required"
	CodesRenewed    Sentence = "security.codes.renewed"
	NameChanged     Sentence = "security.name.changed"
)
