package bench

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// process is a server under measurement.
type process struct {
	pid     int
	base    string        // where it listens
	metrics string        // where its Go runtime tells what it allocated
	cold    time.Duration // from its start to its first healthy answer
}

// startSojourn runs `sojourn serve` on a migrated database, with settings of the caller's own.
func startSojourn(b testing.TB, dsn string, settings ...string) process {
	b.Helper()
	listen, admin := freePort(b), freePort(b)
	return start(b, process{base: "http://" + listen, metrics: "http://" + admin + "/metrics"}, "http://"+admin+"/healthz",
		exec.CommandContext(b.Context(), program, "serve"), append([]string{
			"SOJOURN_ISSUER=http://" + listen, "SOJOURN_LISTEN=" + listen, "SOJOURN_ADMIN_LISTEN=" + admin,
			"SOJOURN_DATABASE=" + dsn, "SOJOURN_SECRET=" + base64.StdEncoding.EncodeToString(storagetest.Root()),
		}, settings...))
}

// startFloor runs the floor on a migrated database, with commits that are async or strict.
func startFloor(b testing.TB, dsn, durability string) process {
	b.Helper()
	listen := freePort(b)
	return start(b, process{base: "http://" + listen, metrics: "http://" + listen + "/metrics"}, "http://"+listen+"/metrics",
		exec.CommandContext(b.Context(), os.Args[0]), []string{
			floorRole + "=" + listen, "SOJOURN_DATABASE=" + dsn, "SOJOURN_REFRESH_DURABILITY=" + durability,
		})
}

func start(b testing.TB, p process, health string, cmd *exec.Cmd, env []string) process {
	b.Helper()
	log, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), log, log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
	})
	for !healthy(b, health) {
		if time.Since(began) > 20*time.Second {
			said, _ := os.ReadFile(log.Name())
			b.Fatalf("no answer from %s:\n%s", health, said)
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.pid, p.cold = cmd.Process.Pid, time.Since(began)
	return p
}

func healthy(b testing.TB, url string) bool {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func freePort(b testing.TB) string {
	b.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// cpu is the processor time that the process has used, in all its threads.
func (p process) cpu(b testing.TB) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		b.Skip("processor time is read from /proc: ", err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	ticks := 0
	for _, f := range fields[11:13] { // utime and stime of proc(5), in hundredths of a second
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// resident is the process's memory in bytes.
func (p process) resident(b testing.TB) int {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		b.Skip("memory is read from /proc: ", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return kib << 10
}

// mallocs is how many objects the process has allocated so far.
func (p process) mallocs(b testing.TB) float64 {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, p.metrics, nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatal("no go_memstats_mallocs_total at ", p.metrics)
	return 0
}
