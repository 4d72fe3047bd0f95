package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWeather_printsWhatItDid asks `sojourn weather` for faults at its control address and interrupts it.
func TestWeather_printsWhatItDid(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	t.Cleanup(site.Close)
	for _, flags := range [][]string{nil, {"--json"}} {
		ports := freePorts(t, 2)
		listen, control := "localhost:"+ports[0], "127.0.0.1:"+ports[1]
		p := start(t, t.TempDir(), nil, append([]string{
			"sojourn", "weather", "--listen", listen, "--control", control, "--upstream", site.URL,
		}, flags...)...)
		p.says("weather at http://" + listen)
		resp, err := http.Post("http://"+control+"/faults", "application/json",
			strings.NewReader(`{"path": "/oauth2/token", "do": "drop_answer"}`))
		if err != nil || resp.StatusCode != http.StatusNoContent {
			t.Fatal(err, resp)
		}
		resp.Body.Close()
		for i, want := range []int{0, http.StatusOK} {
			got := 0
			resp, err := http.Post("http://"+listen+"/oauth2/token", "application/x-www-form-urlencoded",
				strings.NewReader("grant_type=refresh_token&client_id=notes&refresh_token=so-secret"))
			if err == nil {
				got = resp.StatusCode
				resp.Body.Close()
			}
			if got != want {
				t.Errorf("request %d was answered %d", i, got)
			}
		}
		if err := p.stop(); err != nil {
			t.Error("it did not stop well:", err)
		}
		if flags == nil {
			inWords(t, p.out.String())
		} else {
			inJSON(t, p.out.String())
		}
		if strings.Contains(p.out.String(), "so-secret") {
			t.Errorf("it told a token: %s", p.out)
		}
	}
}

func inWords(t *testing.T, said string) {
	t.Helper()
	for _, want := range []string{
		" notes POST /oauth2/token refresh_token: drop_answer, the answer was lost; the server had committed (200)\n",
		"2 requests; 1 answers lost after the server had committed, 0 delivered late, 0 times HTML in place of JSON\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

func inJSON(t *testing.T, said string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(said), "\n")
	var note struct {
		Did       string
		Path      string
		ClientID  string `json:"client_id"`
		Committed bool
	}
	var sums struct {
		Summary struct {
			Lost int `json:"answers_lost_after_commit"`
		}
	}
	if len(lines) != 3 || json.Unmarshal([]byte(lines[1]), &note) != nil || json.Unmarshal([]byte(lines[2]), &sums) != nil {
		t.Fatalf("it says\n%s", said)
	}
	if note.Did != "drop_answer" || note.Path != "/oauth2/token" || note.ClientID != "notes" || !note.Committed || sums.Summary.Lost != 1 {
		t.Errorf("it says\n%s", said)
	}
}
