package weather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Options say what a Proxy stands in front of, and what it does by itself.
type Options struct {
	Upstream string     // the server's address, such as http://127.0.0.1:8080
	Profile  string     // a name of Profiles; "" does nothing by itself
	Seed     uint64     // the same seed brings the same weather
	Speed    float64    // how much faster than life everything goes; 0 is 1
	Only     []string   // paths that the profile is for, or what they begin with if they end in *; none: all
	Tell     func(Note) // hears what was done, one call at a time, and must not close the proxy; may be nil
}

// Proxy is a server's address with weather. Its methods may be called at any time, from anywhere.
type Proxy struct {
	upstream *url.URL
	speed    float64
	plan     *plan
	queue    queue
	journal  journal
	late     waitingRoom

	transport *http.Transport
	server    *http.Server
	slots     chan struct{}
	over      context.Context // ends with Close
	end       context.CancelFunc
	busy      sync.WaitGroup // loops and late deliveries
	closing   sync.Once

	mu       sync.Mutex   // guards what follows
	address  string       // where it listens, for good
	name     string       // the same, by the name that it was given
	listener net.Listener // nil while offline
	conns    map[net.Conn]bool
	back     *time.Timer // when it goes online by itself
}

// The bounds of what it holds in memory.
const (
	maxBody     = 1 << 20 // of a request; more is answered 413
	maxHeader   = 32 << 10
	maxAtOnce   = 1000             // requests; more are answered 503
	patience    = 30 * time.Second // with the server
	reopenTries = 500
)

// New returns a proxy that is not started.
func New(o Options) (*Proxy, error) {
	upstream, err := url.Parse(o.Upstream)
	if err != nil || upstream.Scheme != "http" && upstream.Scheme != "https" || upstream.Host == "" {
		return nil, errors.New("upstream: a server's address, such as http://localhost:8080")
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if !(o.Speed >= 1 && o.Speed <= 10_000) {
		return nil, errors.New("speed: between 1 and 10,000 times as fast as life")
	}
	plan, err := newPlan(o)
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		upstream: upstream, speed: o.Speed, plan: plan, conns: map[net.Conn]bool{}, slots: make(chan struct{}, maxAtOnce),
		// What the client and the server say of encodings stays between them.
		transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100, IdleConnTimeout: 30 * time.Second},
	}
	p.journal.tell, p.journal.done = o.Tell, map[Do]int{}
	plan.begin(time.Now())
	p.over, p.end = context.WithCancel(context.Background())
	p.server = &http.Server{
		Handler: p, ConnState: p.track, MaxHeaderBytes: maxHeader, ReadHeaderTimeout: patience,
		ErrorLog: nil, BaseContext: func(net.Listener) context.Context { return p.over },
	}
	return p, nil
}

// Start listens on HOST:PORT and answers there until Close. Port 0 is one that is free; URL tells it.
func (p *Proxy) Start(address string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address != "" {
		return errors.New("it was started before")
	}
	l, err := new(net.ListenConfig).Listen(p.over, "tcp", address)
	if err != nil {
		return err
	}
	p.address, p.name = l.Addr().String(), l.Addr().String()
	if host, _, err := net.SplitHostPort(address); err == nil && host != "" {
		_, port, _ := net.SplitHostPort(p.address)
		p.name = net.JoinHostPort(host, port)
	}
	p.plan.begin(time.Now())
	p.serve(l)
	return nil
}

// URL is where apps find it, once it was started. The server's issuer has to be this address.
func (p *Proxy) URL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "http://" + p.name
}

// Close stops it, and returns when nothing goes on any more: connections are cut, what waits to be delivered late is forgotten.
func (p *Proxy) Close() error {
	var err error
	p.closing.Do(func() {
		p.end()
		err = p.server.Close()
		p.mu.Lock()
		if p.back != nil {
			p.back.Stop()
		}
		p.mu.Unlock()
		for range maxAtOnce {
			p.slots <- struct{}{} // those who have one are on their way out
		}
		p.late.close()
		p.busy.Wait()
		p.transport.CloseIdleConnections()
	})
	return err
}

// Next has faults done to the next requests that they are for, in their order, before the profile has its way.
func (p *Proxy) Next(faults ...Fault) error { return p.queue.add(faults) }

// Clear forgets the faults of Next that still wait.
func (p *Proxy) Clear() { p.queue.clear() }

// Offline cuts every connection and has new ones refused: for a while, or until Online if it is 0.
func (p *Proxy) Offline(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.back != nil {
		p.back.Stop()
		p.back = nil
	}
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for c := range p.conns {
		reset(c)
	}
	if d > 0 {
		p.back = time.AfterFunc(p.scaled(d), func() { _ = p.Online() })
	}
}

// Online takes connections again, at the address from before.
func (p *Proxy) Online() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil || p.address == "" || p.over.Err() != nil {
		return nil
	}
	// While it was away, a connection of somebody else may have borrowed the port.
	var err error
	for range reopenTries {
		var l net.Listener
		if l, err = new(net.ListenConfig).Listen(p.over, "tcp", p.address); err == nil {
			p.serve(l)
			return nil
		}
		p.sleep(p.over, 10*time.Millisecond)
	}
	return fmt.Errorf("online again: %w", err)
}

// serve answers on a listener. Its caller holds mu.
func (p *Proxy) serve(l net.Listener) {
	p.listener = l
	p.busy.Go(func() { _ = p.server.Serve(l) })
}

// track keeps the open connections.
func (p *Proxy) track(c net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateNew:
		p.conns[c] = true
		if p.listener == nil { // accepted a moment before it went offline
			reset(c)
		}
	case http.StateHijacked, http.StateClosed:
		delete(p.conns, c)
	default:
	}
}

// visit is a request under way.
type visit struct {
	w      http.ResponseWriter
	r      *http.Request
	body   []byte
	device string
	fault  Fault
	entry  *Exchange // in the journal, which guards it
}

// ServeHTTP does to a request what it has coming. A proxy that is not started can be the handler of another server, such as one
// with TLS; Offline knows nothing of its connections.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "weather: too many requests at once", http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "weather: the request is longer than 1 MiB", http.StatusRequestEntityTooLarge)
		return
	}
	v := &visit{w: w, r: r, body: body, device: deviceOf(r)}
	v.entry = p.journal.open(v)
	v.fault = p.choose(v)
	p.journal.decide(v)
	if strings.HasPrefix(r.URL.Path, ownPages) {
		p.ownPage(v)
		return
	}
	acts[v.fault.Do](p, v)
}

// choose decides what is done to a request: first what a test asked for, then what the profile brings.
func (p *Proxy) choose(v *visit) Fault {
	path, grant := v.r.URL.Path, v.entry.Form.Get("grant_type")
	if strings.HasPrefix(path, ownPages) {
		return Fault{Do: Pass}
	}
	if f, ok := p.queue.take(path, grant); ok {
		return f
	}
	return p.plan.fate(v.device, path, time.Now())
}

// DeviceHeader tells devices apart that come from one address, so that each has weather of its own. It is not passed on.
const DeviceHeader = "Weather-Device"

func deviceOf(r *http.Request) string {
	if name := r.Header.Get(DeviceHeader); name != "" {
		return name
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (p *Proxy) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / p.speed) }

// sleep waits for a duration of the weather's time, and reports whether it was let.
func (p *Proxy) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(p.scaled(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-p.over.Done():
	}
	return false
}

// reset ends a connection so that the other side hears ECONNRESET.
func reset(c net.Conn) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // below TLS, which would say goodbye
		c = t.NetConn()
	}
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
