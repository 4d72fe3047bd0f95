package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
)

// network trusts the player's authority, can be made unable to resolve names, and be cut.
type network struct {
	*http.Transport
	noNames atomic.Bool

	mu   sync.Mutex
	open []net.Conn
	over bool
}

func newNetwork() *network {
	n := &network{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	pem, err := os.ReadFile(os.Getenv("CONTRACT_CA")) //nolint:gosec // the player names it
	if err == nil {
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(pem)
		n.TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	}
	n.DialContext = n.dial
	return n
}

func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if n.noNames.Load() {
		return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	n.open = append(n.open, conn)
	return conn, nil
}

// cut closes all connections, for ever.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over = true
	for _, conn := range n.open {
		_ = conn.Close()
	}
}
