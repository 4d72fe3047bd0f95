//go:build unix

package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// patience is how long something may take that should take a moment; the machine may be busy.
const patience = 60 * time.Second

// Process is a program under way, or one that was and can be started again.
type Process struct {
	Name string
	Log  string // the file that takes what it writes, through all its lives

	command []string
	env     []string // nil: ours
	as      *syscall.Credential
	orphan  syscall.Signal // what it gets when we die; SIGKILL if none is said

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

// starter runs what is handed to it on one thread that lives as long as the program: the kernel tells a child of its
// parent's death when the thread that made it is gone (prctl(2), PR_SET_PDEATHSIG).
var starter = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

// Start starts the program; it does not wait until that can do its work.
func (p *Process) Start(ctx context.Context) error {
	log, err := os.OpenFile(p.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), p.command[0], p.command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", p.env, log, log
	// A group of its own, so that Ctrl-C reaches us first and the order of stopping is ours.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as, Setpgid: true}
	dieWithParent(cmd.SysProcAttr, p.orphan)
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	exited := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.exited = cmd, exited
	p.mu.Unlock()
	go func() {
		_ = cmd.Wait() // how it ended stands in its log
		close(exited)
	}()
	return nil
}

// Exited is closed once the program that was started last has ended.
func (p *Process) Exited() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited == nil { // never started
		gone := make(chan struct{})
		close(gone)
		return gone
	}
	return p.exited
}

// Running reports whether the program is there, be it paused.
func (p *Process) Running() bool {
	select {
	case <-p.Exited():
		return false
	default:
		return true
	}
}

// PID is the process id of the program that was started last, or 0.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Signal sends a signal, such as SIGSTOP; to a program that has ended, none.
func (p *Process) Signal(s syscall.Signal) error {
	if !p.Running() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Kill is kill -9. It returns when the program is gone.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.Exited()
}

// End asks with a signal, a paused program too, and returns when it is gone. One that has not left within a minute is killed, which is
// an error.
func (p *Process) End(s syscall.Signal) error {
	if err := errors.Join(p.Signal(s), p.Signal(syscall.SIGCONT)); err != nil {
		return err
	}
	select {
	case <-p.Exited():
		return nil
	case <-time.After(patience):
		p.Kill()
		return fmt.Errorf("%s did not leave within %v of %v", p.Name, patience, s)
	}
}

// Text is what the program wrote.
func (p *Process) Text() string {
	text, _ := os.ReadFile(p.Log) // nothing yet
	return string(text)
}

// until waits for something to become true while the program lives.
func (p *Process) until(ctx context.Context, what string, ready func() bool) error {
	began := time.Now()
	for !ready() {
		select {
		case <-p.Exited():
			return fmt.Errorf("%s ended before %s:\n%s", p.Name, what, p.Text())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(began) > patience {
			return fmt.Errorf("%s: %s not within %v:\n%s", p.Name, what, patience, p.Text())
		}
	}
	return nil
}

// FreePorts are loopback ports that nobody listens on, below the range from which the kernel gives some to whoever calls out: a program
// that is started again finds its port free.
func FreePorts(n int) ([]string, error) {
	ports := make([]string, 0, n)
	for range 1000 {
		if len(ports) == n {
			return ports, nil
		}
		port := strconv.Itoa(20000 + rand.IntN(12000)) //nolint:gosec // no secret
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // all at the end, so that they differ
		ports = append(ports, port)
	}
	return nil, errors.New("there are no free ports on loopback")
}

// Unprivileged is who runs PostgreSQL when we are root, as which it refuses to run; nil when we aren't.
func Unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // nobody else
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		who, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	gid, alsoErr := strconv.ParseUint(who.Gid, 10, 32)
	if err := errors.Join(err, alsoErr); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
