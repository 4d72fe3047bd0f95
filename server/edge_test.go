package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestDeadline_aWriteOutlivesItsSenderAndAReadDoesNot(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]error{http.MethodPost: nil, http.MethodGet: context.Canceled} {
		ctx, hangUp := context.WithCancel(t.Context())
		var got error
		bounded := false
		h := (&Server{limits: ordinary}).deadline(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			hangUp()
			got = r.Context().Err()
			_, bounded = r.Context().Deadline()
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/", nil).WithContext(ctx))
		if !errors.Is(got, want) || !bounded {
			t.Errorf("%s after its sender hung up: %v, want %v; bounded %t", method, got, want, bounded)
		}
	}
}

func TestRealAddress_isTheRightmostStranger(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy of ours":              {"192.0.2.1:99", []string{"198.51.100.7"}, "192.0.2.1:99"},
		"one proxy":                     {"10.0.0.1:99", []string{"198.51.100.7"}, "198.51.100.7:0"},
		"what the client made up":       {"10.0.0.1:99", []string{"1.1.1.1, 198.51.100.7"}, "198.51.100.7:0"},
		"two proxies":                   {"10.0.0.1:99", []string{"1.1.1.1, 198.51.100.7, 10.9.9.9"}, "198.51.100.7:0"},
		"two headers":                   {"10.0.0.1:99", []string{"198.51.100.7", "10.9.9.9"}, "198.51.100.7:0"},
		"with a port":                   {"10.0.0.1:99", []string{"198.51.100.7:4711"}, "198.51.100.7:0"},
		"IPv6":                          {"[fd00::1]:99", []string{"2001:db8::7"}, "[2001:db8::7]:0"},
		"IPv6 with a port":              {"[fd00::1]:99", []string{"[2001:db8::7]:4711"}, "[2001:db8::7]:0"},
		"IPv4 in IPv6 clothes":          {"[::ffff:10.0.0.1]:99", []string{"::ffff:198.51.100.7"}, "198.51.100.7:0"},
		"nothing said":                  {"10.0.0.1:99", nil, "10.0.0.1:0"},
		"garbage":                       {"10.0.0.1:99", []string{"198.51.100.7, <script>"}, "10.0.0.1:0"},
		"garbage behind a second proxy": {"10.0.0.1:99", []string{"unknown, 10.9.9.9"}, "10.9.9.9:0"},
		"only proxies":                  {"10.0.0.1:99", []string{"10.1.1.1, 10.2.2.2"}, "10.1.1.1:0"},
		"longer than anyone's chain":    {"10.0.0.1:99", []string{"1.1.1.1," + strings.Repeat("10.0.0.2,", 99) + "10.0.0.3"}, "10.0.0.2:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got string
			h := realAddress(trusted)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.peer
			r.Header["X-Forwarded-For"] = c.forwarded
			h.ServeHTTP(httptest.NewRecorder(), r)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestRealAddress_isThePeerWithoutTrustedProxies(t *testing.T) {
	t.Parallel()
	var got string
	h := realAddress(nil)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "127.0.0.1:5"
	r.Header.Set("X-Forwarded-For", "198.51.100.7")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got != "127.0.0.1:5" {
		t.Error(got)
	}
}

func FuzzBehind(f *testing.F) {
	f.Add("10.0.0.1:1", "1.2.3.4, 10.0.0.2")
	f.Add("[::ffff:10.0.0.1%eth0]:1", "[fe80::1%x]:9,,::")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		addr, ok := behind(trusted, r)
		from, known := parseHop(peer)
		if ok != (known && holds(trusted, from)) {
			t.Errorf("%q may not speak for others", peer)
		}
		if ok && (!addr.IsValid() || addr.Zone() != "") {
			t.Errorf("%q is no address", addr)
		}
	})
}
