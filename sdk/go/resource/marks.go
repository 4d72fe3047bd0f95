package resource

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

const (
	firstWindow = 660 * time.Second // until the feed says another
	maxWindow   = 2 * time.Hour
	maxMarks    = 4_000_000 // of a generation
	maxKept     = 16        // marks of one person that keep some sessions, of a generation
)

// mark is one line of what an API must not believe any more.
type mark struct {
	kind  byte     // 's', 't', 'p', 'c'
	name  string   // sid, jti, sub, client_id
	epoch uint64   // of 'p' and 'c'
	keep  []string // of 'p': sessions that live on
}

// marks are what was ended, held for the window in which a token could still say otherwise. They are a set: none is taken
// back, and a mark that comes twice or late does no harm.
type marks struct {
	clock Clock
	seed  maphash.Seed // ours alone, so that nobody can make names that collide

	mu     sync.RWMutex
	window time.Duration
	began  time.Duration // of the young generation
	young  *generation
	old    *generation
	lost   time.Duration // until when there were too many
}

// generation is what came in one window. It goes as a whole when the next one is over.
type generation struct {
	ended  table                // sessions and tokens
	epochs table                // people and clients, with the greatest epoch
	kept   map[uint64][]keeping // people of whom some sessions live on
	extra  int                  // entries in kept
}

type keeping struct {
	epoch uint64
	keep  []uint64
}

func (k keeping) is(other keeping) bool {
	return k.epoch == other.epoch && slices.Equal(k.keep, other.keep)
}

func newGeneration() *generation {
	return &generation{epochs: table{numbers: true}, kept: map[uint64][]keeping{}}
}

func (g *generation) size() int { return g.ended.entries + g.epochs.entries + g.extra }

func newMarks(clock Clock) *marks {
	return &marks{
		clock: clock, seed: maphash.MakeSeed(), window: firstWindow, began: clock.Elapsed(), young: newGeneration(), old: newGeneration(),
	}
}

func (m *marks) hash(kind byte, name string) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	_ = h.WriteByte(kind)
	_, _ = h.WriteString(name)
	return h.Sum64()
}

// add holds marks. Where there are too many, whole reports false for as long as one that had no room could matter.
func (m *marks) add(list []mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	for _, one := range list {
		if m.young.size()+len(one.keep) >= maxMarks {
			m.lost = m.clock.Elapsed() + m.window
			return
		}
		m.hold(one)
	}
}

func (m *marks) hold(one mark) {
	h := m.hash(one.kind, one.name)
	switch {
	case one.kind == 's' || one.kind == 't':
		m.young.ended.add(h, 0)
	case len(one.keep) == 0 || len(m.young.kept[h]) >= maxKept: // too many to tell apart: those that were kept refresh once
		m.young.epochs.add(h, one.epoch)
	default:
		k := keeping{epoch: one.epoch}
		for _, sid := range one.keep {
			k.keep = append(k.keep, m.hash('s', sid))
		}
		slices.Sort(k.keep)
		if slices.ContainsFunc(m.young.kept[h], k.is) {
			return
		}
		m.young.kept[h] = append(m.young.kept[h], k)
		m.young.extra += 1 + len(k.keep)
	}
}

// turn begins a new generation when the young one is as old as the window. It must be called under the lock.
func (m *marks) turn() {
	if now := m.clock.Elapsed(); now-m.began >= m.window {
		m.young, m.old, m.began = newGeneration(), m.young, now
	}
}

// keepFor sets the window: the longest life of an access token, and some. It never shrinks: tokens of before live as long as
// they were given.
func (m *marks) keepFor(window time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.window = min(max(window, m.window), maxWindow)
	m.turn()
}

// whole reports whether all marks are held that could matter.
func (m *marks) whole() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.clock.Elapsed() >= m.lost
}

func (m *marks) held() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.young.size() + m.old.size()
}

// end reports whether a mark refuses a token.
func (m *marks) end(c *Claims) bool {
	sid := m.hash('s', c.SessionID)
	token, person, client := m.hash('t', c.ID), m.hash('p', c.Subject), m.hash('c', c.ClientID)
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, g := range []*generation{m.young, m.old} {
		_, over := g.ended.find(token)
		epoch, found := g.epochs.find(client)
		if over || found && c.clientEpoch < epoch {
			return true
		}
		if c.SessionID == "" { // a client's own: its sub is no person's
			continue
		}
		_, over = g.ended.find(sid)
		epoch, found = g.epochs.find(person)
		if over || found && c.subEpoch < epoch {
			return true
		}
		for _, k := range g.kept[person] {
			if c.subEpoch < k.epoch && !slices.Contains(k.keep, sid) {
				return true
			}
		}
	}
	return false
}
