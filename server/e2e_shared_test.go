package server

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// TestPooler_twoServersBehindItServeASignInARaceAndAnEnding goes the whole way through PgBouncer in transaction mode.
func TestPooler_twoServersBehindItServeASignInARaceAndAnEnding(t *testing.T) {
	t.Setenv("SOJOURN_TEST_POOLER", "")
	w := newWorldAt(t, storagetest.Pooled(t, storagetest.DSN(t, storage.Postgres)))
	if !w.db.Pooled() {
		t.Fatal("PgBouncer was taken for PostgreSQL")
	}
	second, _ := w.process(t)
	p, a := w.enrolled(t), w.app(t)
	v := newVisitor(t)
	now := v.submit(t, v.open(t, a.asking()), "username", p.email, "password", p.password)
	got := a.redeem(t, v.carryOn(t, now, a, p))

	next := race(t, []*app{a, a.at(second)}, got.RefreshToken)
	got = a.tokens(t, a.at(second).refresh(t, next))
	for _, at := range []string{w.issuer, second} {
		if r := a.at(at).userinfo(t, got.AccessToken); r.status != http.StatusOK {
			t.Fatalf("userinfo: %d %s", r.status, r.body)
		}
	}
	if r := a.form(t, "/oauth2/revoke", "token", got.RefreshToken); r.status != http.StatusOK {
		t.Fatalf("revoke: %d %s", r.status, r.body)
	}
	if r := a.at(second).refresh(t, got.RefreshToken); r.Error != "invalid_grant" || r.Action != "login" {
		t.Errorf("signed out on one, on the other: %d %s", r.status, r.body)
	}
	began := time.Now()
	for a.at(second).userinfo(t, got.AccessToken).status != http.StatusUnauthorized {
		if time.Since(began) > patience {
			t.Fatal("signed out on one, userinfo of the other never hears of it")
		}
	}
}

// race presents one refresh token sixteen times at once, at all of these servers, and returns one of the branches.
func race(t *testing.T, at []*app, token string) string {
	t.Helper()
	answers := make([]reply, 16)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = at[i%len(at)].refresh(t, token) })
	}
	wg.Wait()
	branches := map[string]bool{}
	last := ""
	for _, answer := range answers {
		last = at[0].tokens(t, answer).RefreshToken
		branches[last] = true
	}
	if len(branches) != len(answers) {
		t.Errorf("%d branches came of %d refreshes at once", len(branches), len(answers))
	}
	return last
}

// proved asks userinfo of a server with a token and a proof.
func (p *prover) proved(t *testing.T, base, token, proof string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/oauth2/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", proof)
	return send(t, r)
}

// twoServers are two on one database, and an app with a key that is signed in.
func twoServers(t *testing.T, settings ...string) (w *world, second string, p *prover, token string) {
	t.Helper()
	w = newWorld(t, storage.Postgres, settings...)
	second, _ = w.process(t, settings...)
	p = w.app(t, trusted, alwaysProves).prover(t, 0)
	got := p.tokens(t, p.redeemCode(t, newVisitor(t).signIn(t, p.app, w.person(t)).Get("code")))
	return w, second, p, got.AccessToken
}

// replayedAt shows a fresh proof at one server and then at another, and returns what the other says.
func (p *prover) replayedAt(t *testing.T, first, then, token string) reply {
	t.Helper()
	proof := p.prove(t, http.MethodGet, "/oauth2/userinfo", token)
	if r := p.proved(t, first, token, proof); r.status != http.StatusOK {
		t.Fatalf("a proof that nobody saw: %d %s", r.status, r.body)
	}
	return p.proved(t, then, token, proof)
}

func refusedProof(r reply) bool {
	return r.status == http.StatusUnauthorized && strings.Contains(r.header.Get("WWW-Authenticate"), "invalid_dpop_proof")
}

// TestDPoP_aProofIsGoodOnceForAllServersOnOneRedis replays a proof at the server that did not see it. A busy machine may miss the
// 50 ms that Redis is waited for, so one of several replays has to be found, and none may be served where it was seen before.
func TestDPoP_aProofIsGoodOnceForAllServersOnOneRedis(t *testing.T) {
	t.Parallel()
	redisServer := storagetest.Redis(t)
	w, second, p, token := twoServers(t, "redis", "redis://"+redisServer.Address)
	for began := time.Now(); !refusedProof(p.replayedAt(t, w.issuer, second, token)); {
		if time.Since(began) > patience {
			t.Fatal("a proof that one server saw is good at the other")
		}
	}
	if r := p.replayedAt(t, second, second, token); !refusedProof(r) {
		t.Errorf("a replay where the proof was seen: %d %s", r.status, r.body)
	}

	// A flush, or a replica promoted that lacks the newest keys: who saw the proof still knows it.
	proof := p.prove(t, http.MethodGet, "/oauth2/userinfo", token)
	if r := p.proved(t, w.issuer, token, proof); r.status != http.StatusOK {
		t.Fatalf("a proof that nobody saw: %d %s", r.status, r.body)
	}
	flusher := redis.NewClient(&redis.Options{Addr: redisServer.Address})
	defer func() { _ = flusher.Close() }()
	if err := flusher.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if r := p.proved(t, w.issuer, token, proof); !refusedProof(r) {
		t.Errorf("after a flush, where the proof was seen: %d %s", r.status, r.body)
	}
}

// TestDPoP_withoutRedisEachServerRemembersTheProofsThatItSaw says what holds then: at another server a stolen proof is good as
// long as a proof is, with the token that it was made for, and for the same address alone (RFC 9449 §11.1).
func TestDPoP_withoutRedisEachServerRemembersTheProofsThatItSaw(t *testing.T) {
	t.Parallel()
	w, second, p, token := twoServers(t)
	if r := p.replayedAt(t, w.issuer, w.issuer, token); !refusedProof(r) {
		t.Errorf("a replay where the proof was seen: %d %s", r.status, r.body)
	}
	if r := p.replayedAt(t, w.issuer, second, token); r.status != http.StatusOK {
		t.Errorf("a replay at another server is answered %d %s; docs/operations.md says otherwise", r.status, r.body)
	}
	proof := p.prove(t, http.MethodGet, "/oauth2/userinfo", "another token")
	if r := p.proved(t, second, token, proof); !refusedProof(r) {
		t.Errorf("a proof of another token: %d %s", r.status, r.body)
	}
}
