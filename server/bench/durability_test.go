package bench

import (
	"testing"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// slowDisk makes every flush of PostgreSQL take 10 ms longer, as on a spinning or a replicated disk.
const slowDisk = "&options=-c%20commit_delay%3D10000%20-c%20commit_siblings%3D0"

// BenchmarkRefreshDurability is the refresh on PostgreSQL by SOJOURN_REFRESH_DURABILITY, on the disk that is there and on a
// slow one. It tells something only where PostgreSQL runs with fsync, as test/bench starts it.
func BenchmarkRefreshDurability(b *testing.B) {
	for disk, options := range map[string]string{"fast": "", "slow": slowDisk} {
		for _, mode := range []string{config.Async, config.Strict} {
			b.Run(disk+"/"+mode, func(b *testing.B) {
				b.Setenv("SOJOURN_REFRESH_DURABILITY", mode)
				dsn := storagetest.DSN(b, storage.Postgres)
				s := newStage(b, dsn)
				p := startSojourn(b, dsn+options)
				drive(b, p, 16, func(worker int) error { return s.refresh(p.base, worker) })
			})
		}
	}
}
