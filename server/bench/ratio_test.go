package bench

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// BenchmarkRatio drives the server and the floor in turns: the number that stands for the whole hot path. Both commit
// alike, asynchronously or not.
func BenchmarkRatio(b *testing.B) {
	for _, kind := range storagetest.Kinds(b) {
		for _, durability := range []string{"async", "strict"} {
			b.Run(kind+"/"+durability, func(b *testing.B) {
				dsn, floors := storagetest.DSN(b, kind), storagetest.DSN(b, kind)
				ours, floor := newStage(b, dsn), newStage(b, floors)
				server := rival{process: startSojourn(b, dsn, "SOJOURN_REFRESH_DURABILITY="+durability)}
				server.call = func(worker int) error { return ours.refresh(server.base, worker) }
				bare := rival{process: startFloor(b, floors, durability)}
				bare.call = func(worker int) error { return floor.advance(bare.base, worker) }
				for _, workers := range []int{16, 64} {
					b.Run(fmt.Sprint(workers), func(b *testing.B) { contest(b, workers, &server, &bare) })
				}
			})
		}
	}
}

// refresh is one refresh of a phone.
func (s *stage) refresh(base string, phone int) error {
	held := &s.tokens[phone%phones]
	var got tokens
	err := post(base+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {*held},
	}, &got)
	*held = got.Refresh
	return err
}

// advance is what the floor has in its place.
func (s *stage) advance(base string, phone int) error {
	var got struct{ Generation int64 }
	return post(base+"/refresh", url.Values{"id": {s.ids[phone%phones]}}, &got)
}
