package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Validate returns every problem that the settings have by themselves and with each other, joined; nil when there is none.
func (c Config) Validate() error {
	var all []error
	for _, p := range c.problems() {
		all = append(all, p)
	}
	return errors.Join(all...)
}

func (c Config) problems() []problem {
	var found []problem
	for _, check := range []struct{ name, text string }{
		{"ISSUER", c.issuerProblem()},
		{"LISTEN", addressProblem(c.Listen)},
		{"ADMIN_LISTEN", c.adminListenProblem()},
		{"ADMIN_URL", c.adminURLProblem()},
		{"DATABASE", databaseProblem(c.Database)},
		{"DATABASE_READ", c.readProblem()},
		{"DATABASE_CONNS", connsProblem(c.DatabaseConns)},
		{"DATABASE_CONN_LIFE", spanProblem(c.DatabaseConnLife, time.Minute, 24*time.Hour)},
		{"DATABASE_STATEMENT_TIMEOUT", spanProblem(c.DatabaseStatementTimeout, time.Second, time.Minute)},
		{"DATABASE_LOCK_TIMEOUT", c.lockProblem()},
		{"REDIS", redisProblem(c.Redis)},
		{"SECRET", c.secretProblem()},
		{"TLS_CERT", c.tlsProblem()},
		{"TRUSTED_PROXIES", proxiesProblem(c.TrustedProxies)},
		{"DRAIN", spanProblem(c.Drain, 0, 5*time.Minute)},
		{"SMTP", c.smtpProblem()},
		{"MAIL_FROM", c.mailFromProblem()},
		{"PASSWORD_COST", costProblem(c.PasswordCost)},
		{"OPERATOR_NAME", nameProblem(c.OperatorName)},
		{"OPERATOR_LOGO", logoProblem(c.OperatorLogo)},
		{"METRICS_CLIENTS", namesProblem(c.MetricsClients)},
		{"OTLP", c.Collector.problem()},
		{"TRACE_SAMPLE", shareProblem(c.TraceSample)},
		{"CLAIMS", c.claimsProblem()},
		{"CLAIMS_HOOK", c.ClaimsHook.problem()},
		{"CLAIMS_HOOK_SECRET", c.ClaimsHook.secretProblem()},
		{"CLAIMS_HOOK_TIMEOUT", spanProblem(c.ClaimsHook.Timeout, 100*time.Millisecond, 5*time.Second)},
		{"CLAIMS_HOOK_CACHE", spanProblem(c.ClaimsHook.Cache, time.Second, time.Hour)},
		{"CLIENT_IDLE_EXPIRY", spanProblem(c.ClientIdleExpiry, time.Hour, century)},
		{"ACCESS_TTL", spanProblem(c.AccessTTL, time.Minute, time.Hour)},
		{"SESSION_ABSOLUTE", spanProblem(c.SessionAbsolute, c.AccessTTL, century)},
		{"SESSION_IDLE", idleProblem(c.SessionIdle, c.SessionAbsolute, "SESSION_ABSOLUTE")},
		{"SIGNIN_ABSOLUTE", spanProblem(c.SignInAbsolute, time.Minute, century)},
		{"SIGNIN_IDLE", idleProblem(c.SignInIdle, c.SignInAbsolute, "SIGNIN_ABSOLUTE")},
	} {
		if check.text != "" {
			found = append(found, problem(check))
		}
	}
	return found
}

// problem is what is wrong with one setting.
type problem struct {
	name string // as in the table
	text string // what is wrong and what would be right
}

// Error names the variable.
func (p problem) Error() string { return prefix + p.name + ": " + p.text }

// issuerProblem holds the issuer to scheme and host: apps compare it byte by byte (OpenID Connect Discovery §4.3), so
// it has one spelling, and our endpoints are at the root of their host.
func (c Config) issuerProblem() string {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !isServer(u.Hostname()) {
		return fmt.Sprintf("%q is not a URL like https://id.example.com", c.Issuer)
	}
	if plain := spell(u); c.Issuer != plain {
		return fmt.Sprintf("%q must be scheme and host alone, in lower case: write %s", c.Issuer, plain)
	}
	if u.Scheme == "http" && !c.Loopback() {
		return fmt.Sprintf("%q would send passwords in the clear: use https (http is for localhost, 127.0.0.1 and [::1] alone)", c.Issuer)
	}
	if u.Scheme == "http" && c.TLSCert != "" {
		return fmt.Sprintf("%q must be https, since %sTLS_CERT makes the listener speak TLS", c.Issuer, prefix)
	}
	return ""
}

func isServer(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || isHost(strings.ToLower(host))
}

