package server

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

// journal is all that the servers of a world log. When the test ends, none of the secrets that it heard of may stand in it.
type journal struct {
	mu      sync.Mutex
	lines   bytes.Buffer
	secrets map[string]bool
	faults  bool // 5xx and panics are expected
}

// Write keeps a line.
func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.Write(line)
}

// hide says what must never be logged.
func (j *journal) hide(secrets ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.secrets == nil {
		j.secrets = map[string]bool{}
	}
	for _, s := range secrets {
		if len(s) >= 8 { // anything shorter stands somewhere by chance
			j.secrets[s] = true
		}
	}
}

// expectFaults is for tests that break something on purpose.
func (j *journal) expectFaults() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = true
}

// text is all that was logged.
func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.String()
}

// search looks for secrets in what somebody was told.
func (j *journal) search(t *testing.T, who, text string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for s := range j.secrets {
		if strings.Contains(text, s) {
			t.Errorf("%s the secret %q", who, s)
		}
	}
}

func (j *journal) check(t *testing.T) {
	text := j.text()
	j.search(t, "the log tells", text)
	j.mu.Lock()
	defer j.mu.Unlock()
	if strings.Contains(text, `"msg":"panic"`) {
		t.Error("a handler panicked")
	}
	for line := range strings.Lines(text) {
		wrong := strings.Contains(line, `"level":"ERROR"`) && !j.faults
		if wrong {
			t.Error("a fault was logged: ", line)
		} else if t.Failed() && !strings.Contains(line, `"status":200`) {
			t.Log(strings.TrimSpace(line))
		}
	}
}
