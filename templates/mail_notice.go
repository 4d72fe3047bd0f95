package templates

import (
	"strconv"
	"time"
)

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
	NoticeCodeUsed        Notice = "code_used" // says CodesLeft
	NoticeCodesRenewed    Notice = "codes_renewed"
	NoticeReuse           Notice = "reuse" // says App and Device
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
	l := newLetter("mail."+string(m.Notice), m.MailFrame, "app", short(app))
	l.facts = m.facts()
	l.links = []way{{"mail.not_me", m.NotMe}}
	if m.Notice == NoticeReuse { // the person did nothing, and nobody asks whether they did
		l.links[0].key = "mail.sign_out"
	}
	return l
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
