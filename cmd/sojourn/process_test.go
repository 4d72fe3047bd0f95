package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what should take a moment; the machine may be busy.
const patience = 4 * time.Minute

// process is a program under way.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *transcript // what it wrote, to both streams
	done chan error
}

// transcript is a buffer that may be read while it is written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs a program in dir with nothing in its environment but $PATH, $HOME and env, and stops it when the test ends.
func start(t *testing.T, dir string, env []string, command ...string) *process {
	t.Helper()
	return startWith(t, dir, env, nil, command...)
}

// startWith is start with something to read.
func startWith(t *testing.T, dir string, env []string, in io.Reader, command ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(command[0], command[1:]...), out: &transcript{}, done: make(chan error, 1)}
	p.cmd.Dir, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = dir, in, p.out, p.out
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() { p.kill() })
	return p
}

// command runs sojourn to its end with a line on the standard input.
func command(t *testing.T, dir string, env []string, input string, args ...string) {
	t.Helper()
	cmd := exec.Command("sojourn", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input+"\n")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sojourn %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	if p.t.Failed() {
		p.t.Logf("%s:\n%s", strings.Join(p.cmd.Args, " "), p.out)
	}
}

// stop asks politely and returns how the program ended.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.wait()
}

func (p *process) wait() error {
	select {
	case err := <-p.done:
		return err
	case <-time.After(patience):
		return errors.New("it does not end")
	}
}

// until waits for something to become true while the program lives.
func (p *process) until(what string, ready func() bool) {
	p.t.Helper()
	for began := time.Now(); !ready(); time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-p.done:
			p.t.Fatalf("%s: the program ended: %v", what, err)
		default:
		}
		if time.Since(began) > patience {
			p.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// says waits for text among what the program wrote.
func (p *process) says(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%q", text), func() bool { return strings.Contains(p.out.String(), text) })
}

// Ports are given out one after the other from a random one. They lie below those that the kernel hands out for connections, one of which would
// otherwise have taken a port before its server did.
var (
	firstPort = 12_000 + rand.IntN(16_000)
	givenOut  atomic.Int32
)

// freePorts returns ports that nobody listened on a moment ago, and that nobody else here gets.
func freePorts(t *testing.T, n int) (ports []string) {
	t.Helper()
	for len(ports) < n {
		port := strconv.Itoa(firstPort + int(givenOut.Add(1)))
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		ports = append(ports, port)
	}
	return ports
}

// statusOf is the status of a GET, or 0.
func statusOf(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}
