package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/clock"
)

// Config says what app this is, at which server. Issuer and ClientID are needed, the rest has defaults.
type Config struct {
	Issuer   string
	ClientID string
	// RedirectURI is where the browser comes back to, as registered. The default, http://127.0.0.1/callback, is a listener of
	// SignIn's own, on any free port (RFC 8252 §7.3). An address that the app has claimed (https) or a scheme of its own
	// (com.example.notes:/callback) comes to the app by the system, which hands it to Redirect.
	RedirectURI string
	Scopes      []string // default: openid profile email offline_access
	// Resources are the base URLs that Client and Transport send tokens to, beside the issuer.
	Resources []string
	Language  string // of sentences for people, like "de"; default: English
	Device    Device

	Storage Storage           // default: a Folder in the user's configuration folder
	Clock   Clock             // default: the system's
	HTTP    http.RoundTripper // default: as http.DefaultTransport, with limits
	// Browser shows the person an address; default: OpenBrowser.
	Browser func(ctx context.Context, address string) error
	// Notify hears what happens by itself: see Event. It must not block.
	Notify func(Event)
	// NoDPoP leaves tokens bound to no key. A copy of them then works anywhere.
	NoDPoP bool
}

// Device describes where the app runs, for the person's list of devices (docs/mobile.md). What is empty is filled in: Name with the
// name of the machine, Model with its system, InstallID with one that is made once. Only Sojourn is told.
type Device struct{ Name, Model, Version, InstallID string }

// filled has all that can be known.
func (d Device) filled(installed string) Device {
	host, _ := os.Hostname() // without one the model must do
	d.Name, d.Model, d.InstallID = cmp.Or(d.Name, host), cmp.Or(d.Model, runtime.GOOS), cmp.Or(d.InstallID, installed)
	return d
}

// describe adds to a form where the app runs.
func (a *App) describe(r *record, form url.Values) {
	if r.Provider.SignOut == "" {
		return
	}
	if r.Installed == "" {
		r.Installed = rand.Text()
	}
	d := a.cfg.Device.filled(r.Installed)
	for name, value := range map[string]string{
		"device_name": d.Name, "device_model": d.Model, "app_version": d.Version, "install_id": d.InstallID,
	} {
		if value != "" {
			form.Set(name, value)
		}
	}
}

// Event is something that happened by itself.
type Event struct {
	// Ended is a session that is over, told once; nil otherwise.
	Ended *Ended
	// Changed says that the tokens, whether somebody is signed in, or what is known of them are others than before, by this process or
	// another: show State and Identity anew.
	Changed bool
	// SignedOut says that the server has heard of a sign-out.
	SignedOut bool
	// Name and Data are an event of /me/events (docs/mobile.md) that the app may want to know; Data is JSON.
	Name string
	Data []byte
}

// App is one app on one device. All its methods may be called at once, and other processes may share its storage.
type App struct {
	cfg     Config
	store   Storage
	clock   Clock
	http    *http.Client // for requests of its own
	base    http.RoundTripper
	allowed []*url.URL
	life    context.Context // ends with Close
	close   context.CancelFunc
	moved   atomic.Bool // an endpoint was asked and nothing was there: discovery is to be read anew

	mu        sync.Mutex
	rec       *record    // as last read or written
	over      *unwritten // the store still has its tokens
	skew      time.Duration
	learnt    bool // the skew, in this process
	nonces    map[string]string
	stamps    map[string]time.Duration // when sign-ins were begun here and their codes came, by the elapsed clock
	refused   string                   // an access token that got a 401
	flight    *flight
	notBefore time.Duration // by the elapsed clock
	heldBy    *Error        // why, when the server did not ask for it
	stops     int
	told      string // which ended session was told
	farewell  bool   // sign-outs are being sent
	listening context.CancelFunc
}

