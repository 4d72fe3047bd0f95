package storage

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	cachedFor  = time.Second // DESIGN §7: an ending holds everywhere within one second
	maxCached  = 10_000
	readWithin = 10 * time.Second // what one read may take
)

// cache keeps what is read by an id for a second, and has what many ask for at once read once. What this process wrote is not
// cached at all for the next second: a read that began before the write was committed must not put back what it saw. The
// zero value is empty.
type cache[T any] struct {
	copied func(T) T // shares no memory with what it gets; nil: nobody changes what they get

	mu      sync.Mutex
	entries map[string]cached[T]
	reads   singleflight.Group // by id

	hits, misses atomic.Int64
}

type cached[T any] struct {
	value   T
	dropped bool
	until   time.Time
}

// cacheState is what the cache knows of an id.
type cacheState int

const (
	unknown cacheState = iota
	kept
	written // less than a second ago, by this process
)

// through returns what is kept of an id, or else what read returns, which it keeps.
func (c *cache[T]) through(ctx context.Context, d *DB, id string, read func(context.Context) (T, error)) (value T, err error) {
	began := d.Now()
	switch value, state := c.get(id, began); state {
	case kept:
		c.hits.Add(1)
		return value, nil
	case written: // not to be shared either: the others may have begun before the commit
		c.misses.Add(1)
		return read(ctx)
	case unknown:
	}
	c.misses.Add(1)
	shared := c.reads.DoChan(id, func() (any, error) {
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), readWithin) // whoever asked first may hang up, others wait
		defer stop()
		if value, state := c.get(id, began); state == kept { // read by others between the look above and now
			return value, nil
		}
		value, err := read(ctx)
		if err == nil {
			c.put(id, value, began)
		}
		return value, err
	})
	select {
	case got := <-shared:
		value, _ = got.Val.(T)
		return c.copy(value), got.Err
	case <-ctx.Done():
		return value, d.fail("wait for a read", ctx.Err())
	}
}

func (c *cache[T]) copy(value T) T {
	if c.copied == nil {
		return value
	}
	return c.copied(value)
}

// get returns a copy of what was read less than a second ago.
func (c *cache[T]) get(id string, now time.Time) (value T, state cacheState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[id]
	switch {
	case !ok || !now.Before(e.until):
		return value, unknown
	case e.dropped:
		return value, written
	}
	return c.copy(e.value), kept
}

// put keeps a copy of what was read from a time on, unless it was written less than a second before or since.
func (c *cache[T]) put(id string, value T, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[id]; e.dropped && began.Before(e.until) {
		return
	}
	c.keep(id, cached[T]{value: c.copy(value), until: began.Add(cachedFor)})
}

// drop forgets what is being written, and has nobody else join a read that is under way.
func (c *cache[T]) drop(id string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(id, cached[T]{dropped: true, until: now.Add(cachedFor)})
	c.reads.Forget(id)
}

// clear forgets everything, but not what this process wrote, and has nobody join a read that is under way.
func (c *cache[T]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, e := range c.entries {
		if c.reads.Forget(id); !e.dropped {
			delete(c.entries, id)
		}
	}
}

// change alters what is kept of an id, if anything is.
func (c *cache[T]) change(id string, with func(*T)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[id]; ok {
		with(&e.value)
		c.entries[id] = e
	}
}

// keep makes room by forgetting everything: so much within a second is rare, and all it costs is reading again.
func (c *cache[T]) keep(id string, e cached[T]) {
	if c.entries == nil || len(c.entries) >= maxCached {
		c.entries = map[string]cached[T]{}
	}
	c.entries[id] = e
}
