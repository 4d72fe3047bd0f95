package web

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestLogos_areKeptInBoundedNumber(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	l := newLogos(http.DefaultClient, func() time.Time { return now })
	for i := range 10 * maxLogos {
		uri := fmt.Sprint("https://app.example/", i)
		l.keep(uri, logo{until: now.Add(time.Minute)})
		if _, ok := l.keptFor(uri); !ok || len(l.kept) > maxLogos {
			t.Fatalf("after %d: kept %v, %d in all, want at most %d", i+1, ok, len(l.kept), maxLogos)
		}
	}
}
