package admin

import (
	"net/http"
	"net/url"
	"testing"
)

// FuzzQuery reads whatever stands behind a question mark: what is taken is small, known and can be looked up.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "limit=1&after=0190163d-8694-739b-aea5-966c26f8ad91", "limit=501", "email=a@b.example", "text=%00", "text=%ff",
		"limit=1&limit=2",
		"text=a;b", "%zz", "limit=9999999999999999999999", "after=%7B0190163d-8694-739b-aea5-966c26f8ad91%7D", "yes=true", "=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q := queryOf(&http.Request{URL: &url.URL{RawQuery: raw}}, "limit", "after", "email", "text", "yes")
		limit, email, text := q.limit(), q.email("email"), q.text("text")
		q.id("after")
		q.yes("yes")
		if q.err != nil {
			return
		}
		if limit < 1 || limit > maxLimit || !plain(email) || !plain(text) || len(q.values) > 5 {
			t.Errorf("%q: limit %d, email %q, text %q", raw, limit, email, text)
		}
	})
}
