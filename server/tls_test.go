package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestServe_speaksTLSByItself(t *testing.T) {
	t.Parallel()
	cert, key, pool := selfSigned(t)
	s := assembled(t, storagetest.Open(t, storage.SQLite), map[string]string{
		"issuer": "https://localhost", "tls_cert": cert, "tls_key": key,
	})
	url, _, _ := running(t, s)
	url = strings.Replace(url, "http://", "https://", 1)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	response, err := client.Get(url + "/signin")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 || response.Header.Get("Strict-Transport-Security") == "" {
		t.Error(response.Proto, response.Header)
	}
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11}}}
	if response, err := old.Get(url); err == nil {
		response.Body.Close()
		t.Error("TLS 1.1 was spoken")
	}
}

// RFC 9325 §4.2: with TLS 1.2 its GCM suites alone, however much else a client offers.
func TestServe_withTLS12OffersTheGCMSuitesAlone(t *testing.T) {
	t.Parallel()
	cert, key, pool := selfSigned(t)
	s := assembled(t, storagetest.Open(t, storage.SQLite), map[string]string{
		"issuer": "https://localhost", "tls_cert": cert, "tls_key": key,
	})
	url, _, _ := running(t, s)
	shakes := func(suite uint16) bool {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "http://"), &tls.Config{
			RootCAs: pool, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite},
		})
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) || strings.Contains(suite.Name, "RSA_WITH") {
			continue // of TLS 1.3 alone, or for another kind of certificate than this one
		}
		if got, want := shakes(suite.ID), strings.Contains(suite.Name, "_GCM_"); got != want {
			t.Errorf("%s: taken is %t, want %t", suite.Name, got, want)
		}
	}
}

// A certificate is renewed while the server runs: half a renewal changes nothing, and is said once.
func TestServe_takesARenewedCertificateWithoutARestart(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := selfSigned(t)
	newCert, newKey, _ := selfSigned(t)
	var log bytes.Buffer
	c, err := openCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		c.looked = time.Time{}
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(pair.Certificate[0])
	}
	old := shown()
	replace := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	replace(newCert, certFile)
	for range 2 {
		if shown() != old {
			t.Error("a certificate without its key is shown")
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("said %d times:\n%s", n, &log)
	}
	replace(newKey, keyFile)
	if shown() == old {
		t.Error("the old certificate is still shown")
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if shown() == old {
		t.Error("a key that went missing brought the old certificate back")
	}
}

// A renewal may say when it is done: SIGHUP has the files read at once, and ends nothing.
func TestServe_readsItsCertificateOnSIGHUP(t *testing.T) {
	t.Parallel()
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP) // so that it never ends the test
	defer signal.Stop(told)
	certFile, keyFile, _ := selfSigned(t)
	newCert, newKey, pool := selfSigned(t)
	s := assembled(t, storagetest.Open(t, storage.SQLite), map[string]string{
		"issuer": "https://localhost", "tls_cert": certFile, "tls_key": keyFile,
	})
	url, _, _ := running(t, s)
	s.own.mu.Lock()
	s.own.looked = time.Now().Add(time.Hour) // no handshake looks
	s.own.mu.Unlock()
	for from, to := range map[string]string{newCert: certFile, newKey: keyFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		response, err := client.Get(strings.Replace(url, "http://", "https://", 1) + "/signin")
		if err == nil {
			response.Body.Close()
			return
		}
		if time.Since(began) > patience {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
}

// selfSigned writes a certificate for 127.0.0.1.
func selfSigned(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(text)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, content := range map[string][]byte{certFile: text, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, pool
}
