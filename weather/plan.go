package weather

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// plan is the weather that a seed and a profile bring to each device. A device's phases depend on the seed and its name alone;
// the fate of its nth request on those, the phase and n. How requests of different devices lie among each other changes nothing.
type plan struct {
	profile Profile
	seed    uint64
	speed   float64
	only    []string

	mu      sync.Mutex // guards what follows
	began   time.Time
	devices map[string]*sky
}

// sky is what one device sees.
type sky struct {
	hash    uint64
	lengths *rand.Rand
	phase   int           // of the profile's
	until   time.Duration // since the plan began; 0: for ever
	n       uint64        // requests so far
	through bool          // of the portal, in this phase
}

// maxDevices bounds the devices with weather of their own. All further share one.
const maxDevices = 10_000

func newPlan(o Options) (*plan, error) {
	profile, err := profileOf(o.Profile)
	if err != nil {
		return nil, err
	}
	return &plan{profile: profile, seed: o.Seed, speed: o.Speed, only: o.Only, devices: map[string]*sky{}}, nil
}

func (l *plan) begin(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began = at
}

// over is the device's sky as it is now. The caller holds mu.
func (l *plan) over(device string, at time.Time) *sky {
	s := l.devices[device]
	if s == nil {
		if len(l.devices) >= maxDevices {
			device = ""
		}
		if s = l.devices[device]; s == nil {
			s = l.newSky(device)
			l.devices[device] = s
		}
	}
	for elapsed := l.elapsed(at); s.until > 0 && elapsed >= s.until; {
		s.phase, s.through = (s.phase+1)%len(l.profile.Phases), false
		s.until += l.length(s)
	}
	return s
}

func (l *plan) newSky(device string) *sky {
	h := fnv.New64a()
	_, _ = h.Write([]byte(device))
	s := &sky{hash: h.Sum64()}
	s.lengths = rand.New(rand.NewPCG(l.seed, s.hash)) //nolint:gosec // it has to be repeatable
	s.until = l.length(s)
	return s
}

func (l *plan) elapsed(at time.Time) time.Duration {
	return time.Duration(float64(at.Sub(l.began)) * l.speed)
}

// length is how long the sky's phase lasts.
func (l *plan) length(s *sky) time.Duration {
	now := l.profile.Phases[s.phase]
	return between(s.lengths, now.Least, now.Most)
}

// fate is what the profile does to the device's next request.
func (l *plan) fate(device, path string, at time.Time) Fault {
	if !l.concerns(path) {
		return Fault{Do: Pass}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.over(device, at)
	s.n++
	dice := rand.New(rand.NewPCG(l.seed^s.hash, s.n)) //nolint:gosec // it has to be repeatable
	luck := dice.IntN(100)
	if s.through {
		return Fault{Do: Pass}
	}
	for _, odd := range l.profile.Phases[s.phase].Odds {
		if luck -= odd.Percent; luck < 0 {
			return Fault{Do: odd.Do, After: between(dice, odd.Least, odd.Most), AfterNext: odd.AfterNext}
		}
	}
	return Fault{Do: Pass}
}

// concerns reports whether a path has weather.
func (l *plan) concerns(path string) bool {
	for _, only := range l.only {
		if (Fault{Path: only}).is(path, "") {
			return true
		}
	}
	return len(l.only) == 0
}

// calm is how long the device's phase still lasts; 0: for ever. Streams don't outlive it.
func (l *plan) calm(device, path string, at time.Time) time.Duration {
	if !l.concerns(path) {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.over(device, at)
	if s.until == 0 {
		return 0
	}
	return s.until - l.elapsed(at)
}

// logIn lets a device through the portal.
func (l *plan) logIn(device string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.over(device, at)
	s.through = l.profile.Phases[s.phase].LogIn
}

func between(dice *rand.Rand, least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(dice.Int64N(int64(most-least)))
}
