package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// silent takes requests and answers none of them while the caller listens.
var silent = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then does net/http notice that the caller hung up
	<-r.Context().Done()
})

func answering(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// elsewhere is the address of an endpoint with an answer of its own.
func elsewhere(t *testing.T, h http.Handler) string {
	t.Helper()
	site := httptest.NewServer(h)
	t.Cleanup(site.Close)
	return site.URL
}

// garbled is where connections are answered with what no protocol knows.
func garbled(t *testing.T) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4<<10)) // before, net/http says less of what it got
			_, _ = conn.Write([]byte("\x00garbage\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// deserted is where nobody listens.
func deserted(t *testing.T) string {
	t.Helper()
	l := listen(t)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// badEndpoints are by address what an operator reads of them.
func badEndpoints(t *testing.T, healthy string) map[string]string {
	t.Helper()
	return map[string]string{
		elsewhere(t, silent) + "/slow": "deadline exceeded",
		"http://" + deserted(t):        "connection refused",
		elsewhere(t, http.RedirectHandler(healthy, http.StatusTemporaryRedirect)): "it answered 307, not 200 or 204",
		elsewhere(t, answering(http.StatusInternalServerError)):                   "it answered 500, not 200 or 204",
		elsewhere(t, answering(http.StatusAccepted)):                              "it answered 202, not 200 or 204",
		"https://" + garbled(t):                                                   "tls: ",
		"http://" + garbled(t):                                                    "malformed HTTP",
		"ftp://" + deserted(t):                                                    "is not https",
		"http://nowhere.invalid/":                                                 "no such host",
		"http://%zz/":                                                             "is no address",
	}
}

func TestBackChannel_badEndpointsWaitAndHoldUpNobody(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		w.journal.expectFaults() // one of them is no address, and given up at once
		healthy, p := w.channel(t, nil), w.person(t)
		bad := map[*channel]string{}
		for uri, says := range badEndpoints(t, healthy.site.URL) {
			c := w.channel(t, nil, func(a *app) { a.client.BackchannelLogoutURI = uri })
			bad[c] = says
			for range 3 { // more than go to one host at once
				c.end(t, c.row(t, p))
			}
		}
		s := healthy.row(t, p)
		healthy.end(t, s)
		if sid := healthy.verified(t, healthy.heard(t)); sid != s.ID {
			t.Errorf("told of %s, want %s", sid, s.ID)
		}
		for c, says := range bad {
			d := c.delivery(t, func(d identity.ListedDelivery) bool { return d.Tries > 0 })
			if !strings.Contains(d.LastError, says) || strings.Contains(d.LastError, "/slow") {
				t.Errorf("%s: the operator reads %q, want %q", c.client.BackchannelLogoutURI, d.LastError, says)
			}
		}
		if n := healthy.tries.Load(); n != 1 {
			t.Errorf("the healthy endpoint was told %d times", n)
		}
	}, "log_level", "info")
}

// delivery waits until a delivery of the app looks as wanted.
func (c *channel) delivery(t *testing.T, wanted func(identity.ListedDelivery) bool) identity.ListedDelivery {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, d := range c.waiting(t) {
			if wanted(d) {
				return d
			}
		}
	}
	t.Fatalf("the deliveries became %+v", c.waiting(t))
	return identity.ListedDelivery{}
}

// waiting are the deliveries of the app that did not arrive.
func (c *channel) waiting(t *testing.T) (own []identity.ListedDelivery) {
	t.Helper()
	list, err := c.w.db.Deliveries(t.Context(), identity.DeliveryFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.ClientID == c.client.ID {
			own = append(own, d)
		}
	}
	return own
}

// settled waits until nothing of the app waits any more.
func (c *channel) settled(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); len(c.waiting(t)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still there: %+v", c.waiting(t))
		}
	}
}
