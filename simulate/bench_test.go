package simulate

import (
	"testing"
	"time"
)

// BenchmarkRun is what a simulated refresh costs.
func BenchmarkRun(b *testing.B) {
	refreshes := 0
	for b.Loop() {
		o := Options{Devices: 100, Days: 10, Loss: .05, Parallel: .03, Policy: Ours, Seed: 1, Wall: time.Now}
		r, err := Run(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		refreshes += r.Refreshes
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(refreshes), "µs/refresh")
}
