package weather_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/weather"
)

// control starts a control address and returns a caller of it.
func control(t *testing.T, p *weather.Proxy) func(method, path, body string) (int, string) {
	t.Helper()
	site := httptest.NewServer(p.Control())
	t.Cleanup(site.Close)
	return func(method, path, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, site.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
}

func TestControl_doesWhatTheGoAPIDoes(t *testing.T) {
	t.Parallel()
	p, s := under(t, weather.Options{})
	call := control(t, p)
	for _, step := range []struct{ method, path, body string }{
		{"POST", "/faults", `{"path":"/oauth2/token","do":"drop_answer","times":1}`},
		{"POST", "/faults", `[{"grant":"refresh_token","do":"late_duplicate","after":3600},{"do":"too_many","after":1.5}]`},
	} {
		if status, text := call(step.method, step.path, step.body); status != http.StatusNoContent {
			t.Fatalf("%s: %d %s", step.body, status, text)
		}
	}
	if _, waiting := call("GET", "/faults", ""); strings.TrimSpace(waiting) != `[{"path":"/oauth2/token","do":"drop_answer","times":1},`+
		`{"grant":"refresh_token","do":"late_duplicate","times":1,"after":3600},{"do":"too_many","times":1,"after":1.5}]` {
		t.Errorf("waiting: %s", waiting)
	}
	if g := ask(t, t.Context(), p, "1"); !isReset(g) {
		t.Errorf("the first: %+v", g)
	}
	ask(t, t.Context(), p, "2")
	if status, _ := call("POST", "/deliver", ""); status != http.StatusNoContent || s.seen() != "1 2 2" {
		t.Errorf("deliver: %d, the server heard %s", status, s.seen())
	}
	call("DELETE", "/faults", "")
	if g := ask(t, t.Context(), p, "3"); g.body != good {
		t.Errorf("after the faults were cleared: %+v", g)
	}
	call("POST", "/offline", `{"seconds": 0}`)
	if g := ask(t, t.Context(), p, "4"); g.err == nil {
		t.Errorf("offline: %+v", g)
	}
	call("POST", "/online", "")
	if g := ask(t, t.Context(), p, "5"); g.body != good {
		t.Errorf("online: %+v", g)
	}
	if _, text := call("GET", "/summary", ""); !strings.Contains(text, `"answers_lost_after_commit":1`) {
		t.Errorf("summary: %s", text)
	}
	call("DELETE", "/log", "")
	if _, text := call("GET", "/log", ""); strings.TrimSpace(text) != "[]" {
		t.Errorf("the log was not cleared: %s", text)
	}
}

// Two tokens can be told apart by the log, and not used.
func TestControl_theLogTellsAllButSecrets(t *testing.T) {
	t.Parallel()
	p, _ := under(t, weather.Options{})
	call := control(t, p)
	for range 2 {
		r, err := http.NewRequest(http.MethodPost, p.URL()+"/oauth2/token?login_hint=ada@example.com",
			strings.NewReader("grant_type=refresh_token&client_id=notes&refresh_token=so-secret&client_secret=so-secret-too"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"DPoP so-secret"}, "Cookie": {"s=so-secret"},
			"Dpop": {"proof"}, "X-Own": {"so-secret"},
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	_, text := call("GET", "/log", "")
	for _, secret := range []string{"so-secret", "ada@"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log tells %s: %s", secret, text)
		}
	}
	var log []struct {
		ClientID   string `json:"client_id"`
		Path       string
		Form       map[string][]string
		Header     http.Header
		Committed  bool
		Answered   int
		Deliveries []struct{ Status int }
	}
	if err := json.Unmarshal([]byte(text), &log); err != nil || len(log) != 2 {
		t.Fatalf("%v: %s", err, text)
	}
	e := log[0]
	if e.ClientID != "notes" || e.Form["grant_type"][0] != "refresh_token" || !e.Committed || e.Answered != 200 || e.Deliveries[0].Status != 200 {
		t.Errorf("the log has %+v", e)
	}
	token := e.Form["refresh_token"][0]
	if !strings.HasPrefix(token, "sha256:") || e.Header.Get("Authorization") != "DPoP "+token || e.Header.Get("Dpop") != "proof" {
		t.Errorf("the log has %+v", e)
	}
	if log[1].Form["refresh_token"][0] != token || e.Form["client_secret"][0] == token {
		t.Errorf("tokens can't be told apart by %s", text)
	}
}

func TestControl_refusesWhatIsLongStrangeOrFromAPage(t *testing.T) {
	t.Parallel()
	p, _ := under(t, weather.Options{})
	call := control(t, p)
	for body, want := range map[string]int{
		`{"do":"explode"}`:                      http.StatusBadRequest,
		`{"do":"cut","tmes":2}`:                 http.StatusBadRequest,
		`{"do":"cut"}{"do":"cut"}`:              http.StatusBadRequest,
		`[]`:                                    http.StatusBadRequest,
		`{"do":"cut","after":1e300}`:            http.StatusBadRequest,
		`"cut"`:                                 http.StatusBadRequest,
		``:                                      http.StatusBadRequest,
		`[` + strings.Repeat(" ", 65_000) + `]`: http.StatusBadRequest,
		strings.Repeat(" ", 64<<10+1):           http.StatusRequestEntityTooLarge,
	} {
		if status, text := call("POST", "/faults", body); status != want || !strings.Contains(text, `"error"`) {
			t.Errorf("%.40q: %d %s", body, status, text)
		}
	}
	if status, _ := call("POST", "/offline", `{"seconds": -1}`); status != http.StatusBadRequest {
		t.Errorf("offline for -1 s: %d", status)
	}
	for name, change := range map[string]func(*http.Request){
		"a form":         func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"another page":   func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"a rebound name": func(r *http.Request) { r.Host = "evil.example:80" },
	} {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:9001/faults", strings.NewReader(`{"do":"cut"}`))
		r.Header.Set("Content-Type", "application/json")
		change(r)
		w := httptest.NewRecorder()
		p.Control().ServeHTTP(w, r)
		if w.Code != http.StatusForbidden && w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	for address, ok := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, ":1": false, "0.0.0.0:1": false, "10.0.0.1:1": false} {
		if err := weather.CheckControl(address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// Whatever is read can be said again, and is within the bounds.
func FuzzParseFaults(f *testing.F) {
	for _, seed := range []string{
		`{"path":"/oauth2/token","do":"drop_answer","times":1}`, `[{"do":"late_duplicate","after":2.5,"after_next":true}]`,
		`{"do":"redirect","to":"https://evil.example/"}`, `{"do":"cut","after":-1e308}`, `[{"do":"pass"},null]`, `{"do":"answer","status":400,"body":"{}"}`, `[[]]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		faults, err := weather.ParseFaults(text)
		if err != nil {
			return
		}
		for _, fault := range faults {
			if fault.After < 0 || fault.After > 24*time.Hour || fault.Times < 0 || fault.Times > 1000 {
				t.Fatalf("%s is read as %+v", text, fault)
			}
		}
		again, err := json.Marshal(faults)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := weather.ParseFaults(again); err != nil {
			t.Fatalf("%s, said as %s: %v", text, again, err)
		}
	})
}
