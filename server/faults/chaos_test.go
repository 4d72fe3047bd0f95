package faults

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
	"github.com/sojourn-auth/sojourn/test/cluster"
)

// perTrouble is how many phones sign out during each trouble; one more is robbed.
const perTrouble = 2

// play is a cluster, those who use it through the balancer, and what they saw.
type play struct {
	t                       *testing.T
	ctx                     context.Context //nolint:containedctx // of the test, as t is
	c                       *cluster.Cluster
	ways                    ways
	keys                    *identity.Keyring
	who                     *people
	phones, streams, direct *http.Client
	mails                   *mailbox

	history   *history
	riders    []*rider
	listeners []*rider // a phone of each person, which hears what happens to the others
	forced    atomic.Int64
	refreshes atomic.Int64
	caught    atomic.Int64

	mu    sync.Mutex
	ended map[string]span     // Sessions, by sid
	heard map[string][]string // what the person's other phone heard, as sids, by the kind of event
	told  map[string]int      // what the app's server was told by logout tokens, by sid
}

// A cluster in trouble costs nobody a login, lets no thief go on, serves nobody who signed out, and tells each ending to whom it
// has to be told.
func TestChaos_costsNoLoginAndNoEnding(t *testing.T) {
	t.Parallel()
	seed := chaosSeed(t)
	order := rand.New(rand.NewPCG(seed, seed))
	n := rounds(1)
	p := newPlay(t)
	stop := p.ride(p.who.phones("rider@example.com", busy))
	for round := range n { // each has a person of its own: one gets twenty mails of thefts within an hour
		email := fmt.Sprintf("ada%d@example.com", round)
		app := p.who.phones(email, len(troubles)*(perTrouble+1)+1)
		p.listener(app[0].token)
		app = app[1:]
		for _, i := range order.Perm(len(troubles)) {
			p.suffer(troubles[i], app[:perTrouble+1])
			app = app[perTrouble+1:]
		}
	}
	gap, err := p.failOver()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the first answer came %v after the promotion", gap)
	p.goesOn(3)
	stop()
	p.verdict()
}

// chaosSeed is SOJOURN_SEED, or another one each time; it orders the troubles.
func chaosSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SOJOURN_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SOJOURN_SEED=%d", seed)
	return seed
}

func newPlay(t *testing.T) *play {
	t.Helper()
	p := &play{
		t: t, ctx: t.Context(), ways: ways{}, keys: storagetest.Keys(t), ended: map[string]span{}, heard: map[string][]string{}, told: map[string]int{},
		direct: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	p.history = &history{began: time.Now()}
	p.mails = p.newMailbox()
	var err error
	p.c, err = cluster.Start(t.Context(), cluster.Options{
		Program: program, Secret: base64.StdEncoding.EncodeToString(storagetest.Root()), Via: p.ways.via(t),
		Settings: []string{"LOG_LEVEL=warn", "SMTP=" + p.mails.server.URL(), "MAIL_FROM=id@example.com"},
		Postgres: append([]string{"commit_siblings=0"}, slowWriter...),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.c.Stop(); err != nil {
			t.Error(err)
		}
	})
	p.phones, p.streams = p.c.Client(), p.c.Client()
	p.phones.Timeout, p.streams.Timeout = 10*time.Second, 0
	server := httptest.NewServer(http.HandlerFunc(p.hearLogout))
	t.Cleanup(server.Close)
	p.who = newPeople(t, p.c.Database(), func(c *identity.Client) {
		c.BackchannelLogoutURI, c.BackchannelSession, c.Trusted = server.URL, true, true
	})
	if err := p.c.Primary.Alter(t.Context(), "synchronous_standby_names", "*"); err != nil { // endings reach the replica, too
		t.Fatal(err)
	}
	return p
}

// ride lets phones refresh until the function that it returns is called.
func (p *play) ride(phones []*phone) (stop func()) {
	ctx, cancel := context.WithCancel(p.ctx)
	var under sync.WaitGroup
	for _, one := range phones {
		r := p.rider(one.token)
		p.riders = append(p.riders, r)
		under.Go(func() { r.ride(ctx) })
	}
	stop = func() { cancel(); under.Wait() }
	p.t.Cleanup(stop)
	return stop
}

// suffer has something break while phones ride, some sign out, and one is robbed. Then everybody goes on.
func (p *play) suffer(trouble trouble, phones []*phone) {
	p.t.Helper()
	began, before := time.Now(), p.refreshes.Load()
	forgetful := fmt.Sprintf("forgetful%d@example.com", began.UnixNano())
	p.who.phones(forgetful, 0)
	var under sync.WaitGroup
	for _, one := range phones[:perTrouble] {
		under.Go(p.rider(one.token).signOut)
	}
	under.Go(p.rider(phones[perTrouble].token).robbed)
	under.Go(func() { p.forget(forgetful) })
	if err := trouble.make(p); err != nil {
		p.t.Fatalf("%s: %v", trouble.name, err)
	}
	under.Wait()
	p.goesOn(2)
	p.t.Logf("%-40s %5.1f s, %d refreshes", trouble.name, time.Since(began).Seconds(), p.refreshes.Load()-before)
}

// goesOn waits until everybody together was served n times each, and nobody has to sign in.
func (p *play) goesOn(n int64) {
	p.t.Helper()
	want := p.refreshes.Load() + n*int64(len(p.riders))
	wait(p.t, "phones go on", func() bool { return p.refreshes.Load() >= want || p.forced.Load() > 0 })
	if forced := p.forced.Load(); forced > 0 {
		p.t.Fatalf("%d phones were forced to sign in", forced)
	}
}

func (p *play) someServer() *cluster.Server {
	return p.c.Servers[rand.IntN(len(p.c.Servers))]
}

func (p *play) anyServer() string { return p.someServer().Address }

// tellRedis sends one command.
func (p *play) tellRedis(command string) error {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(p.c.RedisURL, "redis://"), patience)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && answer != "+OK\r\n" {
		err = fmt.Errorf("%s: %s", command, answer)
	}
	return err
}
