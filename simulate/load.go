package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Load lets phones refresh against a running server in real time, for a while and at a rate, and ends their Sessions when
// it is over. All of them are apps of one person, who signs in through the pages once.
func Load(ctx context.Context, o LoadOptions) (LoadReport, error) {
	if err := o.problems(); err != nil {
		return LoadReport{}, err
	}
	s, err := discover(ctx, o)
	if err != nil {
		return LoadReport{}, err
	}
	defer s.http.CloseIdleConnections()
	b, err := s.browser()
	if err != nil {
		return LoadReport{}, err
	}
	l := &load{LoadOptions: o, target: s, browser: b}
	phones, err := l.unbox(ctx)
	if err != nil {
		return LoadReport{}, errors.Join(err, l.goodbye(ctx, phones))
	}
	took, err := l.run(ctx, phones)
	if err = errors.Join(err, l.goodbye(ctx, phones)); err != nil {
		return LoadReport{}, err
	}
	return l.report(took), nil
}

// load is a run and its books.
type load struct {
	LoadOptions
	target  *target
	browser *browser

	mu   sync.Mutex // guards what follows
	seen counts
}

// counts are what the phones lived through.
type counts struct {
	took         []time.Duration // of refreshes that were answered with tokens
	cut          int             // requests
	unanswered   int             // requests that the server or the network failed
	pairs        int
	forcedLogins int
}

func (l *load) note(do func(*counts)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(&l.seen)
}

// unbox signs in every phone.
func (l *load) unbox(ctx context.Context) ([]*loadPhone, error) {
	var phones []*loadPhone
	for n := range l.Devices {
		p := &loadPhone{load: l, dice: newDice(l.Seed, n)}
		if err := p.signIn(ctx); err != nil {
			return phones, fmt.Errorf("sign in: %w", err)
		}
		phones = append(phones, p)
	}
	return phones, nil
}

// run lets them refresh until the time is over. What a phone has begun it finishes.
func (l *load) run(ctx context.Context, phones []*loadPhone) (time.Duration, error) {
	began := l.Wall()
	over, stop := context.WithTimeout(ctx, l.Duration)
	defer stop()
	failed, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var all sync.WaitGroup
	for _, p := range phones {
		all.Go(func() {
			if err := p.live(failed, over.Done()); err != nil {
				stop()
				fail(err)
			}
		})
	}
	all.Wait()
	return l.Wall().Sub(began), context.Cause(failed)
}

// goodbye ends the Sessions, so that the person's list of devices is what it was. Many at once: there may be thousands.
func (l *load) goodbye(ctx context.Context, phones []*loadPhone) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer stop()
	queue := make(chan *loadPhone)
	var all sync.WaitGroup
	var mu sync.Mutex
	var problem error
	for range 16 {
		all.Go(func() {
			for p := range queue {
				if err := l.target.revoke(ctx, p.held); err != nil {
					mu.Lock()
					problem = fmt.Errorf("end the sessions: %w", err)
					mu.Unlock()
				}
			}
		})
	}
	for _, p := range phones {
		queue <- p
	}
	close(queue)
	all.Wait()
	return problem
}

// LoadOptions say what Load does to a server.
type LoadOptions struct {
	Target      string // the issuer
	Mine        bool   // the operator says so: the target need not be this machine
	ClientID    string // a public client with the grants authorization_code and refresh_token
	RedirectURI string // one that it registered; nothing has to listen there
	Email       string
	Password    string
	TOTP        []byte // the secret of the user's authenticator; empty: none
	Devices     int
	Duration    time.Duration
	Rate        float64 // refreshes per second, of all phones together
	Loss        float64 // of the requests: the connection is cut as soon as they are sent
	Parallel    float64 // of the refreshes: asked twice at once, either answer kept
	Seed        uint64
	Wall        func() time.Time
}

// The bounds of a run, so that a slip of the finger is no attack.
const (
	maxLoadDevices  = 10_000
	maxLoadRate     = 5_000
	maxLoadDuration = 30 * time.Minute
)

