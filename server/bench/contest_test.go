package bench

import (
	"slices"
	"testing"
	"time"
)

// turn is how many calls one rival answers before the other one's turn comes: a fraction of a second.
const turn = 500

// rival is one of two servers that are compared.
type rival struct {
	process
	call func(worker int) error

	rates []float64 // calls per second, by turn
	cpu   time.Duration
	took  []time.Duration
	calls int
}

// serve has n calls made by several workers.
func (r *rival) serve(b *testing.B, workers, n int) {
	b.Helper()
	cpu, began := r.process.cpu(b), time.Now()
	took, err := volley(workers, n, r.call)
	if err != nil {
		b.Fatal(err)
	}
	r.rates = append(r.rates, float64(n)/time.Since(began).Seconds())
	r.cpu += r.process.cpu(b) - cpu
	r.took, r.calls = append(r.took, took...), r.calls+n
}

// contest drives two servers in turns, so that whatever else the machine does falls on both, b.N calls to each. It reports
// how much of the other one's throughput and of its thrift ours has: the median of the turns, 1 being as good.
func contest(b *testing.B, workers int, ours, other *rival) {
	b.Helper()
	ours.serve(b, workers, 2*workers) // warm
	other.serve(b, workers, 2*workers)
	*ours, *other = rival{process: ours.process, call: ours.call}, rival{process: other.process, call: other.call}
	b.ResetTimer()
	for left := b.N; left > 0; left -= turn {
		other.serve(b, workers, min(turn, left))
		ours.serve(b, workers, min(turn, left))
	}
	b.StopTimer()
	var ratios []float64
	for i := range ours.rates {
		ratios = append(ratios, ours.rates[i]/other.rates[i])
	}
	slices.Sort(ratios)
	b.ReportMetric(0, "ns/op") // of both together: it says nothing
	b.ReportMetric(ratios[len(ratios)/2], "throughput-ratio")
	b.ReportMetric(other.cpu.Seconds()/ours.cpu.Seconds(), "cpu-ratio")
	b.ReportMetric(float64(ours.cpu.Microseconds())/float64(ours.calls), "server-µs/op")
	b.ReportMetric(float64(other.cpu.Microseconds())/float64(other.calls), "other-µs/op")
	slices.Sort(ours.rates)
	b.ReportMetric(ours.rates[len(ours.rates)/2], "op/s")
	reportWaits(b, ours.took)
}
