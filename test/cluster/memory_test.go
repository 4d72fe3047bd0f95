//go:build unix && soak

package cluster_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

const (
	filled   = 200_000 // refreshes and visits, after which the memories of sessions of three servers are full
	filledBy = 30 * time.Minute
	soaked   = 10 * time.Minute
)

// grows is by how much the last minutes may be above the first ones that count: where the collector stands moves it by as much.
const grows = 1.15

// held is what a server keeps, by its own metrics.
var held = []string{"process_resident_memory_bytes", "go_memstats_heap_objects", "go_goroutines", "process_open_fds"}

// Ten minutes of everyday's load leave three servers as large as the minutes before made them, and within the memory that
// the chart gives each.
func TestCluster_memoryIsFlat(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "460MiB") // what a server takes of a container's 512 MiB by itself
	c := begun(t, cluster.Options{Settings: []string{"LOG_LEVEL=warn"}})
	var unserved atomic.Int64 // where the machine is busy some hear "retry", which is no matter of memory
	parts := everydays(t, c)
	for i, part := range parts {
		parts[i] = func(ctx context.Context) error {
			if part(ctx) != nil {
				unserved.Add(1)
			}
			return nil
		}
	}
	l := meanwhile(t, parts...)
	for began := time.Now(); l.n.Load() < filled && time.Since(began) < filledBy; {
		time.Sleep(time.Second)
	}
	began, samples := time.Now(), map[string][]float64{}
	for time.Since(began) < soaked {
		for _, name := range held {
			samples[name] = append(samples[name], kept(t, c, name))
		}
		time.Sleep(time.Second)
	}
	l.end()
	for _, name := range held {
		all := samples[name]
		third := len(all) / 3
		early, late := mean(all[:third]), mean(all[len(all)-third:])
		t.Logf("%s: %.4g when the memories were full, %.4g at the end", name, early, late)
		if late > grows*early {
			t.Errorf("%s grows: %.4g, then %.4g", name, early, late)
		}
	}
	if most := slices.Max(samples[held[0]]); most > float64(len(c.Servers)*512<<20) {
		t.Errorf("the servers take %.4g bytes together", most)
	}
	t.Logf("%d refreshes and visits, of which %d were not served", l.n.Load(), unserved.Load())
	if 2*unserved.Load() > l.n.Load() {
		t.Error("that was no load")
	}
}

// kept is a metric, of all servers together.
func kept(t *testing.T, c *cluster.Cluster, name string) (sum float64) {
	t.Helper()
	for _, s := range c.Servers {
		_, body, err := send(t.Context(), http.DefaultClient, http.MethodGet, "http://"+s.AdminAddress+"/metrics", nil, "")
		must(t, err)
		found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(body)
		if found == nil {
			t.Fatalf("%s has no %s", s.Name, name)
		}
		n, err := strconv.ParseFloat(found[1], 64)
		must(t, err)
		sum += n
	}
	return sum
}

func mean(all []float64) (sum float64) {
	for _, n := range all {
		sum += n / float64(len(all))
	}
	return sum
}
