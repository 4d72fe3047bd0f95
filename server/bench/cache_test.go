package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// BenchmarkCache introspects and asks userinfo of one server, half and half, by the access token of a Session: how many of the
// answers cost a statement, and what they cost PostgreSQL's backends, beside what a row for each would.
func BenchmarkCache(b *testing.B) {
	dsn := storagetest.DSN(b, storage.Postgres)
	s := newStage(b, dsn)
	p := startSojourn(b, dsn)
	access := accessToken(b, s, p)
	b.Run("postgres", func(b *testing.B) {
		hits, misses, before := p.tells(b, "hits_total"), p.tells(b, "misses_total"), backends(b, dsn)
		drive(b, p, 16, func(worker int) error {
			if worker%2 == 0 {
				return get(b, p.base+"/oauth2/userinfo", access)
			}
			return p.introspects(access, true)
		})
		b.ReportMetric(float64(backends(b, dsn)-before)/float64(b.N)*1000, "pg-ms/1000")
		hits, misses = p.tells(b, "hits_total")-hits, p.tells(b, "misses_total")-misses
		b.ReportMetric(hits/(hits+misses), "remembered")
	})
	b.Run("a row each", func(b *testing.B) { // what the same costs PostgreSQL where nothing is remembered
		before := backends(b, dsn)
		for range b.N {
			if _, err := s.db.LiveSession(b.Context(), uuid.MustParse(s.ids[0]), "a token"); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(backends(b, dsn)-before)/float64(b.N)*1000, "pg-ms/1000")
	})
}

// BenchmarkEndedElsewhere ends Sessions in one process and asks another one, which remembers them, until it refuses: told by
// PostgreSQL's NOTIFY, and, as of a command that tells nobody, by its own looks alone.
func BenchmarkEndedElsewhere(b *testing.B) {
	for _, carried := range []bool{true, false} {
		b.Run(fmt.Sprintf("notify=%v", carried), func(b *testing.B) { endElsewhere(b, carried) })
	}
}

func endElsewhere(b *testing.B, carried bool) {
	dsn := storagetest.DSN(b, storage.Postgres)
	s := newStage(b, dsn)
	p := startSojourn(b, dsn)
	if carried {
		go s.db.Carry(b.Context())
		for !s.db.Carried() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	n := min(len(s.ids), 40)
	took := make([]time.Duration, n)
	for i := range n {
		s.tokens[0], s.ids[0] = s.tokens[i], s.ids[i]
		access := accessToken(b, s, p)
		for range 100 {
			if err := p.introspects(access, true); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := s.db.End(b.Context(), identity.Ending{Session: uuid.MustParse(s.ids[i]), Cause: identity.EndDevice}); err != nil {
			b.Fatal(err)
		}
		for ended := time.Now(); p.introspects(access, false) != nil; {
			if took[i] = time.Since(ended); took[i] > 10*time.Second {
				b.Fatal("it is never refused")
			}
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[n/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(took[n-1].Milliseconds()), "max-ms")
}

// introspects asks whether a token is active, and expects one answer.
func (p process) introspects(token string, want bool) error {
	var got struct{ Active bool }
	err := post(p.base+"/oauth2/introspect", url.Values{
		"token": {token}, "client_id": {"api"}, "client_secret": {"an api's secret"},
	}, &got)
	if err == nil && got.Active != want {
		return fmt.Errorf("active is %v", got.Active)
	}
	return err
}

// tells reads one of the cache's metrics; 0 where there is none.
func (p process) tells(b *testing.B, name string) float64 {
	b.Helper()
	resp, err := client.Get(p.metrics)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^sojourn_session_cache_` + name + ` (\S+)$`).FindSubmatch(text)
	if found == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(string(found[1]), 64)
	return n
}

// backends is the processor time in milliseconds that PostgreSQL's processes of a database have used, which run on this machine.
func backends(b *testing.B, dsn string) (ms int64) {
	b.Helper()
	at, err := url.Parse(dsn)
	if err != nil {
		b.Fatal(err)
	}
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range all {
		line, err := os.ReadFile(name)
		if err != nil || !bytes.HasPrefix(line, []byte("postgres: ")) || !bytes.Contains(line, []byte(at.Path[1:])) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		ms += process{pid: pid}.cpu(b).Milliseconds()
	}
	return ms
}
