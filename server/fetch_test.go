package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
)

func TestFetch_reachesPublicAddressesOnly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"93.184.215.14":            true,
		"100.128.0.1":              true,
		"172.32.0.1":               true,
		"2606:2800:21f::1":         true,
		"::ffff:93.184.215.14":     true,
		"127.0.0.1":                false,
		"127.255.255.255":          false,
		"::1":                      false,
		"0.0.0.0":                  false,
		"::":                       false,
		"10.1.2.3":                 false,
		"172.16.0.1":               false,
		"172.31.255.255":           false,
		"192.168.1.1":              false,
		"100.64.0.1":               false, // CGNAT
		"100.100.100.200":          false, // a cloud's metadata
		"169.254.169.254":          false, // most clouds' metadata
		"192.0.0.192":              false, // another's
		"fd00:ec2::254":            false, // IPv6 metadata
		"fe80::1":                  false,
		"fe80::1%eth0":             false,
		"fc00::1":                  false,
		"fec0::1":                  false, // site-local, long deprecated, still routed
		"::ffff:127.0.0.1":         false,
		"::ffff:10.0.0.1":          false,
		"::127.0.0.1":              false, // IPv4-compatible
		"64:ff9b::7f00:1":          false, // NAT64 of 127.0.0.1
		"64:ff9b:1::a00:1":         false, // local NAT64
		"2002:7f00:1::":            false, // 6to4 of 127.0.0.1
		"2001:0:5ef5:79fd::":       false, // Teredo
		"2001:db8::1":              false,
		"224.0.0.1":                false,
		"255.255.255.255":          false,
		"ff02::1":                  false,
		"198.18.0.1":               false,
		"2606:2800:21f::1%eth0":    false,
		"::ffff:169.254.169.254%1": false,
	} {
		if got := (fetchRules{}).lets(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestFetch_theOperatorMayAllowPrivatePlaces(t *testing.T) {
	t.Parallel()
	rules := fetchRules{allow: config.Places{Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}}
	for text, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false, "127.0.0.1": false} {
		if got := rules.lets(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestFetch_loopbackOnlyWhileTheIssuerIs(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(site.Close)
	if err := get(fetchRules{loopback: true}.client(), site.URL); err != nil {
		t.Errorf("the issuer is loopback: %v", err)
	}
	if err := get(fetchRules{}.client(), site.URL); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("http was fetched: %v", err)
	}
	secure := httptest.NewTLSServer(nil)
	t.Cleanup(secure.Close)
	if err := get(fetchRules{}.client(), secure.URL); err == nil || !strings.Contains(err.Error(), "not a public address") {
		t.Errorf("loopback was reached: %v", err)
	}
}

func TestFetch_anAllowedHostMayBePrivate(t *testing.T) {
	t.Parallel()
	reached := false
	site := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(site.Close)
	client := fetchRules{allow: config.Places{Hosts: []string{"localhost"}}}.client()
	client.Transport.(onlyHTTPS).next.(*http.Transport).TLSClientConfig = site.Client().Transport.(*http.Transport).TLSClientConfig
	u, err := url.Parse(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	// The test's certificate is for example.com and 127.0.0.1; only the dialler matters here.
	client.Transport.(onlyHTTPS).next.(*http.Transport).TLSClientConfig.ServerName = "example.com"
	if err := get(client, "https://LOCALHOST:"+u.Port()); err != nil || !reached {
		t.Errorf("%v", err)
	}
	if err := get(client, site.URL); err == nil {
		t.Error("the same server by its address, which was not allowed, was reached")
	}
}

func TestFetch_aRedirectGainsNothing(t *testing.T) {
	t.Parallel()
	var site *httptest.Server
	site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/file":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		case "/metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest/", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, site.URL+"/loop", http.StatusFound)
		case "/a", "/aa", "/aaa":
			http.Redirect(w, r, r.URL.Path+"a", http.StatusFound)
		}
	}))
	t.Cleanup(site.Close)
	client := fetchRules{loopback: true}.client()
	for path, want := range map[string]string{"/file": "not https", "/metadata": "not a public address", "/loop": "more than 3", "/a": ""} {
		err := get(client, site.URL+path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

func TestFetch_asksNoProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	if (fetchRules{}).client().Transport.(onlyHTTPS).next.(*http.Transport).Proxy != nil {
		t.Error("a proxy of the environment would be asked")
	}
}

func get(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// hanging answers once it is let go.
type hanging struct {
	asked  chan struct{}
	answer chan struct{}
}

// RoundTrip waits.
func (h hanging) RoundTrip(*http.Request) (*http.Response, error) {
	h.asked <- struct{}{}
	<-h.answer
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// counted is a counter that tells where it stands.
type counted struct {
	prometheus.Counter
	n int
}

// Inc counts.
func (t *counted) Inc() { t.n++ }

// However many clients' hosts take long to answer, we hold so many connections and no more.
func TestFetch_oneTooManyIsRefusedUntilOneIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := hanging{make(chan struct{}, keysAtOnce+1), make(chan struct{})}
		refused := &counted{Counter: newMetrics(50).notices}
		client := bounded(&http.Client{Transport: h}, keysAtOnce, refused)
		done := make(chan error, keysAtOnce)
		for range keysAtOnce {
			go func() { done <- get(client, "https://slow.example/") }()
		}
		synctest.Wait()
		if err := get(client, "https://one.example/"); identity.KindOf(err) != identity.Busy || len(h.asked) != keysAtOnce {
			t.Errorf("one too many: %v, %d are under way", err, len(h.asked))
		}
		if n := refused.n; n != 1 {
			t.Errorf("%d are counted as refused", n)
		}
		go func() { done <- get(client, "https://patient.example/") }()
		time.Sleep(slotWait / 2)
		h.answer <- struct{}{}
		close(h.answer)
		for range keysAtOnce + 1 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}
