package resource

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long the player waits for what should take a moment; the machine may be busy.
const patience = 4 * time.Minute

// driverSpec is how one language's driver is built and run. $OUT is a file for what is built.
type driverSpec struct {
	Dir   string   `json:"dir"`
	Build []string `json:"build"`
	Run   []string `json:"run"`
}

// read reads a file of this folder, strictly.
func read(t testing.TB, file string, to any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	strict := json.NewDecoder(bytes.NewReader(content))
	strict.DisallowUnknownFields()
	if err := strict.Decode(to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// built builds the driver and returns its spec with $OUT filled in.
func (s driverSpec) built(t testing.TB) driverSpec {
	t.Helper()
	out := filepath.Join(t.TempDir(), "driver")
	fill := func(words []string) (filled []string) {
		for _, word := range words {
			filled = append(filled, strings.ReplaceAll(word, "$OUT", out))
		}
		return filled
	}
	s.Build, s.Run = fill(s.Build), fill(s.Run)
	build := exec.CommandContext(t.Context(), s.Build[0], s.Build[1:]...)
	build.Dir = s.Dir
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(s.Build, " "), err, said)
	}
	return s
}

// reply is an answer of a driver.
type reply struct {
	ID    int            `json:"id"`
	OK    map[string]any `json:"ok"`
	Error map[string]any `json:"error"`
}

// driver is one process: an API over a library.
type driver struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	url string

	mu      sync.Mutex
	last    int
	waiting map[int]chan reply
	said    bytes.Buffer
}

func startDriver(t testing.TB, s driverSpec, env ...string) *driver {
	t.Helper()
	d := &driver{t: t, waiting: map[int]chan reply{}, cmd: exec.Command(s.Run[0], s.Run[1:]...)}
	d.cmd.Dir, d.cmd.Stderr, d.cmd.Env = s.Dir, d, append(os.Environ(), env...)
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go d.read(out)
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		if t.Failed() {
			t.Logf("the driver said:\n%s", &d.said)
		}
	})
	return d
}

// Write keeps what is for people.
func (d *driver) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said.Write(b)
}

func (d *driver) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var r reply
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			d.t.Errorf("the driver wrote %q: %v", lines.Text(), err)
			continue
		}
		d.mu.Lock()
		if answered := d.waiting[r.ID]; answered != nil {
			answered <- r
		}
		delete(d.waiting, r.ID)
		d.mu.Unlock()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, answered := range d.waiting {
		close(answered)
	}
	d.waiting = nil
}

// do has a command done, and returns its answer.
func (d *driver) do(what string, with map[string]any) map[string]any {
	d.t.Helper()
	answered := make(chan reply, 1)
	d.mu.Lock()
	d.last++
	line := map[string]any{"id": d.last, "do": what}
	if d.waiting != nil {
		d.waiting[d.last] = answered
	}
	d.mu.Unlock()
	for name, value := range with {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.in.Write(append(text, '\n')); err != nil {
		d.t.Fatalf("the driver takes no command: %v", err)
	}
	select {
	case r, ok := <-answered:
		if !ok || r.Error != nil {
			d.t.Fatalf("%s: %v", text, r.Error)
		}
		return r.OK
	case <-time.After(patience):
		d.t.Fatalf("no answer to %s; it says %v", text, what)
	}
	return nil
}
