package contract

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/weather"
)

const (
	devices = 2
	hurry   = 20 // how much faster than life the train goes
)

// journey is how long the train goes: ten minutes where there is time.
func journey() time.Duration {
	if os.Getenv("SOJOURN_SOAK") != "" {
		return 10 * time.Minute
	}
	return 20 * time.Second
}

// ride takes devices on a train whose network is weather's, and kills their processes every few seconds; with them the program of
// the language's quickstart. Nobody may have to sign in again.
func ride(t *testing.T, spec driverSpec) {
	p := newSojourn(t).(*sojourn)
	p.network.lead(t, hasten(t, p.network.upstream), p.network.kinds)
	stages := make([]*stage, devices)
	for i := range stages {
		stages[i] = newStage(t, spec, p)
		stages[i].start(step{}, "a")
		stages[i].signIn(nil, "a")
	}
	program := newNotes(t, spec, p)
	program.signIn()
	p.network.storm(t, "train")
	began := time.Now()
	arrived := func() bool { // a busy machine travels until it has seen a tunnel
		refreshes, lost := p.network.tally()
		return time.Since(began) > journey() && (lost > 0 && refreshes >= devices || time.Since(began) > 10*journey())
	}
	t.Run("devices", func(t *testing.T) {
		for i, s := range stages {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				s.t = t
				s.travel(rand.New(rand.NewPCG(7, uint64(i))), arrived)
			})
		}
		t.Run("quickstart", func(t *testing.T) {
			t.Parallel()
			program.t = t
			program.travel(rand.New(rand.NewPCG(7, devices)), arrived)
		})
	})
	judge(t, p.network.sent())
	refreshes, lost := p.network.tally()
	t.Logf("%d refreshes by %d devices in %v, %d requests of %d without a good answer",
		refreshes, devices, time.Since(began).Round(time.Second), lost, len(p.network.sent()))
	if lost == 0 || refreshes < devices {
		t.Error("the weather was good: nothing was shown")
	}
}

// tally counts the refreshes that were sent, and the requests without a good answer.
func (n *network) tally() (refreshes, lost int) {
	for _, r := range n.sent() {
		if r.At == "refresh" {
			refreshes++
		}
		if r.Status != http.StatusOK {
			lost++
		}
	}
	return refreshes, lost
}

// storm puts a profile over the network's endpoints for apps.
func (n *network) storm(t testing.TB, profile string) {
	t.Helper()
	only := []string{}
	for path, kind := range n.kinds {
		if kind == "token" || kind == "me" {
			only = append(only, path)
		}
	}
	p, err := weather.New(weather.Options{Upstream: n.upstream, Profile: profile, Seed: 7, Speed: hurry, Only: only})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start("127.0.0.1:0"); err != nil { // nobody goes there, but time begins
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	n.stormy = p
}

// travel uses the app all the time, lets time pass and kills the process, then arrives where the network is good.
func (s *stage) travel(dice *rand.Rand, arrived func() bool) {
	s.t.Helper()
	for !arrived() {
		d := s.drivers["a"]
		d.send(map[string]any{"do": "clock", "pass": 90 + dice.IntN(80)})
		asked := []int{
			d.send(map[string]any{"do": "token"}), d.send(map[string]any{"do": "call", "url": s.serves.net().issuer() + "/me"}),
		}
		time.Sleep(time.Duration(300+dice.IntN(1700)) * time.Millisecond)
		for _, id := range asked {
			if r, there := d.answered(id); there && slices.Contains([]any{"ended", "signed_out", "invalid"}, r.Error["kind"]) {
				s.t.Fatalf("signed out: %v", r.Error)
			}
		}
		if dice.IntN(2) == 0 {
			s.restart(step{"ok": []byte(`{"state": "signed_in"}`)}, "a")
		}
	}
	d := s.drivers["a"]
	for range 20 { // somewhere between the tunnels
		d.send(map[string]any{"do": "clock", "pass": 120})
		if r := d.wait(d.send(map[string]any{"do": "refresh"})); r.Error == nil {
			return
		} else if r.Error["kind"] != "offline" {
			s.t.Fatalf("signed out: %v", r.Error)
		}
		time.Sleep(300 * time.Millisecond)
	}
	s.t.Error("it never got through")
}
