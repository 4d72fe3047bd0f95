package bench

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// tokens is what a token answer says.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// each runs f against a server on each kind of database.
func each(b *testing.B, f func(b *testing.B, s *stage, p process)) {
	b.Helper()
	for _, kind := range storagetest.Kinds(b) {
		b.Run(kind, func(b *testing.B) {
			dsn := storagetest.DSN(b, kind)
			s := newStage(b, dsn)
			f(b, s, startSojourn(b, dsn))
		})
	}
}

// BenchmarkFloor is the bare handler of serveFloor: what a refresh is measured against.
func BenchmarkFloor(b *testing.B) {
	for _, kind := range storagetest.Kinds(b) {
		b.Run(kind, func(b *testing.B) {
			dsn := storagetest.DSN(b, kind)
			s := newStage(b, dsn)
			p := startFloor(b, dsn, "async")
			for _, n := range []int{16, 64} {
				b.Run(fmt.Sprint(n), func(b *testing.B) {
					drive(b, p, n, func(worker int) error { return s.advance(p.base, worker) })
				})
			}
		})
	}
}

// BenchmarkRefresh is the heart: a public client, an ES256 access token, no ID token.
func BenchmarkRefresh(b *testing.B) {
	each(b, func(b *testing.B, s *stage, p process) {
		for _, n := range []int{16, 64} {
			b.Run(fmt.Sprint(n), func(b *testing.B) {
				drive(b, p, n, func(worker int) error { return s.refresh(p.base, worker) })
			})
		}
	})
}

// BenchmarkCodeExchange redeems codes that were sealed in advance; its answer holds an ID token, of ES256 as `client add`
// makes them unless told otherwise, or of RS256, which apps that register themselves get.
func BenchmarkCodeExchange(b *testing.B) {
	each(b, func(b *testing.B, s *stage, p process) {
		for alg, app := range map[string]string{"ES256": "notes", "RS256": "others"} {
			b.Run(alg, func(b *testing.B) {
				drive(b, p, 16, func(int) error {
					code, err := s.keys.CodeText(s.promise(app))
					if err != nil {
						return err
					}
					return post(p.base+"/oauth2/token", url.Values{
						"grant_type": {"authorization_code"}, "client_id": {app}, "code": {code},
						"redirect_uri": {redirect}, "code_verifier": {verifier},
					}, &tokens{})
				})
			})
		}
	})
}

// BenchmarkClientCredentials asks no database for anything but, once a second, the client.
func BenchmarkClientCredentials(b *testing.B) {
	each(b, func(b *testing.B, _ *stage, p process) {
		drive(b, p, 16, func(int) error {
			return post(p.base+"/oauth2/token", url.Values{
				"grant_type": {"client_credentials"}, "client_id": {"api"}, "client_secret": {"an api's secret"},
			}, &tokens{})
		})
	})
}

// BenchmarkIntrospect asks about a person's access token.
func BenchmarkIntrospect(b *testing.B) {
	each(b, func(b *testing.B, s *stage, p process) {
		access := accessToken(b, s, p)
		drive(b, p, 16, func(int) error {
			var got struct{ Active bool }
			err := post(p.base+"/oauth2/introspect", url.Values{
				"token": {access}, "client_id": {"api"}, "client_secret": {"an api's secret"},
			}, &got)
			if err == nil && !got.Active {
				return fmt.Errorf("the token is not active")
			}
			return err
		})
	})
}

// BenchmarkUserinfo asks who the person is.
func BenchmarkUserinfo(b *testing.B) {
	each(b, func(b *testing.B, s *stage, p process) {
		access := accessToken(b, s, p)
		drive(b, p, 16, func(int) error {
			return get(b, p.base+"/oauth2/userinfo", access)
		})
	})
}

// BenchmarkDiscovery is served from memory.
func BenchmarkDiscovery(b *testing.B) {
	each(b, func(b *testing.B, _ *stage, p process) {
		drive(b, p, 16, func(int) error {
			return get(b, p.base+"/.well-known/openid-configuration", "")
		})
	})
}

// BenchmarkColdStart starts the server on a fresh database and waits for its first healthy answer. The memory is that of
// an idle server, a second later.
func BenchmarkColdStart(b *testing.B) {
	for _, kind := range storagetest.Kinds(b) {
		b.Run(kind, func(b *testing.B) {
			var cold time.Duration
			resident := 0
			for range b.N {
				p := startSojourn(b, storagetest.DSN(b, kind))
				time.Sleep(time.Second)
				cold, resident = cold+p.cold, max(resident, p.resident(b))
			}
			b.ReportMetric(float64(cold.Milliseconds())/float64(b.N), "ms-to-healthy")
			b.ReportMetric(float64(resident)/(1<<20), "MiB-idle")
		})
	}
}

func accessToken(b *testing.B, s *stage, p process) string {
	b.Helper()
	var got tokens
	if err := post(p.base+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {s.tokens[0]},
	}, &got); err != nil {
		b.Fatal(err)
	}
	s.tokens[0] = got.Refresh
	return got.Access
}

func get(b *testing.B, from, access string) error {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	if access != "" {
		req.Header.Set("Authorization", "Bearer "+access)
	}
	return do(req, &map[string]any{})
}
