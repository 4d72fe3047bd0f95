package resource

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Refusal is why a request is not served, and what to answer.
type Refusal struct {
	Status      int
	Code        string   // of RFC 6750 §3.1, RFC 9449 §7.1 and RFC 9470 §3; empty where no credential came
	Description string   // for developers
	Challenges  []string // one WWW-Authenticate each
	RetryAfter  time.Duration
}

// Error makes a refusal an error.
func (r *Refusal) Error() string { return r.Description }

// Write answers with it.
func (r *Refusal) Write(w http.ResponseWriter) {
	h := w.Header()
	for _, challenge := range r.Challenges {
		h.Add("WWW-Authenticate", challenge)
	}
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(max(r.RetryAfter, time.Second)/time.Second), 10))
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(r.Status)
	body := map[string]string{"error_description": r.Description}
	if r.Code != "" {
		body["error"] = r.Code
	}
	_ = json.NewEncoder(w).Encode(body) // whoever hung up needs no answer
}

// want is a request, what its operation needs, and so what a challenge must say.
type want struct {
	g    *Guard
	r    *http.Request
	op   Operation
	dpop bool // the scheme that came
}

// challenge spells one (RFC 9110 §11.6.1) with the parameters that were set, in their order. All scopes of the operation stand in
// each: a client that must ask the person anew asks for these, and else for all that the metadata names.
func (w want) challenge(scheme string, params ...string) string {
	params = append(params, "scope", strings.Join(w.op.Scopes, " "))
	if scheme == "DPoP" {
		params = append(params, "algs", strings.Join(w.g.cfg.Algs, " "))
	}
	params = append(params, "resource_metadata", w.g.metadataURL(w.r))
	var text strings.Builder
	text.WriteString(scheme)
	separator := " "
	for i := 0; i < len(params); i += 2 {
		if params[i+1] != "" {
			fmt.Fprintf(&text, "%s%s=%q", separator, params[i], params[i+1])
			separator = ", "
		}
	}
	return text.String()
}

// unknown is the answer to who brought no credential: both schemes, and no error.
func (w want) unknown() *Refusal {
	return &Refusal{
		Status: http.StatusUnauthorized, Description: "Send an access token: Authorization: Bearer, or DPoP with its proof.",
		Challenges: []string{w.challenge("Bearer"), w.challenge("DPoP")},
	}
}

// no refuses with a word of RFC 6750, 9449 or 9470, and more parameters of the challenge.
func (w want) no(status int, code, description string, params ...string) *Refusal {
	scheme := "Bearer"
	if w.dpop {
		scheme = "DPoP"
	}
	description = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' { // all that RFC 6750 §3 allows in error_description
			return '\''
		}
		return r
	}, description)
	params = append([]string{"error", code, "error_description", description}, params...)
	return &Refusal{Status: status, Code: code, Description: description, Challenges: []string{w.challenge(scheme, params...)}}
}

// later is no verdict.
func later(description string) *Refusal {
	return &Refusal{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: description, RetryAfter: time.Second,
	}
}
