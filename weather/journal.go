package weather

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Exchange is a request that came, and what was done to it. It holds secrets.
type Exchange struct {
	N          int // from 1
	At         time.Time
	From       string // the client's address
	Device     string
	Method     string
	Path       string
	Query      url.Values
	Header     http.Header
	Form       url.Values // of a form in the body
	ClientID   string
	Did        Do
	Deliveries []Delivery // to the server: none, one, or more
	Answered   int        // the status that the client was sent, or 0; a fault may have cut what followed
}

// Delivery is one time that the server was handed a request, and answered.
type Delivery struct {
	At        time.Time
	Status    int
	Committed bool // the answer was no error
	Late      bool
}

// Committed reports whether the server did what it was asked for.
func (e Exchange) Committed() bool {
	return slices.ContainsFunc(e.Deliveries, func(d Delivery) bool { return d.Committed })
}

// Note is a line about what was done. It holds no secret.
type Note struct {
	At        time.Time `json:"time"`
	From      string    `json:"from"`
	Device    string    `json:"device"`
	ClientID  string    `json:"client_id,omitempty"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Grant     string    `json:"grant,omitempty"`
	Did       Do        `json:"did"`
	Upstream  int       `json:"upstream_status,omitempty"`
	Committed bool      `json:"committed"`
}

// Summary is all that was done.
type Summary struct {
	Requests      int        `json:"requests"`
	LostCommitted int        `json:"answers_lost_after_commit"`
	DeliveredLate int        `json:"delivered_late"`
	HTMLForJSON   int        `json:"html_for_json"`
	Did           map[Do]int `json:"did"`
}

// The bounds of the journal: the oldest exchanges go.
const (
	maxExchanges = 4096
	maxHeld      = 16 << 20 // bytes of requests
	maxShown     = 128      // characters of a name in a line
)

// journal keeps the exchanges, counts, and tells.
type journal struct {
	mu      sync.Mutex
	all     []*Exchange
	weights []int
	held    int
	summary Summary
	done    map[Do]int

	telling sync.Mutex // one call at a time
	tell    func(Note)
}

// open enters a request.
func (j *journal) open(v *visit) *Exchange {
	r := v.r
	e := &Exchange{
		At: time.Now(), From: r.RemoteAddr, Device: v.device, Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(),
		Header: r.Header.Clone(), Did: Pass,
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "application/x-www-form-urlencoded" {
		e.Form, _ = url.ParseQuery(string(v.body)) // what can be read of it
	}
	e.ClientID = clientOf(e, r)
	weight := len(v.body) + len(r.URL.RawQuery) + 1024
	for name, values := range r.Header {
		weight += len(name) + len(strings.Join(values, ""))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.summary.Requests++
	e.N = j.summary.Requests
	j.all, j.weights, j.held = append(j.all, e), append(j.weights, weight), j.held+weight
	for len(j.all) > maxExchanges || j.held > maxHeld && len(j.all) > 1 {
		j.held -= j.weights[0]
		j.all, j.weights = j.all[1:], j.weights[1:]
	}
	return e
}

// clientOf is the app that a request names, in a form, a query or by Basic (RFC 6749 §2.3.1).
func clientOf(e *Exchange, r *http.Request) string {
	if id := e.Form.Get("client_id"); id != "" {
		return id
	}
	if id, _, ok := r.BasicAuth(); ok {
		if plain, err := url.QueryUnescape(id); err == nil {
			return plain
		}
		return id
	}
	return e.Query.Get("client_id")
}

// decide writes down what will be done.
func (j *journal) decide(v *visit) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v.entry.Did = v.fault.Do
}

func (j *journal) delivered(v *visit, d Delivery) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v.entry.Deliveries = append(v.entry.Deliveries, d)
	if d.Late {
		j.summary.DeliveredLate++
	}
}

func (j *journal) answered(v *visit, status int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v.entry.Answered = status
}

// lost are the faults that keep the answer of a server that had committed from the client.
var lost = []Do{DropAnswer, SilentAnswer, HalfAnswer, Truncated}

// html are those that bring HTML where the client waits for JSON.
var html = []Do{BadGateway, Unavailable, TooMany, Portal, WrongType}

// tell says what was done to a request by its fault, and what the server said to it.
func (p *Proxy) tell(v *visit, upstream int) { p.note(v, v.fault.Do, upstream) }

func (p *Proxy) note(v *visit, did Do, upstream int) {
	j := &p.journal
	n := Note{
		At: time.Now(), From: v.r.RemoteAddr, Device: shown(v.device), Method: v.r.Method, Path: shown(v.r.URL.Path),
		Did: did, Upstream: upstream, Committed: upstream/100 == 2 || upstream/100 == 3,
	}
	j.mu.Lock()
	n.ClientID, n.Grant = shown(v.entry.ClientID), shown(v.entry.Form.Get("grant_type"))
	j.done[did]++
	if slices.Contains(lost, did) && n.Committed {
		j.summary.LostCommitted++
	}
	if slices.Contains(html, did) {
		j.summary.HTMLForJSON++
	}
	j.mu.Unlock()
	if j.tell == nil {
		return
	}
	j.telling.Lock()
	defer j.telling.Unlock()
	j.tell(n)
}

// shown is a name that a client chose, fit for a terminal.
func shown(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return name
}

// Log is what came so far, the oldest first: at most 4,096 exchanges and 16 MiB of them.
func (p *Proxy) Log() []Exchange {
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	all := make([]Exchange, len(p.journal.all))
	for i, e := range p.journal.all {
		all[i] = *e
		all[i].Deliveries = slices.Clone(e.Deliveries)
	}
	return all
}

// ClearLog forgets the exchanges; the numbers go on.
func (p *Proxy) ClearLog() {
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	p.journal.all, p.journal.weights, p.journal.held = nil, nil, 0
}

// Summary counts what was done so far.
func (p *Proxy) Summary() Summary {
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	s := p.journal.summary
	s.Did = map[Do]int{}
	for did, n := range p.journal.done {
		s.Did[did] = n
	}
	return s
}

// words say what a fault was, to people.
var words = map[Do]string{
	DropRequest:     "the request never reached the server",
	SilentRequest:   "the request never reached the server, and nothing comes",
	DropAnswer:      "the answer was lost",
	SilentAnswer:    "the answer was lost, and nothing comes",
	HalfAnswer:      "half of the answer was lost",
	Truncated:       "half of the body, as if it were all",
	Cut:             "the answer was cut off",
	Delay:           "the request arrives late",
	DelayAnswer:     "the answer arrives late",
	Twice:           "delivered twice at once",
	LateDuplicate:   "a duplicate was delivered late",
	LateRequest:     "the client was cut off, the request delivered late",
	BadGateway:      "502 with HTML in place of JSON",
	Unavailable:     "503 with Retry-After",
	TooMany:         "429 with Retry-After",
	Portal:          "a portal's HTML in place of JSON",
	PortalRedirect:  "redirected to a portal",
	Garbage:         "no HTTP at all",
	Redirect:        "redirected elsewhere",
	WrongType:       "the answer as text/html",
	GzipBomb:        "a gzip bomb",
	Huge:            "100 MB",
	Answer:          "answered in place of the server",
	Offline:         "offline",
	"upstream_down": "the upstream does not answer",
}

// String is one line.
func (n Note) String() string {
	client, server := n.ClientID, ""
	if client == "" {
		client = "-"
	}
	if n.Upstream != 0 {
		server = fmt.Sprintf("; the server had refused (%d)", n.Upstream)
	}
	if n.Committed {
		server = fmt.Sprintf("; the server had committed (%d)", n.Upstream)
	}
	path := strings.TrimSpace(n.Path + " " + n.Grant)
	return fmt.Sprintf("%s %s %s %s %s: %s, %s%s", n.At.Format("15:04:05.000"), n.From, client, n.Method, path, n.Did, words[n.Did], server)
}

// String says it to people.
func (s Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests; %d answers lost after the server had committed, %d delivered late, %d times HTML in place of JSON",
		s.Requests, s.LostCommitted, s.DeliveredLate, s.HTMLForJSON)
	names := make([]string, 0, len(s.Did))
	for did := range s.Did {
		names = append(names, string(did))
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "\n  %-16s %d", name, s.Did[Do(name)])
	}
	return b.String()
}