func (o LoadOptions) problems() error {
	var all []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	target, err := url.Parse(o.Target)
	bad := err != nil || (target.Scheme != "http" && target.Scheme != "https") || target.Host == ""
	refuse(bad, "--target: the issuer's address, such as http://localhost:8080")
	refuse(!bad && !o.Mine && !loopback(target.Hostname()),
		"--target: %s is not this machine; if the server is yours, say --i-own-this-server", o.Target)
	refuse(o.ClientID == "", "--client: the client_id of a public app")
	refuse(o.Email == "" || o.Password == "", "--email and --password-stdin: somebody has to sign in")
	refuse(o.Devices < 1 || o.Devices > maxLoadDevices, "--devices: between 1 and %d", maxLoadDevices)
	refuse(o.Duration < time.Second || o.Duration > maxLoadDuration, "--duration: between 1s and %v", maxLoadDuration)
	refuse(!(o.Rate > 0 && o.Rate <= maxLoadRate), "--rate: more than 0 and at most %d a second", maxLoadRate)
	refuse(o.Rate > float64(o.Devices), "--rate: at most one refresh per second and device, so with %d devices at most %d", o.Devices, o.Devices)
	refuse(!(o.Loss >= 0 && o.Loss <= maxShare), "--loss: between 0%% and 50%%")
	refuse(!(o.Parallel >= 0 && o.Parallel <= maxShare), "--parallel: between 0%% and 50%%")
	return errors.Join(all...)
}

// loopback reports whether a host is this machine, whatever a name server says.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// LoadReport is what Load found. Times are in milliseconds.
type LoadReport struct {
	Target             string  `json:"target"`
	Devices            int     `json:"devices"`
	Seconds            float64 `json:"seconds"`
	Rate               float64 `json:"rate"` // that was asked for
	Refreshes          int     `json:"refreshes"`
	RefreshesPerSecond float64 `json:"refreshes_per_second"`
	ForcedLogins       int     `json:"forced_logins"`
	CutConnections     int     `json:"cut_connections"`
	Parallel           int     `json:"parallel_refreshes"` // pairs
	Unanswered         int     `json:"unanswered"`         // 5xx, 429 and broken connections; phones came again
	P50                float64 `json:"p50_ms"`
	P90                float64 `json:"p90_ms"`
	P99                float64 `json:"p99_ms"`
	Max                float64 `json:"max_ms"`
}

func (l *load) report(took time.Duration) LoadReport {
	c := l.seen
	slices.Sort(c.took)
	at := func(share float64) float64 {
		if len(c.took) == 0 {
			return 0
		}
		i := min(len(c.took)-1, int(share*float64(len(c.took))))
		return math.Round(float64(c.took[i].Microseconds())/10) / 100
	}
	return LoadReport{
		Target: l.Target, Devices: l.Devices, Seconds: math.Round(took.Seconds()*10) / 10, Rate: l.Rate,
		Refreshes: len(c.took), RefreshesPerSecond: math.Round(float64(len(c.took))/took.Seconds()*10) / 10,
		ForcedLogins: c.forcedLogins, CutConnections: c.cut, Parallel: c.pairs, Unanswered: c.unanswered,
		P50: at(.5), P90: at(.9), P99: at(.99), Max: at(1),
	}
}

// String says it to people.
func (r LoadReport) String() string {
	return fmt.Sprintf(`%d devices at %s for %.1f s

forced logins        %d
refreshes            %d, %.1f/s of the %g/s that were asked for
answered within      %.2f ms (half), %.2f ms (90 %%), %.2f ms (99 %%), %.2f ms (all)
mishaps              %d connections cut, %d asked twice, %d not answered`,
		r.Devices, r.Target, r.Seconds, r.ForcedLogins, r.Refreshes, r.RefreshesPerSecond, r.Rate,
		r.P50, r.P90, r.P99, r.Max, r.CutConnections, r.Parallel, r.Unanswered)
}
