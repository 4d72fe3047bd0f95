package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
)

// askCounts count how long those wait who ask us, phones for tokens and people to sign in, and how our own requests to
// others' servers fare.
type askCounts struct {
	tokens    *prometheus.HistogramVec
	signIns   *prometheus.HistogramVec
	fetches   *prometheus.CounterVec
	fetchTook *prometheus.HistogramVec
}

// latencies are the buckets of what somebody waits for, in seconds.
var latencies = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newAskCounts() askCounts {
	return askCounts{
		tokens: prometheus.NewHistogramVec(native(prometheus.HistogramOpts{
			Name: "sojourn_token_duration_seconds", Help: "How long requests for tokens took, by grant type.", Buckets: latencies,
		}), []string{"grant"}),
		signIns: prometheus.NewHistogramVec(native(prometheus.HistogramOpts{
			Name: "sojourn_signin_duration_seconds",
			Help: "How long a step of signing in took us, once a person sent it off, by step and whether it was granted, refused or failed.", Buckets: latencies,
		}), []string{"step", "outcome"}),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_fetches_total",
			Help: "Requests to others' servers, by what for and what came of it.",
		}, []string{"purpose", "outcome"}),
		fetchTook: prometheus.NewHistogramVec(native(prometheus.HistogramOpts{
			Name: "sojourn_fetch_duration_seconds", Help: "How long others' servers took to begin an answer, by what for.", Buckets: latencies,
		}), []string{"purpose"}),
	}
}

// steps are the forms that sign people in, by route.
var steps = map[string]string{
	"/signin": "password", "/signin/totp": "totp", "/signin/recovery": "recovery", "/signup": "signup", "/consent": "consent",
}

// count takes what was learnt about one request.
func (c askCounts) count(rec *record, took time.Duration) {
	if grant := rec.trail.Grant; grant != "" {
		observeWith(c.tokens.WithLabelValues(grant), rec, took)
	}
	if step := steps[rec.route]; step != "" && rec.posted {
		observeWith(c.signIns.WithLabelValues(step, outcomeOf(rec.status)), rec, took)
	}
}

// tallied counts what goes through a transport.
type tallied struct {
	next         http.RoundTripper
	reads, posts string // what for
	counts       askCounts
}

// by is a client like c whose requests are counted: what it reads is for one thing, what it posts for another.
func (c askCounts) by(client *http.Client, reads, posts string) *http.Client {
	own := *client
	own.Transport = tallied{client.Transport, reads, posts, c}
	return &own
}

// RoundTrip counts.
func (t tallied) RoundTrip(r *http.Request) (*http.Response, error) {
	purpose, began := t.reads, time.Now()
	if r.Method == http.MethodPost {
		purpose = t.posts
	}
	ctx, end := within(r.Context(), "fetch "+purpose, attribute.String("server.address", r.URL.Hostname()))
	answer, err := t.next.RoundTrip(handOver(ctx, r))
	end(err)
	t.counts.fetchTook.WithLabelValues(purpose).Observe(time.Since(began).Seconds())
	t.counts.fetches.WithLabelValues(purpose, fetched(answer, err)).Inc()
	return answer, err
}

// fetched is what came of a request, in a word.
func fetched(answer *http.Response, err error) string {
	var slow net.Error
	switch {
	case err == nil && answer.StatusCode < http.StatusBadRequest:
		return "answered"
	case err == nil:
		return "refused"
	case errors.Is(err, errFetches):
		return "busy" // it was not sent
	case errors.Is(err, errPrivate):
		return "private" // nor was this
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return "timeout"
	}
	return "failed"
}
