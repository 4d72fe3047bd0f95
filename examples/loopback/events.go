package loopback

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ErrStreamClosed says that a stream of events ended. That is no verdict about the session: open it again, from the last id.
var ErrStreamClosed = errors.New("the stream of events was closed")

// Event is something that happened to the person or their sessions while the app listened.
type Event struct {
	ID   string // what to go on from; empty: from the one before
	Name string // session.ended, state.changed …
	Data string // JSON
}

// Listen tells hear what happens from the event lastID on (empty: from now on), until the stream or ctx ends or hear
// returns an error, which comes back.
func (s *SignedIn) Listen(ctx context.Context, lastID string, hear func(Event) error) error {
	var server struct {
		Endpoint string `json:"me_endpoint"`
	}
	if err := s.provider.Claims(&server); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.Endpoint+"/events", nil)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Tokens.AccessToken)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("listen: the server answered %s", response.Status)
	}
	return readEvents(bufio.NewScanner(response.Body), hear)
}

// readEvents reads as much of text/event-stream as the server writes: each field is one line.
func readEvents(lines *bufio.Scanner, hear func(Event) error) error {
	var now Event
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			now.ID = value
		case "event":
			now.Name = value
		case "data":
			now.Data = value
		case "": // an empty line, or a sign of life
			if now.Name == "" {
				continue
			}
			if err := hear(now); err != nil {
				return err
			}
			now = Event{}
		}
	}
	return ErrStreamClosed
}

// SignOut ends the app's session at the server without a browser, so that no phone asks whether the app may "sign in" just
// to sign out. With device=true in the form, the browser's sign-in would end too, and everything that began from it. On an
// error the app is still signed in: it keeps its tokens and tries again.
func (s *SignedIn) SignOut(ctx context.Context) error {
	var server struct {
		Endpoint string `json:"signout_endpoint"`
	}
	if err := s.provider.Claims(&server); err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	form := url.Values{"client_id": {s.config.ClientID}, "refresh_token": {s.Tokens.RefreshToken}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("sign out: the server answered %s; still signed in", response.Status)
	}
	return nil
}
