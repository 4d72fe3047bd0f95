//go:build unix && soak

package cluster_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

// One server's clock is two hours behind and another's two hours ahead. All go by the database's, so nobody notices: people
// sign in at one and redeem at another, tokens say the same times, and a listening app hears of a sign-in wherever it was.
// It is of `make soak` alone, since it compiles Go's own packages again, which takes minutes.
func TestCluster_serversWhoseClocksAreHoursOffAreNoticedByNobody(t *testing.T) {
	t.Parallel()
	c := begun(t, cluster.Options{})
	skewed := skewable(t)
	for i, hours := range []string{"-2", "2"} {
		s := c.Servers[i+1]
		must(t, s.Stop())
		s.Be(skewed, "SKEW="+hours)
		must(t, s.Start(t.Context()))
	}
	said := c.Servers[1].Text()
	if hour := time.Now().Add(-2 * time.Hour).UTC().Format("T15:"); !strings.Contains(said, hour) {
		t.Fatalf("the clock is not off, so nothing is shown; the log has no %s:\n%s", hour, tail(said))
	}
	for _, s := range c.Servers { // while nobody else signs in
		p := newPhone(c)
		must(t, p.signIn(t.Context()))
		must(t, p.renew(t.Context(), "http://"+s.Address))
		issued := claimsOf(t, p.access)
		if off := time.Since(time.Unix(issued.At, 0)).Abs(); off > patience {
			t.Errorf("%s: the token was issued %v from now", s.Name, off)
		}
		must(t, heardOf(t, c, s))
	}
	l := everyday(t, c)
	l.goesOn(300)
	l.end()
	for _, s := range c.Servers {
		if !s.Ready(t.Context()) {
			t.Errorf("%s is not ready", s.Name)
		}
	}
	t.Logf("%d requests, flows and streams; none failed: %v", l.n.Load(), !t.Failed())
}

// skewable builds the program with another time.Now: SKEW in its environment is how many hours its clock is off.
func skewable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	must(t, err)
	original := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	must(t, err)
	const reads = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if !strings.Contains(string(text), reads) {
		t.Skip("this Go reads its clock in another way")
	}
	other := strings.Replace(string(text), reads, reads+"\tsec += skew\n", 1) + `
var skew = func() int64 {
	switch by, _ := syscall.Getenv("SKEW"); by {
	case "2":
		return 7200
	case "-2":
		return -7200
	}
	return 0
}()
`
	other = strings.Replace(other, "import (\n", "import (\n\t\"syscall\"\n", 1)
	replaced, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json")
	must(t, os.WriteFile(replaced, []byte(other), 0o600))
	which, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replaced}})
	must(t, err)
	must(t, os.WriteFile(overlay, which, 0o600))
	return build(t, "../..", dir, "-overlay", overlay)
}

type claims struct {
	At      int64  `json:"iat"`
	Session string `json:"sid"`
}

func claimsOf(t *testing.T, token string) (c claims) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("no JWT")
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	must(t, json.Unmarshal(body, &c))
	return c
}

// heardOf has an app listen at each server while somebody signs in at one of them: each has to tell of that very session.
func heardOf(t *testing.T, c *cluster.Cluster, at *cluster.Server) error {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	heard := make(chan error, len(c.Servers))
	ready := make(chan struct{}, len(c.Servers))
	begun := make(chan string, len(c.Servers))
	for _, s := range c.Servers {
		p := newPhone(c)
		must(t, p.signIn(ctx))
		p.issuer = "http://" + s.Address
		go func() {
			if err := p.hearsOf(ctx, ready, begun); err != nil {
				heard <- fmt.Errorf("a sign-in at %s, as heard at %s: %w", at.Name, s.Name, err)
				return
			}
			heard <- nil
		}()
	}
	for range c.Servers {
		<-ready
	}
	p := newPhone(c)
	p.browser.Transport = through(at, p.browser.Transport)
	must(t, p.signIn(ctx))
	for range c.Servers {
		begun <- claimsOf(t, p.access).Session
	}
	var all []error
	for range c.Servers {
		all = append(all, <-heard)
	}
	return errors.Join(all...)
}

// hearsOf listens, says so, and goes on until it has heard of the session that is named later.
func (p *phone) hearsOf(ctx context.Context, ready chan<- struct{}, begun <-chan string) error {
	var told, sid string
	err := p.hears(ctx, func(line string) bool {
		if line == "event: ready" {
			ready <- struct{}{}
		}
		told += line
		if sid == "" { // one for each listener
			select {
			case sid = <-begun:
			default:
			}
		}
		return sid != "" && strings.Contains(told, sid)
	})
	if err == nil && (sid == "" || !strings.Contains(told, sid)) {
		return errors.New("the stream ended before")
	}
	return err
}

// through sends what is for the balancer to one server, as the balancer would.
func through(s *cluster.Server, next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		there := r.Clone(r.Context())
		there.URL.Scheme, there.URL.Host, there.Host = "http", s.Address, r.URL.Host
		return next.RoundTrip(there)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
