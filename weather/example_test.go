package weather_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/sojourn-auth/sojourn/weather"
)

// phone is the app that the example is about: it keeps its token until it has another.
type phone struct{ tokenEndpoint, held string }

// refresh asks until there is an answer.
func (a *phone) refresh(context.Context) error {
	for range 5 {
		resp, err := http.PostForm(a.tokenEndpoint, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.held}})
		if err != nil {
			continue // no answer is no verdict
		}
		defer resp.Body.Close()
		next, err := io.ReadAll(resp.Body)
		a.held = string(next)
		return err
	}
	return fmt.Errorf("no answer")
}

// The answer to a refresh is lost although the server has committed, and the app comes again with the token that it kept.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "second") }))
	defer server.Close()
	p, err := weather.New(weather.Options{Upstream: server.URL})
	if err != nil {
		fmt.Println(err)
	}
	if err := p.Start("127.0.0.1:0"); err != nil {
		fmt.Println(err)
	}
	defer p.Close()
	if err := p.Next(weather.Fault{Path: "/oauth2/token", Grant: "refresh_token", Do: weather.DropAnswer}); err != nil {
		fmt.Println(err)
	}
	app := &phone{p.URL() + "/oauth2/token", "first"}
	if err := app.refresh(context.Background()); err != nil {
		fmt.Println(err)
	}
	for _, e := range p.Log() {
		fmt.Println(e.Form.Get("refresh_token"), e.Did, "committed:", e.Committed(), "answered:", e.Answered)
	}
	fmt.Println("the app holds", app.held)
	// Output:
	// first drop_answer committed: true answered: 0
	// first pass committed: true answered: 200
	// the app holds second
}
