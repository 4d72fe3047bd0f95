package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateEvery is how often the files are looked at, at most.
const certificateEvery = time.Second

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

// get returns the certificate as its files hold it (tls.Config.GetCertificate). While they hold none that works, the one
// before is good, and the log is told once: a renewal writes two files, one after the other.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < certificateEvery {
		return c.pair, nil
	}
	c.looked = time.Now()
	stamp := c.stampNow()
	if stamp == c.stamp {
		return c.pair, nil
	}
	c.stamp = stamp
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.log.Error("the new TLS certificate can't be used: the one before stays", "error", err)
		return c.pair, nil
	}
	c.pair = &pair
	c.log.Info("the TLS certificate was read again", "expires", pair.Leaf.NotAfter)
	return c.pair, nil
}

// stampNow changes when one of the files does.
func (c *certificate) stampNow() (stamp string) {
	for _, file := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(file) // follows links: Kubernetes swaps one
		if err != nil {
			stamp += "missing "
			continue
		}
		stamp += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
	}
	return stamp
}
