package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// phone holds the last refresh token that reached it.
type phone struct {
	token     string
	refreshes atomic.Int64
}

// outcome is what came of one request, to a phone.
type outcome int

const (
	served outcome = iota
	later          // no answer, or one that says to try again
	signIn         // the person must sign in
)

// refresh asks once. Only an answer that arrives whole changes what the phone holds.
func (p *phone) refresh(ctx context.Context, base string) (outcome, error) {
	var got struct {
		Refresh string `json:"refresh_token"`
	}
	result, err := post(ctx, base+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {p.token},
	}, &got)
	if result == served {
		p.token = got.Refresh
		p.refreshes.Add(1)
	}
	return result, err
}

// leave signs the phone out.
func (p *phone) leave(ctx context.Context, base string) (outcome, error) {
	return post(ctx, base+"/oauth2/revoke", url.Values{"client_id": {"notes"}, "token": {p.token}}, nil)
}

func post(ctx context.Context, to string, form url.Values, into any) (outcome, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return later, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return ask(client, req, into)
}

// ask sends a request and reads the whole answer.
func ask(client *http.Client, req *http.Request, into any) (outcome, error) {
	resp, err := client.Do(req)
	if err != nil {
		return later, nil //nolint:nilerr // the server is away, which is what these tests are about
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil || resp.StatusCode >= http.StatusBadGateway && resp.StatusCode <= http.StatusGatewayTimeout:
		return later, nil //nolint:nilerr // cut off in the middle
	case resp.StatusCode == http.StatusOK && into == nil:
		return served, nil
	case resp.StatusCode == http.StatusOK:
		return served, json.Unmarshal(body, into)
	case resp.StatusCode == http.StatusBadRequest && strings.Contains(string(body), `"invalid_grant"`):
		return signIn, nil
	}
	return later, fmt.Errorf("%s: %s", resp.Status, body)
}

// load is phones that refresh without a pause, and try again as long as they get no answer.
type load struct {
	t      *testing.T
	phones []*phone
	base   string
	stop   context.CancelFunc
	done   sync.WaitGroup
	forced atomic.Int64
}

func refreshing(t *testing.T, base string, phones []*phone) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{t: t, phones: phones, base: base, stop: stop}
	for _, p := range phones {
		l.done.Go(func() { l.drive(ctx, p) })
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) drive(ctx context.Context, p *phone) {
	for ctx.Err() == nil {
		// Not cut off at the end: each phone shall know where it stands.
		result, err := p.refresh(context.WithoutCancel(ctx), l.base)
		pause := 5 * time.Millisecond
		switch {
		case err != nil:
			l.t.Error(err)
		case result == signIn:
			l.forced.Add(1)
			return
		case result == later:
			pause = 50 * time.Millisecond
		}
		time.Sleep(pause)
	}
}

// end stops the phones.
func (l *load) end() {
	l.stop()
	l.done.Wait()
}

// goesOn waits until every phone was served n times more.
func (l *load) goesOn(n int64) {
	l.t.Helper()
	before := make([]int64, len(l.phones))
	for i, p := range l.phones {
		before[i] = p.refreshes.Load()
	}
	wait(l.t, "every phone goes on", func() bool {
		for i, p := range l.phones {
			if p.refreshes.Load() < before[i]+n && l.forced.Load() == 0 {
				return false
			}
		}
		return true
	})
	if forced := l.forced.Load(); forced > 0 {
		l.t.Fatalf("%d of %d phones were forced to sign in", forced, len(l.phones))
	}
}

// verdict stops the phones and tells what they met.
func (l *load) verdict(p *process) {
	l.t.Helper()
	l.end()
	var refreshes int64
	for _, phone := range l.phones {
		refreshes += phone.refreshes.Load()
	}
	if forced := l.forced.Load(); forced > 0 {
		l.t.Errorf("%d of %d phones were forced to sign in", forced, len(l.phones))
	}
	l.t.Logf("%d refreshes by %d phones, %d sessions rolled forward", refreshes, len(l.phones), p.rolledForward())
}
