package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// sharedWithin is how long an answer waits for Redis. It is worth no more than that.
	sharedWithin = 50 * time.Millisecond
	// Redis that failed so often in a row is left alone for a while, then one question tries it again.
	failsInRow, leftAlone = 3, time.Second
)

// shared is memory that processes have in common. It may be away, slow, empty or old at any time: whoever asks it goes on
// without an answer. A nil one knows nothing.
type shared struct {
	client redis.UniversalClient
	prefix string
	warn   func(ctx context.Context, what string, err error)

	mu      sync.Mutex
	inRow   int
	until   time.Time // nobody is asked before
	counted SharedMemory
}

// SharedMemory is what became of the questions to Redis.
type SharedMemory struct{ Asked, Failed, Skipped int }

// key names something in Redis. It is hashed: no name, address or token stands there to read.
func (s *shared) key(kind, name string) string {
	sum := sha256.Sum256([]byte(kind + "\n" + name))
	return s.prefix + kind + ":" + hex.EncodeToString(sum[:16])
}

var errNoRedis = errors.New("redis: an answer that Redis does not give")

// taken reports whether a name was taken before by any process, and takes it for a time. False, too, while Redis is away.
func (s *shared) taken(ctx context.Context, kind, name string, life time.Duration) (taken bool) {
	s.try(ctx, func(ctx context.Context) error {
		set, err := s.client.SetArgs(ctx, s.key(kind, name), "1", redis.SetArgs{Mode: "NX", TTL: max(life, time.Millisecond)}).Result()
		if taken = errors.Is(err, redis.Nil); err == nil && set != "OK" {
			return errNoRedis // and nobody is refused for what it says
		}
		return err
	})
	return taken
}

// try asks Redis something, unless it did not answer lately. That there is nothing is an answer.
func (s *shared) try(ctx context.Context, ask func(context.Context) error) {
	if s == nil || !s.mayAsk() {
		return
	}
	bound, stop := context.WithTimeout(ctx, sharedWithin)
	defer stop()
	err := ask(bound)
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	if err != nil && ctx.Err() != nil { // who asked has gone
		return
	}
	s.learn(err)
	if err != nil {
		s.warn(ctx, "Redis is of no help; each process goes by its own memory and the database", err)
	}
}

func (s *shared) mayAsk() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Before(s.until) {
		s.counted.Skipped++
		return false
	}
	s.counted.Asked++
	if s.inRow >= failsInRow { // this one tries it for all
		s.until = now.Add(leftAlone)
	}
	return true
}

func (s *shared) learn(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.inRow, s.until = 0, time.Time{}
		return
	}
	s.counted.Failed++
	if s.inRow++; s.inRow >= failsInRow {
		s.until = time.Now().Add(leftAlone)
	}
}

// SharedMemory counts the questions to Redis since the process started.
func (d *DB) SharedMemory() SharedMemory {
	if d.shared == nil {
		return SharedMemory{}
	}
	d.shared.mu.Lock()
	defer d.shared.mu.Unlock()
	return d.shared.counted
}

// ProofUsed reports whether another process saw a proof used that passes until a time, and tells them that it is used now.
// It does not replace the memory of the process that asks: while Redis is away it says no.
func (d *DB) ProofUsed(ctx context.Context, id string, until time.Time) bool {
	return d.shared.taken(ctx, "proof", id, until.Sub(d.Now())+time.Second)
}
