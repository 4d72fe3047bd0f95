package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
)

// registration is what the server answered (RFC 7591 §3.2.1), as far as this app needs it.
type registration struct {
	ClientID string `json:"client_id"`
	Token    string `json:"registration_access_token"`
	URI      string `json:"registration_client_uri"`
	Name     string `json:"client_name"`
	Scope    string `json:"scope"`
	// BackChannel is where the server tells of sessions that are over.
	BackChannel string `json:"backchannel_logout_uri,omitempty"`
}

// metadata is what this app says of itself: a native, public client that answers on loopback.
func metadata() map[string]any {
	return map[string]any{
		"client_name":                "Third-party example",
		"application_type":           "native",
		"redirect_uris":              []string{"http://127.0.0.1/callback"},
		"token_endpoint_auth_method": "none",
		"grant_types":                []string{"authorization_code", "refresh_token"},
		"response_types":             []string{"code"},
		"scope":                      "openid profile email offline_access",
	}
}

// register asks the server's registration endpoint for a client id.
func (o options) register(ctx context.Context) (registration, error) {
	provider, err := oidc.NewProvider(ctx, o.issuer)
	if err != nil {
		return registration{}, fmt.Errorf("discovery: %w", err)
	}
	var server struct {
		Endpoint string `json:"registration_endpoint"`
	}
	if err := provider.Claims(&server); err != nil || server.Endpoint == "" {
		return registration{}, fmt.Errorf("the server at %s takes no registrations", o.issuer)
	}
	says := metadata()
	if o.hear != "" {
		says["backchannel_logout_uri"] = o.backChannel()
	}
	body, err := json.Marshal(says)
	if err != nil {
		return registration{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.Endpoint, bytes.NewReader(body))
	if err != nil {
		return registration{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	return call(r, o.initial)
}

// readBack asks what the server has on file. It may hand out a new token, which then is the one to keep (RFC 7592 §3).
func (r registration) readBack(ctx context.Context) (registration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URI, nil)
	if err != nil {
		return r, err
	}
	now, err := call(request, r.Token)
	if now.Token == "" {
		now.Token = r.Token
	}
	if now.URI == "" {
		now.URI = r.URI
	}
	return now, err
}

func call(r *http.Request, token string) (got registration, err error) {
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return got, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return got, err
	}
	if response.StatusCode >= http.StatusBadRequest {
		var why struct {
			Code        string `json:"error"`
			Description string `json:"error_description"`
		}
		_ = json.Unmarshal(body, &why) // the status says enough
		return got, fmt.Errorf("registration: %s %s %s", response.Status, why.Code, why.Description)
	}
	return got, json.Unmarshal(body, &got)
}

func load(file string) (r registration, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(content, &r)
}

// save keeps the registration for its owner's eyes: the token in it can change and delete it.
func (r registration) save(file string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(content, '\n'), 0o600)
}
