package resource

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkReaction is how long after an ending was told the API of each language refuses its token: p50 and p99 of b.N.
func BenchmarkReaction(b *testing.B) {
	var specs map[string]driverSpec
	read(b, "drivers.json", &specs)
	for language, spec := range specs {
		b.Run(language, func(b *testing.B) {
			s := newStage(b, spec.built(b))
			s.start(nil)
			s.driver.do("await", map[string]any{"current": true})
			took := make([]time.Duration, b.N)
			for n := range took {
				took[n] = s.react(fmt.Sprintf("sid-%d", n+100))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// react ends a session, and returns how long its token was served after that.
func (s *stage) react(sid string) time.Duration {
	s.t.Helper()
	get := call{Method: http.MethodGet, Path: "/notes"}
	token := s.token(forgery{Claims: map[string]any{"sid": sid}})
	if wrong := s.ask(get, token, expectation{Status: http.StatusOK}); wrong != "" {
		s.t.Fatal(wrong)
	}
	mark, err := json.Marshal([]string{"s", sid})
	if err != nil {
		s.t.Fatal(err)
	}
	began := time.Now()
	s.authority.change(func() { s.authority.marks = append(s.authority.marks, mark) })
	for s.ask(get, token, expectation{Status: http.StatusUnauthorized, Error: "invalid_token"}) != "" {
		if time.Since(began) > patience {
			s.t.Fatal("the token is served for ever")
		}
	}
	return time.Since(began)
}
