package contract

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/app"
	"github.com/sojourn-auth/sojourn/weather"
)

const (
	crowd    = 200
	together = 50               // devices of one person
	halfHour = 30 * time.Minute // of the devices' time
)

// phone is one of the crowd: the Go SDK with a store of its own.
type phone struct {
	*app.App
	forced int // times that somebody had to sign in
	asked  int
}

// BenchmarkProfiles is 200 devices for half an hour of each weather, twenty times as fast as life. It counts the forced sign-ins,
// and how many refreshes of one device were ever in flight at once.
func BenchmarkProfiles(b *testing.B) {
	for _, profile := range []string{"train", "lift", "portal", "night"} {
		b.Run(profile, func(b *testing.B) {
			for b.Loop() {
				p := newSojourn(b).(*sojourn)
				phones := gather(b, p)
				p.network.storm(b, profile)
				var all sync.WaitGroup
				for i, one := range phones {
					all.Go(func() { one.live(b.Context(), rand.New(rand.NewPCG(1, uint64(i))), p.network.issuer()) })
				}
				all.Wait()
				p.network.stormy = calmed(b, p.network.upstream)
				report(b, p.network, phones)
			}
		})
	}
}

// gather signs the crowd in.
func gather(b *testing.B, p *sojourn) (phones []*phone) {
	b.Helper()
	var who *person
	for i := range crowd {
		if i%together == 0 {
			who = newPerson(b, p.register(b), p.network)
		}
		folder, err := app.NewFileFolder(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		a, err := app.Open(app.Config{
			Issuer: p.network.issuer(), ClientID: who.clientID, RedirectURI: redirectURI, Storage: folder,
			Clock: fastClock{time.Now()}, HTTP: labelled{who.browser.Transport.(byThePerson).RoundTripper, strconv.Itoa(i)},
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(a.Close)
		address, err := a.Begin(b.Context(), "")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.Redirect(b.Context(), who.follow(b, address, "allow")); err != nil {
			b.Fatal(err)
		}
		phones = append(phones, &phone{App: a})
	}
	return phones
}

// labelled says which device a request comes from, so that each has weather of its own.
type labelled struct {
	http.RoundTripper
	device string
}

// RoundTrip sends it.
func (l labelled) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(weather.DeviceHeader, l.device)
	return l.RoundTripper.RoundTrip(r)
}

// fastClock goes as fast as the weather.
type fastClock struct{ began time.Time }

// Wall is the time of day.
func (c fastClock) Wall() time.Time { return c.began.Add(c.Elapsed()).Round(0) }

// Elapsed is what nobody sets.
func (c fastClock) Elapsed() time.Duration { return hurry * time.Since(c.began) }

// Wait waits.
func (c fastClock) Wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d / hurry):
		return nil
	}
}

// live uses the app about once a minute.
func (p *phone) live(ctx context.Context, dice *rand.Rand, issuer string) {
	until := time.Now().Add(halfHour / hurry)
	client := p.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // to a portal's page
	for time.Now().Before(until) {
		time.Sleep((30*time.Second + time.Duration(dice.Int64N(int64(time.Minute)))) / hurry)
		response, err := client.Get(issuer + "/me")
		if err == nil {
			_ = response.Body.Close()
		}
		p.asked++
		p.count(err)
	}
}

// count counts an error that says that somebody has to sign in.
func (p *phone) count(err error) {
	if _, ended := errors.AsType[*app.Ended](err); ended || app.KindOf(err) == app.SignedOut {
		p.forced++
	}
}

// calmed is a network without weather.
func calmed(b testing.TB, upstream string) *weather.Proxy {
	b.Helper()
	p, err := weather.New(weather.Options{Upstream: upstream})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	return p
}

// report has everybody refresh once more in good weather, and says what was seen.
func report(b *testing.B, n *network, phones []*phone) {
	b.Helper()
	forced, asked := 0, 0
	for _, p := range phones {
		for range 5 { // a wait that a server asked for in the storm may not be over
			err := p.Refresh(b.Context())
			if p.count(err); err == nil || app.KindOf(err) != app.Offline {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		forced, asked = forced+min(1, p.forced), asked+p.asked
	}
	all := n.sent()
	judge(b, all)
	refreshes, lost := 0, 0
	for _, r := range all {
		if r.At == "refresh" {
			refreshes++
			if r.Status != http.StatusOK {
				lost++
			}
		}
	}
	b.ReportMetric(float64(forced), "forced_signins")
	b.ReportMetric(float64(refreshes), "refreshes")
	b.ReportMetric(float64(lost), "refreshes_lost")
	b.ReportMetric(float64(asked), "calls")
	if forced > 0 {
		b.Errorf("%d of %d devices had to sign in", forced, crowd)
	}
}
