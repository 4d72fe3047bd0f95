package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxBody is how much of an answer is read, after decompression.
const maxBody = 1 << 20

// answer is what a server said, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// isJSON reports whether it says that it is JSON.
func (a answer) isJSON() bool {
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"))
}

// do sends a request that the app makes of itself, and reads the answer whole. Redirects are not followed.
func (a *App) do(r *http.Request) (answer, error) {
	response, err := a.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	return read(response)
}

// read reads an answer to its end.
func read(response *http.Response) (answer, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > maxBody {
		return answer{}, errors.New("the answer is too large")
	}
	return answer{response.StatusCode, response.Header, body}, nil
}

// todo is what an answer of the token endpoint tells an app to do.
type todo string

const (
	doUse   todo = "use"
	doRetry todo = "retry"
	doLogin todo = "login"
	doStop  todo = "stop"
	doNonce todo = "nonce"
)

// verdict is what to do about an answer.
type verdict struct {
	do    todo
	after time.Duration // of a retry: not before
	code  string
	text  string // for developers
}

// wrongSetup are errors that neither waiting nor a sign-in mends, from servers that have no action (RFC 6749 §5.2, RFC 8707 §2).
var wrongSetup = map[string]bool{
	"invalid_client": true, "unauthorized_client": true, "unsupported_grant_type": true, "invalid_request": true,
	"invalid_scope": true, "invalid_target": true,
}

// judge says what to do about an answer of the token endpoint (docs/mobile.md, rules 4 and 5).
func (a answer) judge(now time.Time) verdict {
	v := verdict{do: doRetry, after: retryAfter(a.header.Get("Retry-After"), now)}
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Action      string `json:"action"`
		Access      string `json:"access_token"`
		Type        string `json:"token_type"`
	}
	object := json.Unmarshal(a.body, &said) == nil && bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("{"))
	v.code, v.text = said.Error, said.Description
	switch {
	case a.status >= 200 && a.status < 300:
		if object && a.isJSON() && said.Access != "" && said.Type != "" {
			v.do = doUse
		}
	case a.status < 400 || a.status >= 500 || a.status == http.StatusTooManyRequests || notHere(a.status) || !object || said.Error == "":
	case said.Error == "use_dpop_nonce" && a.header.Get("DPoP-Nonce") != "":
		v.do = doNonce
	case said.Action == "login" || said.Action == "" && said.Error == "invalid_grant":
		v.do = doLogin
	case said.Action == "stop" || said.Action == "" && wrongSetup[said.Error]:
		v.do = doStop
	}
	return v
}

// retryAfter reads the header: seconds or a date (RFC 9110 §10.2.3). Zero for none, and for what can't be read.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0
	}
	seconds, err := strconv.ParseUint(text, 10, 32)
	if err == nil || errors.Is(err, strconv.ErrRange) { // out of range it is the largest
		return min(time.Duration(seconds)*time.Second, longestWait)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), longestWait)
}

// longestWait is the most that a server may ask an app to wait.
const longestWait = 24 * time.Hour

// sending is a form for an endpoint.
type sending struct {
	to   string
	form url.Values
	key  *key // signs a proof; nil: none is needed
}

// send sends a form, with a new proof each time, and judges the answer. Where the server asks for a nonce it is sent again at
// once, three times at most; where it does not like the proof, once, by the server's time and without a nonce.
func (a *App) send(ctx context.Context, s sending) (answer, verdict) {
	nonces, proofs := 3, 1
	for {
		got, err := a.sendOnce(ctx, s)
		if err != nil {
			return got, verdict{do: doRetry, text: err.Error()}
		}
		v := got.judge(a.serverTime())
		if v.do == doUse || v.code != "" {
			a.learnFrom(got.header)
		}
		switch {
		case v.do == doNonce && nonces > 0:
			nonces--
		case v.do == doRetry && v.code == "invalid_dpop_proof" && s.key != nil && proofs > 0:
			proofs--
			a.dropNonce(s.to)
		case v.do == doNonce:
			return got, verdict{do: doRetry, code: v.code, text: v.text}
		default:
			return got, v
		}
	}
}

func (a *App) sendOnce(ctx context.Context, s sending) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.to, strings.NewReader(s.form.Encode()))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if s.key != nil {
		proof, err := a.proof(s.key, r.Method, r.URL, "")
		if err != nil {
			return answer{}, err
		}
		r.Header.Set("DPoP", proof)
	}
	got, err := a.do(r)
	if err == nil {
		a.takeNonce(r.URL, got.header.Get("DPoP-Nonce"))
	}
	return got, err
}

// learnFrom takes the server's time from an answer that was understood.
func (a *App) learnFrom(header http.Header) {
	if header.Get("Age") != "" {
		return // from a cache
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		a.learn(date)
	}
}

// trouble makes an error of a verdict that is not to use the answer.
func (v verdict) trouble() error {
	why := errors.New(v.text)
	if v.code != "" {
		why = fmt.Errorf("%s: %s", v.code, v.text)
	}
	if v.do == doStop {
		return &Error{Kind: Stop, Code: v.code, Err: why}
	}
	return &again{v.after, why}
}
