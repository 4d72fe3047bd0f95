package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// What the settings of a fixed choice can be.
const (
	Optional = "optional"
	Required = "required"
	Off      = "off"
	On       = "on"
	Auto     = "auto"
	Open     = "open"
	Token    = "token"
	Closed   = "closed"
	JSON     = "json"
	Text     = "text"
	Async    = "async"
	Strict   = "strict"
)

// Config is every setting. Load fills it; it is a value, and nothing changes it afterwards.
type Config struct {
	Issuer      string // scheme and host, without a trailing slash
	Listen      string // host:port
	AdminListen string // host:port
	AdminURL    string // where operators' browsers find that, scheme and host; empty: on this machine alone
	Database    Database
	Redis       Redis // empty: none
	Secret      Secret

	// PostgreSQL alone.
	DatabaseRead             Database      // a standby that lists are read from; empty: none
	DatabaseConns            int           // connections of one process
	DatabaseConnLife         time.Duration // how long one is used
	DatabaseStatementTimeout time.Duration // of one statement, and of a rest inside a transaction
	DatabaseLockTimeout      time.Duration // of waiting for one lock

	MFA              string        // Optional, Required or Off
	Signup           string        // Open or Closed: may people make accounts themselves
	Registration     string        // Open, Token or Closed: may clients register themselves
	RedirectSchemes  []string      // without a dot, by which apps may be led back
	ClientDocuments  string        // On, Off or Auto: may a client's id be the address of a document that says what it is
	ClientHosts      Hosts         // whose documents those are; none: any host's
	ClientHostsDeny  Hosts         // and whose they are not
	SigningAlgs      []string      // that ID tokens and other answers to apps may be signed with
	Claims           []ClaimRule   // made of what operators say of people
	ClaimsHook       ClaimsHook    // who is asked for more of them before tokens are issued; without a URL: nobody
	ClientIdleExpiry time.Duration // how long a self-registered client lives that nobody ever signed in with

	EventsKept EventsKept // for how long what happened can be asked about

	RefreshDurability string    // Async or Strict: may PostgreSQL answer a refresh before it is on the disk
	EndingJournal     string    // file that every ending is appended to; may be empty
	RecoveryUntil     time.Time // until then Sessions that are ahead of the database are no alarm; zero: none is announced

	TLSCert, TLSKey string // files, both or none
	TrustedProxies  []netip.Prefix
	Drain           time.Duration // how long a server that was asked to leave serves on, for balancers to notice
	FetchAllow      Places

	SMTP     SMTP   // empty: no mail
	MailFrom string // whom mails are from; empty only without SMTP
	Demo     bool   // no setting: this is the demo, where nobody has to confirm an address

	PasswordCost HashCost

	OperatorName string
	OperatorLogo string // https URL or path of an image file; may be empty

	GeoIP string // file of a MaxMind database of cities or countries; may be empty

	TimeZone  string // where the operator's days begin, like Europe/Berlin
	Anomalies string // On, Off, or the path of a file of rules of the operator's own

	LogLevel  slog.Level
	LogFormat string // JSON or Text

	MetricsClients int       // how many clients have metrics under their own ids
	OTLP           string    // URL of an OpenTelemetry collector; empty: what the environment says, or none
	Collector      Collector // no setting: what comes of the one before and of the environment
	TraceSample    float64   // share of requests that are traced
	Version        string    // no setting: which program this is; empty: none that was released

	AccessTTL       time.Duration
	SessionIdle     time.Duration
	SessionAbsolute time.Duration
	SignInIdle      time.Duration
	SignInAbsolute  time.Duration
}

// setting is one row of the table that everything here goes by.
type setting struct {
	name  string // in the environment, without SOJOURN_
	std   string // the default, as it would be written
	bind  func(*Config) value
	fromF bool // NAME_FILE names a file that holds it
}

// variable is the setting's name in the environment.
func (s setting) variable() string { return prefix + s.name }

