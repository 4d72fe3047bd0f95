package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	defaultLimit = 100
	maxLimit     = 500
	maxValue     = 256 // bytes of one parameter, or of a name in an address
)

// query reads what stands behind the question mark. The first thing that is wrong is kept in err.
type query struct {
	values url.Values
	err    error
}

// queryOf refuses what nobody asks for: a parameter that is misspelt must not be taken for "all".
func queryOf(r *http.Request, known ...string) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.refuse("", "The query cannot be read: write it as name=value with & between.")
	}
	for name, all := range values {
		switch {
		case !slices.Contains(known, name):
			q.refuse("", "There is no such parameter here. Use: "+strings.Join(known, ", ")+".")
		case len(all) > 1 || !plain(all[0]):
			q.refuse(name, "Send it once, with at most 256 bytes and no control characters.")
		}
	}
	return q
}

// plain reports whether a value from an address can be looked up: PostgreSQL's text takes neither NUL nor broken UTF-8.
func plain(s string) bool {
	return len(s) <= maxValue && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func (q *query) refuse(field, msg string) {
	if q.err == nil {
		q.err = identity.RefuseField(field, msg)
	}
}

func (q *query) text(name string) string { return q.values.Get(name) }

// id is the zero id where the parameter is absent.
func (q *query) id(name string) identity.ID {
	if q.text(name) == "" {
		return identity.ID{}
	}
	id, err := uuid.Parse(q.text(name))
	if err != nil {
		q.refuse(name, "Send an id as this API tells them.")
	}
	return id
}

func (q *query) email(name string) string {
	if q.text(name) == "" {
		return ""
	}
	email, err := identity.CleanEmail(q.text(name))
	if err != nil {
		q.refuse(name, "Send an e-mail address like name@example.com.")
	}
	return email
}

func (q *query) yes(name string) bool {
	switch q.text(name) {
	case "true":
		return true
	case "", "false":
	default:
		q.refuse(name, "Use true or false.")
	}
	return false
}

func (q *query) limit() int {
	if q.text("limit") == "" {
		return defaultLimit
	}
	n, err := strconv.Atoi(q.text("limit"))
	if err != nil || n < 1 || n > maxLimit {
		q.refuse("limit", "Use a number between 1 and 500.")
	}
	return n
}

// cut is a page of a list of which one more than its limit was asked, and what to send as after for the next page.
func cut[From, To any](all []From, limit int, show func(From) (view To, id string)) (page []To, next string) {
	page = []To{}
	for i, from := range all {
		view, id := show(from)
		if page = append(page, view); i+1 == limit && len(all) > limit {
			return page, id
		}
	}
	return page, ""
}

// idOf reads an id in an address. One that is none names nothing.
func idOf(text, what string) (identity.ID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, identity.Refuse(identity.NotFound, "There is no such "+what+".")
	}
	return id, nil
}
