package bench

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// volley has n calls of f made by several workers at once and returns how long each took, and the first error.
func volley(workers, n int, f func(worker int) error) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	var next atomic.Int64
	var failed error
	var once sync.Once
	var wg sync.WaitGroup
	for worker := range min(workers, n) {
		wg.Go(func() {
			for {
				call := int(next.Add(1)) - 1
				if call >= n {
					return
				}
				began := time.Now()
				if err := f(worker); err != nil {
					once.Do(func() { failed = err })
					return
				}
				took[call] = time.Since(began)
			}
		})
	}
	wg.Wait()
	return took, failed
}

// drive has f called b.N times by n workers at once and reports, beside the time per call, what the server's process
// spent on one — processor time, allocations — calls per second, and how long one waited.
func drive(b *testing.B, p process, n int, f func(worker int) error) {
	b.Helper()
	cpu, mallocs := p.cpu(b), p.mallocs(b)
	b.ResetTimer()
	took, err := volley(n, b.N, f)
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((p.cpu(b)-cpu).Microseconds())/float64(b.N), "server-µs/op")
	b.ReportMetric((p.mallocs(b)-mallocs)/float64(b.N), "server-allocs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
	reportWaits(b, took)
}

// reportWaits reports the median and the 99th percentile, in milliseconds.
func reportWaits(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	for name, at := range map[string]int{"p50-ms": len(took) / 2, "p99-ms": len(took) * 99 / 100} {
		b.ReportMetric(took[at].Seconds()*1000, name)
	}
}
