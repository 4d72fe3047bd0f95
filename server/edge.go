package server

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// realAddress puts the address of the client behind trusted proxies into r.RemoteAddr. Each proxy appends who called it,
// so the list is read from the right for as long as the entries are our own proxies; what stands left of the first
// stranger was written by that stranger and says nothing. Of whoever is no proxy of ours it takes away proxyHeaders.
func realAddress(trusted []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if client, ok := behind(trusted, r); ok {
				r.RemoteAddr = net.JoinHostPort(client.String(), "0")
			} else {
				for _, name := range proxyHeaders {
					delete(r.Header, name)
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// maxHops bounds how many proxies' entries are read of one X-Forwarded-For.
const maxHops = 32

// behind returns the right-most address of the chain that is no proxy of ours, and false when no proxy of ours called.
func behind(trusted []netip.Prefix, r *http.Request) (netip.Addr, bool) {
	if len(trusted) == 0 {
		return netip.Addr{}, false
	}
	peer, ok := parseHop(r.RemoteAddr)
	if !ok || !holds(trusted, peer) {
		return netip.Addr{}, false
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := range min(len(hops), maxHops) {
		hop, ok := parseHop(strings.TrimSpace(hops[len(hops)-1-i]))
		if !ok {
			break
		}
		if peer = hop; !holds(trusted, hop) {
			break
		}
	}
	return peer, true
}

// parseHop reads an address with or without a port, and forgets the zone.
func parseHop(text string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}

func holds(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

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

// crossOrigin says with which methods a script of any origin may use an endpoint; "" for the ones that none may. These
// endpoints look at no cookie, so a star without credentials gives away nothing that a program could not have.
func crossOrigin(urlPath string) (methods string) {
	switch urlPath {
	case "/oauth2/jwks":
		return "GET, HEAD"
	case "/oauth2/par", "/oauth2/token", "/oauth2/revoke", "/oauth2/signout", "/oauth2/register":
		return "POST"
	case "/oauth2/userinfo":
		return "GET, POST"
	case "/me", eventsPath, "/me/state":
		return "GET"
	}
	if strings.HasPrefix(urlPath, "/.well-known/") { // where there is nothing, too: who tries one place after the other must read that
		return "GET, HEAD"
	}
	if strings.HasPrefix(urlPath, "/me/sessions/") {
		return "DELETE"
	}
	if strings.HasPrefix(urlPath, "/me/state/") {
		return "GET, PUT, PATCH, DELETE"
	}
	if id, ok := strings.CutPrefix(urlPath, "/oauth2/register/"); ok && id != "" && !strings.Contains(id, "/") {
		return "GET, PUT, DELETE" // RFC 7592
	}
	return ""
}

// cors lets apps in a browser use the endpoints made for them, and answers their preflight (Fetch standard §3.2).
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods := crossOrigin(r.URL.Path)
		if methods == "" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "Date, DPoP-Nonce, ETag, Retry-After, WWW-Authenticate, "+requestIDHeader)
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", methods)
		h.Set("Access-Control-Allow-Headers", allowedHeaders(r.Header.Values("Access-Control-Request-Headers")))
		h.Add("Vary", "Access-Control-Request-Headers")
		h.Set("Access-Control-Max-Age", "7200") // seconds; no browser keeps it longer
		h.Set("Allow", methods+", OPTIONS")
		w.WriteHeader(http.StatusNoContent)
	})
}

// allowedHeaders are what a preflight is told that a request may carry: what we read, and whatever else a library or an
// extension puts on it and asks for. No cookie comes along, so a header does no harm; * would not cover Authorization.
func allowedHeaders(asked []string) string {
	const ours = "Authorization, Content-Type, DPoP, If-Match, If-None-Match, Last-Event-ID"
	names := strings.Split(ours, ", ")
	for _, name := range strings.Split(strings.Join(asked, ","), ",") {
		name = strings.TrimSpace(name)
		known := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
		if httpguts.ValidHeaderFieldName(name) && !known && len(names) < maxAllowed {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// maxAllowed bounds the answer to a preflight; nobody sends more names.
const maxAllowed = 100

const (
	maxBody   = 64 << 10
	maxHeader = 32 << 10
)

// limitBody refuses a body that says it is too large, and cuts off one that turns out to be.
func limitBody(tooLarge http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > maxBody {
				w.Header().Set("Connection", "close") // rather than read all of it to find the next request
				tooLarge.ServeHTTP(w, r)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			next.ServeHTTP(w, r)
		})
	}
}

// ownForms refuses forms that another site posts to our pages: the cookie would go with them. The protocol's endpoints
// are left alone: authorize must take POST from anywhere (OpenID Connect Core §3.1.2.1) and changes nothing by it, the
// others look at no cookie.
func ownForms(issuer string, denied http.Handler) (func(http.Handler) http.Handler, error) {
	guard := http.NewCrossOriginProtection()
	// A proxy may change the Host header that the guard compares with.
	if err := guard.AddTrustedOrigin(issuer); err != nil {
		return nil, err
	}
	guard.SetDenyHandler(denied)
	return func(next http.Handler) http.Handler {
		guarded := guard.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isProtocol(r.URL.Path) {
				next.ServeHTTP(w, r)
				return
			}
			guarded.ServeHTTP(w, r)
		})
	}, nil
}

// isProtocol tells the endpoints that programs speak to from the pages for people.
func isProtocol(path string) bool {
	return strings.HasPrefix(path, "/oauth2/") || strings.HasPrefix(path, "/.well-known/") ||
		path == "/me" || strings.HasPrefix(path, "/me/")
}

// headAsGet routes HEAD like GET (RFC 9110 §9.3.2); net/http keeps the body back.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && r.URL.Path != eventsPath { // nobody would hear the events
			copied := *r // net/http looks at its own request to see that there is to be no body
			copied.Method = http.MethodGet
			r = &copied
		}
		next.ServeHTTP(w, r)
	})
}

// eventsPath is where apps listen, for as long as they like: no limit of an ordinary request holds there.
const eventsPath = "/me/events"

// endingsPath is where APIs follow the feed of endings, which sees to its own limits.
const endingsPath = "/oauth2/endings"

// lasting reports whether an answer may go on for as long as somebody listens.
func lasting(path string) bool { return path == eventsPath || path == endingsPath }

// deadline bounds every ordinary request, and lets one that writes go on when its sender hangs up: on dead networks they all do.
// Its write would otherwise be cut off half-way and take the database connection with it, and the retry is answered alike
// in both cases.
func (s *Server) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lasting(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		ctx := r.Context()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			ctx = context.WithoutCancel(ctx)
		}
		ctx, stop := context.WithTimeout(ctx, s.limits.answer)
		defer stop()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
