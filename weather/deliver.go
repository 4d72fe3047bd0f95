package weather

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// deliver hands a request to the server, as it came but for what concerns the connection alone (RFC 9110 §7.6.1).
func (p *Proxy) deliver(ctx context.Context, v *visit, late bool) (*http.Response, error) {
	at, base := *p.upstream, strings.TrimSuffix(p.upstream.Path, "/")
	at.Path, at.RawPath, at.RawQuery = base+v.r.URL.Path, base+v.r.URL.EscapedPath(), v.r.URL.RawQuery
	r, err := http.NewRequestWithContext(ctx, v.r.Method, at.String(), bytes.NewReader(v.body))
	if err != nil {
		return nil, err
	}
	r.Header, r.Host = v.r.Header.Clone(), v.r.Host // the issuer is the address that the app knows
	dropHops(r.Header)
	r.Header.Del(DeviceHeader)
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = nil // or Go would say its own
	}
	if host, _, err := net.SplitHostPort(v.r.RemoteAddr); err == nil {
		r.Header.Add("X-Forwarded-For", host)
	}
	sent := time.Now()
	resp, err := p.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	dropHops(resp.Header)
	committed := resp.StatusCode/100 == 2 || resp.StatusCode/100 == 3
	p.journal.delivered(v, Delivery{At: sent, Status: resp.StatusCode, Committed: committed, Late: late})
	if committed && !late {
		p.late.committed(v)
	}
	return resp, nil
}

// dropHops takes away what a proxy does not pass on.
func dropHops(h http.Header) {
	for _, named := range h.Values("Connection") {
		for name := range strings.SplitSeq(named, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{
		"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade",
	} {
		h.Del(name)
	}
}

// The bounds of what waits to be delivered late. One more, or a longer one, never is.
const (
	maxLate     = 1000
	maxLateBody = 64 << 10 // bytes
)

// waitingRoom holds them.
type waitingRoom struct {
	mu     sync.Mutex
	closed bool
	all    map[*parcel]bool
}

// parcel is one of them.
type parcel struct {
	visit *visit
	next  chan struct{} // closed once the device's next request was committed
	now   chan struct{} // closed by Deliver
	gone  chan struct{} // closed when it was delivered
}

// add keeps a parcel and lets it live by its own, unless there are too many or it is over.
func (room *waitingRoom) add(v *visit, live func(*parcel)) bool {
	room.mu.Lock()
	defer room.mu.Unlock()
	if room.closed || len(room.all) >= maxLate || len(v.body) > maxLateBody {
		return false
	}
	if room.all == nil {
		room.all = map[*parcel]bool{}
	}
	one := &parcel{v, make(chan struct{}), make(chan struct{}), make(chan struct{})}
	room.all[one] = true
	live(one)
	return true
}

// committed tells who waits for it that a request of the device to the path was.
func (room *waitingRoom) committed(v *visit) {
	room.mu.Lock()
	defer room.mu.Unlock()
	for one := range room.all {
		if one.visit != v && one.visit.device == v.device && one.visit.r.URL.Path == v.r.URL.Path {
			select {
			case <-one.next:
			default:
				close(one.next)
			}
		}
	}
}

func (room *waitingRoom) remove(one *parcel) {
	room.mu.Lock()
	defer room.mu.Unlock()
	delete(room.all, one)
	close(one.gone)
}

func (room *waitingRoom) close() {
	room.mu.Lock()
	defer room.mu.Unlock()
	room.closed = true
}

// Deliver delivers at once all that waits to be delivered late, and returns when the server has answered.
func (p *Proxy) Deliver() {
	p.late.mu.Lock()
	waiting := make([]*parcel, 0, len(p.late.all))
	for one := range p.late.all {
		select {
		case <-one.now:
		default:
			close(one.now)
		}
		waiting = append(waiting, one)
	}
	p.late.mu.Unlock()
	for _, one := range waiting {
		<-one.gone
	}
}

// later has a request delivered when its fault says so.
func (p *Proxy) later(v *visit) {
	p.late.add(v, func(one *parcel) { p.busy.Go(func() { p.live(one) }) })
}

// live waits and delivers.
func (p *Proxy) live(one *parcel) {
	defer p.late.remove(one)
	if !p.waitFor(one) {
		return
	}
	ctx, stop := p.detached()
	defer stop()
	resp, err := p.deliver(ctx, one.visit, true)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	_ = resp.Body.Close()
	p.tell(one.visit, resp.StatusCode)
}

// waitFor reports whether the moment came.
func (p *Proxy) waitFor(one *parcel) bool {
	if one.visit.fault.AfterNext {
		select {
		case <-one.next:
		case <-one.now:
			return true
		case <-p.over.Done():
			return false
		}
	}
	t := time.NewTimer(p.scaled(one.visit.fault.after()))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-one.now:
		return true
	case <-p.over.Done():
		return false
	}
}

// detached is a context for what reaches the server whether or not the client still waits.
func (p *Proxy) detached() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.over, patience)
}
