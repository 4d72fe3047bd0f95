package loopback

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

const callback = "/callback"

// expected is what an answer must carry to be ours.
type expected struct {
	state  string
	issuer string // empty: not promised
}

// answer is a code, or why there is none.
type answer struct {
	code string
	err  error
}

// wait serves the callback until an answer of this request came. Others are turned away and change nothing: any program
// and any page on this machine can call the port.
func wait(ctx context.Context, listener net.Listener, want expected) (code string, err error) {
	answers := make(chan answer, 1)
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: want.handler(answers)}
	defer func() {
		// The browser should still get its page.
		brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(brief)
	}()
	go server.Serve(listener) //nolint:errcheck // it ends by Shutdown; a listener that broke ends by the caller's ctx
	select {
	case a := <-answers:
		return a.code, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("no answer from the browser: %w", ctx.Err())
	}
}

func (e expected) handler(answers chan<- answer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callback, func(w http.ResponseWriter, r *http.Request) {
		got := r.URL.Query()
		if subtle.ConstantTimeCompare([]byte(got.Get("state")), []byte(e.state)) != 1 {
			http.Error(w, "That answer belongs to another sign-in.", http.StatusBadRequest)
			return
		}
		code, err := e.read(got)
		w.Header().Set("Referrer-Policy", "no-referrer")
		if err != nil {
			fmt.Fprintln(w, "That did not work. Go back to the terminal.")
		} else {
			fmt.Fprintln(w, "Done. Go back to the terminal.")
		}
		select {
		case answers <- answer{code, err}:
		default: // a reload; the first one counts
		}
	})
	return mux
}

func (e expected) read(got url.Values) (code string, err error) {
	switch {
	case e.issuer != "" && got.Get("iss") != e.issuer:
		return "", errors.New("the answer comes from another server") // RFC 9207 §2.4
	case got.Has("error"):
		return "", fmt.Errorf("%s: %s", got.Get("error"), got.Get("error_description"))
	case got.Get("code") == "":
		return "", errors.New("the answer has no code")
	}
	return got.Get("code"), nil
}
