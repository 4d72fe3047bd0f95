package server

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/weather"
)

// climate is weather, and how phones live in it: each refreshes every so often.
type climate struct {
	profile string
	speed   float64
	every   time.Duration
	bound   bool // to a key
}

// climates are all profiles, and time enough for what is late to arrive before the next refresh but one.
var climates = []climate{
	{"train", 300, 10 * time.Minute, false},
	{"lift", 300, 10 * time.Minute, false},
	{"portal", 300, 10 * time.Minute, false},
	{"night", 600, time.Hour, false},
	{"late", 300, 10 * time.Minute, true},
	{"3g", 300, 10 * time.Minute, false},
}

// outdoors is a phone with one token store that does what docs/mobile.md says.
type outdoors struct {
	climate
	*prover
	base, name, held string
	dice             *rand.Rand
}

// once sends one refresh. What is no answer of the token endpoint is no verdict.
func (p *outdoors) once(t *testing.T) (next string, refused bool) {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {p.client.ID}, "refresh_token": {p.held}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.base+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Error(err)
		return "", true
	}
	r.Header.Set("Content-Type", formType)
	r.Header.Set(weather.DeviceHeader, p.name)
	if p.bound {
		r.Header.Set("DPoP", p.prove(t, http.MethodPost, "/oauth2/token", ""))
	}
	resp, err := http.DefaultTransport.RoundTrip(r) // redirects are not followed
	if err != nil {
		return "", false
	}
	defer func() { _ = resp.Body.Close() }()
	if nonce := resp.Header.Get("DPoP-Nonce"); nonce != "" {
		p.nonce = nonce
	}
	body, err := io.ReadAll(resp.Body)
	var got tokens
	var no problem
	switch {
	case err != nil:
	case resp.StatusCode == http.StatusOK && json.Unmarshal(body, &got) == nil:
		return got.RefreshToken, false
	case json.Unmarshal(body, &no) == nil && no.Action == "login":
		return "", true
	}
	return "", false
}

// live refreshes for a while and returns how often, and whether the phone was signed out.
func (p *outdoors) live(t *testing.T, d time.Duration) (refreshes int, signedOut bool) {
	over, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	wait := time.Duration(p.dice.Int64N(int64(p.every)))
	for {
		select {
		case <-over.Done():
			return refreshes, false
		case <-time.After(time.Duration(float64(wait) / p.speed)):
		}
		next, refused := p.once(t)
		switch {
		case refused:
			return refreshes, true
		case next != "":
			p.held, wait = next, p.every
			refreshes++
		default:
			wait = time.Second + time.Duration(p.dice.Int64N(int64(20*time.Second)))
		}
	}
}

// abroad lets phones live in a climate, and returns what the weather did and how many were signed out.
func abroad(t *testing.T, c climate, phones int, d time.Duration) (sums weather.Summary, refreshes, signedOut int) {
	t.Helper()
	w := newWorld(t, storage.SQLite)
	proxy, err := weather.New(weather.Options{Upstream: w.issuer, Profile: c.profile, Speed: c.speed, Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()
	person, v, a := w.person(t), newVisitor(t), w.app(t, trusted, func(a *app) { a.client.DPoPBound = c.bound })
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range phones {
		p := &outdoors{
			climate: c, prover: a.prover(t, 0), base: proxy.URL(), name: strconv.Itoa(i), dice: rand.New(rand.NewPCG(uint64(i), 7)),
		}
		code := v.signIn(t, a, person).Get("code")
		if c.bound {
			p.held = a.tokens(t, p.redeemCode(t, code)).RefreshToken
		} else {
			p.held = a.tokens(t, a.spend(t, code)).RefreshToken
		}
		all.Go(func() {
			n, out := p.live(t, d)
			mu.Lock()
			defer mu.Unlock()
			refreshes += n
			if out {
				signedOut++
			}
		})
	}
	all.Wait()
	return proxy.Summary(), refreshes, signedOut
}

// In none of the weathers is a phone signed out that does what docs/mobile.md says.
func TestWeather_noPhoneIsSignedOut(t *testing.T) {
	t.Parallel()
	for _, c := range climates {
		t.Run(c.profile, func(t *testing.T) {
			t.Parallel()
			sums, refreshes, signedOut := abroad(t, c, 24, 12*time.Second)
			t.Logf("%d refreshes; %s", refreshes, sums)
			if signedOut > 0 {
				t.Errorf("%d phones were signed out", signedOut)
			}
			faults := 0
			for _, n := range sums.Did {
				faults += n
			}
			if refreshes < 24 || faults < refreshes/20 {
				t.Errorf("%d refreshes and %d faults: that was no weather", refreshes, faults)
			}
		})
	}
}

// What comes after the token that followed it was used looks like a thief's, unless a key says whose it is (docs/refresh.md).
func TestWeather_lateDuplicatesSignOutWhoHasNoKey(t *testing.T) {
	t.Parallel()
	c := climate{"late", 300, 10 * time.Minute, false}
	if _, _, signedOut := abroad(t, c, 24, 12*time.Second); signedOut == 0 {
		t.Error("nobody was signed out: what does the profile do?")
	}
}
