package web_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
	"github.com/sojourn-auth/sojourn/web"
)

// pictures begin like what they are called.
var pictures = map[string]string{
	"/png": "\x89PNG\r\n\x1a\n\x00\x00", "/jpeg": "\xff\xd8\xff\xe0\x00\x10", "/gif": "GIF89a\x01\x00", "/webp": "RIFF\x10\x00\x00\x00WEBPVP8 ",
}

// gallery is the host of apps' logos, and counts who comes.
type gallery struct {
	*httptest.Server
	secure *httptest.Server // the same over https
	visits atomic.Int64
}

func newGallery(t *testing.T) *gallery {
	t.Helper()
	g := &gallery{}
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.visits.Add(1)
		switch picture := pictures[r.URL.Path]; {
		case picture != "":
			w.Header().Set("Content-Type", "text/html") // a lie
			_, _ = w.Write([]byte(picture))
		case r.URL.Path == "/svg":
			w.Header().Set("Content-Type", "image/png") // another
			_, _ = w.Write([]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>x</script></svg>`))
		case r.URL.Path == "/large":
			_, _ = w.Write(append([]byte(pictures["/png"]), bytes.Repeat([]byte{0}, 256<<10)...))
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/png", http.StatusFound)
		case r.URL.Path == "/elsewhere":
			http.Redirect(w, r, g.secure.URL+"/png", http.StatusFound)
		case r.URL.Path == "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(pictures["/png"]))
		}
	})
	g.Server, g.secure = httptest.NewServer(serve), httptest.NewTLSServer(serve)
	t.Cleanup(g.Close)
	t.Cleanup(g.secure.Close)
	return g
}

// logoSite needs no PostgreSQL: a logo is no row.
func logoSite(t *testing.T, g *gallery) *site {
	t.Helper()
	s := open(t, storagetest.Kinds(t)[0], func(o *web.Options) { o.Fetch = g.secure.Client() })
	for _, name := range []string{"png", "jpeg", "gif", "webp", "svg", "large", "moved", "elsewhere", "round", "missing"} {
		s.client(identity.Client{ID: name, Metadata: identity.Metadata{LogoURI: g.URL + "/" + name}})
	}
	s.client(identity.Client{ID: "secure", Metadata: identity.Metadata{LogoURI: g.secure.URL + "/png"}})
	s.client(identity.Client{ID: "file", Metadata: identity.Metadata{LogoURI: "file:///etc/passwd"}})
	return s
}

func TestLogo_isServedFromHereAsThePictureItIs(t *testing.T) {
	t.Parallel()
	s := logoSite(t, newGallery(t))
	for name, want := range map[string]string{"png": "png", "jpeg": "jpeg", "gif": "gif", "webp": "webp", "moved": "png", "secure": "png"} {
		a := s.browser().get("/logo/" + name)
		if a.status != http.StatusOK || a.body != pictures["/"+want] {
			t.Errorf("%s: status %d, %q", name, a.status, a.body)
		}
		for header, value := range map[string]string{
			"Content-Type": "image/" + want, "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "public, max-age=3600",
		} {
			if got := a.header.Get(header); got != value {
				t.Errorf("%s: %s is %q, want %q", name, header, got, value)
			}
		}
	}
}

func TestLogo_isNothingElse(t *testing.T) {
	t.Parallel()
	s := logoSite(t, newGallery(t))
	for _, name := range []string{"svg", "large", "elsewhere", "round", "missing", "file", "notes", "nobody"} {
		if a := s.browser().get("/logo/" + name); a.status != http.StatusNotFound || strings.Contains(a.body, "PNG") {
			t.Errorf("%s: status %d, %q", name, a.status, a.body)
		}
	}
}

func TestLogo_isFetchedOnceAnHourAndAMissingOneEveryFiveMinutes(t *testing.T) {
	t.Parallel()
	g := newGallery(t)
	s := logoSite(t, g)
	for _, c := range []struct {
		name   string
		status int
		kept   time.Duration
	}{{"png", http.StatusOK, time.Hour}, {"missing", http.StatusNotFound, 5 * time.Minute}} {
		before := g.visits.Load()
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() { s.browser().get("/logo/" + c.name).is(c.status) })
		}
		all.Wait()
		s.wait(c.kept - time.Second)
		s.browser().get("/logo/" + c.name).is(c.status)
		if n := g.visits.Load() - before; n != 1 {
			t.Errorf("%s: fetched %d times, want once", c.name, n)
		}
		s.wait(time.Second)
		s.browser().get("/logo/" + c.name).is(c.status)
		if n := g.visits.Load() - before; n != 2 {
			t.Errorf("%s: fetched %d times after a while, want twice", c.name, n)
		}
	}
}
