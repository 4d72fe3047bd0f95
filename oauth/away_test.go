package oauth_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
	"github.com/sojourn-auth/sojourn/storage"
)

// cable is a database whose connection can be cut. It stands in for nothing else.
type cable struct {
	*storage.DB
	cut atomic.Bool
}

func (c *cable) err() error {
	if c.cut.Load() {
		return fmt.Errorf("dial tcp 10.1.2.3:5432: connection refused: %w", identity.ErrUnavailable)
	}
	return nil
}

func (c *cable) ClientByID(ctx context.Context, id string) (identity.Client, error) {
	if err := c.err(); err != nil {
		return identity.Client{}, err
	}
	return c.DB.ClientByID(ctx, id)
}

func (c *cable) Advance(ctx context.Context, t identity.Turn) (identity.Session, bool, error) {
	if err := c.err(); err != nil {
		return identity.Session{}, false, err
	}
	return c.DB.Advance(ctx, t)
}

func (c *cable) RedeemCode(ctx context.Context, p identity.Promise, s identity.Session) (identity.Session, bool, error) {
	if err := c.err(); err != nil {
		return identity.Session{}, false, err
	}
	return c.DB.RedeemCode(ctx, p, s)
}

func (c *cable) StandingOf(ctx context.Context, id identity.ID) (identity.Standing, error) {
	if err := c.err(); err != nil {
		return identity.Standing{}, err
	}
	return c.DB.StandingOf(ctx, id)
}

// wire puts the endpoints behind two cables: to the clients, and to everything else.
func (s *stage) wire(o *oauth.Options) (clients, rest *cable) {
	s.Helper()
	clients, rest = &cable{DB: s.db}, &cable{DB: s.db}
	o.Sessions.Store, o.SignIns.Store = rest, rest
	ends, err := oauth.New(clients, *o)
	if err != nil {
		s.Fatal(err)
	}
	s.mount(ends)
	return clients, rest
}

// fosite turns every error of the client look-up into invalid_client: phones would sign out.
func TestAway_isARetryAndTheSameTokenWorksAgain(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		var o oauth.Options
		s.rebuild(func(of *oauth.Options) { o = *of })
		o.Sessions = identity.Sessions{
			Store: s.db, Keys: s.keys, Now: s.now, Policy: o.Policy, Lives: identity.Lifetimes{Idle: time.Hour, Absolute: time.Hour},
		}
		clients, rest := s.wire(&o)
		c, cookie := s.app(), s.signIn(s.user)
		form := redeeming(c, s.code(asking(c), cookie))
		for _, broken := range []*cable{clients, rest} {
			broken.cut.Store(true)
			s.away(s.post(form))
			broken.cut.Store(false)
		}
		first := s.post(form)
		s.good(first)
		for _, broken := range []*cable{clients, rest} {
			broken.cut.Store(true)
			s.away(s.post(refreshing(c, first.RefreshToken)))
			broken.cut.Store(false)
		}
		s.good(s.post(refreshing(c, first.RefreshToken)))

		clients.cut.Store(true)
		resp := s.authorize(asking(c), cookie)
		if p := <-s.problems; resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.HasPrefix(p.BackURL, "/oauth2/authorize?next=") {
			t.Errorf("authorize answered %d with the page %+v", resp.StatusCode, p)
		}
		clients.cut.Store(false)
		rest.cut.Store(true)
		if got := s.leads(asking(c), cookie); got != "temporarily_unavailable" {
			t.Errorf("authorize led to %s", got)
		}
		stranger := s.app(selfRegistered)
		if resp := s.authorize(asking(stranger), cookie); resp.StatusCode != 503 {
			t.Errorf("authorize of a self-registered client answered %d", resp.StatusCode)
		}
	})
}

func (s *stage) away(got told) {
	s.Helper()
	s.bad(got, 503, "temporarily_unavailable", "retry")
	if got.Header.Get("Retry-After") == "" || strings.Contains(got.Description, "10.1.2.3") {
		s.Errorf("Retry-After is %q, the description %q", got.Header.Get("Retry-After"), got.Description)
	}
}

func TestAway_aDatabaseThatAnswersTooLateIsA503Too(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		s.pass(2 * time.Second) // longer than a client is kept
		s.away(s.post(refreshing(c, first.RefreshToken), tooLate))
		s.away(s.post(refreshing(c, first.RefreshToken, "scope", "openid"), tooLate))
		s.good(s.post(refreshing(c, first.RefreshToken)))
	})
}

func TestNew_failsWithoutADatabaseAndKeysAreServedWithout(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		var o oauth.Options
		s.rebuild(func(of *oauth.Options) { o = *of })
		if err := s.db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := oauth.New(s.db, o); err == nil {
			t.Error("New succeeds")
		}
		if n := len(s.published().Keys); n == 0 {
			t.Error("the keys in memory are not served")
		}
	})
}

func TestRun_readsKeysThatAnotherProcessMade(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.ends.Run(ctx) }()
		for began := time.Now(); len(s.published().Keys) != 6 && time.Since(began) < patience; {
			time.Sleep(10 * time.Millisecond)
		}
		stop()
		<-done
		if n := len(s.published().Keys); n != 6 {
			t.Errorf("%d keys are published, want the next ones too", n)
		}
	})
}
