package simulate

import (
	"maps"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// makes are the apps that phones have: each phone has one of them for good.
var makes = [...]struct{ version, agent string }{
	{"3.1", "Notes/3 CFNetwork/1568 Darwin/24.0.0"},
	{"3.2", "Mozilla/5.0 (Linux; Android 15; Pixel 9)"},
	{"4.0", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"},
}

// truth is what really happened on each simulated day, in UTC, to the phones of one make: what the numbers of the days must say.
type truth struct {
	Began      map[identity.Day]int
	Ended      map[identity.Day]map[string]int // by cause
	Forced     map[identity.Day]map[string]int // by what the server said
	Came       map[identity.Day]map[int]bool   // phones whose Sessions were used, thieves' uses among them
	Reuse      map[identity.Day]int
	Lengths    map[int]int // of what ended, by steps of identity.Scale
	ReuseAfter map[int]int // since the line had moved, likewise
	Moves      map[identity.RefreshOutcome]int
	Retries    int // codes that were answered again
	Sessions   []*session
}

func newTruth() truth {
	return truth{
		Began: map[identity.Day]int{}, Ended: map[identity.Day]map[string]int{}, Forced: map[identity.Day]map[string]int{},
		Came: map[identity.Day]map[int]bool{}, Reuse: map[identity.Day]int{}, Lengths: map[int]int{}, ReuseAfter: map[int]int{},
		Moves: map[identity.RefreshOutcome]int{},
	}
}

// today is the day of the clock.
func (c *clock) today() identity.Day { return identity.DayOf(c.now()) }

// redeemed notes that a code was answered.
func (t *truth) redeemed(c *clock, of *session, token string) {
	if of.began {
		t.Retries++
		return
	}
	of.began, of.beganAt, of.movedAt = true, c.elapsed(), c.elapsed()
	of.newest = map[string]bool{token: true}
	t.Began[c.today()]++
	t.Sessions = append(t.Sessions, of)
	t.came(c.today(), of)
}

// moved notes that a token was answered with the next one: by the newest of a line it goes on, by another one it forks.
func (t *truth) moved(c *clock, of *session, from, to string) {
	t.came(c.today(), of)
	of.movedAt = c.elapsed()
	if of.newest[from] {
		t.Moves[identity.Rotated]++
		of.newest = map[string]bool{to: true}
		return
	}
	t.Moves[identity.Forked]++
	of.newest[to] = true
}

// came notes that the Session of a phone was used.
func (t *truth) came(day identity.Day, session *session) {
	if t.Came[day] == nil {
		t.Came[day] = map[int]bool{}
	}
	t.Came[day][session.n] = true
}

// forced notes that the app of a Session was told to sign the person in. What ended by that ended at this moment.
func (t *truth) forced(c *clock, of *session, cause string) {
	day := c.today()
	inc(t.Forced, day, cause, 1)
	if cause == string(identity.EndReuse) {
		t.Reuse[day]++
		inc(t.Ended, day, cause, 1)
		t.Lengths[step(c.elapsed()-of.beganAt)]++
		t.ReuseAfter[step(c.elapsed()-of.movedAt)]++
	}
}

// step is where a length of time is on identity.Scale.
func step(d time.Duration) int {
	for i, bound := range identity.Scale {
		if d < bound {
			return i
		}
	}
	return len(identity.Scale)
}

func inc(all map[identity.Day]map[string]int, day identity.Day, cause string, n int) {
	if all[day] == nil {
		all[day] = map[string]int{}
	}
	all[day][cause] += n
}

// add puts another one on top. Its Sessions are others.
func (t *truth) add(o truth, shard int) {
	t.Retries += o.Retries
	sum(t.Began, o.Began)
	sum(t.Reuse, o.Reuse)
	sum(t.Lengths, o.Lengths)
	sum(t.ReuseAfter, o.ReuseAfter)
	sum(t.Moves, o.Moves)
	for _, of := range []struct {
		into, from map[identity.Day]map[string]int
	}{{t.Forced, o.Forced}, {t.Ended, o.Ended}} {
		for day, causes := range of.from {
			for cause, n := range causes {
				inc(of.into, day, cause, n)
			}
		}
	}
	for day, sessions := range o.Came {
		if t.Came[day] == nil {
			t.Came[day] = map[int]bool{}
		}
		for n := range maps.Keys(sessions) {
			t.Came[day][shard<<32|n] = true
		}
	}
}

func sum[K comparable](into, from map[K]int) {
	for key, n := range from {
		into[key] += n
	}
}
