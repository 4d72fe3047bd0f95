package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// call posts a body with the app's client.
func call(t *testing.T, a *App, address string, body io.Reader) int {
	t.Helper()
	response, err := a.Client().Post(address, "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestTransport_aRefusedTokenIsRenewedAndTheBodySentAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	a := f.signedIn(t)
	token, err := a.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.refuse(token.AccessToken)
	if status := call(t, a, f.URL+"/notes", strings.NewReader("Buy milk")); status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
	calls, bodies := f.heard()
	if len(calls) != 2 || bodies[0] != "Buy milk" || bodies[1] != "Buy milk" || calls[0].Header.Get("DPoP") == calls[1].Header.Get("DPoP") {
		t.Errorf("%d calls with %q", len(calls), bodies)
	}
}

// A body that can be read once is not sent again, but the next call has a token that is good.
func TestTransport_aBodyThatIsGoneIsNotSentAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	a := f.signedIn(t)
	token, err := a.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.refuse(token.AccessToken)
	if status := call(t, a, f.URL+"/notes", io.MultiReader(strings.NewReader("Buy milk"))); status != http.StatusUnauthorized {
		t.Errorf("answered %d", status)
	}
	if status := call(t, a, f.URL+"/notes", io.MultiReader(strings.NewReader("Buy bread"))); status != http.StatusOK {
		t.Errorf("the next is answered %d", status)
	}
}

func TestTransport_tokensGoToNamedPlacesAlone(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("DPoP") != "" {
			t.Errorf("%s got a token", r.URL)
		}
	}))
	t.Cleanup(stranger.Close)
	lure := httptest.NewServer(http.RedirectHandler(stranger.URL+"/lured", http.StatusTemporaryRedirect))
	t.Cleanup(lure.Close)
	a := f.signedIn(t, func(c *Config) { c.Resources = []string{lure.URL + "/api"} })
	for _, address := range []string{stranger.URL, lure.URL + "/apiary", lure.URL + "/api/notes"} {
		if status := call(t, a, address, strings.NewReader("x")); status != http.StatusOK {
			t.Errorf("%s answers %d", address, status)
		}
	}
}

func TestTransport_saysWhenTheSessionIsOver(t *testing.T) {
	t.Parallel()
	a := newFake(t).app(t, func(c *Config) { c.Language = "de" })
	response, err := a.Client().Get(a.cfg.Issuer + "/notes")
	if err == nil {
		_ = response.Body.Close()
	}
	if KindOf(err) != SignedOut {
		t.Error(err)
	}
	err = a.change(t.Context(), func(r *record) error {
		r.Ended = &Ended{Reason: "idle"}
		return a.save(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	response, err = a.Client().Get(a.cfg.Issuer + "/notes")
	if err == nil {
		_ = response.Body.Close()
	}
	var ended *Ended
	if !errors.As(err, &ended) || !strings.HasPrefix(ended.Sentence, "Sie haben diese App lange nicht benutzt") {
		t.Error(err)
	}
}

// An API that can't be reached is as good as a network that is away. net/http still finds what it knows.
func TestTransport_whatCannotBeReachedIsOffline(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	gone, silent := httptest.NewServer(nil), httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}))
	gone.Close()
	t.Cleanup(silent.Close)
	a := f.signedIn(t, func(c *Config) { c.Resources = []string{gone.URL, silent.URL} })
	for _, address := range []string{gone.URL, silent.URL} {
		soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := a.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(soon, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := a.Client().Do(r)
		if err == nil {
			_ = response.Body.Close()
		}
		var of *url.Error
		if KindOf(err) != Offline || !errors.As(err, &of) || of.Timeout() != (address == silent.URL) {
			t.Errorf("%v is of kind %q", err, KindOf(err))
		}
	}
}

func TestTokenSource_isOfXOAuth2(t *testing.T) {
	t.Parallel()
	a := newFake(t).signedIn(t, func(c *Config) { c.NoDPoP = true })
	token, err := a.TokenSource(t.Context()).Token()
	if err != nil || !token.Valid() || token.Type() != "Bearer" {
		t.Errorf("%+v, %v", token, err)
	}
}

// net/http sends a GET again by itself when a connection that was kept open breaks. A proof is good for one request.
func TestTransport_aBrokenConnectionCostsANewProof(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var mu sync.Mutex
	proofs := map[string]int{}
	breaks := true
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		proofs[r.Header.Get("DPoP")]++
		if breaks = !breaks; breaks { // every second one
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(api.Close)
	a := f.signedIn(t, func(c *Config) { c.Resources = []string{api.URL} })
	for range 6 {
		response, err := a.Client().Get(api.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	if len(proofs) < 10 {
		t.Errorf("%d proofs: no connection broke", len(proofs))
	}
	for proof, times := range proofs {
		if times > 1 || proof == "" {
			t.Errorf("a proof was sent %d times", times)
		}
	}
}
