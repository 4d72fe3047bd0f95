package identity

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Answers are what is done about an anomaly, one bit each. Whatever it is, the Decision is an Event.
type Answers uint8

// The answers. To note it is to write the Event, and no more.
const (
	AnswerTell    Answers = 1 << iota // the person is told, by mail and in their activity
	AnswerAsk                         // the person shows the second factor once more, at the next page
	AnswerEnd                         // the Session ends
	AnswerWebhook                     // every webhook is told, also those that asked for other kinds
)

var answerNames = []string{"tell", "ask", "end", "webhook"}

// AnswerNote is how no answer but the Event is spelled.
const AnswerNote = "note"

// Has reports whether every answer of b is among a.
func (a Answers) Has(b Answers) bool { return a&b == b }

// String spells the answers with a plus between them.
func (a Answers) String() string {
	var names []string
	for i, name := range answerNames {
		if a.Has(1 << i) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return AnswerNote
	}
	return strings.Join(names, "+")
}

// ReadAnswer reads one answer's name; false for one that there is not.
func ReadAnswer(name string) (Answers, bool) {
	if name == AnswerNote {
		return 0, true
	}
	i := slices.Index(answerNames, name)
	if i < 0 {
		return 0, false
	}
	return 1 << i, true
}

// Decision is what a rule decided about somebody or something.
type Decision struct {
	Rule      string
	Subject   string // what the rule counts by; it is no fact for Events, and may hold an id
	At        time.Time
	Value     float64 // of the rule's signal
	Threshold float64
	Answer    Answers
	Held      bool   // the rule has answered so often that it only notes
	About     string // a short fact for operators: a network, a country, an app's version

	UserID    ID
	SessionID ID
	ClientID  string
	Address   string
}

// maxAbout is how many bytes of a fact an Event keeps.
const maxAbout = 96

// Detail is the Decision as its Event says it: the rule, then name=value, then what it is about.
func (d Decision) Detail() string {
	text := fmt.Sprintf("%s value=%s threshold=%s answer=%s", d.Rule, plainNumber(d.Value), plainNumber(d.Threshold), d.Answer)
	if d.Held {
		text += " held=yes"
	}
	if d.About != "" {
		text += " about=" + cut(d.About, maxAbout)
	}
	return text
}

func plainNumber(f float64) string { return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64) }

func cut(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == '\u007f' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// ReadDecision reads what Detail says. What it cannot read it leaves out: a newer program may say more.
func ReadDecision(detail string) Decision {
	head, about, _ := strings.Cut(detail, " about=")
	var d Decision
	d.About = about
	for i, word := range strings.Fields(head) {
		name, value, named := strings.Cut(word, "=")
		switch {
		case i == 0 && !named:
			d.Rule = word
		case name == "value":
			d.Value = readNumber(value)
		case name == "threshold":
			d.Threshold = readNumber(value)
		case name == "held":
			d.Held = value == "yes"
		case name == "answer":
			for a := range strings.SplitSeq(value, "+") {
				one, _ := ReadAnswer(a)
				d.Answer |= one
			}
		}
	}
	return d
}

func readNumber(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// Event is how the Decision is told.
func (d Decision) Event() Event {
	return Event{
		ID: NewID(), At: d.At, Kind: AnomalyFound, UserID: d.UserID, SessionID: d.SessionID, ClientID: d.ClientID,
		Detail: d.Detail(), Address: d.Address,
	}
}
