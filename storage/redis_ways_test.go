package storage_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// shares waits until an ending of one is heard by the other, and a proof that one saw is known to the other.
func shares(t *testing.T, one, other *storage.DB) {
	t.Helper()
	until := one.Now().Add(time.Minute)
	eventually(t, "one use of a proof is known to the other", func() bool {
		id := identity.RandomText(12)
		return !one.ProofUsed(t.Context(), id, until) && other.ProofUsed(t.Context(), id, until)
	})
	p := someone(t, one)
	s := p.begin(t, one, "offline_access")
	bell := other.Marked()
	must[identity.Struck](t)(one.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndOperator}))
	heard(t, "the ending", bell)
}

func TestRedis_sentinelLeadsToTheNewPrimaryAfterAFailover(t *testing.T) {
	t.Parallel()
	primary := storagetest.Redis(t)
	host, port, _ := net.SplitHostPort(primary.Address)
	storagetest.Redis(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	direct := redis.NewClient(&redis.Options{Addr: primary.Address, MaxRetries: -1})
	t.Cleanup(func() { _ = direct.Close() })
	eventually(t, "the replica is there", func() bool {
		about, _ := direct.Info(t.Context(), "replication").Result()
		return strings.Contains(about, "state=online")
	})
	sentinel := storagetest.Sentinel(t, primary)
	watching := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Address})
	t.Cleanup(func() { _ = watching.Close() })
	eventually(t, "Sentinel knows the replica", func() bool {
		all, err := watching.Replicas(t.Context(), "sojourn").Result()
		return err == nil && len(all) == 1
	})
	h := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: "redis://" + sentinel.Address + "?master_name=sojourn", log: &lines{}}
	one, other := h.carried(t)
	shares(t, one, other)

	ok(t, primary.Process.Kill())
	eventually(t, "both notice", func() bool { return !one.Carried() && !other.Carried() })
	s := someone(t, one).begin(t, one, "offline_access")
	rotate(t.Context(), t, one, s) // meanwhile nobody is in want of it
	eventually(t, "both are carried again", func() bool { return one.Carried() && other.Carried() })
	shares(t, one, other)
}

func TestRedis_aClusterCarriesAndSharesAndTheLossOfANodeCostsSpeedAlone(t *testing.T) {
	t.Parallel()
	cli, err := osexec.LookPath("redis-cli")
	if err != nil {
		t.Skip("redis-cli is not installed")
	}
	var nodes []*storagetest.RedisServer
	args := []string{"--cluster", "create"}
	for range 3 {
		node := storagetest.Redis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
		nodes, args = append(nodes, node), append(args, node.Address)
	}
	if out, err := osexec.CommandContext(t.Context(), cli, append(args, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: "redis://" + nodes[0].Address + "?cluster=true&addr=" + nodes[1].Address, log: &lines{}}
	one, other := h.carried(t)
	shares(t, one, other)
	for _, node := range nodes {
		ok(t, node.Process.Kill())
	}
	eventually(t, "both notice", func() bool { return !one.Carried() && !other.Carried() })
	s := rotate(t.Context(), t, one, someone(t, one).begin(t, one, "offline_access"))
	must[identity.Struck](t)(one.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndOperator}))
	if live, err := other.LiveSession(t.Context(), s.ID, ""); err == nil && live.Session.Alive(other.Now()) {
		t.Error("an ended session lives")
	}
}

const tlsRedis = "SOJOURN_TEST_TLS_REDIS" // set in the process that trusts the test's CA

// The system's roots are read once by a process, so what trusts the CA is a process of its own.
func TestRedis_overTLSItIsTrustedByTheSystemsRoots(t *testing.T) {
	t.Parallel()
	if url := os.Getenv(tlsRedis); url != "" {
		h := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: url, log: &lines{}}
		one, other := h.carried(t)
		shares(t, one, other)
		return
	}
	cert, key := selfSigned(t)
	server := storagetest.RedisTLS(t, cert, key)
	again := osexec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestRedis_overTLSItIsTrustedByTheSystemsRoots$", "-test.v")
	again.Env = append(os.Environ(), "SSL_CERT_FILE="+cert, tlsRedis+"=rediss://"+server.Address)
	if out, err := again.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v: %s", err, out)
	}
	h := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: "rediss://" + server.Address, log: &lines{}}
	stranger := h.process(t)
	eventually(t, "who does not trust the CA says so", func() bool { return strings.Contains(h.log.String(), "certificate") })
	if stranger.Carried() || stranger.ProofUsed(t.Context(), "x", stranger.Now().Add(time.Minute)) {
		t.Error("a Redis that is not trusted is believed")
	}
}

