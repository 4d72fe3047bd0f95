package templates

import (
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// language is one translation: what <html> says about it, how it counts, its sentences.
type language struct {
	tag, dir  string
	plural    func(n int) string
	sentences map[string]string
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// text is the sentence under key with its {placeholders} filled from args, which are
// name, value, name, value … It refuses an unknown key and a placeholder without a value.
func text(key string, args ...string) (string, error) {
	return fill(key, args, func(value string) string { return value })
}

// rich is text as HTML: values are escaped and isolated, because an app chooses its own
// name and must not reorder the words around it (Unicode UAX #9 §2.4).
func rich(key string, args ...string) (template.HTML, error) {
	s, err := fill(key, args, func(value string) string {
		return "<bdi>" + template.HTMLEscapeString(value) + "</bdi>"
	})
	return template.HTML(s), err //nolint:gosec // sentences are ours, values are escaped above
}

func fill(key string, args []string, wrap func(string) string) (string, error) {
	sentence, ok := english.sentences[key]
	if !ok {
		return "", fmt.Errorf("the catalogue has no sentence %q", key)
	}
	values := make(map[string]string, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		values[args[i]] = plain(args[i+1])
	}
	var missing error
	filled := placeholder.ReplaceAllStringFunc(sentence, func(mark string) string {
		value, ok := values[mark[1:len(mark)-1]]
		if !ok {
			missing = fmt.Errorf("sentence %q needs a value for %s", key, mark)
		}
		return wrap(value)
	})
	return filled, missing
}

// plain drops control and bidirectional formatting characters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, s)
}

// Sentence names a sentence of the catalogue that a page handler chooses.
type Sentence string

// The sentences that page handlers choose. SignInAgain and AskSignOut speak of {username}, BackTo of {app}.
const (
	SignInAgain  Sentence = "signin.again"
	SignedUp     Sentence = "signin.signed_up"
	SignUpClosed Sentence = "signup.closed"
	// RegisterClosed is for apps that nobody registers by a form.
	RegisterClosed Sentence = "register.closed"
	AskSignOut     Sentence = "signout.ask"
	BackTo         Sentence = "app.back"
	ContinueTo     Sentence = "app.continue"
	GoOn           Sentence = "problem.go_on"
	Unreadable     Sentence = "problem.unreadable"
	TooLong        Sentence = "problem.too_long"
	BrokenNext     Sentence = "problem.broken_next"
)

// Say returns a sentence with its {placeholders} filled from args, which are name, value, name, value …
func Say(s Sentence, args ...string) string {
	said, err := text(string(s), args...)
	if err != nil {
		panic(err) // the constants and their arguments are ours, and a test says each of them
	}
	return said
}

// count is the sentence under key for n things, in the language's own plural form.
func count(key string, n int) (string, error) {
	return text(key+"."+english.plural(n), "n", strconv.Itoa(n))
}

// heading is what the page is called: its own title or the catalogue's.
func heading(page Page) (string, error) {
	frame := page.frame()
	if frame.Title != "" {
		return plain(frame.Title), nil
	}
	key := page.template()
	if problem, ok := page.(Problem); ok {
		key = problem.Key()
	}
	return text(key+".title", "app", frame.App.Called())
}

// title is what the browser's tab says.
func title(page Page) (string, error) {
	h, err := heading(page)
	if err != nil {
		return "", err
	}
	return text("title", "heading", h, "operator", page.frame().Operator.Name)
}

// scope is what an app may do with the scope of that name, in plain words.
func scope(name string) (template.HTML, error) {
	if _, known := english.sentences["scope."+name]; known {
		return rich("scope." + name)
	}
	return rich("scope", "name", name)
}
