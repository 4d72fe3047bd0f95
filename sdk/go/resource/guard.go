package resource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/clock"
)

// Clock is the two clocks of a machine, and waiting. The usual one is the system's; tests bring their own.
type Clock interface {
	// Wall is the time of day, which people set: tokens and proofs are judged by it.
	Wall() time.Time
	// Elapsed counts from any moment, and nobody sets it; it may stand still while the machine sleeps.
	Elapsed() time.Duration
	// Wait returns after d of Elapsed, or with the error of a ctx that ends before.
	Wait(ctx context.Context, d time.Duration) error
}

// Stale is what a guard does while the feed of endings is not current: more than five seconds without a sign of life.
type Stale string

const (
	// Introspect asks the server about each token, and keeps its answers for ten seconds. It is the usual.
	Introspect Stale = "introspect"
	// Refuse answers 503.
	Refuse Stale = "refuse"
	// Accept goes by signature, expiry and the endings that are known.
	Accept Stale = "accept"
)

// Config says whose tokens a guard takes, and for what.
type Config struct {
	Issuer       string // the server's
	Audience     string // who tokens must be for; the issuer, if it is empty
	ClientID     string // of the API: a confidential client that the operator added, which may introspect and follow the feed
	ClientSecret string
	Stale        Stale    // Introspect, if it is empty
	BaseURL      string   // where callers find the API; if it is empty, what the request says, which a proxy may have changed
	Name         string   // of the API, for people
	Scopes       []string // all that the API knows, for its metadata
	Algs         []string // ES256, if it is empty; RS256, PS256 and EdDSA are the others
	TypJWT       bool     // takes access tokens of servers that know no RFC 9068: typ JWT, or none
	HTTP         *http.Client
	Log          *slog.Logger
	Clock        Clock // the system's, if it is nil
}

// Operation is what a request must bring to be served.
type Operation struct {
	Scopes []string      // all of them
	ACR    string        // how its person must have signed in, such as "mfa"
	MaxAge time.Duration // how long ago at most; 0: whenever
}

// Guard judges requests. It is for any number of goroutines.
type Guard struct {
	cfg      Config
	server   *server
	keys     *keys
	verified *verified
	asked    *asked
	marks    *marks
	follower *follower
	replays  *replays
	stop     context.CancelFunc
	done     chan struct{}
}

// Open makes a guard, which follows the feed from now on. It waits for nothing: until the server is heard, Config.Stale
// decides.
func Open(cfg Config) (*Guard, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	g := &Guard{cfg: cfg, done: make(chan struct{})}
	g.server = newServer(cfg)
	g.keys = &keys{server: g.server}
	g.verified = &verified{tokens: map[hash]*Claims{}}
	g.asked = newAsked(g.server)
	g.marks = newMarks(cfg.Clock)
	g.replays = newReplays(cfg.Clock)
	g.follower = newFollower(g)
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	go func() {
		defer close(g.done)
		g.follower.run(ctx)
	}()
	return g, nil
}

// Close stops following the feed.
func (g *Guard) Close() {
	g.stop()
	<-g.done
}

// complete fills in what is usual, or says what is wrong.
func (c Config) complete() (Config, error) {
	if err := safeURL(c.Issuer); err != nil {
		return c, fmt.Errorf("issuer: %w", err)
	}
	if c.ClientID == "" || c.ClientSecret == "" {
		return c, errors.New("client: an API has a client id and secret of its own (sojourn client add --secret-stdin)")
	}
	if c.BaseURL != "" {
		base, err := url.Parse(c.BaseURL)
		if err != nil || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
			return c, fmt.Errorf("base URL: %q is no URL such as https://api.example.com", c.BaseURL)
		}
		c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	}
	if c.Audience == "" {
		c.Audience = c.Issuer
	}
	if c.Stale == "" {
		c.Stale = Introspect
	}
	if !slices.Contains([]Stale{Introspect, Refuse, Accept}, c.Stale) {
		return c, fmt.Errorf("stale: %q is none of introspect, refuse, accept", c.Stale)
	}
	if len(c.Algs) == 0 {
		c.Algs = []string{"ES256"}
	}
	for _, alg := range c.Algs {
		if !slices.Contains([]string{"ES256", "RS256", "PS256", "EdDSA"}, alg) {
			return c, fmt.Errorf("algs: %q is none of ES256, RS256, PS256, EdDSA", alg)
		}
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	return c, nil
}

// Calls is how many requests a guard has sent to the server.
type Calls struct {
	Discovery, Keys, Introspection, Feed int64
}

// Status is how a guard is.
type Status struct {
	Current  bool  // the endings are known up to now
	Position int64 // of the last ending that was heard
	Tag      string
	Marks    int // endings that are held
	Verified int // tokens that are remembered
	Calls    Calls
	Problem  string // why it is not current; empty where it is, or has only just begun
}

// Status tells it.
func (g *Guard) Status() Status {
	s := g.follower.status()
	s.Marks, s.Verified, s.Calls = g.marks.held(), g.verified.count(), g.server.sent()
	return s
}