// spell writes scheme and host in the one way that counts.
func spell(u *url.URL) string {
	host := strings.ToLower(u.Host)
	for scheme, port := range map[string]string{"http": ":80", "https": ":443"} {
		if u.Scheme == scheme {
			host = strings.TrimSuffix(host, port)
		}
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":")
}

// Loopback reports whether the issuer is this machine itself: localhost, 127.0.0.0/8 or [::1].
func (c Config) Loopback() bool {
	u, err := url.Parse(c.Issuer)
	return err == nil && onThisMachine(u)
}

func onThisMachine(u *url.URL) bool {
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}

func addressProblem(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Sprintf("%q is not host:port like 127.0.0.1:8080", address)
	}
	return ""
}

func (c Config) adminListenProblem() string {
	if c.AdminListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		return fmt.Sprintf("%q is where %sLISTEN listens: metrics and management need an address of their own", c.AdminListen, prefix)
	}
	return addressProblem(c.AdminListen)
}

// adminURLProblem holds the desk's address to what issuerProblem holds the issuer to: a cookie that opens it goes there.
func (c Config) adminURLProblem() string {
	if c.AdminURL == "" {
		return ""
	}
	u, err := url.Parse(c.AdminURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !isServer(u.Hostname()) {
		return fmt.Sprintf("%q is not a URL like https://desk.example.com", c.AdminURL)
	}
	if plain := spell(u); c.AdminURL != plain {
		return fmt.Sprintf("%q must be scheme and host alone, in lower case: write %s", c.AdminURL, plain)
	}
	if u.Scheme == "http" && !onThisMachine(u) {
		return fmt.Sprintf("%q would send what opens the desk in the clear: use https (http is for localhost, 127.0.0.1 and [::1] alone)", c.AdminURL)
	}
	if c.AdminURL == c.Issuer {
		return fmt.Sprintf("%q is the issuer: the desk is on the admin listener, and needs an address of its own", c.AdminURL)
	}
	return ""
}

// DeskAt reports whether the operators' desk may be at an origin: at AdminURL, and where there is none, at any port of this
// machine by http.
func (c Config) DeskAt(origin string) bool {
	if c.AdminURL != "" {
		return origin == c.AdminURL
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "http" && origin == spell(u) && onThisMachine(u) && origin != c.Issuer
}

// databaseProblem never repeats the text: it may hold a password.
func databaseProblem(d Database) string {
	if path, ok := d.File(); ok {
		if path == "" || path == ":memory:" || strings.HasSuffix(path, "/") {
			return "names no file: write sqlite:PATH, like sqlite:sojourn-data/sojourn.db"
		}
		return ""
	}
	if !d.IsPostgres() {
		return "is neither sqlite:PATH nor postgres://user:password@host/name"
	}
	if _, err := url.Parse(string(d)); err != nil {
		return "is not a URL like postgres://user:password@host/name; what is special in the password must be percent-encoded"
	}
	return ""
}

// readProblem never repeats the text: it may hold a password.
func (c Config) readProblem() string {
	switch {
	case c.DatabaseRead == "":
		return ""
	case !c.DatabaseRead.IsPostgres():
		return "is not a URL like postgres://user:password@replica/name: a standby of the same PostgreSQL"
	case !c.Database.IsPostgres():
		return fmt.Sprintf("is for PostgreSQL alone, and %sDATABASE is another", prefix)
	}
	return databaseProblem(c.DatabaseRead)
}

// connsProblem wants room for a transaction beside the statements of every request, and less than PostgreSQL is ever set to.
func connsProblem(n int) string {
	const least, most = 3, 1000
	if n < least || n > most {
		return fmt.Sprintf("%d must be %d to %d: all servers together fewer than PostgreSQL's max_connections", n, least, most)
	}
	return ""
}

func namesProblem(n int) string {
	const most = 1000
	if n < 0 || n > most {
		return fmt.Sprintf("%d must be 0 to %d: each client is a series of its own in Prometheus", n, most)
	}
	return ""
}

func shareProblem(n float64) string {
	if !(n >= 0 && n <= 1) { // not a number, too
		return fmt.Sprintf("%v must be 0 to 1", n)
	}
	return ""
}

func (c Config) lockProblem() string {
	if c.DatabaseLockTimeout > c.DatabaseStatementTimeout {
		return fmt.Sprintf("%v is longer than %sDATABASE_STATEMENT_TIMEOUT (%v): make it that or less",
			c.DatabaseLockTimeout, prefix, c.DatabaseStatementTimeout)
	}
	return spanProblem(c.DatabaseLockTimeout, 100*time.Millisecond, time.Minute)
}

// redisProblem never repeats the text: it may hold a password. What may follow the question mark is known where it is used.
func redisProblem(r Redis) string {
	const like = "is not a URL like redis://user:password@host:6379/0 or rediss://host"
	u, err := url.Parse(string(r))
	switch {
	case r == "":
		return ""
	case err != nil:
		return like + "; what is special in the password must be percent-encoded"
	case u.Scheme != "redis" && u.Scheme != "rediss" || !isServer(u.Hostname()) || !isPort(u.Port()):
		return like
	}
	return ""
}

func (c Config) secretProblem() string {
	if c.Database.IsPostgres() && len(c.Secret) == 0 {
		return "is required with PostgreSQL; " + makeOne
	}
	return ""
}

func (c Config) tlsProblem() string {
	if c.TLSCert == "" && c.TLSKey == "" {
		return ""
	}
	if c.TLSCert == "" || c.TLSKey == "" {
		return fmt.Sprintf("set both %sTLS_CERT and %sTLS_KEY, or neither", prefix, prefix)
	}
	if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
		return fmt.Sprintf("%s and %s are no certificate and its key: %v", c.TLSCert, c.TLSKey, err)
	}
	return ""
}

func proxiesProblem(proxies []netip.Prefix) string {
	for _, p := range proxies {
		if p.Bits() == 0 {
			return fmt.Sprintf("%s trusts everyone to say where a request came from: name the proxies' own networks", p)
		}
	}
	return ""
}

// smtpProblem never repeats the text: it may hold a password.
func (c Config) smtpProblem() string {
	const like = "is not a URL like smtp://user:password@mail.example.com:587 or smtps://mail.example.com"
	if c.SMTP == "" {
		return ""
	}
	if c.SMTP.Prints() {
		if !c.Loopback() {
			return "print: shows everyone's links to whoever reads the terminal: it is for an issuer on this machine alone"
		}
		return ""
	}
	u, err := url.Parse(string(c.SMTP))
	switch {
	case err != nil:
		return like + "; what is special in the password must be percent-encoded"
	case u.Scheme != "smtp" && u.Scheme != "smtps" || !isServer(u.Hostname()) || !isPort(u.Port()):
		return like
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "has something after the host and the port: it " + like
	}
	if password, given := u.User.Password(); u.User != nil && (!given || password == "" || u.User.Username() == "") {
		return "names a user or a password alone: write both, or none"
	}
	return ""
}

// isPort accepts none, too.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

func (c Config) mailFromProblem() string {
	const like = "like Harbour <no-reply@example.com>"
	if c.MailFrom == "" {
		if c.SMTP == "" {
			return ""
		}
		return fmt.Sprintf("is required with %sSMTP: whom mails are from, %s", prefix, like)
	}
	_, err := mail.ParseAddress(c.MailFrom)
	if err != nil || len(c.MailFrom) > 320 || strings.ContainsFunc(c.MailFrom, unicode.IsControl) {
		return fmt.Sprintf("%q is not an address %s", c.MailFrom, like)
	}
	return ""
}

// costProblem holds a cost to what OWASP's Password Storage Cheat Sheet lists as equal choices, m=7168,t=5 being the one of
// the least memory, and to what a server can give each of its cores.
func costProblem(c HashCost) string {
	const leastMemory, mostMemory, leastWork, mostPasses = 7 * 1024, 1 << 20, 35 * 1024, 100
	if c.Memory < leastMemory || c.Memory > mostMemory || c.Passes > mostPasses {
		return fmt.Sprintf("%s must take m=%d to m=%d and at most t=%d", &c, leastMemory, mostMemory, mostPasses)
	}
	if uint64(c.Memory)*uint64(c.Passes) < leastWork {
		return fmt.Sprintf("%s is too cheap to guess against: m times t must be at least %d, as in m=19456,t=2", &c, leastWork)
	}
	return ""
}

func nameProblem(name string) string {
	if len(name) > 100 || strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) == "" {
		return "must be a name of 1 to 100 bytes on one line"
	}
	return ""
}

func logoProblem(logo string) string {
	if logo == "" {
		return ""
	}
	if u, err := url.Parse(logo); err == nil && u.Scheme == "https" && u.Host != "" {
		return ""
	}
	if info, err := os.Stat(logo); err != nil || !info.Mode().IsRegular() {
		return fmt.Sprintf("%q is neither an https URL nor a file", logo)
	}
	return ""
}

const century = 100 * 365 * 24 * time.Hour

func spanProblem(d, least, most time.Duration) string {
	switch {
	case d < least:
		return fmt.Sprintf("%v is too short: at least %v", d, least)
	case d > most:
		return fmt.Sprintf("%v is too long: at most %v", d, most)
	}
	return ""
}

func idleProblem(idle, absolute time.Duration, absoluteName string) string {
	if idle > absolute {
		return fmt.Sprintf("%v is longer than %s%s (%v): make it that or less", idle, prefix, absoluteName, absolute)
	}
	return spanProblem(idle, time.Minute, century)
}
