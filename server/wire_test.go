package server

import (
	"io"
	"net"
	"sync"
	"testing"
)

// wire is a TCP connection's way to the database, which can be cut and mended.
type wire struct {
	net.Listener
	to    string
	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// newWire leads to an address.
func newWire(t *testing.T, to string) *wire {
	t.Helper()
	w := &wire{Listener: listen(t), to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		w.cut()
		_ = w.Close()
	})
	go w.run()
	return w
}

func (w *wire) run() {
	for {
		near, err := w.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil || !w.keep(near, far) {
			_ = near.Close()
			continue
		}
		go w.pipe(near, far)
		go w.pipe(far, near)
	}
}

func (w *wire) pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), from.Close()
}

// keep remembers what to close; while the wire is cut it refuses.
func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		w.conns[c] = true
		if w.down {
			_ = c.Close()
		}
	}
	return !w.down
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}
