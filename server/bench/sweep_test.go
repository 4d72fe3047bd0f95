package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// BenchmarkSweep has phones refresh while BENCH_SESSIONS (100,000) Sessions that have been over for 40 days are swept, in turns with
// nobody sweeping: what is left to the phones of their throughput and of their p99 (1: all), and how many rows went.
func BenchmarkSweep(b *testing.B) {
	for _, kind := range storagetest.Kinds(b) {
		b.Run(kind, func(b *testing.B) {
			dsn := storagetest.DSN(b, kind)
			c := newCrowd(b, dsn, sizeOf(b, "BENCH_SESSIONS", 100_000))
			over := c.db.Now().Add(-40 * 24 * time.Hour).UnixMicro()
			execute(b, dsn, fmt.Sprintf(`UPDATE sessions SET ended_at = %d, end_cause = 'revoked'
				WHERE CAST(id AS text) LIKE '%%-0000-4000-8000-000000000000'`, over))
			var swept atomic.Int64
			c.beside(b, startSojourn(b, dsn), func(ctx context.Context) {
				all, _ := c.db.Sweep(ctx) // which the end of the turn breaks off, and the next goes on with
				swept.Add(int64(all.Sessions))
			})
			if swept.Load() == 0 {
				b.Fatal("nothing was swept meanwhile")
			}
			b.ReportMetric(float64(swept.Load()), "rows-swept")
		})
	}
}
