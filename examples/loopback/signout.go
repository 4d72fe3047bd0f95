package loopback

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

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
