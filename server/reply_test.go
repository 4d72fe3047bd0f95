package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

const formType = "application/x-www-form-urlencoded"

// reply is what an endpoint answered.
type reply struct {
	status int
	header http.Header
	body   string
	problem
}

// problem is RFC 6749 §5.2, with our action.
type problem struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Action      string `json:"action"`
}

// post sends a body to an address.
func (w *world) post(t *testing.T, address, contentType, body string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	return send(t, r)
}

// get asks an address.
func (w *world) get(t *testing.T, address string) reply {
	t.Helper()
	return w.bearing(t, http.MethodGet, address, "")
}

// bearing asks an address with a bearer token.
func (w *world) bearing(t *testing.T, method, address, token string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return send(t, r)
}

func send(t *testing.T, r *http.Request) reply {
	t.Helper()
	return sendWith(t, http.DefaultClient, r)
}

func sendWith(t *testing.T, client *http.Client, r *http.Request) reply {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := reply{status: resp.StatusCode, header: resp.Header, body: string(body)}
	_ = json.Unmarshal(body, &got.problem) // a page is no problem
	return got
}