// selfSigned writes a certificate of loopback and its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	pair := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a Redis of a test"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, pair.Public(), pair))
	secret := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(pair))
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	ok(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	ok(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key
}

func TestRedis_twoInstallationsOnOneDoNotHearEachOther(t *testing.T) {
	t.Parallel()
	server := storagetest.Redis(t)
	ours := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: "redis://" + server.Address, log: &lines{}}
	theirs := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: ours.redis, log: &lines{}} // with the same issuer
	one, other := ours.carried(t)
	stranger, strangers := theirs.carried(t)
	before := stranger.Carrying().Heard + strangers.Carrying().Heard
	shares(t, one, other)
	until := one.Now().Add(time.Minute)
	eventually(t, "ours remember a proof", func() bool { return one.ProofUsed(t.Context(), "proof", until) })
	if strangers.ProofUsed(t.Context(), "proof", until) {
		t.Error("a proof of somebody else's installation is taken for ours")
	}
	if after := stranger.Carrying().Heard + strangers.Carrying().Heard; after != before {
		t.Errorf("%d wake-ups of somebody else's installation were heard", after-before)
	}
}

// Whoever can write to our channel can have us look into the database, at a bounded pace, and nothing else.
func TestRedis_aFloodOfForgedPacketsCostsNoLoginAndBringsNothingBack(t *testing.T) {
	t.Parallel()
	server := storagetest.Redis(t)
	h := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: "redis://" + server.Address, log: &lines{}}
	one, other := h.carried(t)
	p := someone(t, one)
	living, over := p.begin(t, one, "offline_access"), p.begin(t, one, "offline_access")
	must[identity.Struck](t)(one.End(t.Context(), identity.Ending{Session: over.ID, Cause: identity.EndOperator}))

	forger := redis.NewClient(&redis.Options{Addr: server.Address})
	t.Cleanup(func() { _ = forger.Close() })
	channels := must[[]string](t)(forger.PubSubChannels(t.Context(), "sojourn:*").Result())
	if len(channels) != 1 {
		t.Fatalf("channels %v", channels)
	}
	flood(t, forger, channels[0], p)
	for range 50 {
		living = rotate(t.Context(), t, other, living)
	}
	for _, db := range []*storage.DB{one, other} {
		if live, err := db.LiveSession(t.Context(), over.ID, ""); err == nil && live.Session.Alive(db.Now()) {
			t.Error("an ended session lives")
		}
		must[identity.Client](t)(db.ClientByID(t.Context(), "app"))
	}
	eventually(t, "what made no sense is counted", func() bool { return other.Carrying().Ignored > 0 })
	eventually(t, "both are carried", func() bool { return one.Carried() && other.Carried() })
	shares(t, one, other)
}

// flood says, as a process that nobody knows, all that may be said and much that may not.
func flood(t *testing.T, forger *redis.Client, channel string, p person) {
	t.Helper()
	lies := []string{
		"", "\n", "x\n", "x\nm", "x\n*", "x\ncapp", "x\np" + p.user.ID.String() + "sapp", "x\npnobody", "x\nb" + identity.RandomText(16),
		"x\nz" + strings.Repeat("z", 100), "x\n" + strings.Repeat("m\n", 3000), "\x00\xff\xfe", strings.Repeat("x", 20_000),
		`x` + "\n" + `{"ended":false,"session":"*"}`,
	}
	pipe := forger.Pipeline()
	for range 300 {
		for _, lie := range lies {
			pipe.Publish(t.Context(), channel, lie)
		}
	}
	_, err := pipe.Exec(context.WithoutCancel(t.Context()))
	ok(t, err)
}

// A replica of Redis that lacks the newest keys is promoted: the proofs in them are known to who saw them, and to nobody else any more.
func TestRedis_aPromotedReplicaThatLacksKeysForgetsProofsAndNothingElse(t *testing.T) {
	t.Parallel()
	primary, stale := storagetest.Redis(t), storagetest.Redis(t)
	proxy := proxyTo(t, primary.Address)
	h := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: "redis://" + proxy.Listen, log: &lines{}}
	one, other := h.carried(t)
	until := one.Now().Add(time.Minute)
	eventually(t, "a proof is shared", func() bool {
		return one.ProofUsed(t.Context(), "proof", until) && other.ProofUsed(t.Context(), "proof", until)
	})
	s := someone(t, one).begin(t, one, "offline_access")
	must[identity.Struck](t)(one.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndOperator}))

	proxy.Stop()
	eventually(t, "both notice", func() bool { return !one.Carried() && !other.Carried() })
	proxy.Upstream = stale.Address
	ok(t, proxy.Start())
	eventually(t, "both are carried again", func() bool { return one.Carried() && other.Carried() })
	eventually(t, "proofs are remembered from now on", func() bool { return one.ProofUsed(t.Context(), "proof", until) })
	if live, err := other.LiveSession(t.Context(), s.ID, ""); err == nil && live.Session.Alive(other.Now()) {
		t.Error("an ended session lives")
	}
	shares(t, one, other)
}
