package simulate

import (
	"maps"

	"github.com/sojourn-auth/sojourn/identity"
)

// truth is what really happened on each simulated day, in UTC: what the numbers of the days must say.
type truth struct {
	Began  map[identity.Day]int
	Forced map[identity.Day]map[string]int // by what the server said
	Came   map[identity.Day]map[int]bool   // phones whose Sessions were used, thieves' uses among them
	Reuse  map[identity.Day]int
	Age    int // refreshes that were answered, forks among them
}

func newTruth() truth {
	return truth{
		Began: map[identity.Day]int{}, Forced: map[identity.Day]map[string]int{}, Came: map[identity.Day]map[int]bool{},
		Reuse: map[identity.Day]int{},
	}
}

// today is the day of the clock.
func (c *clock) today() identity.Day { return identity.DayOf(c.now()) }

// came notes that the Session of a phone was used.
func (t *truth) came(day identity.Day, session *session) {
	if t.Came[day] == nil {
		t.Came[day] = map[int]bool{}
	}
	t.Came[day][session.n] = true
}

// forced notes that the app of a Session was told to sign the person in.
func (t *truth) forced(day identity.Day, cause string) {
	if t.Forced[day] == nil {
		t.Forced[day] = map[string]int{}
	}
	t.Forced[day][cause]++
	if cause == string(identity.EndReuse) {
		t.Reuse[day]++
	}
}

// add puts another shard's on top. Its Sessions are others.
func (t *truth) add(o truth, shard int) {
	t.Age += o.Age
	for day, n := range o.Began {
		t.Began[day] += n
	}
	for day, n := range o.Reuse {
		t.Reuse[day] += n
	}
	for day, causes := range o.Forced {
		for cause, n := range causes {
			if t.Forced[day] == nil {
				t.Forced[day] = map[string]int{}
			}
			t.Forced[day][cause] += n
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
