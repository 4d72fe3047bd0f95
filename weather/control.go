package weather

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// maxControl bounds what the control address reads, in bytes.
const maxControl = 64 << 10

// Control does over HTTP what Next, Clear, Offline, Online, Deliver and Log do, for tests in other languages. Serve it on
// loopback alone (CheckControl): whoever reaches it rules over the app's network. No secret leaves by it: of tokens, codes
// and the like the log holds digests, by which two can be told apart and no more.
func (p *Proxy) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { say(w, p.queue.waiting()) })
	mux.HandleFunc("POST /faults", p.postFaults)
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) { p.Clear(); w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /log", p.getLog)
	mux.HandleFunc("DELETE /log", func(w http.ResponseWriter, _ *http.Request) { p.ClearLog(); w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /summary", func(w http.ResponseWriter, _ *http.Request) { say(w, p.Summary()) })
	mux.HandleFunc("POST /offline", p.postOffline)
	mux.HandleFunc("POST /online", p.postOnline)
	mux.HandleFunc("POST /deliver", func(w http.ResponseWriter, _ *http.Request) { p.Deliver(); w.WriteHeader(http.StatusNoContent) })
	// A page in the developer's browser reaches loopback too, by its name or by one that leads there.
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(host) {
			refuse(w, http.StatusForbidden, "the control address is called by its loopback name")
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// CheckControl says what is wrong with an address for Control to be served at.
func CheckControl(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if !isLoopback(host) {
		return errors.New("on loopback alone, such as 127.0.0.1:9001: who reaches it rules over the app's network")
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func say(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, problem string) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": problem})
}

// body reads a small body of JSON.
func body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != jsonType {
		refuse(w, http.StatusUnsupportedMediaType, "Content-Type: application/json")
		return nil, false
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControl))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "at most 65,536 bytes")
		return nil, false
	}
	return text, true
}

func (p *Proxy) postFaults(w http.ResponseWriter, r *http.Request) {
	text, ok := body(w, r)
	if !ok {
		return
	}
	faults, err := ParseFaults(text)
	if err == nil {
		err = p.Next(faults...)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *Proxy) postOffline(w http.ResponseWriter, r *http.Request) {
	text, ok := body(w, r)
	if !ok {
		return
	}
	var asked struct {
		Seconds float64 `json:"seconds"` // 0: until online
	}
	if err := json.Unmarshal(text, &asked); err != nil || !(asked.Seconds >= 0 && asked.Seconds <= maxAfter.Seconds()) {
		refuse(w, http.StatusBadRequest, `{"seconds": 5}, at most 86400; 0: until online`)
		return
	}
	p.Offline(time.Duration(asked.Seconds * float64(time.Second)))
	w.WriteHeader(http.StatusNoContent)
}

func (p *Proxy) postOnline(w http.ResponseWriter, _ *http.Request) {
	if err := p.Online(); err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// exchangeJSON is an Exchange without its secrets.
type exchangeJSON struct {
	N          int            `json:"n"`
	At         time.Time      `json:"time"`
	From       string         `json:"from"`
	Device     string         `json:"device"`
	ClientID   string         `json:"client_id,omitempty"`
	Method     string         `json:"method"`
	Path       string         `json:"path"`
	Query      url.Values     `json:"query,omitempty"`
	Header     http.Header    `json:"header"`
	Form       url.Values     `json:"form,omitempty"`
	Did        Do             `json:"did"`
	Deliveries []deliveryJSON `json:"deliveries"`
	Committed  bool           `json:"committed"`
	Answered   int            `json:"answered"`
}

type deliveryJSON struct {
	At        time.Time `json:"time"`
	Status    int       `json:"status"`
	Committed bool      `json:"committed"`
	Late      bool      `json:"late"`
}

func (p *Proxy) getLog(w http.ResponseWriter, _ *http.Request) {
	log := p.Log()
	all := make([]exchangeJSON, len(log))
	for i, e := range log {
		all[i] = exchangeJSON{
			N: e.N, At: e.At, From: e.From, Device: e.Device, ClientID: e.ClientID, Method: e.Method, Path: e.Path,
			Query: digested(e.Query, plainFields), Header: digested(e.Header, plainHeaders), Form: digested(e.Form, plainFields),
			Did: e.Did, Deliveries: make([]deliveryJSON, len(e.Deliveries)), Committed: e.Committed(), Answered: e.Answered,
		}
		for k, d := range e.Deliveries {
			all[i].Deliveries[k] = deliveryJSON(d)
		}
	}
	say(w, all)
}

// plainFields are told as they are; all else might be a secret. plainHeaders likewise: a DPoP proof counts once, for its request.
var (
	plainFields = set("client_id", "grant_type", "scope", "redirect_uri", "resource", "response_type", "code_challenge",
		"code_challenge_method", "prompt", "max_age", "state", "nonce", "token_type_hint", "device_name", "device_model",
		"app_version", "install_id")
	plainHeaders = set("Accept", "Accept-Encoding", "Accept-Language", "Content-Length", "Content-Type", "Dpop", "If-Match",
		"If-None-Match", "Last-Event-Id", "Origin", "Retry-After", "User-Agent", "Weather-Device")
)

func set(names ...string) map[string]bool {
	all := map[string]bool{}
	for _, name := range names {
		all[name] = true
	}
	return all
}

// digested are values with what may be a secret as its digest. A scheme before it stays (Authorization: DPoP …).
func digested(values map[string][]string, plain map[string]bool) map[string][]string {
	shown := make(map[string][]string, len(values))
	for name, all := range values {
		for _, value := range all {
			if !plain[name] {
				value = digest(name, value)
			}
			shown[name] = append(shown[name], value)
		}
	}
	return shown
}

func digest(name, value string) string {
	scheme := ""
	if before, after, ok := strings.Cut(value, " "); ok && name == "Authorization" {
		scheme, value = before+" ", after
	}
	sum := sha256.Sum256([]byte(value))
	return scheme + "sha256:" + hex.EncodeToString(sum[:8])
}
