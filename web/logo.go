package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	maxLogo       = 256 << 10 // bytes
	maxLogos      = 64
	logoTimeout   = 3 * time.Second
	logoRedirects = 3
	logoTTL       = time.Hour
	noLogoTTL     = 5 * time.Minute
	busyTTL       = 5 * time.Second // where too much else was being fetched
)

// logoTypes are the pictures that carry no script. SVG does.
var logoTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

// logoURL is where a client's logo is served. An id that is an address is no part of a path: proxies and routers clean those.
func logoURL(clientID string) string {
	if identity.IsClientURL(clientID) {
		return logoPath + "?" + url.Values{"client_id": {clientID}}.Encode()
	}
	return logoPath + url.PathEscape(clientID)
}

// showLogo serves GET /logo/{client} and GET /logo/?client_id=…: an app's logo, from here. Were it from the app's own host, that host would learn
// who signs in, and could change the picture on the consent page at will.
func (p *Pages) showLogo(w http.ResponseWriter, r *http.Request) error {
	id := cmp.Or(strings.TrimPrefix(r.URL.Path, logoPath), r.URL.Query().Get("client_id"))
	client, err := p.Clients.Seen(r.Context(), id)
	if err != nil && identity.KindOf(err) != identity.NotFound {
		return err
	}
	logo := p.logos.of(r.Context(), client)
	if logo.picture == nil {
		http.NotFound(w, r)
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", logo.contentType)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=3600")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(logo.picture))
	return nil
}

// logo is a fetched picture; without one it says that there is none.
type logo struct {
	picture     []byte
	contentType string
	until       time.Time // when it is fetched again
}

// logos fetches and keeps logos, each by its address, so that a changed address is another logo.
type logos struct {
	fetch   *http.Client
	now     func() time.Time
	flights singleflight.Group
	mu      sync.Mutex
	kept    map[string]logo
}

func newLogos(fetch *http.Client, now func() time.Time) *logos {
	limited := *fetch
	limited.Timeout = logoTimeout
	limited.CheckRedirect = func(r *http.Request, before []*http.Request) error {
		if len(before) > logoRedirects || r.URL.Scheme != before[0].URL.Scheme {
			return errors.New("too many redirects, or to another scheme")
		}
		return nil
	}
	return &logos{fetch: &limited, now: now, kept: map[string]logo{}}
}

// of returns the client's logo. However many ask at once, it is fetched once, and one who leaves doesn't stop it.
func (l *logos) of(ctx context.Context, c identity.Client) logo {
	if c.LogoURI == "" {
		return logo{}
	}
	if kept, ok := l.keptFor(c.LogoURI); ok {
		return kept
	}
	fetched, _, _ := l.flights.Do(c.LogoURI, func() (any, error) {
		got := l.get(context.WithoutCancel(ctx), c.LogoURI)
		l.keep(c.LogoURI, got)
		return got, nil
	})
	return fetched.(logo)
}

func (l *logos) keptFor(uri string) (logo, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept, ok := l.kept[uri]
	return kept, ok && l.now().Before(kept.until)
}

// keep makes room first. Which one goes matters little: it is fetched again when it is asked for.
func (l *logos) keep(uri string, got logo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for other := range l.kept {
		if len(l.kept) < maxLogos {
			break
		}
		delete(l.kept, other)
	}
	l.kept[uri] = got
}

func (l *logos) get(ctx context.Context, uri string) logo {
	picture, err := l.download(ctx, uri)
	if identity.KindOf(err) == identity.Busy {
		return logo{until: l.now().Add(busyTTL)}
	}
	contentType := http.DetectContentType(picture)
	if err != nil || !slices.Contains(logoTypes, contentType) {
		return logo{until: l.now().Add(noLogoTTL)}
	}
	return logo{picture, contentType, l.now().Add(logoTTL)}
}

func (l *logos) download(ctx context.Context, uri string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, fmt.Errorf("logo: %w", err)
	}
	resp, err := l.fetch.Do(req)
	if err != nil {
		return nil, fmt.Errorf("logo: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("logo: status %d", resp.StatusCode)
	}
	picture, err := io.ReadAll(io.LimitReader(resp.Body, maxLogo+1))
	if err != nil {
		return nil, fmt.Errorf("logo: %w", err)
	}
	if len(picture) > maxLogo {
		return nil, errors.New("logo: too large")
	}
	return picture, nil
}
