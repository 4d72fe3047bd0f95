package templates

import (
	"bytes"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// Mail is one mail to a person: a struct of this package.
type Mail interface{ letter() letter }

// MailFrame is what every mail says beside its own words.
type MailFrame struct {
	// Operator is whose accounts these are.
	Operator string
	// Site is where they are, such as https://id.example.com.
	Site string
}

// WrittenMail is a mail in words: as plain text, complete by itself, and the same once more as HTML.
type WrittenMail struct{ Subject, Text, HTML string }

// WriteMail puts a mail into words.
func WriteMail(m Mail) (WrittenMail, error) {
	l := m.letter()
	subject, err := l.Title()
	if err != nil {
		return WrittenMail{}, err
	}
	plainText, err := l.text()
	if err != nil {
		return WrittenMail{}, err
	}
	var html bytes.Buffer
	if err := pages.ExecuteTemplate(&html, "mail", l); err != nil {
		return WrittenMail{}, fmt.Errorf("write mail %q: %w", l.key, err)
	}
	return WrittenMail{Subject: subject, Text: plainText, HTML: html.String()}, nil
}

// letter is what all mails consist of, in this order. Nothing that a person or an app chose is in it but through args
// and facts, which lose what could break a line or reorder it.
type letter struct {
	key    string   // KEY.subject, KEY.lead and KEY.after are its sentences
	args   []string // their values
	facts  []said   // when, where, by what
	links  []way
	footer string // why the person gets it
}

// said is a sentence of the catalogue with its values.
type said struct {
	key  string
	args []string
}

// way is a link: what leads to it in the catalogue, and where it leads.
type way struct {
	key, url string
}

// newLetter gives every sentence the operator and the site, whichever of them it names.
func newLetter(key string, frame MailFrame, args ...string) letter {
	return letter{key: key, args: append(args, "operator", frame.Operator, "site", frame.Site), footer: "mail.footer.account"}
}

// text is the letter as plain text. Each link stands on a line of its own, so that programs find its end.
func (l letter) text() (string, error) {
	var b strings.Builder
	var failed error
	say := func(key string, args []string, after string) {
		sentence, err := text(key, args...)
		if err != nil {
			failed = err
		}
		b.WriteString(sentence + after)
	}
	say(l.key+".lead", l.args, "\n\n")
	for _, fact := range l.facts {
		say(fact.key, fact.args, "\n")
	}
	if len(l.facts) > 0 {
		b.WriteString("\n")
	}
	for _, link := range l.links {
		say(link.key, l.args, ":\n"+link.url+"\n\n")
	}
	say(l.key+".after", l.args, "\n\n-- \n") // RFC 3676 §4.3
	say(l.footer, l.args, "\n")
	return b.String(), failed
}

// Title is the subject as it stands in the mail's header.
func (l letter) Title() (string, error) { return text(l.key+".subject", l.args...) }

// Subject and the following are what mail.html shows.
func (l letter) Subject() (template.HTML, error) { return rich(l.key+".subject", l.args...) }

// Lead is what happened.
func (l letter) Lead() (template.HTML, error) { return rich(l.key+".lead", l.args...) }

// After is what to do.
func (l letter) After() (template.HTML, error) { return rich(l.key+".after", l.args...) }

// Footer says why the person gets the mail.
func (l letter) Footer() (template.HTML, error) { return rich(l.footer, l.args...) }

// Facts are when, where and by what.
func (l letter) Facts() (facts []template.HTML, err error) {
	for _, fact := range l.facts {
		shown, err := rich(fact.key, fact.args...)
		if err != nil {
			return nil, err
		}
		facts = append(facts, shown)
	}
	return facts, nil
}

// Links are the ways on.
func (l letter) Links() (links []Link, err error) {
	for _, w := range l.links {
		label, err := text(w.key, l.args...)
		if err != nil {
			return nil, err
		}
		links = append(links, Link{URL: w.url, Label: label})
	}
	return links, nil
}

// ForgotMail carries the link to choose a new password.
type ForgotMail struct {
	MailFrame
	Link string
}

func (m ForgotMail) letter() letter {
	l := newLetter("mail.forgot", m.MailFrame)
	l.links = []way{{"mail.forgot.link", m.Link}}
	return l
}

// VerifyMail carries the link that confirms the address of an account.
type VerifyMail struct {
	MailFrame
	Link string
}

func (m VerifyMail) letter() letter {
	l := newLetter("mail.verify", m.MailFrame)
	l.links, l.footer = []way{{"mail.verify.link", m.Link}}, "mail.footer.given"
	return l
}

// ConfirmMail carries the link that confirms the address of an account that was just made with it.
type ConfirmMail struct {
	MailFrame
	Link string
}

func (m ConfirmMail) letter() letter {
	l := newLetter("mail.confirm", m.MailFrame)
	l.links, l.footer = []way{{"mail.confirm.link", m.Link}}, "mail.footer.given"
	return l
}

// NewAddressMail goes to the address that an account is to move to, with the link that does it.
type NewAddressMail struct {
	MailFrame
	Link string
}

func (m NewAddressMail) letter() letter {
	l := newLetter("mail.new_address", m.MailFrame)
	l.links, l.footer = []way{{"mail.new_address.link", m.Link}}, "mail.footer.given"
	return l
}

// OldAddressMail goes to the address that an account had.
type OldAddressMail struct {
	MailFrame
	// Email is the account's address from now on.
	Email string
	// NotMe is the link that brings it back; empty where an operator changed it.
	NotMe string
	// TakenBack: it went to where it was before, and NotMe is empty.
	TakenBack bool
}

func (m OldAddressMail) letter() letter {
	if m.TakenBack {
		l := newLetter("mail.taken_back", m.MailFrame, "email", m.Email)
		l.footer = "mail.footer.had"
		return l
	}
	if m.NotMe == "" {
		l := newLetter("mail.moved", m.MailFrame, "email", m.Email)
		l.footer = "mail.footer.had"
		return l
	}
	l := newLetter("mail.old_address", m.MailFrame, "email", m.Email)
	l.links, l.footer = []way{{"mail.not_me", m.NotMe}}, "mail.footer.had"
	return l
}

// HaveMail goes to the owner of an account when somebody signs up with its address.
type HaveMail struct {
	MailFrame
	SignInURL, ForgotURL string
}

func (m HaveMail) letter() letter {
	l := newLetter("mail.have", m.MailFrame)
	l.links = []way{{"mail.have.signin", m.SignInURL}, {"mail.have.forgot", m.ForgotURL}}
	return l
}

// Notice is something that happened to an account and that its owner is told of.
type Notice string

// The notices.
const (
	NoticeNewBrowser      Notice = "new_browser"
	NoticePasswordChanged Notice = "password_changed"
	NoticePasswordReset   Notice = "password_reset"
	NoticeAddressChanged  Notice = "address_changed"
	NoticeFactorAdded     Notice = "factor_added"
	NoticeFactorRemoved   Notice = "factor_removed"
	NoticeFactorReplaced  Notice = "factor_replaced"
	NoticeCodeUsed        Notice = "code_used" // says CodesLeft
	NoticeCodesRenewed    Notice = "codes_renewed"
	NoticeWayIn           Notice = "way_in"
	NoticeVouched         Notice = "vouched"
	NoticeUndone          Notice = "undone"  // says Undone
	NoticeReuse           Notice = "reuse"   // says App and Device
	NoticeAnomaly         Notice = "anomaly" // says Unusual or Own, and of a session App and Device
)

// NoticeMail tells of a Notice. What is not known is left out.
type NoticeMail struct {
	MailFrame
	Notice Notice
	At     time.Time
	// Network is where the request came from, and Place what it is near, as far as anybody knows.
	Network, Place string
	// Browser is what the browser says of itself; Device is what the app says of where it runs.
	Browser, Device string
	// App is the name of the app that was signed out.
	App string
	// Undone is what was taken back, between commas: address, name, factors, consent, or everything.
	Undone string
	// Unusual is the signal that a rule found unusual, as the catalogue has words for it, and Own what the operator says instead.
	Unusual, Own string
	// CodesLeft is how many recovery codes are left.
	CodesLeft int
	// NotMe is the link that ends everything.
	NotMe string
}

const maxFact = 64 // characters of what a browser, a device or an app says of itself

func (m NoticeMail) letter() letter {
	app := m.App
	if app == "" {
		app = english.sentences["mail.app"]
	}
	l := newLetter(m.key(), m.MailFrame, "app", short(app), "own", m.Own)
	l.facts = m.facts()
	l.links = []way{{"mail.not_me", m.NotMe}}
	if m.Notice == NoticeReuse { // the person did nothing, and nobody asks whether they did
		l.links[0].key = "mail.sign_out"
	}
	return l
}

// key is where the catalogue has the words.
func (m NoticeMail) key() string {
	key := "mail." + string(m.Notice)
	if m.Notice != NoticeAnomaly {
		return key
	}
	switch _, known := english.sentences[key+"."+m.Unusual+".lead"]; {
	case m.Own != "":
		return key + ".own"
	case known:
		return key + "." + m.Unusual
	}
	return key + ".other"
}

// facts are those that are known.
func (m NoticeMail) facts() []said {
	when := m.At.UTC().Format(english.sentences["mail.when.layout"])
	facts := []said{{"mail.when", []string{"when", when}}}
	switch {
	case m.Place != "":
		facts = append(facts, said{"mail.place", []string{"place", short(m.Place), "network", m.Network}})
	case m.Network != "":
		facts = append(facts, said{"mail.network", []string{"network", m.Network}})
	}
	if m.Browser != "" {
		facts = append(facts, said{"mail.browser", []string{"browser", short(m.Browser)}})
	}
	if m.Device != "" {
		facts = append(facts, said{"mail.device", []string{"device", short(m.Device)}})
	}
	if m.Notice == NoticeUndone {
		for part := range strings.SplitSeq(m.Undone, ", ") {
			if key := "mail.undone.part." + part; english.sentences[key] != "" {
				facts = append(facts, said{key, nil})
			}
		}
	}
	if m.Notice == NoticeCodeUsed {
		facts = append(facts, said{"mail.codes_left." + english.plural(m.CodesLeft), []string{"n", strconv.Itoa(m.CodesLeft)}})
	}
	return facts
}

// short cuts what strangers choose: a name that is a whole letter could speak in ours.
func short(s string) string {
	if runes := []rune(s); len(runes) > maxFact {
		return string(runes[:maxFact]) + "…"
	}
	return s
}
