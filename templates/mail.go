package templates

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
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