// key is its name in the YAML file and among the flags.
func (s setting) key() string { return strings.ToLower(s.name) }

const prefix = "SOJOURN_"

// settings is the table, in the order of reading.
var settings = []setting{
	{name: "ISSUER", std: "http://localhost:8080", bind: func(c *Config) value { return text{&c.Issuer} }},
	{name: "LISTEN", std: "127.0.0.1:8080", bind: func(c *Config) value { return text{&c.Listen} }},
	{name: "ADMIN_LISTEN", std: "127.0.0.1:8081", bind: func(c *Config) value { return text{&c.AdminListen} }},
	{name: "ADMIN_URL", bind: func(c *Config) value { return text{&c.AdminURL} }},
	{name: "DATABASE", std: "sqlite:sojourn-data/sojourn.db", bind: func(c *Config) value { return &c.Database }, fromF: true},
	{name: "DATABASE_READ", bind: func(c *Config) value { return &c.DatabaseRead }, fromF: true},
	{name: "DATABASE_CONNS", std: "24", bind: func(c *Config) value { return number{&c.DatabaseConns} }},
	{name: "DATABASE_CONN_LIFE", std: "30m", bind: func(c *Config) value { return span{&c.DatabaseConnLife} }},
	{name: "DATABASE_STATEMENT_TIMEOUT", std: "8s", bind: func(c *Config) value { return span{&c.DatabaseStatementTimeout} }},
	{name: "DATABASE_LOCK_TIMEOUT", std: "3s", bind: func(c *Config) value { return span{&c.DatabaseLockTimeout} }},
	{name: "REDIS", bind: func(c *Config) value { return &c.Redis }, fromF: true},
	{name: "SECRET", bind: func(c *Config) value { return &c.Secret }, fromF: true},
	{name: "MFA", std: Optional, bind: func(c *Config) value { return choice{&c.MFA, []string{Optional, Required, Off}} }},
	{name: "SIGNUP", std: Open, bind: func(c *Config) value { return choice{&c.Signup, []string{Open, Closed}} }},
	{name: "REGISTRATION", std: Token, bind: func(c *Config) value { return choice{&c.Registration, []string{Open, Token, Closed}} }},
	{name: "REDIRECT_SCHEMES", bind: func(c *Config) value { return schemes{&c.RedirectSchemes} }},
	{name: "CLIENT_DOCUMENTS", std: Auto, bind: func(c *Config) value { return choice{&c.ClientDocuments, []string{Auto, On, Off}} }},
	{name: "CLIENT_HOSTS", bind: func(c *Config) value { return &c.ClientHosts }},
	{name: "CLIENT_HOSTS_DENY", bind: func(c *Config) value { return &c.ClientHostsDeny }},
	{name: "SIGNING_ALGS", std: "ES256,RS256,EdDSA", bind: func(c *Config) value { return algs{&c.SigningAlgs} }},
	{name: "CLAIMS", bind: func(c *Config) value { return claims{&c.Claims} }},
	{name: "CLAIMS_HOOK", bind: func(c *Config) value { return text{&c.ClaimsHook.URL} }},
	{name: "CLAIMS_HOOK_SECRET", bind: func(c *Config) value { return &c.ClaimsHook.Secret }, fromF: true},
	{name: "CLAIMS_HOOK_TIMEOUT", std: "2s", bind: func(c *Config) value { return span{&c.ClaimsHook.Timeout} }},
	{name: "CLAIMS_HOOK_CACHE", std: "15m", bind: func(c *Config) value { return span{&c.ClaimsHook.Cache} }},
	{name: "CLAIMS_HOOK_FAILURE", std: Closed, bind: func(c *Config) value { return choice{&c.ClaimsHook.Failure, []string{Closed, Open}} }},
	{name: "CLIENT_IDLE_EXPIRY", std: "2160h", bind: func(c *Config) value { return span{&c.ClientIdleExpiry} }},
	{name: "EVENTS_KEPT", std: "9600h,session.forked=168h", bind: func(c *Config) value { return &c.EventsKept }},
	{name: "REFRESH_DURABILITY", std: Async, bind: func(c *Config) value { return choice{&c.RefreshDurability, []string{Async, Strict}} }},
	{name: "ENDING_JOURNAL", bind: func(c *Config) value { return text{&c.EndingJournal} }},
	{name: "RECOVERY_UNTIL", bind: func(c *Config) value { return instant{&c.RecoveryUntil} }},
	{name: "TLS_CERT", bind: func(c *Config) value { return text{&c.TLSCert} }},
	{name: "TLS_KEY", bind: func(c *Config) value { return text{&c.TLSKey} }},
	{name: "TRUSTED_PROXIES", bind: func(c *Config) value { return networks{&c.TrustedProxies} }},
	{name: "DRAIN", std: "0s", bind: func(c *Config) value { return span{&c.Drain} }},
	{name: "FETCH_ALLOW", bind: func(c *Config) value { return &c.FetchAllow }},
	{name: "SMTP", bind: func(c *Config) value { return &c.SMTP }, fromF: true},
	{name: "MAIL_FROM", bind: func(c *Config) value { return text{&c.MailFrom} }},
	{name: "PASSWORD_COST", std: "m=19456,t=2", bind: func(c *Config) value { return &c.PasswordCost }},
	{name: "OPERATOR_NAME", std: "Sojourn", bind: func(c *Config) value { return text{&c.OperatorName} }},
	{name: "OPERATOR_LOGO", bind: func(c *Config) value { return text{&c.OperatorLogo} }},
	{name: "GEOIP", bind: func(c *Config) value { return text{&c.GeoIP} }},
	{name: "TIMEZONE", std: "UTC", bind: func(c *Config) value { return zone{&c.TimeZone} }},
	{name: "ANOMALIES", std: On, bind: func(c *Config) value { return text{&c.Anomalies} }},
	{name: "LOG_LEVEL", std: "info", bind: func(c *Config) value { return level{&c.LogLevel} }},
	{name: "LOG_FORMAT", std: JSON, bind: func(c *Config) value { return choice{&c.LogFormat, []string{JSON, Text}} }},
	{name: "METRICS_CLIENTS", std: "50", bind: func(c *Config) value { return number{&c.MetricsClients} }},
	{name: "OTLP", bind: func(c *Config) value { return text{&c.OTLP} }},
	{name: "TRACE_SAMPLE", std: "0.05", bind: func(c *Config) value { return share{&c.TraceSample} }},
	{name: "ACCESS_TTL", std: "10m", bind: func(c *Config) value { return span{&c.AccessTTL} }},
	{name: "SESSION_IDLE", std: "720h", bind: func(c *Config) value { return span{&c.SessionIdle} }},
	{name: "SESSION_ABSOLUTE", std: "4320h", bind: func(c *Config) value { return span{&c.SessionAbsolute} }},
	{name: "SIGNIN_IDLE", std: "12h", bind: func(c *Config) value { return span{&c.SignInIdle} }},
	{name: "SIGNIN_ABSOLUTE", std: "336h", bind: func(c *Config) value { return span{&c.SignInAbsolute} }},
}

// TakesDocuments reports whether a client's id may be the address of a document that says what it is. Unless it is said, it may
// where clients that nobody vouches for may register themselves: they are the same strangers.
func (c Config) TakesDocuments() bool {
	return c.ClientDocuments == On || c.ClientDocuments == Auto && c.Registration == Open
}

// Zone is the time zone of TimeZone.
func (c Config) Zone() *time.Location {
	location, err := time.LoadLocation(c.TimeZone)
	if err != nil { // one that was set is known
		return time.UTC
	}
	return location
}

// String lists every setting as it would stand in the environment, without secrets.
func (c Config) String() string {
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "%s=%s\n", s.variable(), s.bind(&c))
	}
	return b.String()
}
