package gate

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

const verifyPath = "/verify"

// asked is what a proxy asks about: a caller's request, and what its operation needs.
type asked struct {
	request *http.Request
	needs   resource.Operation
}

// errUnclear is about an address that is none (RFC 3986): what a proxy makes of it, the API may not. It is the caller's fault, not the proxy's.
var errUnclear = errors.New("This address can be read in more than one way: send a path, without # and backslashes, and a query if need be.") //nolint:staticcheck // a sentence for the answer

// read finds the caller's request in what a proxy sends.
//
// Below /verify/ it is the request itself, with /verify before its path: so Envoy sends it (path_prefix). There everything is the
// caller's, the query too, so nothing else is read.
//
// At /verify itself the proxy says what is asked about: X-Original-Method and X-Original-URI name the request, as nginx is
// configured to, and the query, which is the configuration's own, what this operation needs beside the options. Whoever names
// no request asks about a request to /verify.
func (g *Gate) read(r *http.Request) (asked, error) {
	if r.URL.Path != verifyPath {
		return g.named(r, r.Method, strings.TrimPrefix(r.RequestURI, verifyPath))
	}
	for _, name := range []string{"X-Original-Method", "X-Original-URI"} {
		if len(r.Header.Values(name)) > 1 { // one is the caller's, and nobody knows which
			return asked{}, fmt.Errorf("%s came twice: the proxy must set it in place of a caller's", name)
		}
	}
	method, uri := r.Header.Get("X-Original-Method"), r.Header.Get("X-Original-URI")
	if (method == "") != (uri == "") {
		return asked{}, fmt.Errorf("the proxy must send both of X-Original-Method (%q) and X-Original-URI (%q), or none", method, uri)
	}
	a, err := g.named(r, cmp.Or(method, r.Method), cmp.Or(uri, verifyPath))
	if err != nil {
		return a, err
	}
	return a, needsOf(r.URL.RawQuery, &a.needs)
}

// named is a request of a method to a URI, with the headers of r.
func (g *Gate) named(r *http.Request, method, uri string) (asked, error) {
	base := cmp.Or(g.public, "http://"+r.Host)
	path, _, _ := strings.Cut(uri, "?")
	to, err := url.Parse(base + uri)
	if err != nil || !strings.HasPrefix(path, "/") || strings.Contains(uri, "#") || strings.Contains(path, `\`) {
		return asked{}, errUnclear
	}
	original := &http.Request{Method: method, URL: to, Host: to.Host, Header: r.Header, RemoteAddr: r.RemoteAddr}
	return asked{original.WithContext(r.Context()), resource.Operation{Scopes: append([]string(nil), g.scopes...)}}, nil
}

// needsOf adds to an operation what the query of /verify says: scope, which may be repeated or hold several, acr_values and max_age.
func needsOf(query string, op *resource.Operation) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("the query of %s: %w", verifyPath, err)
	}
	for name, all := range values {
		switch name {
		case "scope":
			op.Scopes = append(op.Scopes, strings.Fields(strings.Join(all, " "))...)
		case "acr_values":
			op.ACR = all[0]
		case "max_age":
			seconds, err := strconv.ParseUint(all[0], 10, 31)
			if err != nil || seconds == 0 {
				return fmt.Errorf("the query of %s: max_age %q is no number of seconds", verifyPath, all[0])
			}
			op.MaxAge = time.Duration(seconds) * time.Second
		default:
			return fmt.Errorf("the query of %s may hold scope, acr_values and max_age, not %q", verifyPath, name)
		}
	}
	return checkScopes(op.Scopes)
}
