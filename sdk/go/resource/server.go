package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/clock"
)

// What a fetch may take.
const (
	maxBody      = 1 << 20 // after decompression
	fetchLimit   = 10 * time.Second
	documentLife = 24 * time.Hour
	failedLife   = time.Second // in which nobody tries again
)

// server is the issuer: where it has what, and how it is asked.
type server struct {
	cfg    Config
	client *http.Client

	discovery, keys, introspection, feed atomic.Int64 // requests that were sent

	mu       sync.Mutex
	document *document
	read     time.Duration // when that was, on the elapsed clock
	failed   error         // why it could not be, when it was tried last
	tried    time.Duration
}

// document is what discovery says (OpenID Connect Discovery §3).
type document struct {
	Issuer        string `json:"issuer"`
	Keys          string `json:"jwks_uri"`
	Introspection string `json:"introspection_endpoint"`
	Endings       string `json:"endings_endpoint"`
}

func newServer(cfg Config) *server {
	client := *cfg.HTTP
	client.Timeout = 0 // streams live long; fetch has its own
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &server{cfg: cfg, client: &client}
}

func (s *server) sent() Calls {
	return Calls{s.discovery.Load(), s.keys.Load(), s.introspection.Load(), s.feed.Load()}
}

// safeURL refuses what nobody should send secrets to: anything but https, and http to this machine.
func safeURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%q is no URL such as https://id.example.com", text)
	}
	host := u.Hostname()
	loopback := host == "localhost" || net.ParseIP(host).IsLoopback()
	if u.Scheme == "https" || u.Scheme == "http" && loopback {
		return nil
	}
	return fmt.Errorf("%q must be https", text)
}

// where returns the discovery document: read when first needed and again after a day; while that fails, the one that was good.
func (s *server) where(ctx context.Context) (*document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Clock.Elapsed()
	if s.document != nil && now-s.read < documentLife {
		return s.document, nil
	}
	if s.failed == nil || now-s.tried >= failedLife {
		var d *document
		if d, s.failed = s.discover(context.WithoutCancel(ctx)); s.failed == nil { // others wait for it too
			s.document, s.read = d, now
		}
		s.tried = s.cfg.Clock.Elapsed()
	}
	if s.document != nil {
		return s.document, nil
	}
	return nil, s.failed
}

func (s *server) discover(ctx context.Context) (*document, error) {
	s.discovery.Add(1)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.cfg.Issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, err
	}
	var d document
	if err := s.fetch(request, maxBody, &d); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if d.Issuer != s.cfg.Issuer {
		return nil, fmt.Errorf("discovery is of %q, not of %q", d.Issuer, s.cfg.Issuer)
	}
	for _, endpoint := range []string{d.Keys, d.Introspection} {
		if err := safeURL(endpoint); err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
	}
	if d.Endings != "" {
		if err := safeURL(d.Endings); err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
	}
	return &d, nil
}

// form is a request to an endpoint where the API's client authenticates (RFC 6749 §2.3.1).
func (s *server) form(ctx context.Context, endpoint string, fields url.Values) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(s.cfg.ClientID), url.QueryEscape(s.cfg.ClientSecret))
	return request, nil
}

// refusedError is an answer that is not 200.
type refusedError struct {
	status int
	after  time.Duration
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("it answers %d %s", e.status, http.StatusText(e.status))
}

// fetch reads a JSON object of bounded size in bounded time.
func (s *server) fetch(request *http.Request, most int64, to any) error {
	ctx, stop := clock.Within(request.Context(), s.cfg.Clock, fetchLimit)
	defer stop()
	response, err := s.client.Do(request.WithContext(ctx))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return &refusedError{response.StatusCode, retryAfter(response.Header.Get("Retry-After"), s.cfg.Clock.Wall())}
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return err
	}
	if int64(len(content)) > most {
		return fmt.Errorf("the answer is over %d MB", most>>20)
	}
	if err := json.Unmarshal(content, to); err != nil {
		return fmt.Errorf("the answer is no JSON as it should be: %w", err)
	}
	return nil
}

// retryAfter reads Retry-After, seconds or a date (RFC 9110 §10.2.3): 0 where there is none to be read, an hour at most.
func retryAfter(value string, now time.Time) time.Duration {
	wait, err := time.ParseDuration(value + "s")
	if err != nil || strings.Trim(value, "0123456789") != "" {
		at, err := http.ParseTime(value)
		if err != nil {
			return 0
		}
		wait = at.Sub(now)
	}
	return min(max(wait, 0), time.Hour)
}
