package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// answer is what an app reads of a token answer.
type answer struct {
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
	Description  string `json:"error_description"`
}

// token makes a token request in this process and returns the refresh token of the answer, or "" for invalid_grant. Any
// other answer ends the simulation: nothing in it may fail.
func (h *house) token(ctx context.Context, form url.Values) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = "192.0.2.1:1" // TEST-NET-1 (RFC 5737)
	w := &reply{header: http.Header{}, status: http.StatusOK}
	h.public.ServeHTTP(w, r)
	var a answer
	if err := json.Unmarshal(w.body.Bytes(), &a); err != nil {
		return "", fmt.Errorf("the server answered %d: %w", w.status, err)
	}
	switch {
	case w.status == http.StatusOK && a.RefreshToken != "":
		return a.RefreshToken, nil
	case w.status == http.StatusBadRequest && a.Error == "invalid_grant":
		return "", nil
	}
	return "", fmt.Errorf("the server answered %d %s", w.status, a.Error)
}

// reply is an http.ResponseWriter that keeps the answer.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is the answer's.
func (r *reply) Header() http.Header { return r.header }

// WriteHeader keeps the status.
func (r *reply) WriteHeader(status int) { r.status = status }

// Write keeps the body.
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }
