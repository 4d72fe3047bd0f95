package oauth

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxBody bounds a request's body in bytes.
const maxBody = 64 << 10

var (
	errMethod   = say(methodNotAllowed, "Use POST.")
	errTooLarge = say(bodyTooLarge, "The body may have 65,536 bytes.")
	errCutOff   = again(invalidRequest, 0, "The body ended too early. Send it again.")
)

// readForm reads the body of a POST as RFC 6749 Appendix B wants it, into r.PostForm and r.Form; the query is ignored
// (RFC 6749 §2.3.1: credentials never come in the URI). Wrong methods, content types, encodings and repeated parameters
// are refused as invalid_request.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		return nil, errMethod
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, say(invalidRequest, "Send the parameters as application/x-www-form-urlencoded.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, errCutOff
	}
	form, err := readParams(string(body))
	r.PostForm, r.Form = form, form
	return form, err
}

// readParams reads parameters by RFC 6749 §3.1 and §3.2: one without a value counts as left out, and none may come twice.
// Beside a refusal of one that does, the rest is returned; beside any other there is nothing.
func readParams(encoded string) (url.Values, error) {
	raw, err := url.ParseQuery(encoded)
	params := make(url.Values, len(raw))
	for name, values := range raw {
		for _, v := range values {
			if v != "" {
				params[name] = append(params[name], v)
			}
		}
	}
	if err != nil {
		return nil, say(invalidRequest, "The parameters are not form-urlencoded.")
	}
	var twice error
	for name, values := range params {
		if !isText(name) || slices.ContainsFunc(values, func(v string) bool { return !isText(v) }) {
			return nil, say(invalidRequest, "The parameters must be UTF-8 text without NUL bytes.")
		}
		if len(values) > 1 && name != "resource" { // RFC 8707 §2: the one that may
			twice = sayf(invalidRequest, "The parameter %s was sent twice. Send it once.", printable(name))
		}
	}
	return params, twice
}

// isText reports whether s may go to a database: PostgreSQL's text takes neither NUL nor broken UTF-8.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// printable cuts what a stranger chose to what may stand in a sentence.
func printable(s string) string { return s[:min(len(s), 64)] }

// writeJSON answers with v.
func (e *Endpoints) writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible: every v is a struct of ours
	}
	e.unkept(w, "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// unkept sets the headers of an answer that nobody may keep (RFC 6749 §5.1). The Date lets a phone with a wrong clock
// correct itself.
func (e *Endpoints) unkept(w http.ResponseWriter, contentType string) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Date", e.o.Now().UTC().Format(http.TimeFormat))
}
