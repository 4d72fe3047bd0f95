package contract

import (
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// crowdOut has one process of the SDK's language be many devices, each with a store of its own, in weather twenty times as fast as
// life. To kill one, its instance is cut off from store and network and another is opened on the same store: nobody else's process
// ends. (ride ends whole processes.) The Go SDK's crowd is BenchmarkProfiles.
func crowdOut(t *testing.T, spec driverSpec) {
	spec.Run = spec.Crowd
	for _, profile := range []string{"train", "lift", "portal", "night"} {
		t.Run(profile, func(t *testing.T) {
			p := newSojourn(t).(*sojourn)
			d := startDriver(t, spec, "CONTRACT_CA="+p.network.ca.file)
			enter(t, d, p, crowd)
			p.network.storm(t, profile)
			life := d.send(map[string]any{"do": "live", "url": p.network.issuer() + "/me", "seconds": halfHour.Seconds(), "hurry": hurry})
			answer(t, d, life, time.Hour)
			p.network.stormy = calmed(t, p.network.upstream)
			settled(t, answer(t, d, d.send(map[string]any{"do": "settle"}), time.Hour), p.network, crowd)
		})
	}
}

// enter signs the crowd in: the devices of one person after each other, the persons beside each other.
func enter(t *testing.T, d *driver, p *sojourn, devices int) {
	t.Helper()
	dir := t.TempDir()
	t.Run("enter", func(t *testing.T) {
		for first := 0; first < devices; first += together {
			who := newPerson(t, p.register(t), p.network)
			t.Run(strconv.Itoa(first), func(t *testing.T) {
				t.Parallel()
				for i := first; i < min(first+together, devices); i++ {
					answer(t, d, d.send(map[string]any{
						"do": "open", "device": i, "store": filepath.Join(dir, strconv.Itoa(i)), "issuer": p.network.issuer(),
						"client_id": who.clientID, "redirect_uri": redirectURI,
					}), patience)
					began := answer(t, d, d.send(map[string]any{"do": "begin", "device": i}), patience)
					back := who.follow(t, began["url"].(string), "allow")
					answer(t, d, d.send(map[string]any{"do": "redirect", "device": i, "url": back}), patience)
				}
			})
		}
	})
}

// answer is what a command is answered with, which is no error.
func answer(t *testing.T, d *driver, id int, within time.Duration) map[string]any {
	t.Helper()
	var r reply
	if !d.until(within, func() (found bool) { r, found = d.answers[id]; return found }) {
		t.Fatalf("no answer to command %d", id)
	}
	if r.Error != nil {
		t.Fatalf("command %d: %v", id, r.Error)
	}
	return r.OK
}

// settled says what was seen, once everybody has refreshed in good weather.
func settled(t *testing.T, seen map[string]any, n *network, devices int) {
	t.Helper()
	all := n.sent()
	judge(t, all)
	refreshes, lost := 0, 0
	for _, r := range all {
		if r.At != "refresh" {
			continue
		}
		refreshes++
		if r.Status != http.StatusOK {
			lost++
		}
	}
	t.Logf("%d devices: %d refreshes, %d of them lost, %v calls, %v kills, %v forced sign-ins, %v well in the end",
		devices, refreshes, lost, seen["asked"], seen["kills"], seen["forced"], seen["well"])
	if seen["forced"] != 0.0 || seen["well"] != float64(devices) {
		t.Errorf("of %d devices %v are well, and %v times somebody had to sign in", devices, seen["well"], seen["forced"])
	}
}
