package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// networks are what phones go through, how often in a hundred, and what is wrong there (toxics of toxiproxy).
var networks = []struct {
	name   string
	often  int
	toxics []string
}{
	{"train", 86, []string{`{"type": "latency", "attributes": {"latency": 2, "jitter": 2}, "toxicity": 0.5}`}},
	{"answers dropped", 5, []string{`{"type": "limit_data", "attributes": {"bytes": 0}}`}},
	{"answers cut in the head", 2, []string{`{"type": "limit_data", "attributes": {"bytes": 40}}`}},
	{"answers cut in the body", 2, []string{`{"type": "limit_data", "attributes": {"bytes": 1100}}`}},
	{"reset before the answer", 2, []string{`{"type": "reset_peer"}`}},
	{"reset before the request", 2, []string{`{"type": "reset_peer", "stream": "upstream"}`}},
	{"a lift", 1, []string{`{"type": "latency", "attributes": {"latency": 40}}`, `{"type": "slicer", "attributes": {"average_size": 100, "delay": 500}}`}},
}

// ways lead to the server through each network, in proportion.
func ways(t *testing.T, to string) (ways []way) {
	t.Helper()
	upstream := parsed(t, to).Host
	for _, n := range networks {
		proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), n.name, "127.0.0.1:0", upstream)
		if err := proxy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Stop)
		for _, toxic := range n.toxics {
			if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
				t.Fatal(n.name, err)
			}
		}
		// What is wrong with a network happens once to each connection: only the first one is used again.
		transport := &http.Transport{DisableKeepAlives: n.name != networks[0].name, MaxIdleConnsPerHost: 64}
		t.Cleanup(transport.CloseIdleConnections)
		w := way{name: n.name, base: "http://" + proxy.Listen, client: &http.Client{Transport: transport, Timeout: 20 * time.Second}}
		for range n.often {
			ways = append(ways, w)
		}
	}
	return ways
}

// way is one network.
type way struct {
	name, base string
	client     *http.Client
}

// errLost is an answer that did not arrive.
var errLost = errors.New("no answer")

// refresh sends one refresh and reads the whole answer.
func (n way) refresh(ctx context.Context, form url.Values) (got tokens, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.base+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return got, 0, err
	}
	r.Header.Set("Content-Type", formType)
	resp, err := n.client.Do(r)
	if err != nil {
		return got, 0, errLost
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode == http.StatusOK && json.Unmarshal(body, &got) != nil {
		return got, 0, errLost
	}
	return got, resp.StatusCode, nil
}

// tally counts what happened to all phones.
type tally struct {
	left             atomic.Int64 // refreshes to go
	kept, lost, both atomic.Int64
}

// traveller is a phone with one token store.
type traveller struct {
	ways   []way
	client string
	held   string
	random *rand.Rand
	*tally
}

// ride refreshes until all phones together did it often enough; the status of an answer that says no is returned.
func (p *traveller) ride(ctx context.Context) int {
	for p.left.Add(-1) >= 0 {
		for served := false; !served; {
			requests := 1
			if p.random.IntN(100) < 3 { // two threads at once
				requests = 2
			}
			answer, status := p.ask(ctx, requests)
			if served = answer != ""; served {
				p.held = answer
				p.kept.Add(1)
			} else if status != 0 {
				return status
			}
		}
	}
	return http.StatusOK
}

// ask sends the held token n times at once and returns the last of the answers that arrived, or the status of a refusal.
func (p *traveller) ask(ctx context.Context, n int) (answer string, refused int) {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {p.client}, "refresh_token": {p.held}}
	var wg sync.WaitGroup
	var mu sync.Mutex
	arrived := 0
	for range n {
		way := p.ways[p.random.IntN(len(p.ways))]
		wg.Go(func() {
			got, status, err := way.refresh(ctx, form)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				p.lost.Add(1)
			case status == http.StatusOK:
				answer = got.RefreshToken
				arrived++
			default:
				refused = status
			}
		})
	}
	wg.Wait()
	if arrived == 2 {
		p.both.Add(1)
	}
	return answer, refused
}

// travel lets 36 phones of an app refresh n times together and returns what happened and how many were refused.
func travel(t *testing.T, a *app, n int) (all *tally, refused int64) {
	t.Helper()
	person, v, routes := a.w.person(t), newVisitor(t), ways(t, a.w.issuer)
	all = &tally{}
	all.left.Store(int64(n))
	var wg sync.WaitGroup
	var noes atomic.Int64
	for i := range 36 {
		p := &traveller{
			ways: routes, client: a.client.ID, held: a.redeem(t, v.signIn(t, a, person)).RefreshToken,
			random: rand.New(rand.NewPCG(uint64(i), 7)), tally: all,
		}
		wg.Go(func() {
			if status := p.ride(t.Context()); status != http.StatusOK {
				noes.Add(1)
			}
		})
	}
	wg.Wait()
	t.Logf("%d answers kept, %d lost, %d came with another one", all.kept.Load(), all.lost.Load(), all.both.Load())
	return all, noes.Load()
}

// TestToxiproxy_noPhoneIsSignedOut sends phones through networks that drop, cut, reset and delay, 10,000 refreshes on the
// two databases together: whatever is lost, every phone goes on with what it has.
func TestToxiproxy_noPhoneIsSignedOut(t *testing.T) {
	t.Parallel()
	refreshes := 5_000
	switch {
	case os.Getenv("SOJOURN_SOAK") != "":
		refreshes = 100_000
	case testing.Short() || raceDetector:
		refreshes = 500
	}
	inWorlds(t, func(t *testing.T, w *world) {
		all, refused := travel(t, w.app(t, trusted), refreshes)
		if kept := int(all.kept.Load()); kept != refreshes || refused > 0 {
			t.Errorf("%d of %d refreshes, %d phones were signed out", kept, refreshes, refused)
		}
		if lost := int(all.lost.Load()); lost < refreshes/20 || all.both.Load() == 0 {
			t.Errorf("%d answers were lost and %d came twice: the networks are too good", lost, all.both.Load())
		}
	})
}

// TestToxiproxy_theSameNetworksSignOutWhereTheRuleIsStrict shows that the phones above met something.
func TestToxiproxy_theSameNetworksSignOutWhereTheRuleIsStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	strict := func(a *app) { a.client.Rotation = identity.RotateStrict }
	if _, refused := travel(t, w.app(t, trusted, strict), 1_500); refused < 10 {
		t.Errorf("%d phones were signed out", refused)
	}
}
