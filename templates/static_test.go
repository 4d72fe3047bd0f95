package templates_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/templates"
)

func ask(method, url string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	templates.Static().ServeHTTP(w, httptest.NewRequest(method, url, http.NoBody))
	return w
}

func TestStatic_servesWhatThePagesName(t *testing.T) {
	t.Parallel()
	doc := document(t, "signin")
	files := map[string]string{
		doc.Find("link[rel=stylesheet]").AttrOr("href", ""): "text/css; charset=utf-8",
		doc.Find("script").AttrOr("src", ""):                "text/javascript; charset=utf-8",
	}
	for url, contentType := range files {
		w := ask(http.MethodGet, url)
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: %d with %d bytes", url, w.Code, w.Body.Len())
		}
		if got := w.Header().Get("Content-Type"); got != contentType {
			t.Errorf("%s: Content-Type %q, want %q", url, got, contentType)
		}
		if got := w.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", url, got)
		}
	}
}

func TestStatic_knowsNoOtherName(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"/static/", "/static/app.css", "/static/app-0000000000000000.css", "/static/../static.go", "/static/app.js/",
	} {
		if w := ask(http.MethodGet, url); w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "" {
			t.Errorf("%s: %d, Cache-Control %q; want 404, not kept", url, w.Code, w.Header().Get("Cache-Control"))
		}
	}
}

func TestStatic_isOnlyRead(t *testing.T) {
	t.Parallel()
	url := document(t, "signin").Find("script").AttrOr("src", "")
	if w := ask(http.MethodPost, url); w.Code != http.StatusMethodNotAllowed || !strings.Contains(w.Header().Get("Allow"), "GET") {
		t.Errorf("POST: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if w := ask(http.MethodHead, url); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d with %d bytes", w.Code, w.Body.Len())
	}
}