// Open opens an app. It sends nothing. Close ends what it does by itself.
func Open(cfg Config) (*App, error) {
	if cfg.Issuer == "" || cfg.ClientID == "" {
		return nil, errors.New("an app needs Issuer and ClientID")
	}
	if cfg.RedirectURI == "" {
		cfg.RedirectURI = "http://127.0.0.1/callback"
	}
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{"openid", "profile", "email", "offline_access"}
	}
	if !slices.Contains(cfg.Scopes, "openid") {
		return nil, errors.New("an app needs the scope openid: the ID token says who signed in")
	}
	if cfg.Browser == nil {
		cfg.Browser = OpenBrowser
	}
	if cfg.Notify == nil {
		cfg.Notify = func(Event) {}
	}
	a := &App{cfg: cfg, store: cfg.Storage, clock: cfg.Clock, base: cfg.HTTP, nonces: map[string]string{}}
	if a.clock == nil {
		a.clock = clock.New()
	}
	if err := a.connect(); err != nil {
		return nil, err
	}
	if a.store == nil {
		folder, err := defaultFolder(cfg)
		if err != nil {
			return nil, err
		}
		a.store = folder
	}
	a.life, a.close = context.WithCancel(context.Background())
	if r, err := a.load(); err == nil {
		a.told = r.Ended.id() // the state says it
		a.publish(r)
		a.nudge()
	}
	return a, nil
}

// Close ends what the app does by itself: listening, and sign-outs that are sent again. What is kept stays. Calls that wait, and all that
// come later, fail at once with Closed; Identity says that nobody is known, and Listen does nothing.
func (a *App) Close() { a.close() }

// open fails once the app is closed.
func (a *App) open() error {
	if a.life.Err() != nil {
		return fail(Closed, "this app was closed")
	}
	return nil
}

// whileOpen is a context that ends with the app too.
func (a *App) whileOpen(ctx context.Context) (limited context.Context, stop func()) {
	limited, cancel := context.WithCancel(ctx)
	forget := context.AfterFunc(a.life, cancel)
	return limited, func() { forget(); cancel() }
}

// connect prepares the requests of the app's own.
func (a *App) connect() error {
	if a.base == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one, unless the program changed it
		transport.ResponseHeaderTimeout = 10 * time.Second
		transport.MaxResponseHeaderBytes = 64 << 10
		a.base = transport
	}
	a.http = &http.Client{
		Transport: endpoints{a}, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, text := range append([]string{a.cfg.Issuer}, a.cfg.Resources...) {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return fmt.Errorf("%q is no web address", text)
		}
		a.allowed = append(a.allowed, u)
	}
	return nil
}

// defaultFolder is where an app keeps things that says nothing else.
func defaultFolder(cfg Config) (*Folder, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("find the user's configuration folder: %w", err)
	}
	sum := sha256.Sum256([]byte(cfg.Issuer + " " + cfg.ClientID))
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, cfg.ClientID)
	return NewFolder(filepath.Join(dir, "sojourn", name+"-"+hex.EncodeToString(sum[:6])), "sojourn:"+cfg.ClientID)
}

// State is what an app can show at once.
type State string

// The states.
const (
	StateSignedIn  State = "signed_in"
	StateSignedOut State = "signed_out"
	StatePending   State = "pending" // a sign-in was begun and may still come back
	StateEnded     State = "ended"
)

// State says whether somebody is signed in. It asks nobody.
func (a *App) State() (State, error) {
	r, err := a.current()
	switch {
	case err != nil:
		return "", err
	case r.Tokens != nil:
		return StateSignedIn, nil
	case r.Arrived != nil, slices.ContainsFunc(r.Pending, func(p pending) bool { return !a.lapsed(p) }):
		return StatePending, nil
	case r.Ended != nil:
		return StateEnded, nil
	}
	return StateSignedOut, nil
}

// tellEnded tells once that a session is over.
func (a *App) tellEnded(r *record) {
	if r.Ended == nil {
		return
	}
	a.mu.Lock()
	news := a.told != r.Ended.id()
	a.told = r.Ended.id()
	a.mu.Unlock()
	if news {
		ended, _ := errors.AsType[*Ended](r.nobody(a.cfg.Language))
		a.cfg.Notify(Event{Ended: ended})
	}
}

// isRefused reports whether an access token got a 401.
func (a *App) isRefused(access string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return access != "" && a.refused == access
}

func (a *App) refuse(access string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused = access
}
