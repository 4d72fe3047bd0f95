package identity

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	maxURI  = 512
	maxHost = 253 // RFC 1035 §2.3.4
)

// The application types of OpenID Connect Registration 1.0 §2.
const (
	webApp    = "web"
	nativeApp = "native"
)

// ways are the schemes of their own by which apps may be led back, beside those with a dot: one without it could be any
// other app's by chance (RFC 8252 §7.1).
type ways struct {
	schemes []string // without a dot, that the operator lets through
	hosts   bool     // any other too, if a host follows: of clients that registered themselves, as they are sold today
}

// check judges an address that browsers will be led back to, of the metadata member called field: nil, or an Invalid refusal
// of that member that says what would be right.
//
// Right are, by RFC 8252 §7: https; http on loopback, for web apps too while they are being developed; and a private-use
// scheme. Everything that a browser runs, reads from the disk or could take for another host is refused.
func (w ways) check(field, uri string) error { return checkWayBack(field, uri, w.own) }

// own reports whether apps may be led back by the scheme of u. One without a dot may be another app's too: who is led back by
// it is asked each time, and proves by PKCE that the request was theirs.
func (w ways) own(u *url.URL) bool {
	return privateUse(u) || anApps(u) && (slices.Contains(w.schemes, u.Scheme) || w.hosts && u.Host != "")
}

// anApps reports whether a scheme could be an app's: with a dot no browser acts on it, and without one none that we know of.
func anApps(u *url.URL) bool {
	return privateUse(u) || u.Scheme != "" && !strings.Contains(u.Scheme, ".") && !systems(u.Scheme)
}

// undotted reports whether a URI has a scheme of an app's own that is nobody's domain.
func undotted(uri string) bool {
	scheme, _, _ := strings.Cut(uri, ":")
	return ofAnApp(uri) && !strings.Contains(scheme, ".")
}

// systems reports whether a scheme is one that browsers or systems act on themselves, or that any web site may take
// (web+ and ext+: HTML §8.8.1).
func systems(scheme string) bool {
	for _, prefix := range systemPrefixes {
		if strings.HasPrefix(scheme, prefix) {
			return true
		}
	}
	return slices.Contains(systemSchemes, scheme)
}

// systemPrefixes begin the schemes of whole families: browsers that open what follows, calls, settings.
var systemPrefixes = []string{
	"chrome", "edge", "ext+", "facetime", "firefox", "googlechrome", "itms", "microsoft-", "moz-", "ms-", "opera-", "safari-", "web+",
	"webcal", "x-apple", "x-man-page", "x-safari-",
}

var systemSchemes = []string{
	"about", "afp", "android-app", "app-settings", "applescript", "blob", "brave", "callto", "cid", "cifs", "content", "data",
	"dav", "davs", "devtools", "dict", "disk", "feed", "file", "filesystem", "finger", "ftp", "ftps", "geo", "git", "gopher",
	"hcp", "help", "http", "https", "imap", "imaps", "intent", "irc", "ircs", "jar", "javascript", "ldap", "ldaps",
	"livescript", "magnet", "mailto", "maps", "market", "message", "mhtml", "mid", "mk", "mms", "mocha", "news", "nfs",
	"nntp", "opera", "pop", "prefs", "rdp", "res", "resource", "rlogin", "rtmp", "rtsp", "search", "search-ms", "sftp",
	"shell", "shortcuts", "sip", "sips", "smb", "sms", "smsto", "ssh", "svn", "tel", "telnet", "tftp", "urn", "vbscript",
	"view-source", "vnc", "ws", "wss", "wyciwyg", "xmpp",
}

func checkWayBack(field, uri string, own func(*url.URL) bool) error {
	if err := checkText(field, uri); err != nil {
		return err
	}
	if strings.ContainsAny(uri, "#*") { // RFC 6749 §3.1.2; RFC 9700 §4.1.3: no patterns
		return RefuseField(field, "Use a URI without a fragment (#) and without wildcards (*).")
	}
	u, err := url.Parse(uri)
	if err != nil || u.User != nil {
		return RefuseField(field, "Use an absolute URI without user name and password.")
	}
	switch {
	case u.Scheme == "https" && wholeHost(u):
		return nil
	case u.Scheme == "http" && onLoopback(uri):
		return nil
	case u.Scheme == "https" || u.Scheme == "http":
		return RefuseField(field, "Use https with a plain host name, "+
			"or http on 127.0.0.1, [::1] or localhost.")
	case !own(u):
		return RefuseField(field, "Use a scheme that is a domain name of yours in reverse order, with a dot in it, "+
			"such as com.example.app:/callback (RFC 8252 section 7.1), or https.")
	}
	return nil
}

// ofAnApp reports whether a URI has a scheme of an app's own.
func ofAnApp(uri string) bool { return !claimed(uri) && !onLoopback(uri) }

// MatchRedirect reports whether an authorization request may lead back to uri: it is a registered one, character for
// character (RFC 9700 §4.1.3), or it is on loopback and differs from a registered one in nothing but the port, which a
// native app gets from the system when it starts (RFC 8252 §7.3; localhost too, since apps in use register it), and in
// whether an empty path is written as one.
// A URI that no registration would take never matches, however it came into the row.
func (c Client) MatchRedirect(uri string) bool { return matches(uri, c.RedirectURIs) }

// MatchSignedOut reports whether a sign-out may lead back to uri (RP-Initiated Logout 1.0 §3: it is a registered one). The
// port on loopback may differ as for redirect URIs: an app that listens for one has no other for the other.
func (c Client) MatchSignedOut(uri string) bool { return matches(uri, c.PostLogoutRedirectURIs) }

