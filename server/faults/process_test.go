package faults

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-auth/sojourn/storage/storagetest"
	"github.com/sojourn-auth/sojourn/test/cluster"
)

// process is `sojourn serve` under way, on addresses that it keeps when it is started again.
type process struct {
	t      *testing.T
	base   string // of its public side
	admin  string
	env    []string
	log    transcript
	cmd    *exec.Cmd
	exited chan struct{}
}

// transcript is a buffer that may be read while it is written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps what comes.
func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is all that came so far.
func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve migrates a database and starts the server on it. Settings are NAME=value, without SOJOURN_.
func serve(t *testing.T, dsn string, settings ...string) *process {
	t.Helper()
	ports, err := cluster.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	listen, admin := "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1]
	p := &process{t: t, base: "http://" + listen, admin: "http://" + admin, env: os.Environ()}
	for _, s := range append(settings, "ISSUER="+p.base, "LISTEN="+listen, "ADMIN_LISTEN="+admin, "DATABASE="+dsn,
		"SECRET="+base64.StdEncoding.EncodeToString(storagetest.Root()), "LOG_LEVEL=warn") {
		p.env = append(p.env, "SOJOURN_"+s)
	}
	p.command("migrate")
	p.start()
	t.Cleanup(p.kill)
	return p
}

// command runs sojourn to its end, with the server's settings, and returns what it said.
func (p *process) command(args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), program, args...)
	cmd.Env, cmd.Stdin = p.env, strings.NewReader("another long password\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("sojourn %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// start starts the server and waits until it can do its work.
func (p *process) start() {
	p.t.Helper()
	p.cmd, p.exited = exec.CommandContext(context.Background(), program, "serve"), make(chan struct{})
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(p.cmd, p.exited)
	p.ready()
}

func (p *process) ready() {
	p.t.Helper()
	wait(p.t, "the server is ready", func() bool {
		select {
		case <-p.exited:
			p.t.Fatalf("the server ended:\n%s", &p.log)
		default:
		}
		return p.get("/readyz") == "ready\n"
	})
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// get is what the admin side answers, or nothing.
func (p *process) get(path string) string {
	resp, err := client.Get(p.admin + path)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// rolledForward is how many Sessions the server found to be ahead of the database since it was started.
func (p *process) rolledForward() int {
	p.t.Helper()
	const name = `sojourn_sessions_rolled_forward_total{announced="false"} `
	_, rest, found := strings.Cut(p.get("/metrics"), name)
	if !found { // a label is not there before it is counted
		return 0
	}
	text, _, _ := strings.Cut(rest, "\n")
	count, err := strconv.Atoi(text)
	if err != nil {
		p.t.Fatal(err)
	}
	return count
}
