package identity

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// maxTally is how many numbers a process keeps until it hands them over. What is more is counted of all, and of no client.
const maxTally = 20_000

// Tally counts what happens and leaves no row, of each day, until it is taken.
type Tally struct {
	calendar *Calendar

	mu      sync.Mutex
	day     Day
	names   *names
	numbers map[tallied]int64
	blurred int64
}

// tallied is a number before it is one of every scope.
type tallied struct {
	day     Day
	subject Subject
	tick    Tick
}

// NewTally counts days of a calendar.
func NewTally(calendar *Calendar) *Tally {
	return &Tally{calendar: calendar, names: newNames(), numbers: map[tallied]int64{}}
}

// Count counts one thing at a time. The zero Subject is nobody in particular.
func (t *Tally) Count(at time.Time, s Subject, ticks ...Tick) {
	if len(ticks) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if day := t.calendar.DayOf(at); day != t.day {
		t.day, t.names = day, newNames()
	}
	if s.ClientID != "" {
		s = t.names.of(s)
	}
	for _, tick := range ticks {
		key := tallied{t.day, s, tick}
		if _, known := t.numbers[key]; !known && len(t.numbers) >= maxTally {
			key.subject, t.blurred = Subject{}, t.blurred+1
		}
		t.numbers[key]++
	}
}

// Blurred is how many things were counted of all alone, since there were too many numbers.
func (t *Tally) Blurred() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.blurred
}

// Number is a Cell of a day.
type Number struct {
	Day Day
	Cell
	N int64
}

// Take returns what was counted since it was called last, in every scope that it counts in, always in the same order: who add
// theirs to the same numbers at once do not wait for each other in a circle.
func (t *Tally) Take() []Number {
	t.mu.Lock()
	taken := t.numbers
	t.numbers = map[tallied]int64{}
	t.mu.Unlock()
	sums := map[Number]int64{}
	for key, n := range taken {
		for _, scope := range key.subject.scopes() {
			sums[Number{Day: key.day, Cell: Cell{scope, key.tick.Measure, key.tick.Label}}] += n
		}
	}
	all := make([]Number, 0, len(sums))
	for number, n := range sums {
		number.N = n
		all = append(all, number)
	}
	slices.SortFunc(all, Number.compare)
	return all
}

func (n Number) compare(o Number) int {
	return cmp.Or(cmp.Compare(n.Day, o.Day), cmp.Compare(n.ClientID, o.ClientID), cmp.Compare(n.Platform, o.Platform),
		cmp.Compare(n.Version, o.Version), cmp.Compare(n.Measure, o.Measure), cmp.Compare(n.Label, o.Label))
}

// Batch is what a process counted: one of its own by number, so that one whose answer was lost is not added twice.
type Batch struct {
	Process ID
	Number  int64 // they grow
	Numbers []Number
}
