package anomaly

import (
	"slices"
	"time"
)

// Of so many subjects of one signal, and of so many who did it, something is kept. With more, the subjects that were seen longest ago
// give way: some 10 MB.
const (
	maxSubjects = 5000
	maxEntries  = 50_000
)

// crowd is who did something of late, by subject: a network, an app.
type crowd struct {
	by      map[string]*group
	entries int // of all who
	dropped int // subjects that gave way
}

// group is who did it under one subject, and when last.
type group struct {
	who  map[string]time.Time
	last time.Time
}

// add notes that who did it. It may come twice, and late.
func (c *crowd) add(subject, who string, at time.Time) *group {
	if c.entries >= maxEntries || len(c.by) >= maxSubjects {
		c.makeRoom()
	}
	g, known := c.by[subject]
	if !known {
		if c.by == nil {
			c.by = map[string]*group{}
		}
		g = &group{who: map[string]time.Time{}}
		c.by[subject] = g
	}
	_, there := g.who[who]
	if !there && len(g.who) < maxThreshold {
		c.entries++
		there = true
	}
	if there {
		g.who[who] = latest(g.who[who], at)
	}
	g.last = latest(g.last, at)
	return g
}

// forgive takes one back who turned out to be honest.
func (c *crowd) forgive(subject, who string) {
	if g, known := c.by[subject]; known {
		if _, there := g.who[who]; there {
			delete(g.who, who)
			c.entries--
		}
	}
}

// count is how many did it within a window that ends at a time.
func (g *group) count(at time.Time, window time.Duration) (n int) {
	for _, last := range g.who {
		if last.After(at.Add(-window)) {
			n++
		}
	}
	return n
}

// makeRoom drops a tenth of the subjects, those that were seen longest ago.
func (c *crowd) makeRoom() {
	times := make([]time.Time, 0, len(c.by))
	for _, g := range c.by {
		times = append(times, g.last)
	}
	slices.SortFunc(times, time.Time.Compare)
	before, most := times[len(times)/10], len(times)/10+1
	for subject, g := range c.by {
		if most > 0 && !g.last.After(before) {
			c.drop(subject)
			c.dropped++
			most--
		}
	}
}

// forget drops what is too old.
func (c *crowd) forget(before time.Time) {
	for subject, g := range c.by {
		if g.last.Before(before) {
			c.drop(subject)
			continue
		}
		for who, last := range g.who {
			if last.Before(before) {
				delete(g.who, who)
				c.entries--
			}
		}
	}
}

func (c *crowd) drop(subject string) {
	c.entries -= len(c.by[subject].who)
	delete(c.by, subject)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
