package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	redisConns   = 16 // per process, and per node of a cluster
	redisConnect = time.Second
)

// redisCarrier carries wake-ups by the channels of Redis or Valkey.
type redisCarrier struct {
	client  redis.UniversalClient
	channel string
}

func (redisCarrier) name() string { return "redis" }

func (c redisCarrier) say(ctx context.Context, packet string) error {
	return c.client.Publish(ctx, c.channel, packet).Err()
}

func (c redisCarrier) hear(ctx context.Context, listening func(), heard func(string)) error {
	subscribed := c.client.Subscribe(ctx, c.channel)
	defer func() { _ = subscribed.Close() }()
	defer context.AfterFunc(ctx, func() { _ = subscribed.Close() })() // receiving does not heed ctx by itself
	for {
		said, err := subscribed.ReceiveTimeout(ctx, silence)
		if err != nil {
			return err
		}
		switch m := said.(type) {
		case *redis.Subscription:
			listening()
		case *redis.Message:
			heard(m.Payload)
		}
	}
}

// errRedisURL repeats nothing of the URL: it may hold a password.
var errRedisURL = errors.New("SOJOURN_REDIS is not a URL like redis://user:password@host:6379/0, or rediss:// for TLS; " +
	"with &addr=host:port for more addresses, master_name=NAME for Sentinel, or cluster=true for a cluster after the question mark; " +
	"what is special in the password must be percent-encoded")

// openRedis prepares a client for a URL without connecting: for one server, for Sentinel (master_name) or for a cluster
// (cluster=true). It never tries anything twice by itself: whoever asks knows better whether that is worth the time.
func openRedis(text string) (redis.UniversalClient, error) {
	redis.SetLogger(mute{})
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" {
		return nil, errRedisURL
	}
	q := u.Query()
	o := &redis.UniversalOptions{
		MasterName: q.Get("master_name"), IsClusterMode: q.Get("cluster") == "true",
		SentinelUsername: q.Get("sentinel_username"), SentinelPassword: q.Get("sentinel_password"),
		MaxRetries: -1, PoolSize: redisConns, DialerRetries: 1, ContextTimeoutEnabled: true, DisableIdentity: true,
		DialTimeout: redisConnect, ReadTimeout: redisConnect, WriteTimeout: redisConnect,
		// What only one vendor's service tells is not asked for.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	own := []string{"cluster"}
	if o.MasterName != "" || o.IsClusterMode {
		o.Addrs = q["addr"]
		own = append(own, "addr", "master_name", "sentinel_username", "sentinel_password")
	}
	for _, name := range own {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	one, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, errRedisURL
	}
	o.Addrs = append([]string{one.Addr}, o.Addrs...)
	o.Username, o.Password, o.DB, o.TLSConfig, o.Protocol = one.Username, one.Password, one.DB, one.TLSConfig, one.Protocol
	client := redis.NewUniversalClient(o)
	client.AddHook(redisTracer{})
	return client, nil
}

// mute is the client's own log: what it has to say comes back as errors.
type mute struct{}

// Printf says nothing.
func (mute) Printf(context.Context, string, ...any) {}

// prefixOf keeps databases and issuers apart that share one Redis. It shows neither.
func (d *DB) prefixOf(ctx context.Context, dsn, issuer string) (string, error) {
	which := dsn
	if d.kind == Postgres { // replicas may reach it by other names; a copy of it is another one
		var err error
		if which, err = d.which(ctx); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256([]byte(issuer + "\n" + which))
	return "sojourn:{" + hex.EncodeToString(sum[:8]) + "}:", nil
}

// redisProblems say what to do about an answer of Redis, by how it begins.
var redisProblems = []struct{ begins, means string }{
	{"NOAUTH", "Redis wants a password: write it into SOJOURN_REDIS"},
	{"WRONGPASS", "Redis refuses the user or the password of SOJOURN_REDIS"},
	{"ERR AUTH", "Redis has no password, but SOJOURN_REDIS gives one"},
	{"ERR Client sent AUTH", "Redis has no password, but SOJOURN_REDIS gives one"},
	{"NOPERM", "Redis does not let its user do that: allow PUBLISH, SUBSCRIBE, GET and SET for sojourn:*"},
	{"READONLY", "Redis is a read-only replica: name the primary, or Sentinel"},
	{"OOM", "Redis is full: raise maxmemory, or set maxmemory-policy to volatile-ttl"},
	{"MISCONF", "Redis takes no writes, since it cannot save to its disk"},
	{"MOVED", "Redis is a node of a cluster: add cluster=true to SOJOURN_REDIS"},
	{"CLUSTERDOWN", "the Redis cluster is down"},
	{"LOADING", "Redis is loading its data"},
	{"MASTERDOWN", "Redis is a replica that has lost its primary"},
	{"DENIED", "Redis is in protected mode: give it a password, or bind it to an address"},
	{"ERR This instance has cluster support disabled", "Redis is no cluster: leave cluster=true out of SOJOURN_REDIS"},
}

// problemOf is an error as an operator reads it, without anything secret.
func problemOf(err error) string {
	if err == nil {
		return "unknown"
	}
	var answer redis.Error
	if errors.As(err, &answer) {
		for _, p := range redisProblems {
			if strings.HasPrefix(answer.Error(), p.begins) {
				return p.means
			}
		}
		return "Redis said something that this program does not know"
	}
	var slow net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed without an answer (does it expect TLS, rediss://, or is it something else?)"
	case strings.Contains(err.Error(), "first record does not look like a TLS handshake"):
		return "it does not speak TLS: write redis:// instead of rediss://"
	case strings.HasPrefix(err.Error(), "redis: "):
		return "what answers there does not speak as Redis does"
	}
	return fmt.Sprint(err)
}
