package templates

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the go:embed lines
	"fmt"
	"net/http"
	"time"
)

var (
	//go:embed static/app.css
	style []byte
	//go:embed static/desk.css
	deskStyle []byte
	//go:embed static/app.js
	script []byte
	//go:embed static/icon.svg
	icon []byte
)

// Style is the style sheet of the pages, for what stands beside the server and looks alike.
func Style() []byte { return style }

// asset is one embedded file under an address that changes with its content.
type asset struct {
	url         string
	contentType string
	content     []byte
}

var published = map[string]asset{
	"app.css":  publish("/static/app-%x.css", "text/css; charset=utf-8", style),
	"desk.css": publish("/static/desk-%x.css", "text/css; charset=utf-8", deskStyle),
	"app.js":   publish("/static/app-%x.js", "text/javascript; charset=utf-8", script),
	// For an operator without a logo of theirs.
	"icon.svg": publish("/static/icon-%x.svg", "image/svg+xml", icon),
}

func publish(pattern, contentType string, content []byte) asset {
	sum := sha256.Sum256(content)
	return asset{url: fmt.Sprintf(pattern, sum[:8]), contentType: contentType, content: content}
}

// staticURL is where the file of that name is served.
func staticURL(name string) (string, error) {
	a, ok := published[name]
	if !ok {
		return "", fmt.Errorf("no static file %q", name)
	}
	return a.url, nil
}

// Static serves style, script and icon under /static/, each at an address that carries its
// hash, so a browser may keep it for ever (RFC 8246). Any other address is 404.
func Static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, a := range published {
			if a.url == r.URL.Path {
				a.serve(w, r)
				return
			}
		}
		http.NotFound(w, r)
	})
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, a.url, time.Time{}, bytes.NewReader(a.content))
}
