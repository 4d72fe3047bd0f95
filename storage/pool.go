package storage

import (
	"database/sql"
	"time"
)

// Pool is how one set of connections to the database is used.
type Pool struct {
	Name       string // a word of ours
	Max        int
	Used, Idle int
	Waits      int64         // how often somebody waited for a connection since the process started
	Waited     time.Duration // and for how long together
}

// Pools returns how all connections of this process are used.
func (d *DB) Pools() []Pool {
	names := []string{"main"}
	if d.kind == SQLite {
		names = []string{"writer", "readers"}
	}
	pools := make([]Pool, 0, len(names)+2)
	for i, pool := range d.pools {
		pools = append(pools, poolOf(names[i], pool.Stats()))
	}
	if d.quick != nil {
		s := d.quick.pool.Stat()
		pools = append(pools, Pool{
			Name: "quick", Max: int(s.MaxConns()), Used: int(s.AcquiredConns()), Idle: int(s.IdleConns()),
			Waits: s.EmptyAcquireCount(), Waited: s.EmptyAcquireWaitTime(),
		})
	}
	if d.replica != nil {
		pools = append(pools, poolOf("replica", d.replica.pool.Stats()))
	}
	return pools
}

func poolOf(name string, s sql.DBStats) Pool {
	return Pool{name, s.MaxOpenConnections, s.InUse, s.Idle, s.WaitCount, s.WaitDuration}
}

// CacheUse is how often what is kept for a second spared a statement.
type CacheUse struct {
	Name         string // a word of ours
	Hits, Misses int64
}

// Caches returns how those were used since the process started. Of Sessions, Recall tells.
func (d *DB) Caches() []CacheUse {
	return []CacheUse{
		{"clients", d.clients.hits.Load(), d.clients.misses.Load()},
		{"resources", d.resources.hits.Load(), d.resources.misses.Load()},
	}
}

// SharedAway reports whether Redis is left alone for a while, since it did not answer.
func (d *DB) SharedAway() bool {
	if d.shared == nil {
		return false
	}
	d.shared.mu.Lock()
	defer d.shared.mu.Unlock()
	return d.shared.inRow >= failsInRow
}
