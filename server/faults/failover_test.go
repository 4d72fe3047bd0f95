package faults

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The address names both hosts and nothing else. Errors last while there is no primary, and say to try again; the standby is
// never asked meanwhile, though it would answer.
func TestFailover_errorsLastAsLongAsThereIsNoPrimary(t *testing.T) {
	t.Parallel()
	primary := newDatabase(t)
	replica := primary.replica()
	// The standby comes first: it has to be passed over, also while the primary lives.
	both := "postgres://postgres@127.0.0.1:" + replica.Port + ",127.0.0.1:" + primary.Port + "/postgres?sslmode=disable"
	p := serve(t, both)
	phones := newPeople(t, both).phones("ada@example.com", busy+1)
	wait(t, "the replica has them", func() bool { return replica.ask("SELECT count(*) FROM sessions") == "9" })
	l := refreshing(t, p.base, phones[:busy])
	l.goesOn(3)

	primary.crash()
	wait(t, "the server says that it is not ready", func() bool { return p.get("/readyz") == "" })
	if status, retry, body := p.told(t, phones[busy].token); status != http.StatusServiceUnavailable || retry == "" || !strings.Contains(body, `"retry"`) {
		t.Errorf("without a primary an app is told %d, Retry-After %q, %s", status, retry, body)
	}
	served := l.served()
	replica.ask("SELECT pg_promote()")
	promoted := time.Now()
	wait(t, "somebody is served", func() bool { return l.served() > served })
	t.Logf("first success %v after the promotion", time.Since(promoted).Round(time.Millisecond))
	l.goesOn(3)
	p.ready()
	l.verdict(p)
}

// told is what an app hears that refreshes a Session.
func (p *process) told(t *testing.T, token string) (status int, retry, body string) {
	t.Helper()
	resp, err := client.PostForm(p.base+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {token},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Retry-After"), string(text)
}

// served is how often the phones were served so far.
func (l *load) served() (n int64) {
	for _, p := range l.phones {
		n += p.refreshes.Load()
	}
	return n
}
