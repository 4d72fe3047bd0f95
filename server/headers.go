package server

import (
	"maps"
	"net/http"
)

// policy is the Content-Security-Policy of every page: our own style and script, images of ours and inline ones (the QR
// code), no frames around us. It has no form-action, which Chromium applies to the redirect back to the app as well.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"img-src 'self' data:"

// headers puts on every answer what any answer should carry; images says where else one may come from. A handler that
// knows better overrides it.
func headers(secure bool, images string) func(http.Handler) http.Handler {
	policy := policy
	if images != "" {
		policy += " " + images
	}
	fixed := http.Header{}
	fixed.Set("Content-Security-Policy", policy)
	fixed.Set("Referrer-Policy", "same-origin") // RFC 9700 §4.2.4: codes don't leak to where a page links
	fixed.Set("X-Content-Type-Options", "nosniff")
	fixed.Set("Cache-Control", "no-store") // RFC 6749 §5.1
	if secure {
		fixed.Set("Strict-Transport-Security", "max-age=63072000")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			maps.Copy(w.Header(), fixed) // the values are shared: whoever overrides one sets it anew
			next.ServeHTTP(w, r)
		})
	}
}
