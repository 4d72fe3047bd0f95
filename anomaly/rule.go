package anomaly

import (
	"bytes"
	_ "embed" // the rules that are shipped
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/sojourn-auth/sojourn/identity"
)

// Rule says when something is unusual, and what is done about it.
type Rule struct {
	Name      string        // of small letters, digits and hyphens
	Signal    Signal        // what it looks at
	Threshold float64       // from which value on
	Window    time.Duration // over which time the signal is taken; the rule decides once about the same in it
	When      []Fact        // what must hold besides
	Answer    identity.Answers
	Limit     int    // how often an hour it answers; beyond that it only notes
	Reason    string // why, for operators
	Told      string // to the person, in the place of our own words; empty: those
}

//go:embed rules.yaml
var shipped []byte

const (
	maxFile      = 1 << 20
	maxRules     = 100
	maxWords     = 500
	maxThreshold = 1000 // of what is counted one by one
	stdLimit     = 100
	maxLimit     = 10_000
	minWindow    = time.Minute
	maxWindow    = 30 * 24 * time.Hour
	maxWatched   = 6 * time.Hour // of what is kept in memory
)

// file is a file of rules.
type file struct {
	Rules []written `yaml:"rules"`
}

// written is a rule as a file says it.
type written struct {
	Name      string   `yaml:"name"`
	Off       bool     `yaml:"off"`
	Signal    string   `yaml:"signal"`
	Threshold *float64 `yaml:"threshold"`
	Window    string   `yaml:"window"`
	When      []string `yaml:"when"`
	Answer    []string `yaml:"answer"`
	Limit     *int     `yaml:"limit"`
	Reason    string   `yaml:"reason"`
	Told      string   `yaml:"told"`
}

// Shipped are the rules that come with the server.
func Shipped() []Rule {
	rules, err := read(nil, shipped)
	if err != nil {
		panic("the shipped rules: " + err.Error()) // a test reads them
	}
	return rules
}

// ReadFile returns the shipped rules with those of an operator's file in their places, by name, and the new ones behind. The error
// names every problem at once.
func ReadFile(path string) ([]Rule, error) {
	content, err := contentOf(path)
	if err != nil {
		return nil, err
	}
	return Read(content)
}

func contentOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s is larger than a file of rules can be: 1 MiB", path)
	}
	return content, err
}

// Read is ReadFile of what such a file holds.
func Read(content []byte) ([]Rule, error) { return read(Shipped(), content) }

func read(before []Rule, content []byte) ([]Rule, error) {
	var f file
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the file can't be read: %w", err)
	}
	var all []error
	rules, named := slices.Clone(before), map[string]bool{}
	for i, w := range f.Rules {
		called := fmt.Sprintf("rule %d (%s)", i+1, w.Name)
		if named[w.Name] {
			all = append(all, fmt.Errorf("%s: there are two of that name", called))
		}
		named[w.Name] = true
		rule, problems := w.rule()
		for _, p := range problems {
			all = append(all, fmt.Errorf("%s: %s", called, p))
		}
		rules = put(rules, rule, w.Off)
	}
	if len(rules) > maxRules {
		all = append(all, fmt.Errorf("there are more than %d rules", maxRules))
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return rules, nil
}

// put puts a rule in the place of the one of its name, behind all where there is none; or takes that away.
func put(rules []Rule, r Rule, off bool) []Rule {
	at := slices.IndexFunc(rules, func(known Rule) bool { return known.Name == r.Name })
	switch {
	case off && at >= 0:
		return slices.Delete(rules, at, at+1)
	case off:
		return rules
	case at >= 0:
		rules[at] = r
		return rules
	}
	return append(rules, r)
}

var ruleName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// rule checks what is written and returns every problem.
func (w written) rule() (r Rule, problems []string) {
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	r = Rule{Name: w.Name, Signal: Signal(w.Signal), Reason: strings.TrimSpace(w.Reason), Told: strings.TrimSpace(w.Told), Limit: stdLimit}
	refuse(!ruleName.MatchString(w.Name), "name is of small letters, digits and hyphens, at most 40 of them")
	if w.Off {
		return r, problems
	}
	is, known := traits[r.Signal]
	refuse(!known, "there is no signal %q; there are %s", w.Signal, strings.Join(signalNames(), ", "))
	if w.Threshold != nil {
		r.Threshold = *w.Threshold
	}
	// A number that is none is not above zero either.
	refuse(!(r.Threshold > 0 && r.Threshold < 1e9), "threshold must be a number above zero")
	refuse(known && is.counted(r.Signal) && r.Threshold > maxThreshold, "threshold is more than %d, and no more are counted", maxThreshold)
	r.Window = w.window(is, refuse)
	r.When = w.when(is, refuse)
	r.Answer = w.answers(is, refuse)
	if w.Limit != nil {
		r.Limit = *w.Limit
	}
	refuse(r.Limit < 1 || r.Limit > maxLimit, "limit must be between 1 and %d an hour", maxLimit)
	refuse(r.Reason == "", "reason says to operators why this is unusual; it is missing")
	refuse(bad(r.Reason) || bad(r.Told), "reason and told are at most %d characters, without any that can't be shown", maxWords)
	refuse(r.Told != "" && !r.tells(), "told is for rules that tell or ask")
	return r, problems
}

func (r Rule) tells() bool { return r.Answer&(identity.AnswerTell|identity.AnswerAsk) != 0 }

// counted reports whether a signal counts subjects one by one in memory.
func (t trait) counted(s Signal) bool {
	return t.about == aboutMany && !t.season && s != LostAnswers && s != FailedDelivery
}

func (w written) window(is trait, refuse func(bool, string, ...any)) time.Duration {
	window, err := time.ParseDuration(w.Window)
	refuse(err != nil, "window is a time like 1h or 30m, not %q", w.Window)
	most := maxWindow
	if is.about == aboutMany {
		most = maxWatched
	}
	refuse(err == nil && (window < minWindow || window > most), "window must be between %s and %s", minWindow, most)
	return window
}

func (w written) when(is trait, refuse func(bool, string, ...any)) (facts []Fact) {
	for _, name := range w.When {
		f := Fact(name)
		switch f {
		case InNewBrowser:
			refuse(!is.signIn, "when: new_browser is known at sign-ins alone")
		case AtNewNetwork, AtNewCountry:
			refuse(!is.history, "when: %s is known of people alone", name)
		default:
			refuse(true, "when: there is no fact %q; there are new_browser, new_network, new_country", name)
		}
		facts = append(facts, f)
	}
	return facts
}

func (w written) answers(is trait, refuse func(bool, string, ...any)) (all identity.Answers) {
	refuse(len(w.Answer) == 0, "answer is missing: note, tell, ask, end, webhook, or several of them")
	for _, name := range w.Answer {
		a, known := identity.ReadAnswer(name)
		refuse(!known, "there is no answer %q; there are note, tell, ask, end, webhook", name)
		refuse(known && !is.answers().Has(a), "the answer %s is not for this signal", name)
		all |= a
	}
	return all
}

func bad(words string) bool {
	return len([]rune(words)) > maxWords || strings.ContainsFunc(words, func(r rune) bool { return !unicode.IsPrint(r) })
}

func signalNames() []string {
	names := make([]string, 0, len(traits))
	for s := range traits {
		names = append(names, string(s))
	}
	slices.Sort(names)
	return names
}
