package weather

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Do names what is done to a request.
type Do string

// What can be done to a request. "The server" is the upstream; After is the fault's duration, and each says what it means.
const (
	Pass Do = "pass" // nothing

	DropRequest   Do = "drop_request"   // reset; the server never hears of it
	SilentRequest Do = "silent_request" // the server never hears of it, and nothing comes until the client gives up, or After
	DropAnswer    Do = "drop_answer"    // reset, once the server has answered
	SilentAnswer  Do = "silent_answer"  // nothing comes though the server has answered, until the client gives up, or After
	HalfAnswer    Do = "half_answer"    // half of the answer, then the end of the connection
	Truncated     Do = "truncated"      // half of the body as if it were all of it
	Cut           Do = "cut"            // the answer flows for After, then the connection ends: for streams

	Delay         Do = "delay"          // the server hears of it only after After, even where the client has given up by then
	DelayAnswer   Do = "delay_answer"   // the answer is After old when it arrives
	Twice         Do = "twice"          // the server hears of it twice at once; the client gets the first one's answer
	LateDuplicate Do = "late_duplicate" // answered, and delivered again after After
	LateRequest   Do = "late_request"   // reset, and delivered for the first time after After

	BadGateway     Do = "bad_gateway"     // 502 with HTML
	Unavailable    Do = "unavailable"     // 503 with HTML, Retry-After: After
	TooMany        Do = "too_many"        // 429 with HTML, Retry-After: After
	Portal         Do = "portal"          // 200 with the HTML of a captive portal
	PortalRedirect Do = "portal_redirect" // 302 to a captive portal
	Garbage        Do = "garbage"         // no HTTP at all, as where TLS is broken into
	Redirect       Do = "redirect"        // 307 to To, or to a page of the proxy that logs who follows
	WrongType      Do = "wrong_type"      // the server's answer as text/html
	GzipBomb       Do = "gzip_bomb"       // JSON that inflates to 256 MiB
	Huge           Do = "huge"            // JSON of 100 MB
	Answer         Do = "answer"          // Status and Body, as JSON, in place of the server
	Offline        Do = "offline"         // reset, and connections are refused for After
)

// Fault is one thing to do to the next requests that it is for.
type Fault struct {
	Path      string        // only to this path, or to what begins so if it ends in *; "" is every path
	Grant     string        // only to forms with this grant_type
	Do        Do            // what
	Times     int           // to so many requests; 0 is one
	After     time.Duration // 0 is what After usually is for Do
	AfterNext bool          // late ones wait until the next of the device's requests to that path was committed, then for After
	To        string        // where Redirect leads
	Status    int           // of Answer; 0 is 200
	Body      string        // of Answer
}

// usual is what After means where a fault does not say it. What is done at once is not here.
var usual = map[Do]time.Duration{
	SilentRequest: 2 * time.Minute, SilentAnswer: 2 * time.Minute, Cut: time.Second, Delay: 2 * time.Second, DelayAnswer: 2 * time.Second,
	LateDuplicate: 30 * time.Second, LateRequest: 30 * time.Second, Unavailable: 2 * time.Second, TooMany: 2 * time.Second,
	Offline: 5 * time.Second,
}

// The bounds of what may be asked for.
const (
	maxFaults = 1000           // that wait, and so often may one be done
	maxAfter  = 24 * time.Hour //
	maxText   = 2048           // bytes of a path, a grant or an address
	maxSaid   = 16 << 10       // bytes of a body
)

func (f Fault) after() time.Duration {
	if f.After == 0 && !f.AfterNext {
		return usual[f.Do]
	}
	return f.After
}

// is reports whether f is for a request.
func (f Fault) is(path, grant string) bool {
	if f.Grant != "" && f.Grant != grant {
		return false
	}
	if prefix, ok := strings.CutSuffix(f.Path, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return f.Path == "" || f.Path == path
}

func (f Fault) problem() error {
	_, known := acts[f.Do]
	switch {
	case !known:
		return fmt.Errorf("do: there is no %q", f.Do)
	case f.Times < 0 || f.Times > maxFaults:
		return fmt.Errorf("times: between 1 and %d", maxFaults)
	case f.After < 0 || f.After > maxAfter:
		return errors.New("after: between 0 and 86400 seconds")
	case len(f.Path) > maxText || len(f.Grant) > maxText || len(f.To) > maxText:
		return fmt.Errorf("path, grant and to: at most %d bytes", maxText)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return errors.New("status: between 200 and 599")
	case len(f.Body) > maxSaid:
		return fmt.Errorf("body: at most %d bytes", maxSaid)
	case f.Path != "" && f.Path != "*" && f.Path[0] != '/':
		return errors.New("path: it begins with /")
	case strings.ContainsFunc(f.To, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("to: an address")
	}
	return nil
}

// faultJSON is a Fault as the control address says it. Seconds are numbers.
type faultJSON struct {
	Path      string  `json:"path,omitempty"`
	Grant     string  `json:"grant,omitempty"`
	Do        Do      `json:"do"`
	Times     int     `json:"times,omitempty"`
	After     float64 `json:"after,omitempty"`
	AfterNext bool    `json:"after_next,omitempty"`
	To        string  `json:"to,omitempty"`
	Status    int     `json:"status,omitempty"`
	Body      string  `json:"body,omitempty"`
}

// MarshalJSON says f as ParseFaults reads it.
func (f Fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(faultJSON{f.Path, f.Grant, f.Do, f.Times, f.After.Seconds(), f.AfterNext, f.To, f.Status, f.Body})
}

// UnmarshalJSON reads one fault, refuses members that it does not know and what can't be done.
func (f *Fault) UnmarshalJSON(text []byte) error {
	var j faultJSON
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return err
	}
	if !(math.Abs(j.After) <= maxAfter.Seconds()) {
		return errors.New("after: between 0 and 86400 seconds")
	}
	*f = Fault{j.Path, j.Grant, j.Do, j.Times, time.Duration(j.After * float64(time.Second)), j.AfterNext, j.To, j.Status, j.Body}
	return f.problem()
}

// ParseFaults reads one fault, or an array of at most 1,000.
func ParseFaults(text []byte) ([]Fault, error) {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '{' {
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	var all []Fault
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&all); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("one fault, or one array of them")
	}
	if len(all) == 0 || len(all) > maxFaults {
		return nil, fmt.Errorf("between 1 and %d faults", maxFaults)
	}
	return all, nil
}

// queue holds the faults that were asked for and wait for their requests.
type queue struct {
	mu  sync.Mutex
	all []Fault
}

// add appends faults, or none of them.
func (q *queue) add(faults []Fault) error {
	for i := range faults {
		if err := faults[i].problem(); err != nil {
			return err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.all)+len(faults) > maxFaults {
		return fmt.Errorf("at most %d faults wait at once", maxFaults)
	}
	for _, f := range faults {
		f.Times = max(1, f.Times)
		q.all = append(q.all, f)
	}
	return nil
}

// take returns the first fault that is for this request.
func (q *queue) take(path, grant string) (Fault, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, f := range q.all {
		if !f.is(path, grant) {
			continue
		}
		if q.all[i].Times--; q.all[i].Times == 0 {
			q.all = slices.Delete(q.all, i, i+1)
		}
		return f, true
	}
	return Fault{}, false
}

func (q *queue) waiting() []Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.all)
}

func (q *queue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all = nil
}
