package contract

import (
	"bufio"
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
	Dir   string    `json:"dir"`
	Build []string  `json:"build"`
	Run   []string  `json:"run"`
	Crowd []string  `json:"crowd"` // the same for many devices in one process
	Notes notesSpec `json:"notes"`

	idle *idle
}

// idle are drivers that a scenario left well: another one opens its app there, as in a process that was started for it.
type idle struct {
	mu  sync.Mutex
	all []*driver
}

// take hands out one that waits, or starts one.
func (s driverSpec) take(t *testing.T, env ...string) *driver {
	t.Helper()
	s.idle.mu.Lock()
	defer s.idle.mu.Unlock()
	last := len(s.idle.all) - 1
	if last < 0 {
		return launch(t, s, env...)
	}
	d := s.idle.all[last]
	s.idle.all = s.idle.all[:last]
	d.begin(t)
	return d
}

// put takes a driver back whose app is closed.
func (i *idle) put(d *driver) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all = append(i.all, d)
}

// end ends those that wait.
func (i *idle) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, d := range i.all {
		d.kill()
	}
	i.all = nil
}

// notesSpec is how the program of a quickstart is built and run.
type notesSpec struct {
	Page  string   `json:"page"`
	File  string   `json:"file"` // that the page's program is written to; where it stands already, it is the page's
	Build []string `json:"build"`
	Run   []string `json:"run"`
}

// driverSpecs reads drivers.json.
func driverSpecs(t *testing.T) map[string]driverSpec {
	t.Helper()
	content, err := os.ReadFile("drivers.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]driverSpec
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// built builds the driver and returns its spec with $OUT filled in.
func (s driverSpec) built(t *testing.T) driverSpec {
	t.Helper()
	out := filepath.Join(t.TempDir(), "driver")
	fill := func(words []string) (filled []string) {
		for _, word := range words {
			filled = append(filled, strings.ReplaceAll(word, "$OUT", out))
		}
		return filled
	}
	s.Build, s.Run, s.Crowd = fill(s.Build), fill(s.Run), fill(s.Crowd)
	s.idle = &idle{}
	t.Cleanup(s.idle.end)
	s.Notes.Build, s.Notes.Run, s.Notes.File = fill(s.Notes.Build), fill(s.Notes.Run), fill([]string{s.Notes.File})[0]
	if len(s.Build) > 0 {
		build := exec.CommandContext(t.Context(), s.Build[0], s.Build[1:]...)
		build.Dir = s.Dir
		if said, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(s.Build, " "), err, said)
		}
	}
	return s
}

// reply is an answer or an event of a driver.
type reply struct {
	ID    int            `json:"id"`
	OK    map[string]any `json:"ok"`
	Error map[string]any `json:"error"`
	Event string         `json:"event"`
	data  map[string]any // of an event: all that it says
}

// driver is one process of an SDK.
type driver struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser

	mu      sync.Mutex
	changed *sync.Cond
	last    int
	answers map[int]reply
	events  []reply // not taken yet
	gone    bool
	spent   bool            // something in it stands still for ever
	said    strings.Builder // all lines, and what was for people
}

// startDriver starts one that ends with the test.
func startDriver(t *testing.T, s driverSpec, env ...string) *driver {
	t.Helper()
	d := launch(t, s, env...)
	t.Cleanup(d.kill)
	return d
}

// launch starts one that somebody kills.
func launch(t *testing.T, s driverSpec, env ...string) *driver {
	t.Helper()
	d := &driver{cmd: exec.Command(s.Run[0], s.Run[1:]...)}
	d.changed = sync.NewCond(&d.mu)
	d.cmd.Dir, d.cmd.Env, d.cmd.Stderr = s.Dir, append(os.Environ(), env...), (*people)(d)
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
	d.begin(t)
	go d.read(out)
	return d
}

// begin is the begin of a test's use of it: what was said before is over.
func (d *driver) begin(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.t, d.answers, d.events = t, map[int]reply{}, nil
	d.said.Reset()
	t.Cleanup(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.t == t && t.Failed() {
			t.Logf("the driver said:\n%s", d.said.String())
		}
	})
}

// leave closes the app and has the driver wait for another scenario, unless this one left something in it.
func (d *driver) leave(s driverSpec) {
	d.mu.Lock()
	spent := d.spent
	d.mu.Unlock()
	if !spent && !d.t.Failed() {
		id := d.send(map[string]any{"do": "close"})
		if d.until(patience, func() bool { _, there := d.answers[id]; return there }) {
			if r, _ := d.answered(id); r.Error == nil {
				s.idle.put(d)
				return
			}
			d.t.Error("its app can't be closed")
		}
	}
	d.kill()
}

// people is where a driver's standard error goes.
type people driver

// Write keeps what is for people.
func (w *people) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.Write(b)
}

func (d *driver) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		d.hear(lines.Bytes())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = true
	d.changed.Broadcast()
}

func (d *driver) hear(line []byte) {
	var r reply
	err := json.Unmarshal(line, &r)
	if err == nil && r.Event != "" {
		err = json.Unmarshal(line, &r.data)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said.Write(append(line, '\n'))
	switch {
	case err != nil:
		d.t.Errorf("the driver wrote %q: %v", line, err)
	case r.Event != "":
		d.events = append(d.events, r)
	default:
		d.answers[r.ID] = r
	}
	d.changed.Broadcast()
}

// send sends a command and returns its id.
func (d *driver) send(command map[string]any) int {
	d.t.Helper()
	d.mu.Lock()
	d.spent = d.spent || command["do"] == "pause"
	d.last++
	id := d.last
	d.mu.Unlock()
	line := map[string]any{"id": id}
	for name, value := range command {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	d.said.WriteString("> " + string(text) + "\n")
	d.mu.Unlock()
	if _, err := d.in.Write(append(text, '\n')); err != nil {
		d.t.Errorf("the driver takes no command: %v", err) // whoever waits for its answer gives up: this may be another test's goroutine
	}
	return id
}

// wait waits for the answer to a command.
func (d *driver) wait(id int) reply {
	d.t.Helper()
	var r reply
	if !d.until(patience, func() (found bool) { r, found = d.answers[id]; return found }) {
		d.t.Fatalf("no answer to command %d", id)
	}
	return r
}

// answered is the answer to a command, if it is there by now.
func (d *driver) answered(id int) (r reply, there bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, there = d.answers[id]
	return r, there
}

// event takes the first event of that name for which fits is true, and all before it; nil when none comes in time.
func (d *driver) event(name string, within time.Duration, fits func(map[string]any) bool) (found map[string]any) {
	d.until(within, func() bool {
		for i, e := range d.events {
			if e.Event == name && fits(e.data) {
				found, d.events = e.data, d.events[i+1:]
				return true
			}
		}
		return false
	})
	return found
}

// until waits until ready, which is called under the lock, says so, or the driver is gone.
func (d *driver) until(within time.Duration, ready func() bool) bool {
	over := false
	timer := time.AfterFunc(within, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		over = true
		d.changed.Broadcast()
	})
	defer timer.Stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	for !ready() {
		if over || d.gone {
			return false
		}
		d.changed.Wait()
	}
	return true
}

// kill is kill -9.
func (d *driver) kill() {
	d.mu.Lock()
	d.spent = true
	d.mu.Unlock()
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}