func matches(uri string, among []string) bool {
	if checkWayBack("redirect_uri", uri, anApps) != nil {
		return false
	}
	host, rest, loopback := splitLoopback(uri)
	for _, registered := range among {
		if uri == registered {
			return true
		}
		h, r, ok := splitLoopback(registered)
		if loopback && ok && h == host && withPath(r) == withPath(rest) {
			return true
		}
	}
	return false
}

// withPath is what follows host and port as browsers write it: an empty path is one of a slash (RFC 3986 §6.2.3).
func withPath(rest string) string {
	if !strings.HasPrefix(rest, "/") {
		return "/" + rest
	}
	return rest
}

// checkText refuses what no URI of a registration may hold. RFC 3986 §2 knows only visible ASCII; browsers disagree with
// parsers about the rest (a backslash is a slash to them, a tab is nothing).
func checkText(field, uri string) error {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\\\"<>^`{|}", r) }
	if uri == "" || len(uri) > maxURI || strings.ContainsFunc(uri, odd) {
		return RefuseField(field, "Use a URI of at most 512 visible ASCII characters; "+
			"spaces and the like are percent-encoded.")
	}
	return nil
}

// wholeHost reports whether an https URI names a host that everyone reads alike, with a usable port if any.
func wholeHost(u *url.URL) bool {
	host, port := u.Hostname(), u.Port()
	if u.Opaque != "" || strings.HasSuffix(u.Host, ":") || port != "" && !goodPort(port) {
		return false
	}
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.Zone() == ""
	}
	odd := func(r rune) bool { return !isLetter(r) && !isDigit(r) && !strings.ContainsRune("-._", r) }
	return host != "" && len(host) <= maxHost && host[0] != '.' && !strings.Contains(host, "..") &&
		!strings.ContainsFunc(host, odd)
}

// privateUse reports whether the scheme is one that an app claims by owning a domain (RFC 8252 §7.1). The dot also keeps
// out javascript, data, file and their like: no scheme that a browser acts on has one.
func privateUse(u *url.URL) bool {
	first, last, dotted := strings.Cut(u.Scheme, ".")
	return dotted && first != "" && last != "" && !strings.HasSuffix(last, ".")
}

func onLoopback(uri string) bool {
	_, _, ok := splitLoopback(uri)
	return ok
}

// onAnyPort reports whether a URI is on loopback and names no port: its app gets one from the system when it starts
// (RFC 8252 §7.3), and says which.
func onAnyPort(uri string) bool {
	host, rest, ok := splitLoopback(uri)
	return ok && uri == "http://"+host+rest
}

// splitLoopback parts a loopback URI into its host and what follows the port. It reads the text itself: nothing that one
// parser takes for a host and another for user information gets through.
func splitLoopback(uri string) (host, rest string, ok bool) {
	text, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", "", false
	}
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		rest, ok := strings.CutPrefix(text, host)
		if !ok {
			continue
		}
		if port, found := strings.CutPrefix(rest, ":"); found {
			n := strings.IndexFunc(port+"/", func(r rune) bool { return !isDigit(r) })
			if !goodPort(port[:n]) {
				return "", "", false
			}
			rest = port[n:]
		}
		return host, rest, rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	return "", "", false
}

func goodPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// AddQuery adds parameters to a URI, after the query that it has (RFC 6749 §3.1.2), of which those of the same names go: nothing is
// said twice (§3.1), least of all what whoever registered the URI wrote there in our place.
func AddQuery(uri string, query url.Values) string {
	uri = withoutParams(uri, query.Has)
	join := "?"
	if strings.Contains(uri, "?") {
		join = "&"
	}
	return uri + join + query.Encode()
}

// answerParams are what an authorization is answered with.
var answerParams = []string{
	"code", "state", "iss", "error", "error_description", "error_uri", "session_state", "response", "access_token", "token_type", "expires_in",
	"id_token",
}

// WithoutAnswer is a redirect URI without what an app could take for an answer of ours: a code beside our error, an error beside our
// code.
func WithoutAnswer(uri string) string {
	return withoutParams(uri, func(name string) bool { return slices.Contains(answerParams, name) })
}

// withoutParams leaves parameters out of a URI's query. The rest of it stays as it is written.
func withoutParams(uri string, gone func(name string) bool) string {
	place, query, asks := strings.Cut(uri, "?")
	if !asks {
		return uri
	}
	kept := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		return err == nil && gone(name)
	})
	if len(kept) == 0 {
		return place
	}
	return place + "?" + strings.Join(kept, "&")
}

// maxLogged bounds in bytes what of a stranger's address stands in the log.
const maxLogged = 256

// LoggedURI is an address that was refused as the log may hold it: cut and quoted, without what could be a secret (user
// names, passwords, the values of its query, the fragment), so that a developer can compare it with what is registered.
func LoggedURI(uri string) string {
	uri, _, _ = strings.Cut(uri, "#")
	place, query, asks := strings.Cut(uri, "?")
	if scheme, rest, ok := strings.Cut(place, "//"); ok {
		authority, path, _ := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			place = scheme + "//***" + authority[at:] + "/" + path
		}
	}
	if asks {
		var names []string
		for _, pair := range strings.Split(query, "&") {
			name, _, _ := strings.Cut(pair, "=")
			names = append(names, name+"=***")
		}
		place += "?" + strings.Join(names, "&")
	}
	return strconv.QuoteToASCII(place[:min(len(place), maxLogged)])
}
