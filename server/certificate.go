package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	// certificateEvery is how often the files are looked at, at most.
	certificateEvery = time.Second
	// certificateSeldom is how often they are while nobody calls: what is wrong is said before somebody does.
	certificateSeldom = 10 * time.Second
)

// certificate is the listener's own, read again when its files change: whoever renews it restarts nothing.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	stamp  string // of the files as they were read last
	looked time.Time
}

// openCertificate reads a certificate and its key.
func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, looked: time.Now()}
	c.stamp = c.stampNow()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	c.pair = &pair
	return c, err
}

// get returns the certificate as its files hold it (tls.Config.GetCertificate).
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= certificateEvery {
		if stamp := c.stampNow(); stamp != c.stamp {
			c.read(stamp)
		}
		c.looked = time.Now()
	}
	return c.pair, nil
}

// read takes what the files hold. While they hold none that works, the one before is good, and the log is told once: a renewal
// writes two files, one after the other.
func (c *certificate) read(stamp string) {
	c.stamp = stamp
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.log.Error("the new TLS certificate can't be used: the one before stays", "error", err)
		return
	}
	c.pair = &pair
	c.log.Info("the TLS certificate was read again", "expires", pair.Leaf.NotAfter)
}

// watch reads the files when they change, and on SIGHUP, until ctx ends. Without a certificate SIGHUP keeps its meaning.
func (c *certificate) watch(ctx context.Context) {
	if c == nil {
		return
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	defer signal.Stop(told)
	tick := time.NewTicker(certificateSeldom)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-told:
			c.mu.Lock()
			c.read(c.stampNow())
			c.mu.Unlock()
		case <-tick.C:
			_, _ = c.get(nil) // it never fails
		}
	}
}

// stampNow changes when one of the files does.
func (c *certificate) stampNow() (stamp string) {
	for _, file := range []string{c.certFile, c.keyFile} {
		stamp += stampOf(file)
	}
	return stamp
}
