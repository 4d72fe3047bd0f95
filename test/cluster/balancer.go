//go:build unix

package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// balancer prepares HAProxy on the file that docker-compose.yml uses too.
func (c *Cluster) balancer(ctx context.Context) (err error) {
	program, err := find("haproxy", "/usr/sbin/haproxy")
	if err != nil {
		return err
	}
	source, err := root(ctx)
	if err != nil {
		return err
	}
	ports, err := FreePorts(2)
	if err != nil {
		return err
	}
	cert := filepath.Join(c.dir, "balancer.pem")
	if err := c.certify(cert); err != nil {
		return err
	}
	c.Issuer, c.Watch = "https://localhost:"+ports[0], "http://127.0.0.1:"+ports[1]+"/metrics"
	env := []string{
		"SOJOURN_BALANCER=127.0.0.1:" + ports[0], "SOJOURN_BALANCER_CERT=" + cert, "SOJOURN_BALANCER_WATCH=127.0.0.1:" + ports[1],
	}
	for i := range c.servers {
		s := c.Servers[i%len(c.Servers)] // the file has three
		_, port, _ := net.SplitHostPort(s.AdminAddress)
		env = append(env, fmt.Sprintf("SOJOURN_SERVER_%d=%s", i+1, s.Address), fmt.Sprintf("SOJOURN_ADMIN_%d=%s", i+1, port))
	}
	c.Balancer = &Process{
		Name: "HAProxy", Log: filepath.Join(c.dir, "haproxy.log"), env: env,
		command: []string{program, "-db", "-f", filepath.Join(source, "deploy", "haproxy.cfg")},
	}
	return nil
}

// balance starts the balancer and waits until every server is reached through it.
func (c *Cluster) balance(ctx context.Context) error {
	if err := c.Balancer.Start(ctx); err != nil {
		return err
	}
	client := c.Client()
	return c.Balancer.until(ctx, "it led to a server", func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Issuer+"/.well-known/openid-configuration", nil)
		if err != nil {
			return false
		}
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// Client is what trusts the balancer's certificate. Each has connections of its own.
func (c *Cluster) Client() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 64,
	}}
}

// certify writes a certificate for this machine with its key, and alone, as what clients are to trust.
func (c *Cluster) certify(to string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "Sojourn's cluster on this machine"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(7 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.Roots = x509.NewCertPool()
	c.Roots.AppendCertsFromPEM(public)
	c.CA = strings.TrimSuffix(to, ".pem") + "-ca.pem"
	if err := os.WriteFile(c.CA, public, 0o600); err != nil {
		return err
	}
	return os.WriteFile(to, append(public, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), 0o600)
}

// Server is one `sojourn serve`, on addresses that it keeps when it is started again.
type Server struct {
	*Process
	Address      string // host:port of its public side, which the balancer asks
	AdminAddress string
}

// Start starts the server and waits until it is ready.
func (s *Server) Start(ctx context.Context) error {
	if err := s.Process.Start(ctx); err != nil {
		return err
	}
	return s.until(ctx, "it was ready", func() bool { return s.Ready(ctx) })
}

// Ready asks /readyz.
func (s *Server) Ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.AdminAddress+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Stop is a stop as an orchestrator does it: the server says that it leaves, serves on until the balancer has noticed, and ends.
func (s *Server) Stop() error { return s.End(syscall.SIGTERM) }

// Be has the server be another program from its next start on, with more in its environment.
func (s *Server) Be(program string, env ...string) {
	s.command = append([]string{program}, s.command[1:]...)
	s.env = append(s.env, env...)
}

// Set changes settings (NAME=value, without SOJOURN_) for the next start; the last one of a name counts.
func (s *Server) Set(settings ...string) {
	for _, setting := range settings {
		s.env = append(s.env, "SOJOURN_"+setting)
	}
}
